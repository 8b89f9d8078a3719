"""Calls of browsers: aiortc at one end, PJSIP or aiortc at the other."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import pytest

from cicswitch.acd import commands as acd
from cicswitch.calls import events as ev
from cicswitch.client import Client
from cicswitch.ports import MediaSource
from cicswitch.rtp.packet import parse_rtp
from tests.api.served import Served, problem, served
from tests.operation.test_keys import register
from tests.support.phone import phone
from tests.support.sound import longest_tone, read_wav, write_tone
from tests.support.web import Caller, Camera, WebWire, caller, registered, seen, web_wire


@contextlib.asynccontextmanager
async def agent(api: Served) -> AsyncIterator[WebWire]:
    """The browser of the agent lee, signed in and registered as 1002."""
    client = await api.session("agent")
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    async with web_wire(api.url, Cookie=cookie, Origin=api.url) as wire:
        wire.request("REGISTER", "sip:127.0.0.1", user="1002", headers="Expires: 120\n")
        assert registered(await wire.expect("SIP/2.0 200"))
        api.switch.command(acd.Pause("kim", ""))
        api.switch.command(acd.SignIn("lee"))
        yield wire


async def until(share: float, ear: object, hz: float, seconds: float = 1.0) -> None:
    """Wait until a tone is heard."""
    for _ in range(100):
        await asyncio.sleep(0.1)
        if ear.share(hz, seconds) >= share:  # type: ignore[attr-defined]  # an Ear
            return
    raise AssertionError(f"{hz} Hz is not heard: {ear.share(hz, seconds)}")  # type: ignore[attr-defined]  # the same


async def test_an_agent_in_a_browser_talks_to_a_phone(tmp_path: Path) -> None:
    tone, heard = write_tone(tmp_path / "440.wav", 440), tmp_path / "heard.wav"
    async with served(tmp_path) as api, agent(api) as wire, caller(wire, 620) as browser:
        async with phone(
            "2001", api.center.server, "--play", str(tone), "--record", str(heard)
        ) as customer:
            customer.do("call", to="5000")
            await browser.pick_up()
            await customer.expect("confirmed")
            await until(0.95, browser.ear, 440, 2.0)
            await asyncio.sleep(1)
            customer.do("hangup", call=0)
            bye = await wire.expect("BYE ")
            wire.reply(bye, "200 OK")
        media = await api.center.event(ev.LegMedia)
        assert media.packets_lost == 0
        recorded = await api.center.event(ev.RecordingEnded)
    assert longest_tone(read_wav(heard)[0], 620)[0] > 2
    left, right = read_wav(Path(recorded.path))
    assert longest_tone(left, 440)[0] > 2
    assert longest_tone(right, 620)[0] > 2
    (opus,) = [
        each for each in api.center.events if isinstance(each, ev.LegMedia) and each.codec == "opus"
    ]
    assert opus.packets_received > 100
    assert opus.packets_lost == 0


async def test_two_browsers_hear_each_other_as_they_speak(tmp_path: Path) -> None:
    """Opus goes from one to the other as it is; who is on hold hears music; the recording, for
    which it is decoded beside, is right on both sides.
    """
    async with two(tmp_path, agents=False, customers=False) as (api, browser, customer):
        calling = asyncio.create_task(customer.call("5000", "2001", password="phone-2001"))
        await browser.pick_up()
        await calling
        spoken, heard = sent(customer), received(browser)
        await until(0.95, browser.ear, 440)
        await until(0.95, customer.ear, 620)
        assert "opus" in customer.ok
        count = len(heard)
        async with asyncio.timeout(10):
            while len(heard) < count + 80:  # noqa: ASYNC110  # nothing tells
                await asyncio.sleep(0.1)
        passed = heard[count:][:80]
        at = spoken.index(passed[0])
        assert spoken[at : at + 80] == passed
        (audio,) = customer.connection.getTransceivers()
        audio.direction = "sendonly"
        await customer.again()
        for _ in range(100):
            await asyncio.sleep(0.1)
            if browser.ear.share(440, 1.0) < 0.1:
                break
        assert browser.ear.share(440, 1.0) < 0.1
        assert max(abs(samples).max() for _, samples in browser.ear.frames[-50:]) > 100  # music
        audio.direction = "sendrecv"
        await customer.again(cseq=3)
        await until(0.95, browser.ear, 440, 2.0)
        await until(0.95, customer.ear, 620, 2.0)
        customer.wire.within(customer.ok, "BYE", cseq=4)
        browser.wire.reply(await browser.wire.expect("BYE "), "200 OK")
        recorded = await api.center.event(ev.RecordingEnded)
    left, right = read_wav(Path(recorded.path))
    assert longest_tone(left, 440)[0] > 1.9
    assert longest_tone(right, 620)[0] > 1.9
    legs = [each for each in api.center.events if isinstance(each, ev.LegMedia)]
    assert [each.codec for each in legs] == ["opus", "opus"]
    assert all(each.packets_received > 200 and each.packets_lost == 0 for each in legs)


async def test_what_nobody_else_hears_is_not_decoded(tmp_path: Path) -> None:
    async with two(tmp_path, agents=False, customers=False) as (api, browser, customer):
        # His candidates are told after the call has begun.
        call = customer.call("5004", "2001", password="phone-2001", trickle=True)
        calling = asyncio.create_task(call)
        await browser.pick_up()
        await calling
        await until(0.95, browser.ear, 440)
        await until(0.95, customer.ear, 620)
        await asyncio.sleep(1.5)  # the figures are a second old at most
        before = api.switch.media.figures()["packets_received"]
        await until(0.95, browser.ear, 440, 2.0)
        assert api.switch.media.figures()["packets_received"] == before
        # What the plane plays to one of them he hears instead, or into it; the other goes on.
        leg = next(iter(api.switch.media._legs))
        source = MediaSource(path=str(write_tone(tmp_path / "1000.wav", 1000)))
        api.switch.media.play(leg, "", [source], loop=True)
        await until(0.95, customer.ear, 1000)
        assert browser.ear.share(440, 1.0) >= 0.95
        api.switch.media.stop_play(leg)
        await until(0.95, customer.ear, 620)
        loud = MediaSource(path=str(write_tone(tmp_path / "900.wav", 900, seconds=3, level=24000)))
        api.switch.media.play(leg, "", [loud], over=True)
        await until(0.9, customer.ear, 900)
        await until(0.95, customer.ear, 620)  # it has ended by itself
        await asyncio.sleep(1.5)
        before = api.switch.media.figures()["packets_received"]
        await until(0.95, customer.ear, 620, 2.0)
        await until(0.95, browser.ear, 440, 2.0)
        assert api.switch.media.figures()["packets_received"] == before


def sent(one: Caller) -> list[bytes]:
    """The payloads of the sound that a browser sends from now on."""
    found: list[bytes] = []
    transport = one.connection.getTransceivers()[0].sender.transport
    send = transport._send_rtp

    async def tap(data: bytes) -> None:
        if not 192 <= data[1] <= 223:
            found.append(parse_rtp(data).payload)
        await send(data)

    transport._send_rtp = tap  # type: ignore[method-assign]  # a tap, as the name says
    return found


def received(one: Caller) -> list[bytes]:
    """The payloads of the sound that a browser is sent from now on."""
    found: list[bytes] = []
    receiver = one.connection.getTransceivers()[0].receiver
    take = receiver._handle_rtp_packet

    async def tap(packet: Any, arrival_time_ms: int) -> None:
        found.append(packet.payload)
        await take(packet, arrival_time_ms)

    receiver._handle_rtp_packet = tap  # type: ignore[method-assign]  # the same
    return found


async def sign_in(wire: WebWire, user: str) -> None:
    """REGISTER with the device's password."""
    answer = await register(wire, f"{user}@{wire.host}", 120, user)
    assert answer.startswith("SIP/2.0 200"), answer


