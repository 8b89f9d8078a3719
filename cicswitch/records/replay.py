"""The journal's commands through a new engine: it has to decide the same again, bit for bit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from cicswitch.acd.engine import Engine
from cicswitch.acd.events import AcdEvent, Commanded
from cicswitch.calls.events import SwitchStarted, SwitchStopped
from cicswitch.records.journal import Event

__all__ = ["Run", "replay"]

_ACD = frozenset(AcdEvent.__args__)


class Run(Struct):
    """One run of the switch, from its start to its stop."""

    started_at: float
    commands: int = 0
    decided: int = 0
    """ACD events that came out the same."""
    expected: str = ""
    """The first event of the journal that did not come out; empty if all did."""
    got: str = ""
    """What came in its place."""
    tail: int = 0
    """Events at the end of a run that did not stop in order: what the restart closed, and what the
    disk had no time to get. They are not compared."""

    @property
    def same(self) -> bool:
        """Whether every decision was the same."""
        return not self.expected and not self.got


def replay(events: Iterable[Event]) -> Iterator[Run]:
    """Each run of a journal. A queue with a policy in Python decides by `select` here."""
    run: Run | None = None
    engine, journalled, decided = Engine(), list[Event](), list[Event]()
    for event in events:
        kind = type(event)
        if kind is SwitchStarted:
            if run is not None:
                yield _compared(run, journalled, decided, stopped=False)
            run = Run(event.at)
            engine, journalled, decided = Engine(), [], []
        elif run is None:
            continue
        elif isinstance(event, Commanded):
            run.commands += 1
            engine.handle(event.command, event.at)
            decided += engine.take_events()
        elif kind in _ACD:
            if event.at > engine.now and len(journalled) >= len(decided):
                engine.advance(event.at)  # a deadline
                decided += engine.take_events()
            journalled.append(event)
        elif isinstance(event, SwitchStopped):
            yield _compared(run, journalled, decided, stopped=event.reason != "restart")
            run = None
    if run is not None:
        yield _compared(run, journalled, decided, stopped=False)


def _compared(run: Run, journalled: list[Event], decided: list[Event], *, stopped: bool) -> Run:
    same = 0
    for expected, got in zip(journalled, decided, strict=False):
        if expected != got:
            break
        same += 1
    run.decided = same
    left, more = journalled[same:], decided[same:]
    if not stopped and not (left and more and left[0].at < journalled[-1].at):
        run.tail = len(left) + len(more)
    elif left or more:
        run.expected = repr(left[0]) if left else "nothing"
        run.got = repr(more[0]) if more else "nothing"
    return run
