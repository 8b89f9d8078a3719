"""What a caller hears in a queue beside the music: a comfort prompt, the place, the wait."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, isfinite
from typing import TYPE_CHECKING

from cicswitch.calls.call import Call, Phase
from cicswitch.config import QueueConfig
from cicswitch.core.errors import CicError, CommandError
from cicswitch.ports import MediaSource

if TYPE_CHECKING:
    from cicswitch.switch.conductor import Conductor

__all__ = ["Waiting", "sentence"]

_TEXTS = {
    "en": (
        "You are number {place} in line.",
        "Your call will be answered in less than a minute.",
        "The estimated waiting time is about {minutes} minutes.",
    ),
    "ko": (
        "고객님의 대기 순서는 {place}번째입니다.",
        "1분 안에 연결될 예정입니다.",
        "예상 대기 시간은 약 {minutes}분입니다.",
    ),
}
_MOST_MINUTES = 60
"""A longer wait is not announced: nobody is helped by the number."""


def sentence(place: int, wait_s: float, language: str) -> str:
    """The announcement of a place and a wait; without the wait if nobody knows it."""
    at, soon, later = _TEXTS.get(language.partition("-")[0], _TEXTS["en"])
    text = at.format(place=place)
    if not isfinite(wait_s) or wait_s > _MOST_MINUTES * 60:
        return text
    minutes = ceil(wait_s / 60)
    return f"{text} {soon if minutes <= 1 else later.format(minutes=minutes)}"


class Waiting:
    """Speaks to callers who wait: from `begin`, when a queue takes a call, to `end`."""

    def __init__(self, conductor: Conductor) -> None:
        self._c = conductor

    def begin(self, call: Call, settings: QueueConfig) -> None:
        """Set the timers of what the queue wants said."""
        self.end(call)
        if settings.comfort and settings.comfort_s:
            self._every(call, "comfort", settings.comfort_s, lambda: self._comfort(call, settings))
        if settings.announce_s:
            self._every(call, "place", settings.announce_s, lambda: self._announce(call))

    def end(self, call: Call) -> None:
        """Say no more. Idempotent."""
        for timer in call.reminders.values():
            timer.cancel()
        call.reminders.clear()

    def _every(self, call: Call, name: str, seconds: float, say: Callable[[], None]) -> None:
        def due() -> None:
            if call.phase is Phase.QUEUED:
                self._every(call, name, seconds, say)
                if not call.playing:  # not over what is being said
                    say()

        call.reminders[name] = self._c.later(seconds, due)

    def language(self, call: Call) -> str:
        """That of announcements to a call."""
        language = call.run.language if call.run is not None else call.language
        return language or self._c.env.config.media.language

    def _comfort(self, call: Call, settings: QueueConfig) -> None:
        self._c.listening.prompts(call, (settings.comfort,), self.language(call))

    def _announce(self, call: Call) -> None:
        c = self._c
        place = c.engine.position(call.id)
        if not place:
            return  # it is ringing at an agent
        try:
            newcomer_s = c.estimator.of(call.queue, c.now).p50_s
            waiting = c.engine.queue(call.queue).waiting
        except CommandError:
            return
        # The estimate is for one who joins now; this one has gone a part of the way.
        self.speak(call, sentence(place, newcomer_s * place / (waiting + 1), self.language(call)))

    def speak(self, call: Call, text: str) -> None:
        """Say a text to one who waits, over the music."""
        self._c.env.tasks.spawn(f"announce {call.id}", self._say(call, text))

    async def _say(self, call: Call, text: str) -> None:
        c = self._c
        try:
            path = await c.env.speech.synthesize(text, self.language(call))
        except CicError as error:
            failure = str(error)
            c.run_soon(lambda: c.listening.failed(call, text, failure))
            return

        def play() -> None:
            if call.phase is Phase.QUEUED and not call.playing:
                c.listening.sources(call, [MediaSource(path=str(path))])

        c.run_soon(play)
