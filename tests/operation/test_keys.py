"""Each key of the configuration changes what the switch does.

Keys whose effect other tests show are named in `ELSEWHERE` with the test; a key that is in neither
place fails `test_no_key_is_without_a_test`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec.inspect as mi
import pytest

from cicswitch.acd import events as acd_events
from cicswitch.api.snapshot import snapshot
from cicswitch.calls import events as ev
from cicswitch.config import Config
from cicswitch.core.ids import Tokens
from cicswitch.sip.auth import Credentials, authorization
from cicswitch.store.sqlite import SqliteDatabase
from tests.operation.test_daemon import configure, running
from tests.support import center as support
from tests.support.center import Center, center
from tests.support.phone import phone
from tests.support.ports import free_port
from tests.support.wire import Wire, header, wire

PLAN = """
[[route]]
called = "5000"
flow = "queue"
[[flow.queue]]
do = "queue"
queue = "q"
[[flow.queue]]
do = "hangup"
reason = "busy"
[[route]]
called = "5001"
flow = "box"
[[flow.box]]
do = "voicemail"
box = "main"
[[route]]
called = "_+X."
flow = "dial"
[[route]]
called = "_X."
flow = "dial"
[[flow.dial]]
do = "dial"
to = "far:{called}"
"""


class Parties(NamedTuple):
    c: Center
    near: Wire
    far: Wire


@contextlib.asynccontextmanager
async def parties(
    folder: Path, *, near: str = "", far: str = "", extra: str = ""
) -> AsyncIterator[Parties]:
    """A switch between two trunks; `near` and `far` are further keys of theirs."""
    a, b = free_port(), free_port()
    keys = (
        f'[trunk.near]\naddress = "udp:127.0.0.2:{a}"\noptions_s = 0\n{near}\n'
        f'[trunk.far]\naddress = "udp:127.0.0.3:{b}"\noptions_s = 0\n{far}\n{extra}'
    )
    if "[queue.q]" not in keys:
        keys += "\n[queue.q]\n"
    async with (
        center(folder, extra=keys, plan=PLAN) as c,
        wire("127.0.0.2", c.port, a) as one,
        wire("127.0.0.3", c.port, b) as two,
    ):
        yield Parties(c, one, two)


# -- what is said on the wire --------------------------------------------------------------------


class Case(NamedTuple):
    """Keys of the trunks, of the sections that tests have anyway, and of others."""

    expected: str
    near: str = ""
    far: str = ""
    extra: str = ""
    section: tuple[str, str] = ("", "")
    number: str = "4711"


SAID = {
    "sip.user_agent": Case(r"\nUser-Agent: acme 7\n", extra='[sip]\nuser_agent = "acme 7"'),
    "trunk.from_domain": Case(r"\nFrom:.*@acme\.example>", far='from_domain = "acme.example"'),
    "trunk.prefix": Case(r"^INVITE sip:94711@", far='prefix = "9"'),
    "trunk.strip": Case(r"^INVITE sip:11@", far='strip = "47"'),
    "trunk.inbound_prefix": Case(r"^INVITE sip:84711@", near='inbound_prefix = "8"'),
    "trunk.inbound_strip": Case(r"^INVITE sip:11@", near='inbound_strip = "47"'),
    "trunk.country": Case(
        r"^INVITE sip:\+82212345678@", near='country = "KR"', number="0212345678"
    ),
    "trunk.codecs": Case(r"\nm=audio \d+ RTP/AVP 8 101", far='codecs = ["PCMA"]'),
    "media.codecs": Case(r"\nm=audio \d+ RTP/AVP 8 101", section=("media", 'codecs = ["PCMA"]')),
    "media.host": Case(r"\nc=IN IP4 127\.0\.0\.8\n", section=("media", 'host = "127.0.0.8"')),
    "media.ports": Case(r"\nm=audio 92\d\d ", section=("media", 'ports = "9222-9299"')),
    "listen.advertise, Via": Case(
        r"\nVia: .* 127\.0\.0\.77:", section=("listen", 'advertise = "127.0.0.77"')
    ),
    "listen.advertise, SDP": Case(
        r"\nc=IN IP4 127\.0\.0\.77\n", section=("listen", 'advertise = "127.0.0.77"')
    ),
}


@pytest.fixture
def section(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Put lines into a section that the configuration of tests has already."""

    def put(name: str, lines: str) -> None:
        template = support.CONFIG
        for line in lines.splitlines():
            key = line.partition(" = ")[0]
            template = re.sub(rf"^{key} = .*\n", "", template, flags=re.MULTILINE)
        template = template.replace(f"[{name}]\n", f"[{name}]\n{lines}\n")
        monkeypatch.setattr(support, "CONFIG", template)

    return put


