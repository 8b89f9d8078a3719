"""Each key of [webrtc] changes what a browser is told, or what becomes of it."""

from __future__ import annotations

import asyncio
import base64
import hmac
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from cicswitch.core.errors import ResourceError
from tests.api.served import Served, problem, served
from tests.journeys.test_webrtc import agent, until
from tests.sdp.test_webrtc import AUDIO, HEAD, VIDEO
from tests.support.phone import phone
from tests.support.ports import free_port
from tests.support.sound import write_tone
from tests.support.web import caller, web_wire

OFFER = (HEAD + AUDIO + VIDEO).replace("\r\n", "\n")


def keys(lines: str) -> str:
    return f"[http]\nrequests_per_minute = 100000\n[webrtc]\n{lines}\n"


async def answered(api: Served) -> str:
    """What an INVITE of a browser is answered."""
    async with agent(api) as wire:
        wire.request("INVITE", "sip:5000@127.0.0.1", user="1002", body=OFFER)
        found = await wire.expect("SIP/2.0 200", having="INVITE")
        wire.ack(found)
        return found


async def test_where_browsers_are_told_to_look(tmp_path: Path) -> None:
    port = free_port("127.0.0.9")
    lines = f'host = "127.0.0.9"\nport = {port}\ncodecs = ["PCMA"]'
    async with served(tmp_path, extra=keys(lines)) as api:
        text = await answered(api)
        assert f" 127.0.0.9 {port} typ host\r\n" in text
        assert "a=rtpmap:8 PCMA/8000\r\n" in text
        assert " opus/48000/2\r\n" not in text
        assert "\r\nm=video " in text
        assert "\r\nm=video 0 " not in text
        second = tmp_path / "second"
        second.mkdir()
        with pytest.raises(ResourceError, match=f"udp:127.0.0.9:{port}: Address already in use"):
            async with served(second, extra=keys(lines)):
                pass
    behind = tmp_path / "behind"
    behind.mkdir()
    lines = 'advertise = ["198.51.100.7", "10.0.0.7"]\nvideo = false'
    async with served(behind, extra=keys(lines)) as api:
        text = await answered(api)
        assert " 198.51.100.7 " in text
        assert " 10.0.0.7 " in text
        assert " 127.0.0.1 " not in text.partition("a=candidate")[2]
        assert " opus/48000/2\r\n" in text
        assert "\r\nm=video 0 " in text


async def test_enabled_false_leaves_browsers_out(tmp_path: Path) -> None:
    async with served(tmp_path, extra=keys("enabled = false")) as api, agent(api) as wire:
        wire.request("INVITE", "sip:5000@127.0.0.1", user="1002", body=OFFER)
        await wire.expect("SIP/2.0 488")
        client = await api.token("agent")
        problem(await client.get("/api/v1/phone"), 404)


async def test_lost_s_is_how_long_a_browser_may_be_silent(tmp_path: Path) -> None:
    tone = write_tone(tmp_path / "440.wav", 440)
    async with (
        served(tmp_path, extra=keys("lost_s = 2")) as api,
        agent(api) as wire,
        caller(wire, 620) as browser,
        phone("2001", api.center.server, "--play", str(tone)) as customer,
    ):
        customer.do("call", to="5000")
        await browser.pick_up()
        await until(0.9, browser.ear, 440)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await browser.die()
        await api.center.until(lambda: api.switch.engine.agents["lee"].code == "lost", timeout=6)
        assert 1.9 < loop.time() - began < 3


async def test_ice_servers_and_turn_secret_are_for_whoever_is_signed_in(tmp_path: Path) -> None:
    lines = 'ice_servers = ["stun:192.0.2.1:3478", "turn:192.0.2.1:3478"]\nturn_secret = "s3"'
    async with served(tmp_path, extra=keys(lines)) as api:
        client = await api.token("agent")
        stun, turn = (await client.get("/api/v1/phone")).json()["ice_servers"]
        assert stun == {"urls": ["stun:192.0.2.1:3478"]}
        until_s, _, name = turn["username"].partition(":")
        assert name == "agent"
        assert int(until_s) > 1_700_000_000
        digest = hmac.new(b"s3", turn["username"].encode(), "sha1").digest()
        assert base64.b64decode(turn["credential"]) == digest
        supervisor = await api.token("supervisor", "agents:read")
        problem(await supervisor.get("/api/v1/phone"), 403)


async def test_who_may_speak_sip_by_websocket(tmp_path: Path) -> None:
    async with served(tmp_path) as api:
        client = await api.session("agent")
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        for headers in (
            {"Cookie": cookie},
            {"Cookie": cookie, "Origin": "https://evil.example"},
            {"Authorization": "Bearer cic_nobody"},
        ):
            with pytest.raises(InvalidStatus, match=r"HTTP 40[13]"):
                async with web_wire(api.url, **headers):
                    pass
        async with web_wire(api.url) as stranger:
            stranger.request("REGISTER", "sip:127.0.0.1", user="1002", headers="Expires: 120\n")
            await stranger.expect("SIP/2.0 401")
        async with web_wire(api.url, Cookie=cookie, Origin=api.url) as wire:
            # Signed in as lee he is 1002, and nobody else.
            wire.request("REGISTER", "sip:127.0.0.1", user="1001", headers="Expires: 120\n")
            await wire.expect("SIP/2.0 403")
            wire.request("INVITE", "sip:5000@127.0.0.1", user="1001", body=OFFER)
            await wire.expect("SIP/2.0 403")
            await wire.socket.send("nonsense")
            await wire.socket.send(b"\xff\xfe\r\n\r\n")
            await wire.socket.send("\r\n\r\n")
            await wire.expect("\r\n")
            wire.request("REGISTER", "sip:127.0.0.1", user="1002", headers="Expires: 120\n")
            await wire.expect("SIP/2.0 200")
            await client.request("DELETE", "/api/v1/session")
            async with asyncio.timeout(20):  # it is asked every 15 s
                await wire.socket.wait_closed()
        assert api.switch.counters["errors"] == 0
