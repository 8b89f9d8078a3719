"""What a simulation needs to know. All times are seconds after midnight of the first day."""

from __future__ import annotations

from msgspec import Struct

from cicswitch.acd.commands import DefineAgent, DefineQueue
from cicswitch.acd.floor import Choose
from cicswitch.simulate.times import NONE, Times

__all__ = ["WHOLE", "Listed", "Model", "Poisson", "Shift", "Stream", "constant_rate"]

WHOLE = -1.0
"""After-call work as long as the queue's `wrap_up_s` lets it be."""


class Stream(Struct, frozen=True, kw_only=True):
    """Interactions that ask for the same."""

    queue: str
    medium: str = "voice"
    skills: dict[str, int] = {}
    require: str = ""
    priority: int = 0
    handle: Times
    """Talk and hold."""
    patience: Times = NONE
    wrap_up: Times | None = None
    """After-call work where it is shorter than the queue's `wrap_up_s`; None: it never is."""


class Poisson(Stream, frozen=True, kw_only=True):
    """Arrivals at random, with a rate that is constant between edges (a Poisson process)."""

    edges: tuple[float, ...]
    """Seconds, ascending; one more than there are rates."""
    rates: tuple[float, ...]
    """Arrivals a second."""


class Listed(Stream, frozen=True, kw_only=True):
    """Arrivals at given times; NaN in the other columns is drawn from the stream's own `Times`."""

    times: tuple[float, ...]
    """Seconds, ascending."""
    handles: tuple[float, ...] = ()
    patiences: tuple[float, ...] = ()
    wrap_ups: tuple[float, ...] = ()


class Shift(Struct, frozen=True):
    """An agent is signed in from `begin` to `end`."""

    begin: float
    end: float


class Model(Struct, frozen=True, kw_only=True):
    """Queues, agents, customers, and the span that is counted."""

    queues: tuple[DefineQueue, ...]
    agents: tuple[DefineAgent, ...]
    streams: tuple[Stream, ...]
    shifts: dict[str, tuple[Shift, ...]] = {}
    """By agent; who has none works all the time."""
    answer: Times = Times(kind="constant")
    """From offer to answer; past the queue's `ring_s` the agent does not respond."""
    return_s: float = 60.0
    """Who did not respond is ready again after this, unless the queue's rule has a time."""
    start: float = 0.0
    end: float
    """The last arrivals; what is there then is served to its end."""
    warm_up_s: float = 0.0
    """What arrives before `start + warm_up_s` is not counted."""
    openings: dict[str, tuple[tuple[float, bool], ...]] = {}
    """By queue: when it opens (True) and closes; who has none is open all the time."""
    choosers: dict[str, Choose] = {}
    """Policies in Python by queue."""
    limits: dict[str, tuple[float, float]] = {}
    """By queue: threshold of the service level and of short abandons, seconds; else 20 and 5."""


def constant_rate(
    queue: str, per_s: float, handle: Times, *, start: float = 0.0, end: float, **more: object
) -> Poisson:
    """A Poisson stream that does not change over the day; `more` is as in `Stream`."""
    return Poisson(queue=queue, edges=(start, end), rates=(per_s,), handle=handle, **more)  # type: ignore[arg-type]  # checked by whoever calls
