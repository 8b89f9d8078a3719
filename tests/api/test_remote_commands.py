"""The commands by `--url`: against the API of a real switch, beside those of its control socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from cicswitch.acd import commands as acd
from cicswitch.api.control import ControlServer
from cicswitch.api.handlers import handlers_of
from cicswitch.calls import events as ev
from cicswitch.core.errors import ResourceError
from tests.api.served import EXTRA, Served, served
from tests.api.test_resources import MORE, Parties
from tests.api.test_security import TLS, certificate
from tests.support.center import PLAN
from tests.support.ports import free_port
from tests.support.wire import wire


class Said(NamedTuple):
    status: int
    out: str
    err: str


async def cicswitch(*words: str, **variables: str) -> Said:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CICSWITCH_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cicswitch.cli", *words),
        env={**kept, "COLUMNS": "160", "LANG": "C.UTF-8", **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert b"Traceback" not in err, err.decode()
    return Said(process.returncode or 0, out.decode(), err.decode())


class Here:
    """A switch that can be asked both ways."""

    def __init__(self, p: Parties, folder: Path) -> None:
        self.p = p
        self.folder = folder
        self.switch = p.api.switch
        self.config = str(folder / "cicswitch.toml")
        self.token = folder / "token"

    async def token_of(self, account: str, *scopes: str) -> None:
        made = await self.p.api.token(account, *scopes)
        self.token.write_text(str(made.headers["Authorization"]).removeprefix("Bearer ") + "\n")
        self.token.chmod(0o600)

    async def far(self, *words: str, status: int = 0) -> str:
        """By the API."""
        by = ("--url", self.p.api.url, "--token-file", str(self.token))
        said = await cicswitch(*by, *words)
        assert said.status == status, said
        return said.out if status == 0 else said.err

    async def near(self, *words: str, status: int = 0) -> str:
        """By the control socket."""
        said = await cicswitch(*words, "-c", self.config)
        assert said.status == status, said
        return said.out if status == 0 else said.err


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Here]:
    port = free_port()
    trunk = f'[trunk.near]\naddress = "udp:127.0.0.2:{port}"\noptions_s = 0\n'
    crm = '[channel.crm]\ntype = "task"\nqueue = "support"\n'
    async with (
        served(tmp_path, extra=EXTRA + trunk + crm, plan=PLAN + MORE) as api,
        wire("127.0.0.2", api.center.port, port) as near,
    ):
        control = ControlServer(tmp_path / "control.sock", handlers_of(api.switch))
        await control.start()
        root = await api.token("administrator")
        found = Here(Parties(api, near, root), tmp_path)
        await found.token_of("administrator")
        try:
            yield found
        finally:
            await control.stop()


async def test_an_agent_goes_through_his_day(here: Here) -> None:
    assert await here.far("agent", "sign-in", "lee") == "lee: idle\n"
    assert await here.far("agent", "pause", "lee", "meal") == "lee: paused (meal)\n"
    assert here.p.api.center.state("lee") == "paused"
    listed = await here.far("agent", "list")
    assert [line.split()[:2] for line in listed.splitlines()] == [
        ["kim", "idle"],
        ["lee", "paused"],
    ]
    assert "(meal)" in listed.splitlines()[1]
    ready = msgspec.json.decode(await here.far("agent", "ready", "lee", "--json"))
    assert ready == {"agent": "lee", "state": "idle", "code": "", "then": ""}
    assert await here.far("agent", "sign-out", "lee") == "lee: offline\n"
    told = await here.far("agent", "pause", "kim", "nap", status=1)
    assert "/code" in told
    assert '"nap"' in told
    told = await here.far("agent", "wrap-up", "kim", "resolved", status=1)
    assert told.startswith("cicswitch: ")
    assert told.count("\n") == 1
    assert "409" in told
    assert "no agent" in await here.far("agent", "sign-in", "leo", status=1)


async def test_both_ways_print_the_same(here: Here) -> None:
    here.p.api.switch.command(acd.Pause("kim", "meal"))
    name = await here.p.wait()
    here.p.api.web.api.figures.clear()
    for words in (
        *(("queues",), ("interactions", "--queue", "support"), ("calls",), ("agent", "list")),
        *(("status",), ("callbacks",), ("explain", "kim"), ("explain", name), ("trace", name)),
        *(("channels",), ("channels", "--test", "crm")),
    ):
        one, two = await asyncio.gather(
            here.far(*words, "--json"),
            here.near(*words, "--json"),
        )
        far, near = msgspec.json.decode(one), msgspec.json.decode(two)
        if words[0] == "explain":  # what it says ages while it is asked
            far, near = str(sorted(far)), str(sorted(near))
        if words == ("status",):
            near = {key: near[key] for key in far}
        assert _shape(far, near) == _shape(near, far), words
    listed = await here.far("interactions", "--queue", "support")
    assert name in listed
    assert "waiting" in listed
    assert name not in await here.far("interactions", "--queue", "korean")
    assert name not in await here.near("interactions", "--queue", "korean")
    assert "INVITE sip:5000@" in await here.far("trace", name)


def _shape(value: Any, other: Any) -> Any:
    """What stays the same from one moment to the next, and of two the fields that both have."""
    if isinstance(value, dict):
        passing = ("_s", "seconds", "step", "recording", "at", "uptime_s", "ewt")
        both = value.keys() & other.keys() if isinstance(other, dict) else value.keys()
        return {
            key: _shape(value[key], other[key])
            for key in sorted(both)
            if not key.endswith(passing) and key not in ("lag_ms", "counters")
        }
    if isinstance(value, list):
        assert isinstance(other, list)
        pairs = zip(sorted(value, key=_name), sorted(other, key=_name), strict=True)
        return [_shape(one, two) for one, two in pairs]
    return value


def _name(item: Any) -> str:
    """What a list is sorted by: the API has its own order."""
    keys = ("interaction", "agent", "queue", "trunk", "at")
    return str(next((item[key] for key in keys if key in item), item))


async def test_channels_are_listed_and_tried(here: Here) -> None:
    for ask in (here.near, here.far):
        head, row = (await ask("channels")).splitlines()
        assert head.split()[:4] == ["channel", "type", "medium", "contacts"]
        assert row.split() == ["crm", "task", "task", "0", "0", "0", "well"]
        assert await ask("channels", "--test", "crm") == "crm: tasks come by the API\n"
        assert 'no channel "mail"' in await ask("channels", "--test", "mail", status=1)
    channel = here.switch.conductor.contacts.channels["crm"]

    async def broken() -> str:
        raise ResourceError("nobody answers")

    channel.test = broken  # type: ignore[method-assign]  # what a channel's peer may do
    for ask in (here.near, here.far):
        assert "nobody answers" in await ask("channels", "--test", "crm", status=1)


async def test_a_list_of_customers_is_taken_over_and_looked_at(here: Here, tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_bytes(
        b"name,number,email,id,contract\n"
        b'Kim,02-100;02-200,kim@x.example,1,"C\n1"\n'
        b"Bad,hello,,,\n"
        b"Short,03\n"
        b"Caf\xe9,04,,,\n"
        b"Lee,05,,2,\n"
    )
    assert await here.far("customers", "import", str(file), "--json", status=1) == ""
    people = here.switch.conductor.people
    assert [each.name for each in people.by_id.values()] == ["Kim", "Lee"]
    said = await cicswitch("customers", "import", str(file), "--dry-run", "-c", here.config)
    assert (said.status, said.err) == (1, "")
    *findings, last = said.out.splitlines()
    assert last == "0 would be new, 0 would be changed, 2 as they were, 3 findings"
    assert [each.partition(" found")[0] for each in findings] == [
        *(f"{file}:4: number:", f"{file}:5:", f"{file}:6: name:")
    ]
    far, near = await asyncio.gather(
        here.far("customers", "list", "--json"), here.near("customers", "list", "--json")
    )
    assert far == near
    (tmp_path / "all.json").write_text(far)
    assert await here.far("customers", "import", str(tmp_path / "all.json")) == (
        "0 new, 0 changed, 2 as they were, 0 findings\n"
    )
    assert (await here.near("customers", "show", "kim@X.example")).splitlines()[1:] == [
        *("  number: 02100", "  number: 02200", "  email: kim@x.example", "  id: 1"),
        *("  contract = C", "1"),
    ]
    assert "no customer" in await here.far("customers", "show", "nobody", status=1)


async def test_who_waits_is_moved_raised_and_ended(here: Here) -> None:
    here.p.api.switch.command(acd.Pause("kim", ""))
    name = await here.p.wait()
    assert await here.far("move", name, "korean") == f"{name} in queue korean, place 1\n"
    raised = msgspec.json.decode(await here.far("prioritise", name, "7", "--json"))
    assert raised == {"interaction": name, "queue": "korean", "position": 1}
    assert here.switch.engine.interactions[name].own_priority == 7
    assert "no queue" in await here.far("move", name, "none", status=1)
    assert await here.far("hangup", name) == f"ended {name}\n"
    await here.p.api.center.event(ev.InteractionEnded, interaction=name)
    assert "no interaction" in await here.far("hangup", name, status=1)
    assert "no agent and no interaction" in await here.far("explain", name, status=1)


async def test_a_callback_is_cancelled(here: Here) -> None:
    near, promises = here.p.near, here.switch.conductor.callbacks.promises
    call = near.call("5010", user="021234")
    near.ack(await near.expect("SIP/2.0 200", having=f"Call-ID: {call}"))
    await here.p.api.center.until(lambda: promises)
    (name,) = promises
    assert "021234" in await here.far("callbacks")
    assert await here.far("callbacks", "--cancel", name) == "nobody is to be called back\n"
    assert not promises


async def test_a_report_is_that_of_the_switch(here: Here) -> None:
    call = here.p.near.call("5000")
    here.p.near.ack(await here.p.near.expect("SIP/2.0 200", having=f"Call-ID: {call}"))
    await here.p.api.center.until(lambda: here.switch.conductor.calls)
    (name,) = here.switch.conductor.calls
    await here.far("hangup", name)
    await here.p.api.center.event(ev.InteractionEnded, interaction=name)
    await here.switch.store.committed()
    words = ("report", "--since", "-1h", "--until", "now", "--json")
    far, near = (
        msgspec.json.decode(each)
        for each in await asyncio.gather(here.far(*words), here.near(*words))
    )
    assert far["queues"] == near["queues"]
    assert [row["queue"] for row in far["queues"]] == ["support"]
    assert far["queues"][0]["offered"] == 1
    assert "Queues" in await here.far("report")
    assert (await here.far("report", "--csv")).startswith("kind,queue")
    assert "a time after" in await here.far("report", "--until", "2020-01-01", status=1)


async def test_a_configuration_is_checked_and_taken_over_there(here: Here, tmp_path: Path) -> None:
    file = tmp_path / "cicswitch.toml"
    good = file.read_text()
    other = tmp_path / "elsewhere" / "mine.toml"
    other.parent.mkdir()
    other.write_text(good)
    assert "all is well" in await here.far("check", str(other))  # plan.toml is there, not here
    other.write_text(good + '[queue.new]\nring = 5\nskills = "x"\n')
    said = await cicswitch(
        *("--url", here.p.api.url, "--token-file", str(here.token), "check", str(other))
    )
    assert said.status == 1
    assert len(said.out.splitlines()) == 2
    assert "queue.new.ring" in said.out
    assert "no such file" in (await here.far("check", "none.toml", status=1)).lower()
    file.write_text(good + "[queue.new]\n")
    assert (await here.far("reload")).startswith("reloaded")
    assert "new" in here.switch.engine.queues
    file.write_text(good + "[queue.new]\nring = 5\n")
    told = await here.far("reload", status=1)
    assert "queue.new.ring" in told
    assert told.endswith("nothing was changed\n")


async def test_who_asks_is_told_why_not(here: Here, tmp_path: Path) -> None:
    url = here.p.api.url
    said = await cicswitch("--url", url, "queues")
    assert said.status == 1
    assert said.err == "cicswitch: give a token by --token-file or CICSWITCH_TOKEN (401)\n"
    said = await cicswitch("queues", CICSWITCH_URL=url, CICSWITCH_TOKEN="cic_wrong")
    assert said.status == 1
    assert "not known here" in said.err
    await here.token_of("planner")
    told = await here.far("agent", "sign-in", "kim", status=1)
    assert "agents:write" in told
    assert "403" in told
    said = await cicswitch("--url", "http://127.0.0.1:1", "--timeout", "2", "queues")
    assert said.status == 1
    assert "no answer of http://127.0.0.1:1" in said.err
    for token, why in (("", "expected a token"), ("a b", "expected a token")):
        here.token.write_text(token)
        assert why in await here.far("queues", status=1)
    here.token.unlink()
    assert "No such file" in await here.far("queues", status=1)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--url", "switch:8080", "queues"), "is no address"),
        (("--url", "http://kim:x@127.0.0.1", "queues"), "give a token"),
        (("--url", "http://127.0.0.1:1", "stop"), "for this machine only"),
        (("--url", "http://127.0.0.1:1", "queues", "-c", "x.toml"), "not by both"),
        (("--token-file", "x", "queues"), "it takes --url"),
        (("--ca-file", "x", "queues"), "it takes --url"),
        (("--url", "http://127.0.0.1:1", "--timeout", "0", "queues"), "0.1"),
    ],
)
async def test_wrong_usage_ends_with_2(words: tuple[str, ...], why: str) -> None:
    said = await cicswitch(*words)
    assert said.status == 2
    assert why in " ".join(said.err.replace("│", " ").split())


async def test_the_environment_counts_less_than_the_command(here: Here) -> None:
    nowhere = {"CICSWITCH_URL": "http://127.0.0.1:1", "CICSWITCH_TOKEN": "x"}
    said = await cicswitch("queues", "-c", here.config, **nowhere)
    assert said.status == 0
    assert "support" in said.out
    said = await cicswitch("check", here.config, **nowhere)
    assert "all is well" in said.out  # checked here: only --url checks elsewhere
    token = here.token.read_text()
    said = await cicswitch("queues", CICSWITCH_URL=here.p.api.url, CICSWITCH_TOKEN=token)
    assert said.status == 0
    assert "support" in said.out


async def test_a_token_that_others_may_read_is_told_of(here: Here) -> None:
    here.token.chmod(0o644)
    said = await cicswitch(
        *("--url", here.p.api.url, "--token-file", str(here.token), "queues", "--json")
    )
    assert said.status == 0
    assert "chmod 600" in said.err
    assert msgspec.json.decode(said.out)


def test_every_command_that_asks_has_an_example(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from cicswitch.cli import main
    from cicswitch.cli.target import REMOTE

    names: list[tuple[str, ...]] = [
        (name,) for name in REMOTE if name not in ("agent", "customers")
    ]
    names += [("customers", each) for each in ("list", "show", "import")]
    agents = [("agent", each) for each in ("sign-in", "sign-out", "pause", "ready", "wrap-up")]
    for words in (*names, *agents, ("agent", "list")):
        monkeypatch.setattr(sys, "argv", ["cicswitch", *words, "--help"])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0
        assert "Example: cicswitch" in capsys.readouterr().out, words


@contextlib.asynccontextmanager
async def secured(folder: Path) -> AsyncIterator[Served]:
    certificate(folder, "localhost")
    async with served(folder, extra=TLS) as api:
        yield api


async def test_https_is_verified(tmp_path: Path) -> None:
    async with secured(tmp_path) as api:
        file = api.directory.file
        _, secret = await api.directory.run(
            file.tokens.add, *(_root(), 1.0, "planner", "test", ("queues:read",), None)
        )
        said = await cicswitch("--url", api.url, "queues", CICSWITCH_TOKEN=secret)
        assert said.status == 1
        assert "certificate verify failed" in said.err
        ca = str(tmp_path / "cert.pem")
        said = await cicswitch("--url", api.url, "--ca-file", ca, "queues", CICSWITCH_TOKEN=secret)
        assert (said.status, "support" in said.out) == (0, True), said
        said = await cicswitch("--url", api.url, "--ca-file", __file__, "queues")
        assert said.status == 1
        assert "no certificates can be read" in said.err


def _root() -> Any:
    from tests.api.served import ROOT

    return ROOT