@pytest.mark.parametrize("key", SAID)
async def test_what_a_trunk_is_sent(
    tmp_path: Path, section: Callable[[str, str], None], key: str
) -> None:
    case = SAID[key]
    if case.section[0]:
        section(*case.section)
    async with parties(tmp_path, near=case.near, far=case.far, extra=case.extra) as p:
        p.near.call(case.number)
        invite = (await p.far.expect("INVITE ")).replace("\r\n", "\n")
        assert re.search(case.expected, invite), invite


async def test_country_makes_the_callers_number_international_too(tmp_path: Path) -> None:
    async with parties(tmp_path, near='country = "KR"') as p:
        p.near.call("4711", user="0212345678")
        assert "sip:+82212345678@" in header(await p.far.expect("INVITE "), "From")


async def test_a_device_is_shown_by_its_name(tmp_path: Path) -> None:
    async with parties(tmp_path) as p, phone("2001", p.c.server) as customer:
        customer.do("call", to="4711")
        assert '"Customer"' in header(await p.far.expect("INVITE "), "From")


async def test_accept_names_further_addresses_of_a_trunk(tmp_path: Path) -> None:
    async with (
        parties(tmp_path, near='accept = ["127.0.0.64/28"]') as p,
        wire("127.0.0.65", p.c.port) as inside,
        wire("127.0.0.90", p.c.port) as outside,
    ):
        inside.call("4711")
        await p.far.expect("INVITE ")
        outside.call("4711")
        await outside.expect("SIP/2.0 401")


async def test_a_trunk_takes_as_many_calls_as_it_may(tmp_path: Path) -> None:
    async with parties(tmp_path, near="max_calls = 1") as p:
        p.near.call("4711")
        await p.far.expect("INVITE ")
        p.near.call("4712")
        assert header(await p.near.expect("SIP/2.0 503"), "Retry-After") == "2"
    (tmp_path / "out").mkdir()
    async with parties(tmp_path / "out", far="max_calls = 1") as p:
        p.near.call("4711")
        await p.far.expect("INVITE ")
        p.near.call("4712")
        await p.near.expect("SIP/2.0 503")


async def test_realm_and_digest_are_what_a_stranger_is_asked_by(tmp_path: Path) -> None:
    extra = '[sip]\nrealm = "acme"\ndigest = ["SHA-256"]\n'
    async with parties(tmp_path, extra=extra) as p, wire("127.0.0.9", p.c.port) as stranger:
        stranger.call("4711")
        challenge = await stranger.expect("SIP/2.0 401")
        assert re.findall(r"algorithm=\"?([\w-]+)", challenge) == ["SHA-256"]
        assert 'realm="acme"' in challenge


async def register(device: Wire, contact: str, expires: int, user: str = "1001") -> str:
    """REGISTER as a device with its password; the final response."""
    uri = "sip:127.0.0.1"
    contacts = f"Contact: <sip:{contact}>\nExpires: {expires}\n"
    device.request("REGISTER", uri, user=user, headers=contacts)
    asked = header(await device.expect("SIP/2.0 401"), "WWW-Authenticate")
    challenge = dict(re.findall(r'(\w+)="?([^",]+)"?', asked.partition(" ")[2]))
    value = authorization(
        challenge, Credentials(user, f"phone-{user}"), "REGISTER", uri, Tokens(os.urandom)
    )
    device.request("REGISTER", uri, user=user, headers=f"{contacts}Authorization: {value}\n")
    return await device.expect("SIP/2.0 ")


@pytest.mark.parametrize(
    ("extra", "contact", "expires", "status", "expected"),
    [
        ("register_min_s = 90", "a@127.0.0.9:5070", 80, "423", r"\nMin-Expires: 90\r"),
        ("register_max_s = 120", "a@127.0.0.9:5070", 9000, "200", r"expires=120"),
    ],
)
async def test_how_long_a_phone_is_registered(
    tmp_path: Path, extra: str, contact: str, expires: int, status: str, expected: str
) -> None:
    # Of two Contact lines in a request of `wire` the registrar sees both.
    async with (
        parties(tmp_path, extra=f'[sip]\ndigest = ["MD5"]\n{extra}\n') as p,
        wire("127.0.0.9", p.c.port) as device,
    ):
        answer = await register(device, contact, expires)
        assert answer.startswith(f"SIP/2.0 {status}")
        assert re.search(expected, answer), answer


