"""What each leg hears, and what is recorded: plans turned into commands for the media plane."""

from __future__ import annotations

from pathlib import Path
from time import gmtime, strftime
from typing import TYPE_CHECKING, Final

from cicswitch.calls import events as ev
from cicswitch.calls.bridge_plan import NOTHING, RINGING, Hears, Party, plan, talk
from cicswitch.calls.call import Call, Phase
from cicswitch.calls.parties import Consult, Role
from cicswitch.ports import MediaSource

if TYPE_CHECKING:
    from cicswitch.switch.conductor import Conductor

__all__ = ["Listening"]

_RINGING: Final = (
    MediaSource(tone_hz=(440.0, 480.0), duration_ms=1000),
    MediaSource(duration_ms=2000),
)
"""What an agent hears while the third party's phone rings."""
_TALK: Final = (Phase.QUEUED, Phase.DIALLING, Phase.TALKING)


class Listening:
    """Keeps the media plane in step with the state of each call."""

    def __init__(self, conductor: Conductor) -> None:
        self._c = conductor
        self._plays = 0

    def apply(self, call: Call) -> None:
        """Bring about what the call's state asks for; nothing is sent that is so already.

        Raises `ValueError` if the media of its legs cannot be joined.
        """
        if self._bridged(call):
            return
        wanted: dict[str, Hears] = {}
        if call.phase in _TALK:
            wanted = plan(
                self.parties(call),
                _music(call.music or self._c.env.music),
                _music(call.waiting_music),
                calling=call.consult is Consult.RINGING,
            )
        if wanted == call.hears:
            return
        before, call.hears = call.hears, wanted
        joined, to_join = talk(before), talk(wanted)
        rejoined = joined != to_join
        if rejoined:
            self._join(call, before, joined, to_join)
        for leg in (*wanted, *(leg for leg in before if leg not in wanted)):
            was, now = before.get(leg, NOTHING).music, wanted.get(leg, NOTHING).music
            # To be joined ends what played.
            if now and (now != was or (rejoined and leg in to_join)):
                self._music(call, leg, now)
            elif was and not now and leg not in to_join:
                self._c.env.media.stop_play(leg)

    def _bridged(self, call: Call) -> bool:
        """The step that nearly all calls take, as `plan` has it and without its price: two who
        hear nothing or wait with music hear each other. Whether it was that.
        """
        customer, other = call.customer, call.other
        if (
            other is None
            or call.guests
            or call.on_hold
            or call.customer_held
            or call.other_held
            or call.phase is not Phase.TALKING
            or not customer.up
            or not other.up
        ):
            return False
        before = call.hears
        if before:
            waits = before.get(customer.id)
            if waits is None or waits.legs or len(before) > 1:
                return False
            if not call.playing:
                self._c.env.media.stop_play(customer.id)
        call.hears = {
            customer.id: Hears(legs=(other.id,)),
            other.id: Hears(legs=(customer.id,)),
        }
        self._c.env.media.bridge(customer.id, other.id)
        return True

    def _join(
        self,
        call: Call,
        before: dict[str, Hears],
        joined: dict[str, tuple[str, ...]],
        to_join: dict[str, tuple[str, ...]],
    ) -> None:
        media = self._c.env.media
        left = [leg for leg in joined if leg not in to_join]
        for leg in left[:1] if len(joined) == 2 else left:  # to part one of two parts both
            media.unbridge(leg)
        for leg in to_join:
            waits = leg == call.customer.id and call.playing
            if before.get(leg, NOTHING).music and not waits:
                media.stop_play(leg)
        if len(to_join) == 2 and all(to_join.values()):
            media.bridge(*to_join)
        elif to_join:
            media.mix(to_join)

    def parties(self, call: Call) -> list[Party]:
        """All legs of a call that are up or wait for it, the customer first."""
        away = call.on_hold or call.consult in (Consult.RINGING, Consult.TALKING)
        customer, other = call.customer, call.other
        found = [
            Party(
                leg=customer.id,
                role=Role.CUSTOMER,
                up=customer.up,
                held=call.customer_held,
                apart=away,
            )
        ]
        if other is not None:
            found.append(Party(leg=other.id, role=Role.AGENT, up=other.up, held=call.other_held))
        for guest in call.guests:
            if guest.leg is None:
                continue
            apart = False
            if guest.role is Role.CONSULTED:
                apart = call.consult is Consult.ASIDE
            elif guest.role is Role.COLLEAGUE:
                apart = away and not call.on_hold
            found.append(
                Party(
                    leg=guest.leg.id,
                    role=guest.role,
                    up=guest.leg.up,
                    held=guest.held,
                    apart=apart,
                    mode=guest.mode,
                )
            )
        return found

    def _music(self, call: Call, leg: str, music: str) -> None:
        media = self._c.env.media
        if music == RINGING:
            media.play(leg, "", _RINGING, loop=True)
            return
        path = self._c.env.prompt(music, "")
        if path is None:
            self.failed(call, music, "there is no such music")
            media.stop_play(leg)
            return
        media.play(leg, "", [MediaSource(path=str(path))], loop=True)

    def restart_music(self, call: Call) -> None:
        """After something was played over it."""
        if call.hears.get(call.customer.id, NOTHING).music:
            call.hears = {
                leg: hears for leg, hears in call.hears.items() if leg != call.customer.id
            }
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
