"""What each leg of a call hears, as a pure function of the call's state.

The conductor states the plan after each change; a differ turns two plans into the commands that
lead from one to the other, so no code path has to remember to stop the music.
"""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Hears", "Party", "plan"]


class Hears(Struct, frozen=True, gc=False):
    """Exactly one of: another leg (`leg`), a source (`music`), or nothing (both empty)."""

    leg: str = ""
    music: str = ""


class Party(Struct, frozen=True, gc=False):
    """One leg of a call: whether sound can pass, and whether its far end put us on hold."""

    leg: str
    up: bool
    held: bool = False


NOTHING = Hears()


def plan(
    customer: Party, other: Party | None, music: str, waiting_music: str
) -> tuple[Hears, Hears]:
    """What customer and other side hear.

    Two legs that are up hear each other. Whoever was put on hold hears `music`, and so does nobody
    who did the holding. A customer whose other side is not up yet hears `waiting_music` (empty:
    nothing, as in plain dialling, where the far end's ringing is signalled instead).
    """
    if other is None or not other.up:
        return Hears(music=waiting_music) if customer.up else NOTHING, NOTHING
    if not customer.up:
        return NOTHING, NOTHING
    if other.held and customer.held:
        return NOTHING, NOTHING
    if other.held:
        return Hears(music=music), NOTHING
    if customer.held:
        return NOTHING, Hears(music=music)
    return Hears(leg=other.leg), Hears(leg=customer.leg)
