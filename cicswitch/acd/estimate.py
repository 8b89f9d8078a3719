"""EWT: how long the next one to join a queue will wait, P50 and P90, and how wrong that was.

From where things stand: each agent who could serve is free now, or after the rest of what he has in
hand; each interaction that is more urgent takes the agent who is free first, or gives up. The
durations are drawn from those of the queue's last interactions, so the estimate knows long tails.
Forty such runs give the distribution. Approximations: whoever is ahead may take any of the agents;
nobody comes in between who is more urgent; who is paused stays away.
"""

from __future__ import annotations

from heapq import heapify, heapreplace
from math import log
from typing import TYPE_CHECKING, Final

from cicswitch.acd import events as e
from cicswitch.acd.agent import Agent, Presence
from cicswitch.acd.interaction import AssignmentState
from cicswitch.acd.queue import Queue

if TYPE_CHECKING:
    from cicswitch.acd.engine import Engine
    from cicswitch.acd.interaction import Interaction

__all__ = ["Estimate", "Estimator", "estimate", "turn"]

RUNS: Final = 40
_MOST_AHEAD: Final = 300
_MOST_AGENTS: Final = 500
_FRESH_S: Final = 5.0
_OPEN: Final = 20_000
_NOBODY: Final = float("inf")
_FED: Final = frozenset(
    (e.InteractionQueued, e.InteractionConnected, e.InteractionLeft, e.InteractionMoved)
)


class Estimate:
    """Seconds of waiting that half, and nine tenths, of those who join now will not exceed."""

    __slots__ = ("p50_s", "p90_s")

    def __init__(self, p50_s: float, p90_s: float) -> None:
        self.p50_s = p50_s
        self.p90_s = p90_s


