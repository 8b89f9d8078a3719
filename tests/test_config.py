"""The configuration: defaults, every kind of mistake, and the commented file beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cicswitch.config import Config, check, load, parse_endpoint
from cicswitch.core.errors import ConfigError
from cicswitch.runtime.place import Postgres

ROOT = Path(__file__).parent.parent
S = "a secret that is long enough"
PLAN = '[[route]]\ncalled = "1"\nflow = "a"\n[[flow.a]]\ndo = "answer"\n'


def findings(folder: Path, text: str, plan: str = PLAN) -> list[str]:
    (folder / "plan.toml").write_text(plan)
    file = folder / "c.toml"
    file.write_text(f'dialplans = ["plan.toml"]\n{text}')
    return [str(finding).replace(f"{folder}/", "") for finding in check(file, {})]


def test_the_commented_file_says_the_defaults() -> None:
    shipped, plain = load(ROOT / "cicswitch.toml"), Config()
    for name in ("listen", "sip", "media", "recording", "codes", "features", "http", "store"):
        assert getattr(shipped, name) == getattr(plain, name), name
    assert shipped.logging == plain.logging
    assert (shipped.control, shipped.dialplans) == (plain.control, plain.dialplans)
    assert shipped.queue["support"].reject_pause_s == 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '[listen]\nsip = ["udp:localhost:5060"]',
            'c.toml:3: listen.sip[0]: found "udp:localhost:5060", expected an IP address with a'
            ' port, like "udp:127.0.0.1:5060"',
        ),
        (
            '[listen]\nsip = ["udp:127.0.0.1:99999"]',
            'c.toml:3: listen.sip[0]: found "udp:127.0.0.1:99999", expected a port from 0 to 65535,'
            ' like "udp:127.0.0.1:5060"',
        ),
        (
            '[queue.a]\nselect = "longest_idle"',
            'c.toml:3: queue.a.select: found "longest_idle", expected one of "fewest-answered",'
            ' "least-occupied", "least-skilled", "longest-idle",'
            ' "most-skilled", "round-robin", "weighted" (did you mean "longest-idle"?)',
        ),
        (
            '[device.1]\npassword = "x"\n[agent.a]\ndevice = "2"',
            'c.toml:5: agent.a.device: found "2", expected a device (1)',
        ),
        (
            '[skills]\nkorean = ""\n[queue.a]\nskills = { koraen = 5 }',
            'c.toml:5: queue.a.skills.koraen: found "koraen", expected a skill (korean)'
            ' (did you mean "korean"?)',
        ),
        (
            '[device.1]\npassword = "env:NOT_SET"',
            'c.toml:3: device.1.password: found "env:NOT_SET", expected the environment variable'
            " NOT_SET to be set",
        ),
        (
            '[trunk.a]\naddress = "udp:192.0.2.1:5060"\nregister = true',
            "c.toml:4: trunk.a.register: found true, expected username and password beside it to"
            " register",
        ),
        *(
            (
                f'[trunk.a]\naddress = "{address}"',
                f'c.toml:3: trunk.a.address: found "{address}", expected an IP address or a host'
                " name with a port",
            )
            for address in ("udp:192.0.2.300:5060", "tcp:-pbx.example", "a..b", "pbx:x", "a b")
        ),
        (
            '[features]\nsign_in = "*72"',
            'c.toml:2: features.sign_out: found "*72" twice, expected a code for each feature',
        ),
        (
            '[media]\nports = "5-4"',
            'c.toml:3: media.ports: found "5-4", expected a range, like "16384-32767"',
        ),
        (
            "plan = 1",
            'c.toml:2: plan: found unknown key "plan", expected a key that is known here',
        ),
    ],
)
def test_a_mistake_names_line_key_found_and_expected(
    tmp_path: Path, text: str, expected: str
) -> None:
    assert findings(tmp_path, text) == [expected]


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (
            '[[route]]\ncalled = "_1[5-2]"\nflow = "a"\n[[flow.a]]\ndo = "answer"',
            'plan.toml:2: route[0].called: found "_1[5-2]", expected a range that goes up,'
            " like [2-5]",
        ),
        (
            '[[flow.a]]\ndo = "anser"',
            'plan.toml:2: flow.a[0].do: found "anser", expected one of answer, play, say, menu,'
            " collect, set, if, queue, callback, dial, fax, voicemail, transfer, hangup, python"
            ' (did you mean "answer"?)',
        ),
        (
            '[[flow.a]]\ndo = "answer"\nnext = "b"\n[[flow.bb]]\ndo = "answer"',
            'plan.toml:3: flow.a[0].next: found "b", expected a step of this flow, or a flow'
            ' (a, bb) (did you mean "bb"?)',
        ),
        (
            '[[flow.a]]\ndo = "queue"\nqueue = "supprt"',
            'plan.toml:3: flow.a[0].queue: found "supprt", expected a queue (support)'
            ' (did you mean "support"?)',
        ),
        (
            '[[flow.a]]\ndo = "say"\ntext = "{calller}"',
            'plan.toml:3: flow.a[0].text: found "calller", expected a variable that is set (called,'
            " caller, caller_name, customer_id, customer_language, customer_name, language,"
            ' last_agent …) (did you mean "caller"?)',
        ),
        (
            '[hours.a]\nopen = ["mon-fri 9-17"]\n[[flow.a]]\ndo = "answer"',
            'plan.toml:2: hours.a.open[0]: found "mon-fri 9-17", expected an interval,'
            ' like "09:00-18:00"',
        ),
        (
            '[[flow.a]]\ndo = "menu"\nchoices = { 1 = "x" }',
            'plan.toml:3: flow.a[0].choices.1: found "x", expected a step of this flow, or a flow'
            " (a)",
        ),
        (
            '[[flow.a]]\ndo = "fax"',
            "plan.toml:1: flow.a[0].channel: found 0 channels of type fax, expected one, or its"
            " name here",
        ),
        (
            '[[route]]\nflow = "a"\nfax = "aa"\n[[flow.a]]\ndo = "answer"',
            'plan.toml:3: route[0].fax: found "aa", expected a flow of this file (a)'
            ' (did you mean "a"?)',
        ),
    ],
)
def test_a_mistake_in_a_dialplan_is_found_beside_its_line(
    tmp_path: Path, plan: str, expected: str
) -> None:
    assert findings(tmp_path, "[queue.support]\n", plan) == [expected]


def test_all_files_are_checked_in_one_go(tmp_path: Path) -> None:
    found = findings(tmp_path, "[sip]\nmax_calls = 0\n", '[[flow.a]]\ndo = "no"\n')
    assert [line.partition(":")[0] for line in found] == ["c.toml", "plan.toml"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("pbx", "udp:pbx:5060"),
        ("tcp:PBX-1.Example.COM:5070", "tcp:pbx-1.example.com:5070"),
        ("sip_1.example.org.", "udp:sip_1.example.org.:5060"),
        ("udp:192.0.2.1:5070", "udp:192.0.2.1:5070"),
        ("tcp:[2001:db8::1]", "tcp:[2001:db8::1]:5060"),
    ],
)
def test_a_trunk_may_be_named(tmp_path: Path, text: str, shown: str) -> None:
    assert findings(tmp_path, f'[trunk.a]\naddress = "{text}"') == []
    config = load(tmp_path / "c.toml", {})
    assert str(config.trunk["a"].endpoint()) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("udp:127.0.0.1:5070", "udp:127.0.0.1:5070"),
        ("127.0.0.1", "udp:127.0.0.1:5060"),
        ("tcp:[::1]:5062", "tcp:[::1]:5062"),
        ("::1", "udp:[::1]:5060"),
        ("tcp:0.0.0.0", "tcp:0.0.0.0:5060"),
    ],
)
def test_endpoints_may_leave_out_transport_and_port(text: str, shown: str) -> None:
    assert str(parse_endpoint(text, ("udp", "tcp"), 5060)) == shown


def test_a_pattern_of_dialplans_may_be_absolute(tmp_path: Path) -> None:
    plans, other = tmp_path / "plans", tmp_path / "other"
    for folder in (plans, other):
        folder.mkdir()
    (plans / "a.toml").write_text(
        '[[route]]\ncalled = "1"\nflow = "f"\n[[flow.f]]\ndo = "hangup"\n'
    )
    file = other / "cicswitch.toml"
    file.write_text(f'dialplans = ["{plans}/*.toml"]\n')
    plan = load(file).plan
    assert plan is not None
    assert [route.called for route, _ in plan.routes] == ["1"]
    file.write_text(f'dialplans = ["{plans}/b.toml", "{plans}/c*.toml"]\n')
    with pytest.raises(ConfigError) as wrong:
        load(file)
    assert [finding.key for finding in wrong.value.findings] == ["dialplans[0]", "dialplans[1]"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '[[webhooks]]\nname = "a"\nurl = "ftp://x"\nsecret = "' + S + '"',
            'c.toml:4: webhooks[0].url: found "ftp://x", expected http or https, a host',
        ),
        (
            '[[webhooks]]\nname = "a"\nurl = "https://kim:x@y"\nsecret = "' + S + '"',
            "expected http or https, a host, no name",
        ),
        (
            '[[webhooks]]\nname = "a"\nurl = "https://x:99999"\nsecret = "' + S + '"',
            "c.toml:4: webhooks[0].url",
        ),
        (
            '[channel.web]\ntype = "chat"\n[widget.a]\nchat = "web"\nsecret = "short"',
            "c.toml:6: widget.a.secret: found another, expected a secret of 24 bytes or more",
        ),
        (
            '[[webhooks]]\nname = "a"\nurl = "https://x"\nsecret = "short"',
            "c.toml:5: webhooks[0].secret: found another, expected a secret of 24 bytes or more",
        ),
        (
            '[[webhooks]]\nname = "../a"\nurl = "https://x"\nsecret = "' + S + '"',
            "c.toml:3: webhooks[0].name: ",
        ),
        (
            '[[webhooks]]\nname = "a"\nurl = "https://x"\nsecret = "'
            + S
            + '"\n[[webhooks]]\nname = "a"\nurl = "https://x"\nsecret = "'
            + S
            + '"\n',
            'c.toml:7: webhooks[1].name: found "a" twice, expected a name for each webhook',
        ),
        (
            '[[webhooks]]\nname = "a"\nurl = "https://x"\nsecret = "'
            + S
            + '"\nevents = ["AgentChange"]',
            'c.toml:6: webhooks[0].events[0]: found "AgentChange", expected a kind of event',
        ),
        (
            '[[webhooks]]\nname = "a"\nurl = "https://x"\nsecret = "' + S + '"\nqueues = ["x"]',
            'c.toml:6: webhooks[0].queues[0]: found "x", expected a queue',
        ),
        (
            '[[webhooks]]\nname = "a"\nurl = "https://x"\nsecret = "' + S + '"\nagents = ["x"]',
            'c.toml:6: webhooks[0].agents[0]: found "x", expected an agent',
        ),
        (
            '[[webhooks]]\nname = "a"\nurl = "https://x"\nsecret = "' + S + '"\nretry_s = 500',
            "webhooks[0].retry_max_s: found 300, expected retry_s or more",
        ),
    ],
)
def test_a_mistake_in_a_webhook_is_told_with_its_place(
    tmp_path: Path, text: str, expected: str
) -> None:
    (found,) = findings(tmp_path, text)
    assert expected in found


LIKE = 'expected like "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"'


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("mysql://cic:s3cret@db/cic", "a URL that does not begin with postgresql://"),
        ("cic.db", "a URL that does not begin with postgresql://"),
        ("postgresql://cic:s3cret@db", "a URL without the name of one database"),
        ("postgresql://cic:s3cret@db/a/b", "a URL without the name of one database"),
        ("postgresql:///cic", "a URL without a host"),
        (
            "postgresql://cic:s3cret@db:x/cic",
            "a URL that cannot be read (a port is a number; in a password @ is %40, : %3A)",
        ),
        (
            "postgresql://cic:s3#cret@db/cic",
            "a URL that cannot be read (a port is a number; in a password @ is %40, : %3A)",
        ),
        (
            "postgresql://db/cic?sslmode=maybe",
            "an sslmode that is none of disable, allow, prefer, require, verify-ca, verify-full",
        ),
        (
            "postgresql://db/cic?synchronous_commit=off",
            '"synchronous_commit" behind the ?, where'
            " only sslmode, sslrootcert, sslcert, sslkey, sslcrl, host count",
        ),
    ],
)
def test_a_mistake_in_the_stores_url_is_told_without_its_password(
    tmp_path: Path, url: str, found: str
) -> None:
    for text, line in ((f'[store]\nurl = "{url}"', 3), (f'store = "{url}"', 2)):
        (one,) = findings(tmp_path, text)
        assert one == f"c.toml:{line}: store.url: found {found}, {LIKE}"
        assert "s3" not in one


def test_a_store_is_a_file_or_a_database_in_its_short_or_long_form(tmp_path: Path) -> None:
    url = "postgresql://cic:s3cret%2F@db.example:5433/calls"
    (tmp_path / "store.url").write_text(url + "\n")
    for text in (
        f'store = "{url}"',
        'store = "env:STORE"',
        'store = "file:store.url"',
        f'[store]\nurl = "{url}"\npath = "x.db"',
        '[store]\nurl = "env:STORE"',
    ):
        (tmp_path / "c.toml").write_text(f"dialplans = []\n{text}\n")
        config = load(tmp_path / "c.toml", {"STORE": url})
        place = config.store_place()
        assert isinstance(place, Postgres)
        assert place.reveal() == url
        assert f"{place} {place!r} {config!r}".count("s3cret") == 0
        assert str(place) == "postgresql://cic@db.example:5433/calls"
    (tmp_path / "c.toml").write_text("dialplans = []\n")
    assert load(tmp_path / "c.toml").store_place() == tmp_path / "var" / "cicswitch.db"
    (tmp_path / "c.toml").write_text('dialplans = []\nstore = "env:STORE"\n')
    assert [each.found for each in check(tmp_path / "c.toml", {"STORE": ""})] == ["nothing"]


def test_a_webhook_takes_its_secret_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(PLAN)
    (tmp_path / "crm.secret").write_text("whsec_Y2ljc3dpdGNoLWV4YW1wbGUtc2VjcmV0LTEyMzQ=\n")
    file = tmp_path / "c.toml"
    lines = '[[webhooks]]\nname = "a"\nurl = "https://x"\nsecret = "file:crm.secret"\n'
    file.write_text(f'dialplans = ["plan.toml"]\n{lines}')
    (hook,) = load(file).webhooks
    assert hook.secret.reveal().startswith("whsec_")
    assert "whsec" not in repr(hook)