@pytest.mark.parametrize(("most", "status"), [(1, "403"), (2, "200")])
async def test_how_many_phones_a_device_may_be(tmp_path: Path, most: int, status: str) -> None:
    # Each REGISTER of a wire names its own address and this one: two phones.
    async with (
        parties(tmp_path, extra=f'[sip]\ndigest = ["MD5"]\nmax_contacts = {most}\n') as p,
        wire("127.0.0.9", p.c.port) as device,
    ):
        answer = await register(device, "a@127.0.0.9:5070", 300)
        assert answer.startswith("SIP/2.0 200") is (status == "200"), answer


async def test_a_trunk_registers_as_it_is_told(tmp_path: Path) -> None:
    keys = (
        'register = true\nusername = "line7"\npassword = "secret"\nexpires_s = 777\n'
        'realm = "provider.example"\n'
    )
    async with parties(tmp_path, far=keys) as p:
        first = await p.far.expect("REGISTER ")
        assert first.startswith("REGISTER sip:provider.example ")
        assert header(first, "To") == "<sip:line7@provider.example>"
        assert header(first, "Expires") == "777"
        asked = 'WWW-Authenticate: Digest realm="provider.example", nonce="n1", algorithm=MD5\n'
        p.far.reply(first, "401 Unauthorized", headers=asked)
        second = await p.far.expect("REGISTER ")
        given = header(second, "Authorization")
        assert 'username="line7"' in given
        challenge = {"realm": "provider.example", "nonce": "n1", "algorithm": "MD5"}
        uri = second.split()[1]
        right = authorization(
            challenge, Credentials("line7", "secret"), "REGISTER", uri, Tokens(os.urandom)
        )
        response = re.compile(r'response="(\w+)"')
        assert response.findall(given) == response.findall(right)
        p.far.reply(second, "200 OK", headers="Expires: 777\n")
        await p.c.until(lambda: p.c.switch.sip.trunks.by_name["far"].up)


# -- calls ---------------------------------------------------------------------------------------


async def test_a_call_without_sound_ends_after_rtp_timeout_s(
    tmp_path: Path, section: Callable[[str, str], None]
) -> None:
    section("media", "rtp_timeout_s = 1")
    async with parties(tmp_path) as p:
        p.near.call("4711")
        p.far.reply(await p.far.expect("INVITE "), "200 OK", body=p.far.sdp("0"))
        p.near.ack(await p.near.expect("SIP/2.0 200"))
        await p.far.expect("ACK ")
        await p.c.event(ev.LegEnded, reason="media-timeout")
        await p.c.event(ev.InteractionEnded)


async def queued(p: Parties) -> str:
    """A customer calls the queue; his Call-ID."""
    call = p.near.call("5000")
    p.near.ack(await p.near.expect("SIP/2.0 200"))
    return call


QUEUE = "[queue.q]\nagents = [{agents}]\n"
AGENT = '[agent.a]\nname = "Anna"\ndevice = "far:7001"\nsigned_in = {signed_in}\n'


def queue(keys: str = "", *, signed_in: bool = True, agents: str = '"a"') -> str:
    agent = AGENT.format(signed_in=str(signed_in).lower())
    return f"{QUEUE.format(agents=agents)}{keys}\n{agent}"


@pytest.mark.parametrize("record", [True, False])
async def test_a_queue_says_whether_its_calls_are_recorded_and_where_they_go(
    tmp_path: Path, record: bool
) -> None:
    extra = (
        queue(f"record = {str(record).lower()}") + f'[recording]\ndirectory = "{tmp_path}/rec"\n'
    )
    async with parties(tmp_path, extra=extra) as p:
        await queued(p)
        p.far.reply(await p.far.expect("INVITE sip:7001@"), "200 OK", body=p.far.sdp("0"))
        await p.c.event(ev.Bridged)
        started = [e for e in p.c.events if isinstance(e, ev.RecordingStarted)]
        assert [e.path.startswith(f"{tmp_path}/rec/") for e in started] == [True] * record