@contextlib.asynccontextmanager
async def two(
    folder: Path, *, agents: bool = True, customers: bool = True
) -> AsyncIterator[tuple[Served, Caller, Caller]]:
    """The API, an agent's browser and a customer's, not yet in a call; who has a camera."""
    async with (
        served(folder) as api,
        agent(api) as wire,
        caller(wire, 620, Camera(60) if agents else None) as browser,
        web_wire(api.url) as far,
        caller(far, 440, Camera(140) if customers else None) as customer,
    ):
        await sign_in(far, "2001")
        yield api, browser, customer


async def sees(one: Caller, grey: int) -> None:
    """Wait until a moving picture of that grey is seen."""
    for _ in range(100):
        await asyncio.sleep(0.1)
        count, places = seen(one.ear.pictures[-20:], grey)
        if count >= 15 and places >= 5:
            return
    raise AssertionError(f"grey {grey} is not seen: {len(one.ear.pictures)} pictures, {count}")


async def test_two_browsers_see_and_hear_each_other(tmp_path: Path) -> None:
    async with two(tmp_path) as (_, browser, customer):
        calling = asyncio.create_task(customer.call("5000", "2001", password="phone-2001"))
        await browser.pick_up()
        await calling
        await sees(browser, 140)
        await sees(customer, 60)
        await until(0.9, browser.ear, 440)
        await until(0.9, customer.ear, 620)


