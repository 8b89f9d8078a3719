"""Alerts on thresholds: when a figure has been past one for long enough, and when it is back.

A rule watches a figure of each of its subjects: queues, trunks, or the switch itself. Of each pair
there is at most one alert.

    calm --past the threshold--> doubtful --for `for_s`--> open --back past `clear`--> calm

Between the threshold and `clear` nothing changes: an alert that is open stays open, and a doubt
ends. A figure that is unknown raises nothing and clears nothing. What happens comes back as events,
which carry the whole alert, so that a reader needs no earlier one; `restore` takes them again after
a restart.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from cicswitch.calls.events import AlertAcknowledged, AlertCleared, AlertRaised
from cicswitch.core.errors import Conflict, NotFound

__all__ = ["ENDED", "AlertEvent", "Alerts", "Rule"]

ENDED = 200
"""So many that have ended are kept, the last ones."""
AlertEvent = AlertRaised | AlertAcknowledged | AlertCleared


class Rule(Struct, frozen=True):
    """What is watched. `clear` is where an alert ends: `threshold`, or on the calm side of it."""

    name: str
    figure: str
    direction: Literal["above", "below"]
    threshold: float
    clear: float
    for_s: float
    severity: str
    subject: str = ""
    """A queue or a trunk; empty: each of them, or the switch."""

    def past(self, value: float) -> bool:
        """Whether a value is past the threshold."""
        return value > self.threshold if self.direction == "above" else value < self.threshold

    def back(self, value: float) -> bool:
        """Whether it ends an alert."""
        return value <= self.clear if self.direction == "above" else value >= self.clear

    def covers(self, alert: AlertRaised | AlertAcknowledged) -> bool:
        """Whether an alert is one that this rule would have raised."""
        same = ("name", "figure", "direction", "threshold", "clear", "severity")
        return self.subject in ("", alert.subject) and all(
            getattr(self, key) == getattr(alert, key) for key in same
        )


class Alerts:
    """All alerts. `emit` takes each event as it happens; `token` names a new alert."""

    def __init__(self, emit: Callable[[AlertEvent], None], token: Callable[[], str]) -> None:
        self._emit = emit
        self._token = token
        self.rules: tuple[Rule, ...] = ()
        self.open: dict[str, AlertRaised | AlertAcknowledged] = {}
        self.ended: deque[AlertCleared] = deque(maxlen=ENDED)
        self._of: dict[tuple[str, str], str] = {}
        """Rule and subject -> the alert that is open."""
        self._doubts: dict[tuple[str, str], float] = {}
        """Rule and subject -> since when a value is past the threshold."""

    def restore(self, events: Iterable[AlertEvent]) -> None:
        """Take over what was known at the end of the last run, in its order."""
        for event in events:
            if isinstance(event, AlertCleared):
                self.ended.append(event)
            else:
                self._put(event)

    def configure(self, rules: Iterable[Rule], now: float) -> None:
        """Other rules: alerts that none of them covers any more are cleared as `changed`."""
        self.rules = tuple(rules)
        by_name = {rule.name: rule for rule in self.rules}
        for alert in list(self.open.values()):
            rule = by_name.get(alert.name)
            if rule is None or not rule.covers(alert):
                self._end(alert, now, alert.value, "changed")
        self._doubts.clear()

    def take(self, now: float, rule: Rule, values: Mapping[str, float | None]) -> None:
        """The figure of a rule, of all its subjects; those that are not there have gone."""
        for subject, value in values.items():
            if rule.subject in ("", subject):
                self._judge(now, rule, subject, value)
        for key in [key for key in self._of if key[0] == rule.name and key[1] not in values]:
            alert = self.open[self._of[key]]
            self._end(alert, now, alert.value, "gone")
        for key in [key for key in self._doubts if key[0] == rule.name and key[1] not in values]:
            del self._doubts[key]

    def acknowledge(self, alert: str, account: str, now: float) -> AlertAcknowledged:
        """Somebody looks after it. Raises `NotFound`, `Conflict` with who does already."""
        found = self.open.get(alert)
        if found is None:
            raise NotFound(f'there is no open alert "{alert[:80]}"')
        if isinstance(found, AlertAcknowledged):
            raise Conflict(f"{found.acknowledged_by} has acknowledged it already")
        event = AlertAcknowledged(
            **{**_fields(found), "at": now, "acknowledged_by": account, "acknowledged_at": now}
        )
        self._put(event)
        self._emit(event)
        return event

    def _judge(self, now: float, rule: Rule, subject: str, value: float | None) -> None:
        key = (rule.name, subject)
        alert = self.open.get(self._of.get(key, ""))
        if alert is not None:
            if value is not None and rule.back(value):
                self._end(alert, now, value, "back")
            elif value is not None and value != alert.value:
                self._put(msgspec.structs.replace(alert, value=value))
            return
        if value is None or not rule.past(value):
            self._doubts.pop(key, None)
            return
        since = self._doubts.setdefault(key, now)
        if now - since < rule.for_s:
            return
        del self._doubts[key]
        raised = AlertRaised(
            at=now,
            alert=self._token(),
            name=rule.name,
            figure=rule.figure,
            subject=subject,
            queue=subject if rule.figure in QUEUE_FIGURES else "",
            direction=rule.direction,
            threshold=rule.threshold,
            clear=rule.clear,
            severity=rule.severity,
            value=value,
            raised_at=now,
        )
        self._put(raised)
        self._emit(raised)

    def _put(self, alert: AlertRaised | AlertAcknowledged) -> None:
        self.open[alert.alert] = alert
        self._of[alert.name, alert.subject] = alert.alert

    def _end(
        self, alert: AlertRaised | AlertAcknowledged, now: float, value: float, reason: str
    ) -> None:
        del self.open[alert.alert]
        del self._of[alert.name, alert.subject]
        ended = AlertCleared(**{**_fields(alert), "at": now, "value": value, "reason": reason})
        self.ended.append(ended)
        self._emit(ended)

    def __iter__(self) -> Iterator[AlertRaised | AlertAcknowledged]:
        return iter(self.open.values())


QUEUE_FIGURES = (
    *("waiting", "longest_wait_s", "ewt_s", "service_level_now", "service_level_today"),
    *("abandonment", "agents_available", "agents_signed_in"),
    "overdue",
)
"""Those of a queue. The others: `trunk_down` of a trunk, `disk_free_mb`, `degraded`, `calls` of
the switch."""


def _fields(alert: AlertRaised | AlertAcknowledged) -> dict[str, Any]:
    return msgspec.structs.asdict(alert)
