"""Trunks whose address is a host name."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from cicswitch.api.snapshot import health, snapshot
from cicswitch.net.dns import resolve
from tests.interop.test_sipp import PLAN
from tests.support.center import Center, center
from tests.support.ports import free_port
from tests.support.sipp import run_uac, uas


class Names:
    """A resolver that answers what the test says."""

    def __init__(self, **answers: list[str]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        if host not in self.answers:
            raise OSError(-2, "Name or service not known")
        return self.answers[host]


def trunk(name: str, address: str, **more: object) -> str:
    keys = "".join(f"{key} = {value}\n" for key, value in ({"options_s": 0} | more).items())
    return f'[trunk.{name}]\naddress = "{address}"\n{keys}'


def shown(c: Center, name: str) -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = [row for row in snapshot(c.switch)["trunks"] if row["trunk"] == name]
    return found


async def call(c: Center, folder: Path, host: str, port: int) -> tuple[int, str]:
    return await run_uac(
        c.server,
        "4711",
        host=host,
        port=port,
        folder=folder,
        options=("-m", "1", "-d", "100"),
    )


@contextlib.asynccontextmanager
async def answering(host: str, port: int) -> AsyncIterator[list[bytes]]:
    """Somebody who answers every OPTIONS over TCP with 200."""
    heard: list[bytes] = []
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                heard.append(head)
                lines = [
                    line for line in head.split(b"\r\n")[1:] if line.partition(b":")[0] in KEPT
                ]
                writer.write(b"SIP/2.0 200 OK\r\n" + b"\r\n".join(lines) + b"\r\n\r\n")

    server = await asyncio.start_server(serve, host, port)
    try:
        yield heard
    finally:
        server.close()
        for writer in writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


KEPT = (b"Via", b"From", b"To", b"Call-ID", b"CSeq")


@pytest.mark.interop
async def test_calls_come_and_go_by_trunks_that_the_system_resolves(tmp_path: Path) -> None:
    near, far = free_port(), free_port()
    extra = trunk("near", f"udp:localhost:{near}") + trunk("far", f"udp:localhost:{far}")
    async with center(tmp_path, extra=extra, plan=PLAN) as c, uas("127.0.0.1", far, tmp_path):
        await c.until(lambda: shown(c, "near")["up"] and shown(c, "far")["up"])
        assert shown(c, "far")["at"] == "127.0.0.1"
        status, out = await call(c, tmp_path, "127.0.0.1", near)
        assert status == 0, out[-2000:]
        await c.empty()


async def test_a_trunk_whose_name_does_not_resolve_is_down_until_it_does(tmp_path: Path) -> None:
    names = Names()
    extra = trunk("pbx", "udp:pbx.example:5070", resolve_s=1)
    with capture_logs() as logs:
        async with center(tmp_path, extra=extra, resolve=names) as c:
            why = "pbx.example does not resolve: Name or service not known"
            await c.until(lambda: shown(c, "pbx")["problem"] == why)
            assert shown(c, "pbx")["up"] is False
            assert health(c.switch)["degraded"] == {"trunk pbx": why}
            await c.until(lambda: len(names.asked) >= 2)
            warned = [line for line in logs if line["event"] == "trunk_unresolved"]
            assert [(line["trunk"], line["error"]) for line in warned] == [("pbx", why)]
            names.answers["pbx.example"] = ["127.0.0.3"]
            await c.until(lambda: shown(c, "pbx")["up"])
            assert shown(c, "pbx")["at"] == "127.0.0.3"
            assert health(c.switch)["ok"]


async def test_no_address_and_none_of_a_family_that_we_listen_on_are_said(tmp_path: Path) -> None:
    names = Names(empty=[], six=["2001:db8::1"])
    extra = trunk("a", "udp:empty") + trunk("b", "udp:six") + trunk("c", "tcp:[::1]:5070")
    async with center(tmp_path, extra=extra, resolve=names) as c:
        await c.until(
            lambda: shown(c, "a")["problem"] == "empty does not resolve: it has no address"
        )
        await c.until(lambda: "no listener of its kind" in shown(c, "b")["problem"])
        assert "(2001:db8::1)" in shown(c, "b")["problem"]
        assert not shown(c, "b")["up"]
        # An address that needs no resolver may be of such a family too.
        assert "trunk c" in health(c.switch)["degraded"]


@pytest.mark.interop
async def test_a_trunk_moves_when_its_name_leads_elsewhere(tmp_path: Path) -> None:
    near, far = free_port(), free_port()
    names = Names(far=["127.0.0.3"])
    extra = trunk("near", f"udp:127.0.0.2:{near}")
    extra += trunk("far", f"udp:far:{far}", resolve_s=1)
    async with center(tmp_path, extra=extra, plan=PLAN, resolve=names) as c:
        await c.until(lambda: shown(c, "far")["at"] == "127.0.0.3")
        names.answers["far"] = ["127.0.0.6"]
        await c.until(lambda: shown(c, "far")["at"] == "127.0.0.6")
        async with uas("127.0.0.6", far, tmp_path):
            status, out = await call(c, tmp_path, "127.0.0.2", near)
        assert status == 0, out[-2000:]
        # A resolver that fails later takes nothing away: the last address stays in use.
        del names.answers["far"]
        await c.until(lambda: shown(c, "far")["problem"])
        assert shown(c, "far")["up"]
        assert health(c.switch)["ok"]
        await c.empty()


async def test_calls_from_each_address_of_a_name_are_the_trunks(tmp_path: Path) -> None:
    names = Names(pbx=["127.0.0.3", "127.0.0.6"])
    async with center(tmp_path, extra=trunk("pbx", "udp:pbx:5070"), resolve=names) as c:
        await c.until(lambda: shown(c, "pbx")["up"])
        sip = c.switch.sip
        flow = sip.trunks.by_name["pbx"].flow
        assert flow is not None
        for host, known in (("127.0.0.3", True), ("127.0.0.6", True), ("127.0.0.9", False)):
            found = sip.trunks.find(type(flow)(flow.listener, (host, 5070)))
            assert (found is not None) is known


async def test_a_trunk_that_is_down_goes_to_the_next_address_of_its_name(tmp_path: Path) -> None:
    port = free_port()
    names = Names(pbx=["127.0.0.3", "127.0.0.6"])
    extra = trunk("pbx", f"tcp:pbx:{port}", options_s=1)
    async with center(tmp_path, extra=extra, resolve=names) as c, answering("127.0.0.6", port) as b:
        await c.until(lambda: shown(c, "pbx")["at"] == "127.0.0.6")
        await c.until(lambda: b)
        assert f"OPTIONS sip:pbx:{port} SIP/2.0" in b[0].decode()  # by its name, whoever it is
        await c.until(lambda: shown(c, "pbx")["up"])


async def test_a_trunk_that_is_taken_out_while_its_name_is_looked_up_stays_out(
    tmp_path: Path,
) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slow(host: str) -> list[str]:
        asked.set()
        await answer.wait()
        return ["127.0.0.3"]

    extra = trunk("pbx", "udp:pbx:5070")
    async with center(tmp_path, extra=extra, resolve=slow) as c:
        await asked.wait()
        file = tmp_path / "cicswitch.toml"
        file.write_text(file.read_text().replace(extra, ""))
        c.switch.reload_file()
        answer.set()
        await c.until(lambda: not c.switch.sip.trunks.by_name)
        assert snapshot(c.switch)["trunks"] == []
        assert len(c.switch.wheel) == 0


async def test_whatever_a_resolver_raises_is_told_as_the_reason(tmp_path: Path) -> None:
    async def broken(host: str) -> list[str]:
        raise LookupError("no such zone")

    async with center(tmp_path, extra=trunk("pbx", "udp:pbx"), resolve=broken) as c:
        await c.until(lambda: shown(c, "pbx")["problem"] == "pbx does not resolve: no such zone")


async def test_the_systems_resolver_knows_localhost_and_refuses_what_is_no_name() -> None:
    assert "127.0.0.1" in await resolve("localhost")
    with pytest.raises(OSError, match="not a host name"):
        await resolve("a" * 70)