async def test_a_voicemail_goes_where_it_is_told(tmp_path: Path) -> None:
    extra = f'[recording]\nvoicemail = "{tmp_path}/boxes"\n'
    async with parties(tmp_path, extra=extra) as p:
        p.near.call("5001")
        p.near.ack(await p.near.expect("SIP/2.0 200"))
        await p.c.until(lambda: list((tmp_path / "boxes/main").glob("*-0299990000-*.wav")))


@pytest.mark.parametrize("join", ["allow", "refuse"])
async def test_whether_a_queue_without_agents_is_joined(tmp_path: Path, join: str) -> None:
    async with parties(tmp_path, extra=queue(f'join_empty = "{join}"', signed_in=False)) as p:
        call = p.near.call("5000")
        p.near.ack(await p.near.expect("SIP/2.0 200"))
        if join == "refuse":  # on to the step after the queue, which hangs up
            assert header(await p.near.expect("BYE "), "Call-ID") == call
        else:
            assert len(p.c.switch.engine.interactions) == 1
            await p.c.event(acd_events.InteractionQueued)
            assert p.c.switch.calls


@pytest.mark.parametrize("leave", [True, False])
async def test_whether_callers_leave_with_the_last_agent(tmp_path: Path, leave: bool) -> None:
    async with parties(tmp_path, extra=queue(f"leave_empty = {str(leave).lower()}")) as p:
        await queued(p)
        ringing = await p.far.expect("INVITE sip:7001@")
        p.far.reply(ringing, "486 Busy Here")
        await p.far.expect("ACK ")
        p.far.request(
            "INVITE", "sip:*72@127.0.0.1", user="7001", body=p.far.sdp("0")
        )  # he signs out
        await p.c.until(lambda: p.c.state("a") == "offline")
        assert (len(p.c.switch.engine.interactions) == 0) is leave


async def test_a_queue_that_is_full_and_a_wait_that_is_too_long_end(tmp_path: Path) -> None:
    keys = "max_waiting = 1\nmax_wait_s = 1"
    async with parties(tmp_path, extra=queue(keys, signed_in=False)) as p:
        first = await queued(p)
        second = await queued(p)
        # The second finds it full, the first has waited long enough a second later.
        bye = await p.near.expect("BYE ")
        p.near.reply(bye, "200 OK")
        assert header(bye, "Call-ID") == second
        assert header(await p.near.expect("BYE "), "Call-ID") == first


class Overheard:
    """The media plane, and what it was asked to play."""

    def __init__(self, plane: Any) -> None:
        self.paths: list[str] = []
        self._plane = plane

    def play(self, leg: str, play_id: str, sources: Any, **more: Any) -> None:
        self.paths.extend(source.path for source in sources)
        self._plane.play(leg, play_id, sources, **more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plane, name)


def played(c: Center) -> list[str]:
    """What is played from now on, by the paths of the sounds; it is played all the same."""
    overheard: Any = Overheard(c.switch.media)
    c.switch.conductor.env.media = overheard
    paths: list[str] = overheard.paths
    return paths


COMFORT = 'comfort = "welcome"\ncomfort_s = 1'


@pytest.mark.parametrize(
    ("keys", "media", "expected"),
    [
        ("", "", r"/moh/slow-harbour\.wav$"),
        ('music = "prompts/en/goodbye"', "", r"/prompts/en/goodbye\.wav$"),
        ("", 'music = "prompts/en/invalid"', r"/prompts/en/invalid\.wav$"),
        (COMFORT, "", r"/prompts/en/welcome\.wav$"),
        (COMFORT, 'language = "ko"', r"/prompts/ko/welcome\.wav$"),
        (COMFORT, 'prompts = ["mine"]', r"/mine/prompts/en/welcome\.wav$"),
    ],
)
async def test_what_callers_hear_while_they_wait(
    tmp_path: Path, section: Callable[[str, str], None], keys: str, media: str, expected: str
) -> None:
    section("media", media)
    own = tmp_path / "mine/prompts/en/welcome.wav"
    own.parent.mkdir(parents=True)
    source = Path(__file__).parent.parent.parent / "media/prompts/en/welcome.wav"
    own.write_bytes(source.read_bytes())
    async with parties(tmp_path, extra=queue(keys, signed_in=False)) as p:
        heard = played(p.c)
        await queued(p)
        await p.c.until(lambda: any(re.search(expected, path) for path in heard))


