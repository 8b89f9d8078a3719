"""Callbacks that a machine answers, and some that people do: PJSIP phones that say a greeting."""

from __future__ import annotations

import asyncio
import shutil
import wave
from pathlib import Path

import numpy as np
import pytest

from cicswitch.calls import events as ev
from tests.rtp.test_amd import GREETING, Samples, silence, spoken, tone
from tests.support.center import Center, center
from tests.support.phone import phone
from tests.support.sound import read_wav

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.interop,
    pytest.mark.skipif(not shutil.which("espeak-ng"), reason="espeak-ng is not here"),
]
QUEUE = """
[queue.q]
agents = ["kim"]
music = "none"
[queue.q.callback]
machine = "{machine}"
attempts = 3
retry_s = 2
"""


def wav(path: Path, *parts: Samples) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(np.concatenate(parts).tobytes())
    return path


def order(c: Center) -> str:
    conductor = c.switch.conductor
    promise, _ = conductor.do(lambda: conductor.callbacks.order("q", "2001", language="en"))
    return promise.event.interaction


@pytest.mark.soak
async def test_a_message_is_left_once_with_a_machine(tmp_path: Path) -> None:
    kept = tmp_path / "kept.wav"
    greeting = spoken(GREETING, tmp_path)
    before_s = 0.5 + len(greeting) / 8000 + 0.9
    said = wav(
        *(tmp_path / "greeting.wav", silence(0.5), greeting, silence(0.5), tone(1000, 0.4)),
        silence(12),
    )
    extra = QUEUE.format(machine="message")
    async with (
        center(tmp_path, extra=extra) as c,
        phone("1001", c.server, "--answer-after", "0"),
        phone(
            *("2001", c.server, "--answer-after", "0", "--play", str(said), "--record", str(kept))
        ),
    ):
        name = order(c)
        tried = await c.event(ev.CallbackTried, interaction=name, timeout=40)
        assert (tried.reason, tried.attempts) == ("message-left", 1)
        await asyncio.sleep(0.5)  # the phone closes its file; the next call makes it anew
        heard = read_wav(kept)[0]
        # The machine has it; the next time nothing is said to it.
        tried = await c.event(ev.CallbackTried, interaction=name, attempts=2, timeout=40)
        assert tried.reason == "machine"
        assert not any(isinstance(e, ev.Bridged) for e in c.events)
    # What was said came behind the tone, not into the greeting.
    loud = np.abs(heard) > 500
    first_s = float(np.argmax(loud)) / 8000
    assert first_s > before_s - 1.0
    assert loud[int(8000 * before_s) :].sum() > 8000


async def test_somebody_who_says_hello_gets_an_agent(tmp_path: Path) -> None:
    said = wav(tmp_path / "hello.wav", silence(0.3), spoken("Hello?", tmp_path), silence(20))
    extra = QUEUE.format(machine="hang-up")
    async with (
        center(tmp_path, extra=extra) as c,
        phone("1001", c.server, "--answer-after", "0") as agent,
        phone("2001", c.server, "--answer-after", "0", "--play", str(said)),
    ):
        name = order(c)
        bridged = await c.event(ev.Bridged, timeout=20)
        assert bridged.interaction == name
        await agent.expect("confirmed")
