"""What each leg of a call hears, as a pure function of the call's state.

The conductor states the plan after each change; a differ turns two plans into the commands that
lead from one to the other, so no code path has to remember to stop the music.

A call has two tables. At the first sits the agent and whoever talks with him; at the other
(`Party.apart`) who waits meanwhile: the customer on hold or during a consultation, or the third
party while the agent is back with the customer. Those at one table hear one another; who sits there
alone hears music. Supervisors sit with the agent:

| mode | supervisor hears | agent hears him | customer and others hear him |
|---|---|---|---|
| monitor | all at the agent's table | no | no |
| whisper | the same | yes | no |
| barge | the same | yes | yes |
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from cicswitch.calls.parties import Mode, Role

__all__ = ["NOTHING", "RINGING", "Hears", "Party", "plan", "talk"]

RINGING = "\0ringing"
"""As music: the tone of a phone that rings. No file has this name."""


class Hears(Struct, frozen=True, gc=False):
    """At most one of: other legs (`legs`) and a source (`music`)."""

    legs: tuple[str, ...] = ()
    music: str = ""


class Party(Struct, frozen=True, gc=False, kw_only=True):
    """One leg of a call."""

    leg: str
    role: Role
    up: bool = True
    """Sound can pass."""
    held: bool = False
    """Its far end put us on hold: it hears nothing, and nobody hears it."""
    apart: bool = False
    mode: Mode = Mode.MONITOR
    """Of a supervisor."""


NOTHING = Hears()


def plan(
    parties: Sequence[Party], music: str, waiting_music: str, *, calling: bool = False
) -> dict[str, Hears]:
    """What each leg hears; legs that hear nothing are left out.

    `parties` begins with the customer. Whoever is put on hold, or waits apart by himself, hears
    `music`. A customer who is alone in the call hears `waiting_music` (empty: nothing, as in plain
    dialling, where the far end's ringing is signalled instead). An agent who is alone hears that it
    rings if `calling`, else nothing.
    """
    up = [party for party in parties if party.up]
    speakers = [
        party for party in up if party.role is not Role.SUPERVISOR or party.mode is Mode.BARGE
    ]
    return {
        party.leg: hears
        for party in up
        if (not party.held or len(up) == 1)
        and (hears := _hears(party, up, speakers, music, waiting_music, calling)) != NOTHING
    }


def _hears(
    party: Party,
    up: list[Party],
    speakers: list[Party],
    music: str,
    waiting_music: str,
    calling: bool,
) -> Hears:
    others = [each for each in speakers if each is not party and each.apart is party.apart]
    legs = [each.leg for each in others if not each.held]
    if party.role is Role.AGENT:
        legs += [
            each.leg
            for each in up
            if each.role is Role.SUPERVISOR and each.mode is Mode.WHISPER and not each.held
        ]
    if legs:
        return Hears(legs=tuple(legs))
    if party.role is Role.SUPERVISOR:
        return NOTHING
    if party.apart or others:
        return Hears(music=music)
    if party.role is Role.CUSTOMER:
        return Hears(music=waiting_music)
    return Hears(music=RINGING) if calling and party.role is Role.AGENT else NOTHING


def talk(hears: dict[str, Hears]) -> dict[str, tuple[str, ...]]:
    """The legs that hear others or are heard by them, and whom each hears; in the plan's order."""
    heard = {leg for each in hears.values() for leg in each.legs}
    found = {leg: each.legs for leg, each in hears.items() if each.legs or leg in heard}
    for leg in sorted(heard - found.keys()):
        found[leg] = ()
    return found