@pytest.mark.parametrize(("keys", "media"), [('music = "none"', ""), ("", 'music = "none"')])
async def test_callers_may_wait_in_silence(
    tmp_path: Path, section: Callable[[str, str], None], keys: str, media: str
) -> None:
    section("media", media)
    async with parties(tmp_path, extra=queue(keys, signed_in=False)) as p:
        heard = played(p.c)
        await queued(p)
        assert heard == []


async def test_the_acd_gets_what_a_queue_says(tmp_path: Path) -> None:
    """What it makes of each is in tests/acd."""
    keys = {
        "select": "most-skilled",
        "priority": 3,
        "ageing": 2.5,
        "ring_s": 7,
        "wrap_up_s": 8,
        "max_wait_s": 90,
        "max_waiting": 12,
    }
    lines = "\n".join(
        f'{k} = "{v}"' if isinstance(v, str) else f"{k} = {v}" for k, v in keys.items()
    )
    lines += "\nreject_pause_s = 5\nservice_level_s = 33\nshort_abandon_s = 4.5"
    async with parties(tmp_path, extra=queue(lines)) as p:
        definition = p.c.switch.engine.definition("q")
        assert definition is not None
        assert definition.on_fail["busy"].seconds == 5
        assert {key: getattr(definition, key) for key in keys} == keys
        assert list(p.c.switch.today.limits["q"]) == [33, 4.5]
        (agent,) = [row for row in snapshot(p.c.switch)["agents"] if row["agent"] == "a"]
        assert agent["name"] == "Anna"


@pytest.mark.parametrize(
    ("dialled", "state", "code"),
    [
        ("*81", "idle", ""),
        ("*82", "offline", ""),
        ("*83", "paused", ""),
        ("*839", "paused", "yoga"),
        ("*84", "idle", ""),
    ],
)
async def test_feature_codes_and_pause_codes_are_what_is_configured(
    tmp_path: Path, dialled: str, state: str, code: str
) -> None:
    extra = queue(signed_in=dialled != "*81") + (
        '[features]\nsign_in = "*81"\nsign_out = "*82"\npause = "*83"\nready = "*84"\necho = ""\n'
        '[codes.pause]\n9 = "yoga"\n'
    )
    async with parties(tmp_path, extra=extra) as p:
        p.far.call(dialled, user="7001")
        await p.far.expect("SIP/2.0 200")
        await p.c.until(lambda: p.c.state("a") == state)
        assert p.c.switch.engine.agents["a"].code == code
        p.far.call("*43", user="7001")  # the echo test is turned off, and no route has it
        await p.far.expect("SIP/2.0 404")


async def test_wrap_up_codes_and_their_feature_code(tmp_path: Path) -> None:
    extra = queue("wrap_up_s = 60") + '[features]\nwrap_up = "*85"\n[codes.wrap_up]\n7 = "sold"\n'
    async with parties(tmp_path, extra=extra) as p:
        await queued(p)
        invite = await p.far.expect("INVITE sip:7001@")
        p.far.reply(invite, "200 OK", body=p.far.sdp("0"))
        await p.c.event(ev.Bridged)
        (call,) = p.c.switch.calls.values()
        p.c.switch.hangup(call)
        await p.c.until(lambda: p.c.state("a") == "wrap-up")
        p.far.call("*857", user="7001")
        await p.c.until(lambda: p.c.state("a") == "idle")
        await p.c.until(lambda: any(getattr(event, "code", "") == "sold" for event in p.c.events))


async def test_the_echo_test_sends_back(tmp_path: Path) -> None:
    async with parties(tmp_path, extra=queue() + '[features]\necho = "*49"\n') as p:
        p.far.call("*49", user="7001")
        ok = await p.far.expect("SIP/2.0 200")
        p.far.ack(ok)
        port = re.search(r"m=audio (\d+)", ok)
        assert port is not None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtp:
            rtp.bind((p.far.host, p.far.port + 2))
            rtp.settimeout(0.1)
            packet = b"\x80\x00" + bytes(10) + b"\x55" * 160

            def echoed() -> bytes:
                for number in range(50):
                    rtp.sendto(
                        packet[:2] + number.to_bytes(2) + packet[4:], ("127.0.0.1", int(port[1]))
                    )
                    with contextlib.suppress(TimeoutError):
                        return rtp.recv(2000)
                return b""

            assert (await asyncio.to_thread(echoed)).endswith(b"\x55" * 160)


