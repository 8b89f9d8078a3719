"""Alerts on thresholds: raised once, held within their hysteresis, restored as they stood."""

from __future__ import annotations

from itertools import count

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicswitch.calls.events import AlertAcknowledged, AlertCleared, AlertRaised
from cicswitch.core.errors import Conflict, NotFound
from cicswitch.records.alerts import AlertEvent, Alerts, Rule

WAIT = Rule("wait", "longest_wait_s", "above", 60.0, 30.0, 10.0, "warning")


class Watch:
    """Alerts of one rule, of the queue `q`, a value a second."""

    def __init__(self, rule: Rule = WAIT) -> None:
        self.events: list[AlertEvent] = []
        names = count()
        self.alerts = Alerts(self.events.append, lambda: f"a{next(names)}")
        self.rule = rule
        self.now = 1000.0
        self.alerts.configure([rule], self.now)

    def take(self, *values: float | None) -> list[type]:
        seen = len(self.events)
        for value in values:
            self.alerts.take(self.now, self.rule, {"q": value})
            self.now += 1
        return [type(event) for event in self.events[seen:]]


def test_it_has_to_last_and_ends_on_the_calm_side_only() -> None:
    watch = Watch()
    assert watch.take(*[61.0] * 10) == []
    assert watch.take(61.0) == [AlertRaised]
    (raised,) = watch.alerts
    assert (raised.queue, raised.value, raised.raised_at) == ("q", 61.0, 1010.0)
    assert watch.take(90.0, 59.0, 31.0, 61.0) == []
    assert next(iter(watch.alerts)).value == 61.0
    assert watch.take(30.0) == [AlertCleared]
    assert watch.events[-1].value == 30.0
    assert isinstance(watch.events[-1], AlertCleared)
    assert watch.events[-1].reason == "back"
    assert (
        watch.take(*[61.0] * 9, 60.0, *[61.0] * 10) == []
    )  # a doubt that ended counts for nothing


def test_below_is_the_mirror_of_above() -> None:
    watch = Watch(Rule("sl", "service_level_now", "below", 0.8, 0.9, 0.0, "critical"))
    assert watch.take(0.8) == []
    assert watch.take(0.79, 0.89) == [AlertRaised]
    assert watch.take(0.9) == [AlertCleared]


def test_what_is_unknown_raises_nothing_and_clears_nothing() -> None:
    watch = Watch()
    assert watch.take(*[61.0] * 9, None, *[61.0] * 10) == []
    assert watch.take(61.0, None, None) == [AlertRaised]
    assert len(watch.alerts.open) == 1


def test_a_subject_that_has_gone_takes_its_alert_along() -> None:
    watch = Watch()
    watch.take(*[61.0] * 11)
    watch.alerts.take(watch.now, WAIT, {"other": 0.0})
    assert isinstance(watch.events[-1], AlertCleared)
    assert watch.events[-1].reason == "gone"


def test_a_rule_for_one_subject_looks_at_no_other() -> None:
    watch = Watch(msgspec.structs.replace(WAIT, subject="p", for_s=0.0))
    assert watch.take(99.0) == []


def test_other_rules_keep_what_they_cover() -> None:
    watch = Watch()
    watch.take(*[61.0] * 11)
    same = msgspec.structs.replace(WAIT, for_s=99.0, subject="q")
    watch.alerts.configure([same], 2000.0)
    assert len(watch.alerts.open) == 1
    for other in (
        [],
        [msgspec.structs.replace(WAIT, threshold=61.0)],
        [msgspec.structs.replace(WAIT, subject="p")],
    ):
        watch = Watch()
        watch.take(*[61.0] * 11)
        watch.alerts.configure(other, 2000.0)
        assert isinstance(watch.events[-1], AlertCleared)
        assert watch.events[-1].reason == "changed"
        assert not watch.alerts.open


def test_it_is_acknowledged_once_and_all_of_it_comes_back_after_a_restart() -> None:
    watch = Watch()
    watch.take(*[61.0] * 11, 20.0, *[61.0] * 11)
    with pytest.raises(NotFound):
        watch.alerts.acknowledge("a0", "sue", 1100.0)
    made = watch.alerts.acknowledge("a1", "sue", 1100.0)
    assert isinstance(made, AlertAcknowledged)
    assert (made.acknowledged_by, made.acknowledged_at) == ("sue", 1100.0)
    with pytest.raises(Conflict, match="sue"):
        watch.alerts.acknowledge("a1", "bob", 1101.0)
    again = Watch()
    again.alerts.restore([watch.alerts.ended[0], *watch.alerts])
    again.alerts.configure([WAIT], 1200.0)
    assert not again.events
    assert again.alerts.open == watch.alerts.open
    assert list(again.alerts.ended) == list(watch.alerts.ended)
    assert again.take(61.0) == []
    assert again.take(0.0) == [AlertCleared]
    assert again.events[-1].acknowledged_by == "sue"


VALUES = st.lists(st.none() | st.floats(0, 100), max_size=60)


@given(VALUES, st.integers(0, 5), st.booleans())
def test_alerts_alternate_and_never_flap_within_the_hysteresis(
    values: list[float | None], for_s: int, above: bool
) -> None:
    direction, clear = ("above", 40.0) if above else ("below", 70.0)
    rule = Rule("r", "waiting", direction, 55.0, clear, float(for_s), "info")  # type: ignore[arg-type]  # one of two
    watch = Watch(rule)
    is_open, past = False, 0
    for value in values:
        kinds = watch.take(value)
        past = past + 1 if value is not None and rule.past(value) else 0
        if is_open:
            ends = value is not None and rule.back(value)
            assert kinds == ([AlertCleared] if ends else [])
            is_open, past = not ends, 0 if ends else past
        else:
            begins = past > for_s
            assert kinds == ([AlertRaised] if begins else [])
            is_open = begins
            past = 0 if begins else past
        assert len(watch.alerts.open) == is_open


@given(st.lists(st.floats(40.001, 55.0), min_size=1, max_size=60))
def test_between_threshold_and_clear_nothing_happens(values: list[float]) -> None:
    rule = Rule("r", "waiting", "above", 55.0, 40.0, 0.0, "info")
    calm = Watch(rule)
    assert calm.take(*values) == []
    raised = Watch(rule)
    assert raised.take(56.0) == [AlertRaised]
    assert raised.take(*values) == []
