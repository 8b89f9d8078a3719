"""What the switch has recorded, as durations to draw from and as a day to run again.

A day is run again with the arrivals that came, the handle times that the agents took, and the hours
that they worked. What the records cannot tell is drawn: how long those who were answered would have
waited, and how long those who left would have talked (see `Day.streams`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import datetime
from math import inf, nan
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from cicswitch.acd.floor import Choose
from cicswitch.config import Config
from cicswitch.core.errors import ResourceError
from cicswitch.ports import Reader
from cicswitch.simulate.model import Listed, Model, Shift
from cicswitch.simulate.results import Row, queue_figures, rows
from cicswitch.simulate.tally import QueueTally
from cicswitch.simulate.times import NONE, Times
from cicswitch.switch.definitions import agent_definition, queue_definition

__all__ = [
    "Day",
    "Source",
    "durations",
    "models",
    "read_day",
    "recorded",
    "remaining_patience",
    "survival",
]

Source = Path | Callable[[], AbstractContextManager[Reader]]
"""A store: its file, or what opens it and raises `ResourceError`."""

_HANDLED = "SELECT talk_s + hold_s, acw_s FROM handled WHERE queue = ? ORDER BY ended_at"
_VISITS = """
SELECT visit.interaction, visit.queue, visit.queued_at, visit.outcome, visit.wait_s,
    coalesce(interaction.medium, 'voice')
FROM queue_visit AS visit LEFT JOIN interaction USING (interaction)
WHERE visit.ended_at >= ? AND visit.queued_at >= ? AND visit.queued_at < ?
ORDER BY visit.queued_at
"""
_SHARES = """
SELECT interaction, queue, talk_s + hold_s, acw_s FROM handled
WHERE ended_at >= ? AND ended_at < ?
"""
_SEGMENTS = """
SELECT agent, started_at, ended_at FROM agent_segment
WHERE ended_at > ? AND started_at < ? AND state NOT IN ('offline', 'paused')
ORDER BY agent, started_at
"""
_JOURNAL = """
SELECT seq, data FROM journal WHERE at >= ? AND at < ? AND seq > ? ORDER BY seq LIMIT 50
"""
_ALERTED = """
SELECT ended_at - started_at FROM agent_segment
WHERE started_at >= ? AND started_at < ? AND state = 'alerting' ORDER BY started_at
"""
_DAY_S = 86400.0
_LATE_S = 3600.0
"""A store that could not be written has written what came in this time together."""
_JOIN_S = 1.0
"""Segments that follow one another so closely are one stretch of work."""


class _Command(Struct):
    type: str
    interaction: str = ""
    skills: dict[str, int] = {}
    require: str = ""
    priority: int = 0


class _Event(Struct):
    type: str
    command: _Command | None = None


_decode = msgspec.json.Decoder(list[_Event]).decode


@contextmanager
def _open(source: Source) -> Iterator[Reader]:
    if not isinstance(source, Path):
        with source() as asked:
            yield asked
        return
    if not source.exists():
        raise ResourceError(f"there is no store at {source}")
    try:
        with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as db:
            yield db
    except sqlite3.Error as error:
        raise ResourceError(f"{source} is no store of cicswitch: {error}") from None


def _enqueued(db: Reader, begin: float, end: float) -> Iterator[_Command]:
    """What was put into queues, in its order."""
    after = 0
    while found := db.execute(_JOURNAL, (begin, end, after)).fetchall():
        for _, data in found:
            for event in _decode(data):
                if event.command is not None and event.command.type == "Enqueue":
                    yield event.command
        after = found[-1][0]


def durations(source: Source, queue: str, *, wrap_up: bool = False) -> tuple[float, ...]:
    """Seconds of talk and hold of all that a queue handled, or of after-call work.

    Raises `ResourceError` where there is no store.
    """
    with _open(source) as db:
        shares = db.execute(_HANDLED, (queue,)).fetchall()
    return tuple(float(row[1 if wrap_up else 0]) for row in shares)


class Day:
    """A day as it was recorded. Times are seconds after its beginning."""

    def __init__(self) -> None:
        self.visits: list[tuple[str, str, float, str, float, str]] = []
        """Interaction, queue, time, outcome, wait, medium: the first visit of each contact."""
        self.shares: dict[str, tuple[float, float]] = {}
        """By interaction: seconds of talk and hold, and of after-call work."""
        self.shifts: dict[str, tuple[Shift, ...]] = {}
        self.asked: dict[str, tuple[tuple[tuple[str, int], ...], str, int]] = {}
        """By interaction: skills, expression and priority of its own, beside its queue's."""
        self.alerts: tuple[float, ...] = ()
        """Seconds that agents let it ring, however that ended."""

    def streams(self, queues: Container[str], seed: int) -> list[Listed]:
        """The arrivals by queue and by what they asked for; only those of `queues`.

        What was not seen is drawn: patience from the Kaplan-Meier estimate of the queue, beyond the
        wait that was borne; handle times from those that were seen in the queue.
        """
        return [
            stream
            for number, queue in enumerate(sorted({visit[1] for visit in self.visits}))
            if queue in queues
            for stream in self._streams(queue, np.random.default_rng([seed, number]))
        ]

    def left_out(self, queues: Container[str]) -> dict[str, int]:
        """Contacts by queue that `streams` leaves out: no such queue, or nobody ever answered."""
        answered = {visit[1] for visit in self.visits if visit[0] in self.shares}
        found: dict[str, int] = {}
        for visit in self.visits:
            if visit[1] not in queues or visit[1] not in answered:
                found[visit[1]] = found.get(visit[1], 0) + 1
        return found

    def _streams(self, queue: str, random: np.random.Generator) -> list[Listed]:
        visits = [visit for visit in self.visits if visit[1] == queue]
        waits = np.array([visit[4] for visit in visits])
        left = np.array([visit[3] == "abandoned" for visit in visits])
        patiences = remaining_patience(waits, left, random)
        seen = [self.shares[visit[0]] for visit in visits if visit[0] in self.shares]
        if not seen:
            return []  # nobody talked to anybody: there is nothing to go by
        came: dict[tuple[Any, ...], list[tuple[float, float, float, float]]] = {}
        for visit, patience_s in zip(visits, patiences, strict=True):
            share = self.shares.get(visit[0])
            if share is None:
                share = seen[int(random.integers(len(seen)))]
            own = self.asked.get(visit[0], ((), "", 0))
            came.setdefault((visit[5], *own), []).append(
                (visit[2], share[0], float(patience_s), share[1])
            )
        return [
            Listed(
                queue=queue,
                medium=medium,
                skills=dict(skills),
                require=require,
                priority=priority,
                handle=Times(kind="constant", mean_s=nan),
                patience=NONE,
                wrap_up=Times(kind="constant", mean_s=0.0),
                times=tuple(row[0] for row in found),
                handles=tuple(row[1] for row in found),
                patiences=tuple(row[2] for row in found),
                wrap_ups=tuple(row[3] for row in found),
            )
            for (medium, skills, require, priority), found in came.items()
        ]


