"""Alerts of a switch that runs: its figures are looked at once a second at most.

Only figures that a rule names are worked out. What takes long, the agents who could serve each of
many queues, is counted once for all queues that ask the same, some agents at a time with calls in
between; after a round that took long the next one is later, so that all of it stays below a tenth
of the loop's time.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import deque
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cicswitch.api.snapshot import health
from cicswitch.figures import oldest_of, staff_of
from cicswitch.records.alerts import QUEUE_FIGURES, AlertEvent, Alerts, Rule

if TYPE_CHECKING:
    from cicswitch.config import Config
    from cicswitch.daemon import Switch

__all__ = ["Alerting"]

_ROUND_S = 1.0
_SHARE = 10
_TURN_S = 0.002
"""After so long calls have their turn."""
_NOW_S = 900.0
_SAMPLE_S = 30.0
_STAFF = ("agents_signed_in", "agents_available")


class Alerting:
    """The alerts of one switch."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self.alerts = Alerts(self._emit, lambda: switch.tokens.token(16))
        self._samples: dict[str, deque[tuple[float, int, int, int]]] = {}
        self._rules_changed = asyncio.Event()

    def start(self) -> None:
        """Take up what was open at the end of the last run, and look from now on."""
        self.alerts.restore(self._switch.store.alerts)
        self._switch.store.alerts = []
        self.configure(self._switch.config)
        self._switch.tasks.spawn("alerts", self._watch())

    def configure(self, config: Config) -> None:
        """Other rules; alerts whose rule is the same stay."""
        rules = [alert.rule(name) for name, alert in config.alerts.items()]
        self.alerts.configure(rules, self._switch.clock.now())
        self._rules_changed.set()

    async def acknowledge(self, alert: str, account: str) -> AlertEvent:
        """Somebody looks after it; on disk when this returns. Raises `NotFound`, `Conflict`."""
        made = self.alerts.acknowledge(alert, account, self._switch.clock.now())
        await self._switch.store.committed()
        return made

    def _emit(self, event: AlertEvent) -> None:
        conductor = self._switch.conductor
        conductor.do(lambda: conductor.emit(event))

    async def _watch(self) -> None:
        while True:
            if not self.alerts.rules:
                self._rules_changed.clear()
                await self._rules_changed.wait()
            took_s = await self.look()
            await asyncio.sleep(max(_ROUND_S, _SHARE * took_s))

    async def look(self) -> float:
        """Judge all rules once; the seconds of work that it took."""
        began = turn = time.monotonic()
        rested = 0.0
        known: dict[Any, tuple[int, int]] = {}
        for rule in self.alerts.rules:
            values: dict[str, float | None] = {}
            for subject in self._subjects(rule):
                values[subject] = await self._value(rule, subject, known)
                paused = time.monotonic()
                if paused - turn > _TURN_S:
                    await asyncio.sleep(0)
                    turn = time.monotonic()
                    rested += turn - paused
            if rule in self.alerts.rules:  # a reload may have come in between
                self.alerts.take(self._switch.clock.now(), rule, values)
        return time.monotonic() - began - rested

    def _subjects(self, rule: Rule) -> list[str]:
        if rule.figure in QUEUE_FIGURES:
            of: Any = self._switch.engine.queues
        elif rule.figure == "trunk_down":
            of = self._switch.sip.trunks.by_name
        else:
            return [""]
        return [name for name in of if rule.subject in ("", name)]

    async def _value(
        self, rule: Rule, subject: str, known: dict[Any, tuple[int, int]]
    ) -> float | None:
        switch = self._switch
        now = switch.clock.now()
        match rule.figure:
            case "trunk_down":
                trunk = switch.sip.trunks.by_name.get(subject)
                return None if trunk is None else float(not trunk.up)
            case "calls":
                return float(len(switch.conductor.calls))
            case "degraded":
                return float(len(health(switch)["degraded"]))
            case "disk_free_mb":
                return _free_mb(switch.config.path(switch.config.recording.directory))
        queue = switch.engine.queues.get(subject)
        if queue is None:
            return None
        match rule.figure:
            case "overdue":
                return float(switch.conductor.aside.count(subject)[1])
            case "waiting":
                return float(queue.waiting)
            case "longest_wait_s":
                return now - await oldest_of(queue, now) if queue.waiting else 0.0
            case "ewt_s":
                ewt = float(switch.conductor.estimator.of(subject, now).p50_s)
                return ewt if isfinite(ewt) else None
            case "service_level_now":
                return self._level_now(subject, now)
            case "service_level_today":
                level = switch.today.queue(subject)["service_level"]
                return None if level is None else float(level)
            case "abandonment":
                today = switch.today.queue(subject)
                return today["abandoned"] / today["offered"] if today["offered"] else None
        key = (queue.need.key, queue.definition.agents)
        if key not in known:
            known[key] = await staff_of(switch.engine, queue)
        return float(known[key][_STAFF.index(rule.figure)])

    def _level_now(self, name: str, now: float) -> float | None:
        """The service level of the last minutes, from samples of the day's counters."""
        day, within, base = self._switch.today.within(name)
        samples = self._samples.setdefault(name, deque())
        if samples and samples[-1][1] != day:
            samples.clear()
        if not samples or now - samples[-1][0] >= _SAMPLE_S:
            samples.append((now, day, within, base))
        while len(samples) > 1 and now - samples[1][0] >= _NOW_S:
            samples.popleft()
        _, _, was_within, was_base = samples[0]
        return (within - was_within) / (base - was_base) if base > was_base else None


def _free_mb(folder: Path) -> float | None:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        return shutil.disk_usage(folder).free / 2**20
    except OSError:
        return None
