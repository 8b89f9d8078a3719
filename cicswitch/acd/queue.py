"""A queue while it runs: its definition, and what the engine counts of it."""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING, Final

from cicswitch.acd.agent import AgentState
from cicswitch.acd.commands import DefineQueue, FailRule
from cicswitch.acd.lines import Row
from cicswitch.acd.skills import Need, all_of, levels, parse

if TYPE_CHECKING:
    from cicswitch.acd.interaction import Interaction
    from cicswitch.acd.lines import Line
    from cicswitch.core.timers import Timer

__all__ = ["ABSENT", "OFFLINE", "SELECTIONS", "Queue", "QueueView"]

ABSENT = {
    "offline": (AgentState.OFFLINE,),
    "paused": (AgentState.PAUSED,),
    "not-responding": (AgentState.NOT_RESPONDING,),
    "alerting": (AgentState.ALERTING,),
    "wrap-up": (AgentState.WRAP_UP,),
    "interacting": (AgentState.TALKING, AgentState.HOLDING, AgentState.HANDLING),
    "communicating": (AgentState.COMMUNICATING,),
}
"""What may count as nobody being there; `offline` always does, where anything does."""
OFFLINE: Final = 1 << AgentState.OFFLINE

SELECTIONS = (
    "longest-idle",
    "round-robin",
    "least-occupied",
    "fewest-answered",
    "most-skilled",
    "least-skilled",
    "weighted",
)
"""The policies by which an agent is chosen."""

_DEFAULT_RULES = {
    "timed-out": FailRule(),
    "rejected": FailRule(seconds=10),
    "busy": FailRule(seconds=10),
    "unreachable": FailRule(seconds=10),
}
_HANDLE_TIMES = 200
_LEVEL_MEMORY_S = 1800.0
"""Answers count for the goal with a weight that falls to 1/e in this time."""


class QueueView:
    """A queue's numbers right now: how many wait, how long the longest has, who could serve."""

    __slots__ = ("idle", "longest_wait_s", "signed_in", "waiting")

    def __init__(self, waiting: int, longest_wait_s: float, signed_in: int, idle: int) -> None:
        self.waiting = waiting
        self.longest_wait_s = longest_wait_s
        self.signed_in = signed_in
        self.idle = idle


def _absent(names: bool | tuple[str, ...], *, nobody: bool) -> int:
    """The states that count as nobody; `nobody` is the value that means signed out alone."""
    if isinstance(names, bool):
        return OFFLINE if names is nobody else 0
    states = OFFLINE
    for name in names:
        for state in ABSENT.get(name, ()):
            states |= 1 << state
    return states