def models(
    day: Day, config: Config, choosers: Mapping[str, Choose] | None = None
) -> Callable[[int], Model]:
    """The day under a configuration, for each seed; `choosers` are its policies in Python.

    Agents work the hours that were recorded of them and answer as quickly as they all did; who has
    no hours recorded works from the first sign-in to the last sign-out of all.
    """
    agents = tuple(agent_definition(name, agent) for name, agent in config.agent.items())
    worked = [shift for shifts in day.shifts.values() for shift in shifts]
    whole = Shift(
        min((shift.begin for shift in worked), default=0.0),
        max((shift.end for shift in worked), default=_DAY_S),
    )

    answer = Times(kind="constant")
    if day.alerts:
        answer = Times(kind="empirical", measured=day.alerts)

    queues = {name: queue_definition(name, queue) for name, queue in config.queue.items()}

    def model(seed: int) -> Model:
        return Model(
            queues=tuple(queues.values()),
            agents=agents,
            streams=tuple(day.streams(queues, seed)),
            shifts={agent.agent: day.shifts.get(agent.agent, (whole,)) for agent in agents},
            answer=answer,
            choosers=dict(choosers or {}),
            end=_DAY_S,
            limits={
                name: (float(queue.service_level_s), queue.short_abandon_s)
                for name, queue in config.queue.items()
            },
        )

    return model