# -- the machine ---------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
async def test_as_many_media_workers_run_as_configured(
    tmp_path: Path, section: Callable[[str, str], None], workers: int
) -> None:
    section("media", f"workers = {workers}")
    async with center(tmp_path) as c:
        assert c.switch.media.figures()["workers"] == workers


async def test_media_settings_come_from_the_configuration(
    tmp_path: Path, section: Callable[[str, str], None]
) -> None:
    """What the media plane makes of them is in tests/media."""
    section("media", 'latch = "host"\nipv6_host = "::1"\nrtp_timeout_s = 9\nworkers = 0')
    async with center(tmp_path) as c:
        settings = c.switch.media.settings
        assert (settings.latch, settings.host6) == ("host", "::1")
        assert (settings.workers, settings.rtp_timeout_s) == (0, 9)


async def test_past_max_loop_lag_ms_no_call_is_let_in(tmp_path: Path) -> None:
    async with parties(tmp_path, extra="[sip]\nmax_loop_lag_ms = 40\n") as p:
        p.c.switch.gate.lag_s = 10.0  # it takes the probes a while to forget that
        p.near.call("4711")
        await p.near.expect("SIP/2.0 503")


@pytest.mark.parametrize(("synchronous", "value"), [("full", 2), ("normal", 1)])
async def test_how_the_store_writes(
    tmp_path: Path, section: Callable[[str, str], None], synchronous: str, value: int
) -> None:
    section("store", f'commit_ms = 10000\nsynchronous = "{synchronous}"\ntrace_hours = 0')
    async with parties(tmp_path) as p:
        store = p.c.switch.store
        assert isinstance(store.database, SqliteDatabase)
        await store.committed()
        assert store.database.reader.execute("PRAGMA synchronous").fetchone() == (value,)
        p.near.call("4711")
        await p.far.expect("INVITE ")
        assert store.pending > 0  # for ten seconds, unless somebody waits for it
        assert len(p.c.switch.sip.ladder) == 0  # nothing is kept of its messages


@pytest.mark.interop
async def test_a_drain_waits_for_drain_s(tmp_path: Path) -> None:
    port = free_port()
    file = configure(tmp_path, port, free_port(), extra="[sip]\ndrain_s = 1\n")
    server = f"127.0.0.1:{port}"
    async with (
        running(file) as daemon,
        phone("1001", server, "--answer-after", "0"),
        phone("2001", server) as customer,
    ):
        customer.do("call", to="5000")
        await customer.expect("confirmed")
        daemon.process.send_signal(signal.SIGTERM)
        await daemon.line("draining")
        await customer.expect("disconnected", timeout=5)  # we hung up, not he
        assert await daemon.end() == 0


async def test_without_http_nothing_listens(tmp_path: Path) -> None:
    port, http = free_port(), free_port()
    file = configure(tmp_path, port, http, extra="[http]\nenabled = false\n")
    async with running(file) as daemon:
        assert "HTTP" not in daemon.output
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", http)


async def test_a_reload_takes_over_what_it_can_and_names_what_it_cannot(tmp_path: Path) -> None:
    async with parties(tmp_path) as p:
        file, switch = tmp_path / "cicswitch.toml", p.c.switch
        text = file.read_text() + (
            '[sip]\nmax_calls = 7\nmax_loop_lag_ms = 99\nretry_after_s = 11\nrealm = "acme"\n'
            '[recording]\ndirectory = "other"\nvoicemail = "boxes"\n[logging]\nlevel = "debug"\n'
        )
        file.write_text(text.replace("[media]\n", '[media]\nmusic = "moh/other"\nlatch = "host"\n'))
        assert switch.reload_file() == [
            "logging takes effect at the next start",
            "sip.realm takes effect at the next start",
            "media.latch takes effect at the next start",
        ]
        gate, env = switch.gate, switch.conductor.env
        assert (gate.max_calls, gate.max_lag_s, gate.retry_after_s) == (7, 0.099, 11)
        assert (env.music, env.recordings) == ("moh/other", (tmp_path / "other").resolve())
        assert env.voicemail == (tmp_path / "boxes").resolve()
        gate.closed = True
        p.near.call("4711")
        assert header(await p.near.expect("SIP/2.0 503"), "Retry-After") == "11"


# -- all of them ---------------------------------------------------------------------------------