class Queue:
    """What the engine holds of a queue. Its settings are copied out of the definition, so that a
    match reads attributes and nothing else."""

    __slots__ = (
        "_abandons",
        "_asked",
        "_awaits",
        "_handled",
        "_level_at",
        "_met",
        "_total",
        "_waited_s",
        "after_s",
        "ageing",
        "at_once",
        "away",
        "bound_s",
        "closed",
        "counts",
        "definition",
        "ewt_least",
        "goal",
        "goal_points",
        "goal_s",
        "handle_s",
        "handle_times",
        "idle_points",
        "join_absent",
        "judged",
        "leave_absent",
        "limited",
        "lines",
        "max_wait_s",
        "name",
        "need",
        "offer_to",
        "plain",
        "priority",
        "redial_s",
        "ring_s",
        "rings",
        "select",
        "staff",
        "waiting",
        "weight",
        "wrap_up_s",
    )

    def __init__(self, definition: DefineQueue) -> None:
        self.name = definition.queue
        self.lines: dict[str, Line] = {}
        self.waiting = 0
        """How many stand in its lines."""
        self.away: dict[str, Interaction] = {}
        """Those who have a place and whose customer is not there."""
        self.staff = 0
        """How many who are signed in meet its own requirement, if it asks for estimates."""
        self.closed = False
        """It takes nobody; a new definition does not open it."""
        self.judged: Timer | None = None
        """Looks at the rings that wait for the estimated wait, once that may have grown."""
        self.handle_s = 180.0
        """Mean seconds of handling, wrap-up included; recent ones count most."""
        self.handle_times: list[float] = []
        """The last of them."""
        self._waited_s = self._abandons = 0.0
        self._handled = 0
        self._met = self._total = self._level_at = 0.0
        self.define(definition)

    def define(self, definition: DefineQueue) -> None:
        """Take over a definition. Raises `SkillsError`."""
        self.need: Need = all_of(levels(definition.skills), parse(definition.require))
        self._asked: dict[str, Need] = {}
        self.definition = definition
        self.select = definition.select
        self.priority = definition.priority
        self.ageing = definition.ageing
        self.weight = definition.weight
        self.goal = definition.goal
        self.goal_s = definition.goal_s
        self.goal_points = definition.goal_points
        self.bound_s = definition.bound_s
        self.idle_points = definition.weights.idle if definition.select == "weighted" else 0.0
        """Points that an agent gains for each second of being free."""
        self.ring_s = definition.ring_s
        self.wrap_up_s = definition.wrap_up_s
        self.offer_to = definition.offer_to
        self.max_wait_s = definition.max_wait_s
        self.redial_s = definition.redial_s
        self.rings = definition.rings
        self.after_s = [ring.after_s for ring in self.rings]
        """When each ring opens by time; 0: it does not."""
        self.at_once = [ring.unstaffed or ring.ewt_s > 0.0 for ring in self.rings]
        """Whether each may open as soon as it is the next."""
        waits = [ring.ewt_s for ring in self.rings if ring.ewt_s]
        self.ewt_least = min(waits) if waits else 0.0
        """The shortest estimated wait that a ring waits for; 0: none does."""
        self._awaits: dict[int, Row] = {}
        self.counts = self.ewt_least > 0.0 or definition.max_ewt_s > 0.0
        """Whether `staff` is kept."""
        self.join_absent = _absent(definition.join_empty, nobody=False)
        """States that count as nobody, as bits; 0: nobody is asked whether somebody is there."""
        self.leave_absent = _absent(definition.leave_empty, nobody=True)
        self.limited = self.join_absent != 0 or definition.max_waiting > 0 or self.counts
        """Whether it may refuse one while it is open."""
        self.plain = self.weight == 1.0 and not self.goal and not self.bound_s
        """Urgency is priority and age alone."""

    def asked(self, own: Need) -> Need:
        """What an interaction that asks for `own` asks for in this queue."""
        need = self._asked.get(own.key)
        if need is None:
            if len(self._asked) >= 4096:
                self._asked.clear()
            need = self._asked[own.key] = all_of(self.need, own)
        return need

    def rule(self, outcome: str) -> FailRule:
        """What an offer that ended so does to the agent."""
        rule = self.definition.on_fail.get(outcome)
        return rule if rule is not None else _DEFAULT_RULES.get(outcome, FailRule())

    def wrap_up_for(self, medium: str) -> float:
        """Seconds of wrap-up after an interaction of a medium."""
        by_medium = self.definition.wrap_up
        return by_medium.get(medium, self.wrap_up_s) if by_medium else self.wrap_up_s

    def handled(self, seconds: float) -> None:
        """An agent handled one in so many seconds, before its wrap-up."""
        self._handled += 1
        if len(self.handle_times) < _HANDLE_TIMES:
            self.handle_times.append(seconds + self.wrap_up_s)
        else:
            self.handle_times[self._handled % _HANDLE_TIMES] = seconds + self.wrap_up_s
        self.handle_s += (seconds + self.wrap_up_s - self.handle_s) / min(self._handled, 50)

    # -- rings that wait for the estimated wait ---------------------------------------------------

    def await_ewt(self, interaction: Interaction) -> None:
        """One who stands in a line now: note it, if his next ring opens with the estimated wait."""
        rings, number = self.rings, interaction.ring
        if number >= len(rings) or not rings[number].ewt_s:
            return
        row = self._awaits.get(number)
        if row is None:
            row = self._awaits[number] = Row()
        row.trim(2 * self.waiting + 64)
        row.push(interaction.key, interaction)

    def awaits_ewt(self, wait_s: float) -> Interaction | None:
        """The most urgent whose next ring is open at this estimated wait."""
        best: Interaction | None = None
        key = 0.0
        for number, row in self._awaits.items():
            if self.rings[number].ewt_s > wait_s:
                continue
            head = row.first()
            if head is None:
                continue
            if best is None or (head.key, head.sequence) < (key, best.sequence):
                best, key = head, head.key
        return best

    # -- the goal --------------------------------------------------------------------------------

    @property
    def abandon_rate(self) -> float:
        """Abandons for each second of waiting: the hazard of an exponential patience."""
        return self._abandons / self._waited_s if self._waited_s > 0.0 else 0.0

    def count(self, wait_s: float, *, answered: bool, now: float) -> None:
        """An interaction was answered or left after waiting so long."""
        # Of the last hundreds: what is older fades.
        self._waited_s = self._waited_s * 0.998 + wait_s
        self._abandons = self._abandons * 0.998 + (0.0 if answered else 1.0)
        if not self.goal:
            return
        fade = exp((self._level_at - now) / _LEVEL_MEMORY_S) if self._total else 0.0
        self._met *= fade
        self._total *= fade
        self._level_at = now
        if answered and wait_s <= self.goal_s:
            self._met += 1.0
        if answered or wait_s > self.goal_s:
            self._total += 1.0

    @property
    def level(self) -> float:
        """The service level that counts for the goal; 1 before anything was answered."""
        return self._met / self._total if self._total else 1.0

    @property
    def debt(self) -> float:
        """Points for being below the goal."""
        below = self.goal - self.level
        return 100.0 * below * self.goal_points if below > 0.0 else 0.0

    # -- urgency ---------------------------------------------------------------------------------

    def key(self, interaction: Interaction) -> float:
        """What orders a line: `ageing * queued_at - priority`."""
        return self.ageing * interaction.queued_at - interaction.priority

    def urgency(self, interaction: Interaction, now: float) -> float:
        """Points that compare across queues: `weight * (priority + ageing * wait) + debt`."""
        return self.points(interaction.key, now)

    def points(self, key: float, now: float) -> float:
        """The urgency of one with this key."""
        points = self.ageing * now - key
        return points if self.plain else self.weight * points + self.debt