def recorded(day: Day, limits: Mapping[str, tuple[float, float]]) -> list[Row]:
    """The figures of queues as they were: what a simulation of the same day has to come near.

    `limits`: by queue, threshold of the service level and of short abandons, in seconds.
    """
    tallies: dict[str, QueueTally] = {}
    for interaction, queue, _, outcome, wait_s, _ in day.visits:
        if queue not in tallies:
            tallies[queue] = QueueTally(*limits.get(queue, (20.0, 5.0)))
        tally = tallies[queue]
        tally.offered += 1
        if outcome == "answered":
            tally.answer(wait_s)
        elif outcome == "abandoned":
            tally.abandon(wait_s)
        elif outcome.startswith("refused"):
            tally.blocked += 1
        else:
            tally.left += 1
        if interaction in day.shares:
            tally.handled += 1
            tally.handle_s += sum(day.shares[interaction])
    figures = {name: queue_figures([tally]) for name, tally in sorted(tallies.items())}
    figures["(all)"] = queue_figures(list(tallies.values()))
    return rows([figures])


def read_day(source: Source, begin: datetime) -> Day:
    """The records of 24 hours from `begin` on. Raises `ResourceError` if there are none."""
    midnight = begin.timestamp()
    span = (midnight, midnight + _DAY_S)
    found = Day()
    with _open(source) as db:
        visits = db.execute(_VISITS, (span[0], *span)).fetchall()
        shares = db.execute(_SHARES, (span[0], span[1] + _DAY_S)).fetchall()
        segments = db.execute(_SEGMENTS, span).fetchall()
        enqueued = [*_enqueued(db, span[0] - _LATE_S, span[1] + _LATE_S)]
        found.alerts = tuple(float(row[0]) for row in db.execute(_ALERTED, span))
    if not visits:
        name = source if isinstance(source, Path) else "the store"
        raise ResourceError(f"{name} has nothing that was queued on {begin.date()}")
    seen: set[str] = set()
    for interaction, queue, at, outcome, wait_s, medium in visits:
        if interaction not in seen:
            seen.add(interaction)
            found.visits.append((interaction, queue, at - midnight, outcome, wait_s, medium))
    for interaction, _, handle_s, acw_s in shares:
        before = found.shares.get(interaction, (0.0, 0.0))
        found.shares[interaction] = (before[0] + handle_s, before[1] + acw_s)
    for command in enqueued:
        levels = tuple(sorted(command.skills.items()))
        found.asked.setdefault(command.interaction, (levels, command.require, command.priority))
    stretches: dict[str, list[list[float]]] = {}
    for agent, began, ended in segments:
        own = stretches.setdefault(agent, [])
        if own and began - own[-1][1] <= _JOIN_S:
            own[-1][1] = max(own[-1][1], ended)
        else:
            own.append([began, ended])
    found.shifts = {
        agent: tuple(
            Shift(max(0.0, began - midnight), min(_DAY_S, ended - midnight)) for began, ended in own
        )
        for agent, own in stretches.items()
    }
    return found


def survival(
    waits: NDArray[np.float64], left: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(times of abandons, share that is more patient than each) by Kaplan and Meier.

    JASA 53 (1958), 457-481: who was answered has been patient at least as long as he waited.
    `waits`: shape (n,), seconds; `left`: shape (n,), who hung up.
    """
    times = np.unique(waits[left])
    ordered = np.sort(waits)
    at_risk = len(waits) - np.searchsorted(ordered, times, side="left")
    hung_up = np.sort(waits[left])
    events = np.searchsorted(hung_up, times, side="right") - np.searchsorted(
        hung_up, times, side="left"
    )
    return times, np.cumprod(1.0 - events / at_risk, dtype=np.float64)


def remaining_patience(
    waits: NDArray[np.float64], left: NDArray[np.bool_], random: np.random.Generator
) -> NDArray[np.float64]:
    """Each one's patience in seconds, shape (n,): seen of those who left, drawn of the others.

    Past the longest abandon nothing is known: who is that patient never leaves.
    """
    patiences = np.array(waits, dtype=np.float64)
    draws = random.uniform(size=len(waits))
    if not left.any():
        patiences[:] = inf
        return patiences
    times, survives = survival(waits, left)
    for index in np.flatnonzero(~left):
        before = int(np.searchsorted(times, waits[index], side="right"))
        base = survives[before - 1] if before else 1.0
        # The first time at which fewer than the drawn share of the equally patient are left.
        after = int(np.searchsorted(-survives, -base * draws[index], side="left"))
        patiences[index] = times[after] if after < len(times) else inf
    return patiences
