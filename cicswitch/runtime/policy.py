"""A user's function that chooses the agent: called with a time budget, and its mistakes contained.

    def choose(interaction: Asked, agents: list[Free]) -> str | None:
        return max(agents, key=lambda agent: agent.skills.get("ko", 0)).agent

It is asked when an interaction arrives and agents are free: it is given these, in the order of the
queue's own policy, and returns a name. It is asked again when an agent becomes free and the most
urgent interaction that he may take is of its queue: it is given him alone. None means then that it
would rather wait for somebody else: he gets the next most urgent of another line, and this one all
the same if he may take nothing else or it has waited past the queue's bound; None about the only
one who is free for an arrival gives it to him. Whatever else it does (raise, take too long, name
somebody else, or nobody of several) the queue's own policy decides; that is counted and logged. A
function that runs over its budget three times in a row is left out for a minute.

The budget is held by an interval timer (setitimer(2)) that interrupts Python code in the main
thread; what blocks inside a C function, or runs in another thread, is measured only.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import structlog
from msgspec import Struct

from cicswitch.acd.agent import Agent
from cicswitch.acd.interaction import Interaction

__all__ = ["Asked", "Free", "Policy", "find"]

log = structlog.get_logger("policy")

_STRIKES = 3
_OUT_S = 60.0


class Asked(Struct, frozen=True):
    """The interaction, as a policy sees it."""

    interaction: str
    queue: str
    medium: str
    needs: str
    """The skills asked for, as an expression."""
    priority: int
    waited_s: float
    customer: str


class Free(Struct, frozen=True):
    """An agent who may take it, as a policy sees him."""

    agent: str
    skills: Mapping[str, int]
    desire: Mapping[str, int]
    cost: float
    attributes: Mapping[str, float]
    idle_s: float
    answered: int
    """Since the sign-in."""
    in_hand: int


Choose = Callable[[Asked, list[Free]], "str | None"]


class _OverBudget(BaseException):
    """Not an Exception: a function that catches all of those is interrupted too."""


class Policy:
    """Calls the function for the engine (`Engine.choosers`); None lets the queue's policy decide.

    With `shadow` the queue's policy always decides, and the log tells what the function would have
    chosen where that is another.
    """

    def __init__(self, function: Choose, *, budget_s: float, shadow: bool = False) -> None:
        self._function = function
        self._budget_s = budget_s
        self._shadow = shadow
        self._strikes = 0
        self._out_until = 0.0
        self.over_budget = 0
        self.differed = 0

    def __call__(self, interaction: Interaction, agents: list[Agent], now: float) -> Agent | None:
        """The agent whom the function names. Raises what it raises, or `TimeoutError`."""
        if now < self._out_until:
            if self._shadow:
                return agents[0]
            raise TimeoutError("left out after running over its budget three times")
        line = interaction.line
        asked = Asked(
            interaction.id,
            interaction.queue.name,
            interaction.medium,
            line.need.text() if line is not None else "",
            interaction.priority,
            now - interaction.queued_at,
            interaction.customer,
        )
        free = [_shown(agent, now) for agent in agents]
        if not self._shadow:
            name = self._call(asked, free, now)
            if name is None:
                return None
            chosen = next((agent for agent in agents if agent.id == name), None)
            if chosen is None:
                raise LookupError(f'it named "{name}", who is not free')
            return chosen
        try:
            name = self._call(asked, free, now)
        except Exception as error:
            log.info("policy_shadow", queue=asked.queue, error=f"{type(error).__name__}: {error}")
        else:
            if name != agents[0].id:
                self.differed += 1
                log.info(
                    "policy_shadow",
                    queue=asked.queue,
                    interaction_id=asked.interaction,
                    chosen=agents[0].id,
                    would_choose=name,
                )
        return agents[0]

    def _call(self, asked: Asked, free: list[Free], now: float) -> str | None:
        guarded = threading.current_thread() is threading.main_thread()
        began = time.perf_counter()
        try:
            if guarded:
                before = signal.signal(signal.SIGALRM, _interrupt)
                signal.setitimer(signal.ITIMER_REAL, self._budget_s)
            try:
                name = self._function(asked, free)
            finally:
                if guarded:
                    signal.setitimer(signal.ITIMER_REAL, 0.0)
                    signal.signal(signal.SIGALRM, before)
        except _OverBudget:
            self._strike(now)
            raise TimeoutError(f"it took longer than {self._budget_s * 1000:g} ms") from None
        if time.perf_counter() - began > self._budget_s:
            self._strike(now)
        else:
            self._strikes = 0
        return name

    def _strike(self, now: float) -> None:
        self.over_budget += 1
        self._strikes += 1
        if self._strikes >= _STRIKES:
            self._strikes, self._out_until = 0, now + _OUT_S


def _shown(agent: Agent, now: float) -> Free:
    profile = agent.profile
    assert profile is not None  # he is free
    skills, desire, attributes = profile.shown
    idle_s = now - agent.free_since
    return Free(
        agent.id,
        skills,
        desire,
        agent.cost,
        attributes,
        idle_s,
        agent.answered,
        len(agent.work),
    )


def _interrupt(*_: Any) -> None:
    raise _OverBudget


def find(name: str, functions: dict[str, Callable[..., Any]]) -> Choose:
    """A function by its name in `functions`, or as `module:function`. Raises `LookupError`."""
    if name in functions:
        return functions[name]
    module, colon, attribute = name.partition(":")
    if not colon:
        raise LookupError(f'no function "{name}" is given to the switch')
    try:
        function = getattr(import_module(module), attribute)
    except Exception as error:
        raise LookupError(f'"{name}" cannot be imported: {error}') from error
    if not callable(function):
        raise LookupError(f'"{name}" is not a function')
    return function  # type: ignore[no-any-return]  # its answers are looked at
