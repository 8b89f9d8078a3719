"""Talks of several PJSIP phones, each with a tone of its own, and who hears whom in them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from cicswitch.calls import events as ev
from cicswitch.calls.call import Call
from tests.support.center import Center, center
from tests.support.phone import Phone, phone
from tests.support.sound import read_wav, tones_in, write_tone

TONES = {
    "customer": 440.0,
    "agent": 620.0,
    "supervisor": 850.0,
    "third": 1130.0,
    "music": 1510.0,
    "other music": 1930.0,
}
SOUNDS = 'prompts = ["sounds"]\nmusic = "moh/music"'
DEVICES = {"customer": "2001", "agent": "1001", "supervisor": "1003", "third": "1002"}
HEAR_S = 1.6
ANSWERS = ("agent", "supervisor", "third")


class Talk:
    """A customer who came through the queue and the agent `kim`, who answers at once."""

    def __init__(self, c: Center, folder: Path, phones: dict[str, Phone]) -> None:
        self.c = c
        self.phones = phones
        self.conductor = c.switch.conductor
        self._folder = folder
        self._began: dict[str, float] = {}
        self._marks: list[tuple[float, float, dict[str, set[float]]]] = []

    @property
    def call(self) -> Call:
        (call,) = self.conductor.calls.values()
        return call

    async def begin(self) -> None:
        """The customer calls, the agent answers."""
        self.phones["customer"].do("call", to="5000")
        await self.c.event(ev.Bridged)
        await self.joined("customer")
        await self.joined("agent")

    async def joined(self, who: str) -> None:
        """Somebody's phone has media: his recording begins."""
        await self.phones[who].expect("media")
        self._began[who] = time.monotonic()

    async def hears(self, **expected: set[str]) -> None:
        """For a while each of these hears just those; `heard` looks at it afterwards."""
        start = time.monotonic() + 0.5  # for what was on its way
        await self.c.until(lambda: time.monotonic() > start + HEAR_S)
        self._marks.append(
            (start, time.monotonic(), {who: {TONES[x] for x in of} for who, of in expected.items()})
        )

    def heard(self) -> None:
        """Check all that was expected: the phones have ended, so their recordings are whole."""
        told: list[tuple[int, str, set[float], set[float]]] = []
        for number, (start, end, expected) in enumerate(self._marks):
            for who, tones in expected.items():
                samples = read_wav(self._folder / f"{who}.wav")[0]
                first, last = (int((at - self._began[who]) * 8000) for at in (start, end))
                found = tones_in(samples[first : last - 800], list(TONES.values()))
                if found != tones:
                    told.append((number, who, found, tones))
        assert not told, told

    def do(self, verb: Any, *arguments: Any, **named: Any) -> Any:
        """A verb of the conductor for this call."""
        return self.conductor.do(lambda: verb(self.call, *arguments, **named))


@contextlib.asynccontextmanager
async def talk(
    folder: Path, *who: str, silent: tuple[str, ...] = (), **options: Any
) -> AsyncIterator[Talk]:
    """A talk of customer and agent; the phones of the others are registered and answer.

    Those who are `silent` ring and do not answer. Leaving it hangs all up, sees that nothing is
    left behind, and checks who heard whom.
    """
    made: Talk | None = None
    (folder / "sounds" / "moh").mkdir(parents=True)
    for name in ("music", "other music"):
        write_tone(folder / "sounds" / "moh" / f"{name}.wav", TONES[name], 2.0)
    async with center(folder, sounds=SOUNDS, **options) as c, contextlib.AsyncExitStack() as stack:
        phones = {}
        for name in ("customer", "agent", *who):
            tone = write_tone(folder / f"{name}-tone.wav", TONES[name])
            more = ["--play", str(tone), "--loop", "--record", str(folder / f"{name}.wav")]
            if name in ANSWERS and name not in silent:
                more += ["--answer-after", "0"]
            phones[name] = await stack.enter_async_context(phone(DEVICES[name], c.server, *more))
        made = Talk(c, folder, phones)
        await made.begin()
        yield made
        c.switch.conductor.end_all()
        await c.empty()
    made.heard()
