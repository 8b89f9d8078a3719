"""Between an agent's answer and the customer: a beep for who answers by himself, and the preview.

An agent with `auto_answer` hears a zip tone. In a queue with `preview_s` he is told who it is, and
has that long to press 1 (take him) or 2 (decline); silence takes him. The customer hears nothing of
it. The ACD is told at the answer (`Preview`), so that the offer does not time out meanwhile; its
own deadline comes later than ours, and would free an agent whom a mistake has left hanging.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cicswitch.acd import commands as acd
from cicswitch.calls.call import Call, Phase
from cicswitch.calls.reason import Reason
from cicswitch.core.errors import CicError
from cicswitch.ports import MediaSource

if TYPE_CHECKING:
    from cicswitch.config import QueueConfig
    from cicswitch.core.timers import Timer
    from cicswitch.ports import Leg
    from cicswitch.switch.conductor import Conductor

__all__ = ["Preview", "Previews"]

_TEXTS = {
    "en": "Call for {queue} from {caller}. Press 1 to take it, 2 to decline.",
    "ko": "{queue} 대기열, {caller} 고객의 전화입니다. 받으려면 1번, 거절하려면 2번을 누르십시오.",
}
_ZIP: Final = MediaSource(tone_hz=(1000.0,), duration_ms=200)
_SPEAK_S: Final = 60.0
"""More than any text takes to be made and said."""


class Preview:
    """An agent's leg that has answered and is not connected yet."""

    def __init__(self, leg: Leg, reservation: int, seconds: float) -> None:
        self.leg = leg
        self.reservation = reservation
        self.seconds = seconds
        """To decide in, from the end of what is said; 0: a beep alone."""
        self.play_id = ""
        self.timer: Timer | None = None


class Previews:
    """Begins them, and ends them by a key, by time, or because somebody is gone."""

    def __init__(self, conductor: Conductor) -> None:
        self._c = conductor
        self._plays = 0

    def begin(self, call: Call, leg: Leg, reservation: int, agent: str) -> bool:
        """Whether the agent hears something before the customer; if so, it has begun.

        Raises `CommandError` if the offer is over.
        """
        c = self._c
        queue = c.env.config.queue.get(call.queue)
        person = c.env.config.agent.get(agent)
        seconds = float(queue.preview_s) if queue is not None else 0.0
        beep = person is not None and person.auto_answer
        if not seconds and not beep:
            return False
        c.acd(acd.Preview(reservation, seconds + _SPEAK_S))
        made = call.preview = Preview(leg, reservation, seconds)
        c.dialling.stop_ringing(call, Reason.ANSWERED_ELSEWHERE, keep=leg.id)
        call.ringing[leg.id] = leg
        call.offers = {reservation: [leg.id]}
        sources = [_ZIP] if beep else []
        if not seconds or queue is None:
            self._play(made, sources)
        elif queue.preview_prompt:
            path = c.env.prompt(queue.preview_prompt, c.env.config.media.language)
            if path is not None:
                sources.append(MediaSource(path=str(path)))
            else:
                c.listening.failed(call, queue.preview_prompt, "there is no such prompt")
            self._play(made, sources)
        else:
            text = self._text(call, queue)
            c.env.tasks.spawn(f"preview {call.id}", self._say(call, made, text, sources))
        return True

    def _text(self, call: Call, queue: QueueConfig) -> str:
        language = self._c.env.config.media.language.partition("-")[0]
        text = queue.preview_say or _TEXTS.get(language, _TEXTS["en"])
        waiting = self._c.engine.interactions.get(call.id)
        values = {
            "queue": call.queue,
            "caller": " ".join(call.caller),  # digit by digit
            "caller_name": call.caller_name,
            "called": call.called,
            "segment": waiting.segment if waiting is not None else "",
        }
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    async def _say(
        self, call: Call, preview: Preview, text: str, sources: list[MediaSource]
    ) -> None:
        c = self._c
        failure = ""
        try:
            path = await c.env.speech.synthesize(text, c.env.config.media.language)
            sources.append(MediaSource(path=str(path)))
        except CicError as error:
            failure = str(error)

        def play() -> None:
            if failure:
                c.listening.failed(call, "preview", failure)
            if call.preview is preview:
                self._play(preview, sources)

        c.run_soon(play)

    def _play(self, preview: Preview, sources: list[MediaSource]) -> None:
        if not sources:
            sources = [_ZIP]  # what should be said is missing: at least he knows that it begins
        self._plays += 1
        preview.play_id = f"v{self._plays}"
        self._c.env.media.play(preview.leg.id, preview.play_id, sources)

    def played(self, call: Call) -> None:
        """What was said is over: the time to decide begins."""
        preview = call.preview
        if preview is not None:
            preview.play_id = ""
            self._said(call, preview)

    def _said(self, call: Call, preview: Preview) -> None:
        c = self._c
        if not preview.seconds:
            self._take(call, preview)
            return

        def due() -> None:
            if call.preview is preview:
                self._take(call, preview)

        preview.timer = c.later(preview.seconds, due)

    def key(self, call: Call, digit: str) -> None:
        """A key of the agent."""
        preview = call.preview
        if preview is None or not preview.seconds:
            return
        if digit == "1":
            self._take(call, preview)
        elif digit == "2":
            self.end(call)
            self._c.queueing.declined(call, preview.reservation)
            preview.leg.end(self._c.now, Reason.REJECTED)

    def _take(self, call: Call, preview: Preview) -> None:
        self.end(call)
        if call.phase is Phase.QUEUED:
            self._c.queueing.accept(call, preview.leg, preview.reservation)

    def end(self, call: Call) -> None:
        """It is over; the leg is the caller's to end. Idempotent."""
        preview = call.preview
        if preview is None:
            return
        call.preview = None
        if preview.timer is not None:
            preview.timer.cancel()
        if preview.play_id:
            self._c.env.media.stop_play(preview.leg.id)