class _Lots:
    """Uniform draws from a xorshift (Marsaglia 2003), so that the same state is estimated alike."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = (seed & 0xFFFFFFFF) or 0x9E3779B9

    def draw(self) -> float:
        state = self._state
        state ^= (state << 13) & 0xFFFFFFFF
        state ^= state >> 17
        state ^= (state << 5) & 0xFFFFFFFF
        self._state = state
        return state / 4294967296.0


def _rest(queue: Queue, elapsed_s: float, lots: _Lots) -> float:
    """How long what has lasted `elapsed_s` goes on: one of those that lasted longer, or memoryless
    where there are none."""
    known = queue.handle_times
    longer = [seconds for seconds in known if seconds > elapsed_s] if elapsed_s else known
    if len(longer) < 5:
        return -queue.handle_s * log(1.0 - lots.draw())
    return longer[int(lots.draw() * len(longer))] - elapsed_s


def estimate(engine: Engine, queue: Queue, now: float, runs: int = RUNS) -> Estimate:
    """The wait of the next one to join `queue`; infinite if nobody could serve it."""
    serving = [
        agent
        for agent in engine.serving(queue)
        if agent.presence is Presence.READY and not agent.leaving
    ]
    if not serving:
        return Estimate(_NOBODY, _NOBODY)
    if not queue.waiting and any(agent.open and not agent.load for agent in serving):
        return Estimate(0.0, 0.0)
    # Older ones of the same priority are ahead, whatever their number.
    key = queue.ageing * now - queue.priority
    points = queue.weight * queue.priority + queue.debt
    ahead = _ahead(engine, queue, serving, key, points, now)
    return _estimate(queue, serving, ahead, now, runs)


def turn(engine: Engine, interaction: Interaction, now: float, runs: int = RUNS) -> Estimate:
    """How long until it is the turn of one who has a place already; infinite if nobody could
    serve it now."""
    queue = interaction.queue
    serving = [
        agent
        for agent in engine.able(interaction)
        if agent.presence is Presence.READY
        and not agent.leaving
        and agent.capacity.limits.get(interaction.medium)
    ]
    if not serving:
        return Estimate(_NOBODY, _NOBODY)
    points = queue.urgency(interaction, now)
    ahead = _ahead(engine, queue, serving, interaction.key, points, now)
    return _estimate(queue, serving, ahead, now, runs)


def _estimate(queue: Queue, serving: list[Agent], ahead: int, now: float, runs: int) -> Estimate:
    """The wait of one with so many ahead of it."""
    # A large floor is estimated by a part of it: the same number ahead for each agent.
    scale = max(1.0, len(serving) / _MOST_AGENTS, ahead / _MOST_AHEAD)
    count = round(ahead / scale)
    agents = serving[:: max(1, round(scale))]
    stretch = (ahead + 1) / len(serving) / ((count + 1) / len(agents))
    lots = _Lots(int(now) * 31 + len(serving) * 7 + ahead)
    waits = sorted(_one(queue, agents, count, now, lots) for _ in range(runs))
    return Estimate(waits[runs // 2] * stretch, waits[runs * 9 // 10] * stretch)


def _ahead(
    engine: Engine, queue: Queue, serving: list[Agent], key: float, points: float, now: float
) -> int:
    """How many that these agents serve are more urgent than one of `queue` with this key, and
    these points where queues compete."""
    lines = {}
    for agent in serving[:_MOST_AGENTS]:
        profile = agent.profile
        if profile is not None:
            for line in (*profile.lines, *agent.own_lines):
                if line.waiting:
                    lines[line.key] = line
    count = sum([other.key < key for other in queue.away.values()])
    for line in lines.values():
        if line.queue is queue:
            count += line.ahead_of(key)
            continue
        for interaction in line.interactions()[:_MOST_AHEAD]:
            if line.queue.urgency(interaction, now) < points:
                break
            count += 1
    return count


def _one(queue: Queue, agents: list[Agent], ahead: int, now: float, lots: _Lots) -> float:
    """The wait in one run."""
    free_at: list[float] = []
    for agent in agents:
        rest = 0.0
        for assignment in agent.work.values():
            elapsed = now - assignment.since
            if assignment.state is AssignmentState.WRAP_UP:
                timer = assignment.timer
                left = timer.due - now if timer is not None else 0.0
            elif assignment.silent:
                continue
            else:
                started = assignment.interaction.connected_at or assignment.since
                elapsed = now - started
                left = _rest(assignment.queue, elapsed, lots)
            rest = max(rest, left)
        free_at.append(rest)
    heapify(free_at)
    hazard = queue.abandon_rate
    for _ in range(ahead):
        soonest = free_at[0]
        if hazard > 0.0 and -log(1.0 - lots.draw()) / hazard < soonest:
            continue  # gives up before it is its turn
        heapreplace(free_at, soonest + _rest(queue, 0.0, lots))
    return max(0.0, free_at[0])


class Estimator:
    """Estimates for views and announcements, kept for some seconds, and their error."""

    __slots__ = ("_engine", "_known", "_open", "covered", "error_s")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[str, tuple[float, Estimate]] = {}
        self._open: dict[str, Estimate] = {}
        self.error_s: dict[str, float] = {}
        """Mean absolute error of P50 by queue, recent ones most."""
        self.covered: dict[str, float] = {}
        """The share that waited no longer than P90: 0.9 if the estimates are right."""

    def of(self, queue: str, now: float) -> Estimate:
        """The estimate for a queue, at most five seconds old. Raises `NotFound`."""
        found = self._known.get(queue)
        if found is None or now - found[0] >= _FRESH_S or now < found[0]:
            made = estimate(self._engine, self._engine.queue(queue), now)
            found = self._known[queue] = (now, made)
        return found[1]

    def feed(self, event: object) -> None:
        """What was said to one who has to wait is compared with how it went."""
        if type(event) not in _FED:
            return
        if isinstance(event, e.InteractionQueued):
            found = self._engine.queues.get(event.queue)
            if found is not None and found.waiting and len(self._open) < _OPEN:
                self._open[event.interaction] = self.of(event.queue, event.at)
        elif isinstance(event, e.InteractionConnected):
            self._compare(event.interaction, event.queue, event.wait_s)
        elif isinstance(event, e.InteractionLeft | e.InteractionMoved):
            self._open.pop(event.interaction, None)

    def _compare(self, interaction: str, queue: str, wait_s: float) -> None:
        made = self._open.pop(interaction, None)
        if made is None or made.p50_s == _NOBODY:
            return
        error = abs(wait_s - made.p50_s)
        within = 1.0 if wait_s <= made.p90_s else 0.0
        before = self.error_s.get(queue)
        if before is None:
            self.error_s[queue], self.covered[queue] = error, within
        else:
            self.error_s[queue] = before + (error - before) * 0.02
            self.covered[queue] += (within - self.covered[queue]) * 0.02
