"""What each leg hears, and what is recorded: plans turned into commands for the media plane."""

from __future__ import annotations

from pathlib import Path
from time import gmtime, strftime
from typing import TYPE_CHECKING, Final

from cicswitch.calls import events as ev
from cicswitch.calls.bridge_plan import NOTHING, Hears, Party, plan
from cicswitch.calls.call import Call, Phase
from cicswitch.ports import MediaSource

if TYPE_CHECKING:
    from cicswitch.switch.conductor import Conductor

__all__ = ["Listening"]

_TALK: Final = (Phase.QUEUED, Phase.DIALLING, Phase.TALKING)


class Listening:
    """Keeps the media plane in step with the state of each call."""

    def __init__(self, conductor: Conductor) -> None:
        self._c = conductor
        self._plays = 0

    def apply(self, call: Call) -> None:
        """Bring about what the call's state asks for; nothing is sent that is so already."""
        if call.phase in _TALK:
            other = call.other
            wanted = plan(
                Party(call.customer.id, call.customer.up, call.customer_held),
                Party(other.id, other.up, call.other_held) if other is not None else None,
                _music(call.music or self._c.env.music),
                _music(call.waiting_music),
            )
        else:
            wanted = (NOTHING, NOTHING)
        if wanted == call.hears:
            return
        before, call.hears = call.hears, wanted
        media = self._c.env.media
        if before[0].leg and not wanted[0].leg:
            media.unbridge(call.customer.id)
        if wanted[0].leg:
            if before[0].music and call.playing == "":
                media.stop_play(call.customer.id)
            media.bridge(call.customer.id, wanted[0].leg)
            return
        self._one_sided(call, call.customer.id, before[0], wanted[0])
        if call.other is not None:
            self._one_sided(call, call.other.id, before[1], wanted[1])

    def _one_sided(self, call: Call, leg: str, before: Hears, wanted: Hears) -> None:
        if wanted.music == before.music:
            return
        if not wanted.music:
            self._c.env.media.stop_play(leg)
            return
        path = self._c.env.prompt(wanted.music, "")
        if path is None:
            self.failed(call, wanted.music, "there is no such music")
            return
        self._c.env.media.play(leg, "", [MediaSource(path=str(path))], loop=True)

    def restart_music(self, call: Call) -> None:
        """After something was played over it."""
        customer, other = call.hears
        call.hears = (NOTHING if customer.music else customer, other)
        self.apply(call)

    def prompts(self, call: Call, names: tuple[str, ...], language: str) -> bool:
        """Play prompts to the customer; False if there is nothing to play.

        What is missing is left out and reported: a missing prompt costs a sentence, not a call.
        """
        sources: list[MediaSource] = []
        for name in names:
            if name.startswith("tone:"):
                sources.append(_tone(name))
                continue
            path = self._c.env.prompt(name, language)
            if path is None:
                self.failed(call, name, f'there is no prompt "{name}" in language "{language}"')
            else:
                sources.append(MediaSource(path=str(path)))
        if not sources:
            return False
        self.sources(call, sources)
        return True

    def sources(self, call: Call, sources: list[MediaSource]) -> None:
        """Play sources to the customer; `call.playing` names them until they end."""
        self._plays += 1
        call.playing = f"p{self._plays}"
        self._c.env.media.play(call.customer.id, call.playing, sources)

    def stop(self, call: Call) -> None:
        """Stop what `prompts` or `sources` began."""
        if call.playing:
            call.playing = ""
            self._c.env.media.stop_play(call.customer.id)

    def start_recording(self, call: Call) -> None:
        """Record the customer's leg until the talk ends."""
        env = self._c.env
        if call.recording or not env.can_record():
            return
        call.recordings += 1
        call.recording = f"{call.id}-{call.recordings}"
        day = strftime("%Y/%m/%d", gmtime(self._c.now))
        path = Path(env.recordings, day, f"{call.recording}.wav")
        env.media.record(call.customer.id, call.recording, path)
        self._c.emit(ev.RecordingStarted(self._c.now, call.id, call.recording, str(path)))

    def stop_recording(self, call: Call) -> None:
        """End the recording, if there is one."""
        if call.recording:
            self._c.env.media.stop_recording(call.recording)
            call.recording = ""

    def failed(self, call: Call, what: str, error: str) -> None:
        """Report what could not be played or said."""
        self._c.emit(ev.AnnouncementFailed(self._c.now, call.id, what, error))


def _music(name: str) -> str:
    """`none` in the configuration is silence."""
    return "" if name == "none" else name


def _tone(name: str) -> MediaSource:
    """`tone:1000/500`: 1,000 Hz for 500 ms; `tone:350+440/1000`: two frequencies."""
    frequencies, _, duration = name.removeprefix("tone:").partition("/")
    tone_hz = tuple(float(hz) for hz in frequencies.split("+"))
    return MediaSource(tone_hz=tone_hz, duration_ms=int(duration or 500))