@contextlib.asynccontextmanager
async def filmed(folder: Path) -> AsyncIterator[tuple[Served, Caller, Caller, Path]]:
    """Two browsers that see each other in a recorded call, and the WAV's path."""
    async with two(folder) as (api, browser, customer):
        calling = asyncio.create_task(customer.call("5000", "2001", password="phone-2001"))
        await browser.pick_up()
        await calling
        begun = await api.center.event(ev.RecordingStarted)
        await sees(browser, 140)
        await sees(customer, 60)
        # A machine that has much to do loses pictures; the film waits for a key frame then.
        wav = Path(begun.path)
        async with asyncio.timeout(30):
            while not await asyncio.to_thread(filmed_enough, wav):  # noqa: ASYNC110  # a file
                await asyncio.sleep(0.5)
        yield api, browser, customer, wav


def pictures(wav: Path) -> dict[str, list[Any]]:
    """What each side's file shows."""
    found = {}
    for side in ("customer", "agent"):
        with av.open(str(wav.with_suffix(f".{side}.webm"))) as file:
            found[side] = list(file.decode(video=0))
    return found


def filmed_enough(wav: Path) -> bool:
    """Whether each side's file has as many pictures as are looked for."""
    try:
        return all(len(each) >= 20 for each in pictures(wav).values())
    except (FileNotFoundError, av.error.FFmpegError):
        return False


def check_films(wav: Path) -> None:
    for side, grey in (("customer", 140), ("agent", 60)):
        shown = pictures(wav)[side]
        count, places = seen(shown, grey)
        assert count >= 15
        assert count >= len(shown) - 1
        assert places >= 5


async def test_the_pictures_of_a_recorded_call_are_kept_and_given_out(tmp_path: Path) -> None:
    async with filmed(tmp_path) as (api, browser, customer, wav):
        await asyncio.sleep(1)
        customer.wire.within(customer.ok, "BYE")
        browser.wire.reply(await browser.wire.expect("BYE "), "200 OK")
        ended = await api.center.event(ev.RecordingEnded)
        assert ended.error == ""
        await api.center.switch.store.committed()
        customer_film = wav.with_suffix(".customer.webm")
        for _ in range(100):  # the end of a film is written by another process
            if av.open(str(customer_film)).duration:
                break
            await asyncio.sleep(0.1)
        check_films(wav)
        client = await api.token("quality")
        where = f"/api/v1/recordings/{ended.recording}"
        view = (await client.get(where)).json()
        assert [each["side"] for each in view["videos"]] == ["customer", "agent"]
        assert all(0 <= each["start_s"] < 4 for each in view["videos"])
        assert view["videos"][0]["size"] == customer_film.stat().st_size
        # In step with the sound. It may end before it: a picture that a busy machine lost at the
        # end is waited for until the next key frame.
        with av.open(str(customer_film)) as file:
            end_s = view["videos"][0]["start_s"] + (file.duration or 0) / 1e6
            # Where the first picture came before the first packet of sound, it has none.
            for sound in file.streams.audio:
                assert sound.codec_context.name in ("opus", "libopus")
        assert -4 < end_s - view["duration_s"] < 0.5
        whole = await client.get(f"{where}/video/customer")
        assert whole.headers["content-type"] == "video/webm"
        assert whole.content == customer_film.read_bytes()
        part = await client.get(f"{where}/video/agent", headers={"Range": "bytes=4-99"})
        assert part.status_code == 206
        assert part.content == wav.with_suffix(".agent.webm").read_bytes()[4:100]
        problem(await client.get(f"{where}/video/nobody"), 404)
        problem(await (await api.token("planner")).get(f"{where}/video/agent"), 403)
        assert await heard_by(api) == [("quality", ended.recording)]
        token = await api.token("quality")
        secret = token.headers["Authorization"].removeprefix("Bearer ")
        async with Client(api.url, token=secret) as one:
            assert await one.video(ended.recording, "customer", 0, 4) == b"\x1a\x45\xdf\xa3"
        root = await api.token("administrator")
        tag = (await root.get(where)).headers["etag"]
        assert (await root.delete(where, headers={"If-Match": tag})).status_code == 204
        assert list(wav.parent.iterdir()) == []