HERE = "tests/operation/test_keys.py"
ELSEWHERE = {
    "widget.secret": "tests/api/test_persons.py",
    "media.uploads": "tests/api/test_prompts.py",
    **dict.fromkeys(("chat.keep_days", "chat.messages_per_minute"), "tests/api/test_chat.py"),
    **dict.fromkeys(
        (
            "alerts.figure",
            "alerts.queue",
            "alerts.trunk",
            "alerts.above",
            "alerts.below",
            "alerts.clear",
            "alerts.for_s",
            "alerts.severity",
        ),
        "tests/api/test_alerts.py",
    ),
    **dict.fromkeys(
        (
            "queue.callback.trunk",
            "queue.callback.caller_id",
            "queue.callback.attempts",
            "queue.callback.retry_s",
            "queue.callback.ring_s",
            "queue.callback.expire_s",
            "queue.callback.prompt",
            "queue.callback.hours",
            "queue.callback.zone",
            "do_not_call.numbers",
        ),
        "tests/journeys/test_callbacks.py",
    ),
    "queue.callback.first": "tests/journeys/test_agent_first.py",
    **dict.fromkeys(
        ("queue.callback.machine", "queue.callback.message"),
        "tests/journeys/test_answering.py",
    ),
    **dict.fromkeys(
        (
            "webrtc.enabled",
            "webrtc.host",
            "webrtc.port",
            "webrtc.advertise",
            "webrtc.codecs",
            "webrtc.video",
            "webrtc.lost_s",
            "webrtc.ice_servers",
            "webrtc.turn_secret",
        ),
        "tests/operation/test_webrtc_keys.py",
    ),
    **dict.fromkeys(
        ("widget.callback", "widget.callback_numbers", "do_not_call.file"),
        "tests/api/test_callbacks.py",
    ),
    **dict.fromkeys(
        ("widget.number", "widget.origins", "widget.title", "widget.video"),
        "tests/browser/test_widget.py",
    ),
    **dict.fromkeys(
        ("widget.chat", "channel.type", "channel.queue"),
        "tests/channels/test_chat.py",
    ),
    **dict.fromkeys(
        ("channel.silent_s", "channel.end_s", "channel.away_s"),
        "tests/channels/test_chat.py",
    ),
    **dict.fromkeys(
        tuple(
            f"attachments.{key}"
            for key in ("directory", "file_mb", "message_mb", "quota_mb", "clamd")
        ),
        "tests/channels/test_attachments.py",
    ),
    "channel.settings": "tests/channels/test_others.py",
    "control": "tests/operation/test_daemon.py",
    "http.accounts": "tests/api/test_account_commands.py",
    "http.requests_per_minute": "tests/api/test_http.py",
    **dict.fromkeys(
        ("http.certificate", "http.key", "http.session_idle_s", "http.session_max_s"),
        "tests/api/test_security.py",
    ),
    "dialplans": "tests/test_config.py",
    "listen.sip": "tests/interop/test_sipp.py",
    "listen.http": "tests/operation/test_daemon.py",
    "sip.max_calls": "tests/interop/test_flood.py",
    "sip.retry_after_s": "tests/interop/test_flood.py",
    "media.music_ptime_ms": "tests/media/test_media_sound.py",
    "recording.min_free_mb": "tests/faults/test_full_disk.py",
    "trunk.address": "tests/legs/test_trunk_names.py",
    "trunk.options_s": "tests/legs/test_trunk_names.py",
    "trunk.resolve_s": "tests/legs/test_trunk_names.py",
    "device.password": "tests/journeys/test_calls.py",
    "agent.device": "tests/journeys/test_queue.py",
    "agent.skills": "tests/acd/test_engine.py",
    **dict.fromkeys(
        (
            "agent.desire",
            "agent.cost",
            "agent.attributes",
            "agent.capacity",
            "agent.interrupted_by",
            "queue.require",
            "queue.weights.proficiency",
            "queue.weights.desire",
            "queue.weights.cost",
            "queue.weights.idle",
            "queue.weights.attributes",
            "queue.offer_to",
            "queue.weight",
            "queue.goal",
            "queue.goal_points",
            "queue.bound_s",
            "queue.ring",
            "queue.exhausted",
            "queue.patience_s",
            "queue.redial_s",
            "queue.max_ewt_s",
            "queue.on_fail.then",
            "queue.on_fail.seconds",
            "queue.on_fail.code",
            "queue.wrap_up",
            "queue.at_close",
        ),
        "tests/acd/test_definitions.py",
    ),
    **dict.fromkeys(
        ("queue.policy", "queue.policy_ms", "queue.policy_shadow", "queue.announce_s"),
        "tests/journeys/test_routing.py",
    ),
    **dict.fromkeys(
        (
            *(f"hours.{day}" for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")),
            *("hours.zone", "hours.open", "hours.holidays", "hours.closed", "hours.open_on"),
            *("hours.rule", "holidays.country", "holidays.subdivision"),
        ),
        "tests/hours/test_schedule.py",
    ),
    **dict.fromkeys(
        ("segment.numbers", "segment.file", "segment.priority", "queue.segments"),
        "tests/test_segments.py",
    ),
    **dict.fromkeys(
        ("agent.supervisor", "features.supervise"),
        "tests/journeys/test_supervising.py",
    ),
    **dict.fromkeys(
        ("agent.auto_answer", "queue.preview_s", "queue.preview_prompt", "queue.preview_say"),
        "tests/journeys/test_preview.py",
    ),
    **dict.fromkeys(
        ("webhooks.name", "webhooks.url", "webhooks.secret"), "tests/webhooks/receiver.py"
    ),
    **dict.fromkeys(
        (
            *("webhooks.events", "webhooks.queues", "webhooks.agents"),
            *("webhooks.timeout_s", "webhooks.max_attempts", "webhooks.retry_s"),
            *("webhooks.retry_max_s", "webhooks.ca_file"),
        ),
        "tests/webhooks/test_delivery.py",
    ),
    **dict.fromkeys(
        (
            *("oidc.issuer", "oidc.client_id", "oidc.client_secret", "oidc.label", "oidc.scopes"),
            *("oidc.name_claim", "oidc.role_claim", "oidc.roles", "oidc.new_role"),
            *("oidc.agent_claim", "oidc.redirect", "oidc.timeout_s", "oidc.ca_file"),
        ),
        "tests/api/test_oidc.py",
    ),
    **dict.fromkeys(
        (
            *("answer.text", "answer.title", "answer.media", "answer.queues"),
            *("answer.language", "answer.subject", "answer.whole"),
        ),
        "tests/channels/test_answers.py",
    ),
    "queue.hours": "tests/journeys/test_opening.py",
    **dict.fromkeys(("queue.due_s", "queue.due_priority"), "tests/channels/test_aside.py"),
    "agent.signed_in": "tests/journeys/test_queue.py",
    "queue.skills": "tests/acd/test_engine.py",
    "queue.agents": "tests/faults/test_lost_messages.py",
    "skills": "tests/test_config.py",
    "store.path": "tests/operation/test_daemon.py",
    "store.url": "tests/operation/test_postgres.py",
    "logging.level": "tests/runtime/test_log.py",
    "logging.format": "tests/runtime/test_log.py",
    "logging.redact": "tests/operation/test_log_leaks.py",
}
OWN = {"directory", "plan", "segment_numbers", "do_not_call_numbers"}
"""What loading fills in; no keys of the file."""


def keys_of(kind: Any, path: str = "") -> list[str]:
    """All keys of the configuration, `trunk.NAME.x` as `trunk.x`."""
    if isinstance(kind, mi.DictType):
        return keys_of(kind.value_type, path)
    if isinstance(kind, mi.VarTupleType) and path == "webhooks":
        return keys_of(kind.item_type, path)
    if isinstance(kind, mi.StructType):
        found: list[str] = []
        for field in kind.fields:
            found += keys_of(field.type, f"{path}.{field.encode_name}".lstrip("."))
        return found
    return [path]


def test_no_key_is_without_a_test() -> None:
    root = Path(__file__).parent.parent.parent
    info = mi.type_info(Config)
    assert isinstance(info, mi.StructType)
    keys = [
        key
        for field in info.fields
        if field.encode_name not in OWN
        for key in keys_of(field.type, field.encode_name)
    ]
    texts = {
        name: (root / name).read_text().replace("\\n", "\n")
        for name in {HERE, *ELSEWHERE.values(), "tests/support/center.py"}
    }
    texts[HERE] = texts[HERE].partition("\nELSEWHERE = ")[0]
    missing = []
    for key in keys:
        word = re.compile(rf"\b{key.rpartition('.')[2]}\b")
        place = ELSEWHERE.get(key, HERE)
        if not word.search(texts[place]) and not (
            place != HERE and word.search(texts["tests/support/center.py"])
        ):
            missing.append(key)
    assert missing == []
    assert not ELSEWHERE.keys() - keys