async def heard_by(api: Served) -> list[tuple[str, str]]:
    return [(e.who, e.target) for e in await api.audit() if e.action == "recording.listen"]


async def test_the_pictures_survive_a_killed_process(tmp_path: Path) -> None:
    async with filmed(tmp_path) as (api, _, _, wav):
        browsers = api.switch.browsers
        assert browsers is not None
        assert browsers._process is not None
        os.kill(browsers._process.pid, signal.SIGKILL)
        await api.center.event(ev.RecordingEnded)
        check_films(wav)


async def test_a_phone_and_a_camera_fall_back_to_sound(tmp_path: Path) -> None:
    tone = write_tone(tmp_path / "440.wav", 440)
    async with (
        served(tmp_path) as api,
        agent(api) as wire,
        caller(wire, 620) as browser,
        phone("2001", api.center.server, "--play", str(tone)) as customer,
    ):
        customer.do("call", to="5000")
        invite = await wire.expect("INVITE ")
        assert "m=video" not in invite  # a phone has none to show
        wire.seen.append(invite)
        await browser.pick_up()
        await until(0.9, browser.ear, 440)


async def test_a_call_becomes_a_video_call(tmp_path: Path) -> None:
    async with two(tmp_path, agents=False, customers=False) as (api, browser, customer):
        calling = asyncio.create_task(customer.call("5000", "2001", password="phone-2001"))
        await browser.pick_up()
        await calling
        await until(0.9, browser.ear, 440)
        browser.connection.addTrack(Camera(60))
        customer.connection.addTrack(Camera(140))
        asked = asyncio.create_task(browser.asked_again())
        await customer.again()
        await asked
        await sees(browser, 140)
        await sees(customer, 60)
        assert len(api.switch.calls) == 1


@pytest.mark.parametrize("how", ["closes", "dies"])
async def test_a_browser_that_is_gone_gives_the_customer_back(tmp_path: Path, how: str) -> None:
    tone = write_tone(tmp_path / "440.wav", 440)
    async with (
        served(tmp_path) as api,
        agent(api) as wire,
        caller(wire, 620) as browser,
        phone("2001", api.center.server, "--play", str(tone)) as customer,
    ):
        customer.do("call", to="5000")
        await browser.pick_up()
        await customer.expect("confirmed")
        await until(0.9, browser.ear, 440)
        began = asyncio.get_running_loop().time()
        if how == "closes":
            await browser.close()
        else:
            await browser.die()
        await api.center.event(ev.AgentLost, timeout=6)
        assert asyncio.get_running_loop().time() - began < (1.5 if how == "closes" else 5)
        await api.center.until(
            lambda: (
                [each.state.name.lower() for each in api.switch.engine.interactions.values()]
                == ["waiting"]
            )
        )
        async with phone("1001", api.center.server, "--answer-after", "0") as other:
            api.switch.command(acd.Ready("kim"))
            await other.expect("confirmed")
            customer.do("hangup", call=0)
            await other.expect("disconnected")


async def test_the_process_that_talks_to_browsers_dies_and_another_takes_its_place(
    tmp_path: Path,
) -> None:
    tone = write_tone(tmp_path / "440.wav", 440)
    async with (
        served(tmp_path) as api,
        agent(api) as wire,
        caller(wire, 620) as browser,
        phone("2001", api.center.server, "--play", str(tone), "--loop") as customer,
    ):
        customer.do("call", to="5000")
        await browser.pick_up()
        await until(0.9, browser.ear, 440)
        gateway = api.switch.browsers
        assert gateway is not None
        assert gateway._process is not None
        gateway._process.kill()
        await customer.expect("disconnected")
        await wire.expect("BYE ")
        await api.center.event(ev.LegEnded, reason="media-lost")
        await api.center.until(lambda: not api.switch.calls)
        metrics = (await api.client().get("/metrics")).text
        assert 'cicswitch_webrtc{kind="processes_lost"} 1.0' in metrics
        api.switch.command(acd.WrapUp("lee", "resolved"))
        await asyncio.sleep(1)
        async with caller(wire, 620) as again:
            customer.do("call", to="5000")
            await again.pick_up()
            await until(0.9, again.ear, 440)
