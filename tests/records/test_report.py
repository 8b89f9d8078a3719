"""The figures, by hand-computed examples; and the books after a crash."""

from __future__ import annotations

import pytest

from cicswitch.acd import events as acd
from cicswitch.calls import events as calls
from cicswitch.calls.reason import Reason
from cicswitch.records.journal import Event, decode_batch, encode_batch
from cicswitch.records.ledger import Ledger
from cicswitch.records.report import (
    ServiceLevel,
    agent_figures,
    queue_figures,
    service_level,
)
from cicswitch.records.rows import AgentSegment, HandledRecord, InteractionRecord, QueueVisit, Row


def visit(outcome: str, wait_s: float) -> QueueVisit:
    return QueueVisit(
        "i", "q", 0.0, wait_s, outcome, wait_s, "kim" if outcome == "answered" else ""
    )


VISITS = [
    *(visit("answered", wait_s) for wait_s in (5.0, 10.0, 30.0)),
    visit("abandoned", 2.0),
    visit("abandoned", 15.0),
    visit("abandoned", 60.0),
    visit("timeout", 100.0),
    visit("refused-full", 0.0),
]
HANDLED = [HandledRecord("i", "q", "kim", 1.0, 100.0, 10.0, 20.0, "resolved")]


@pytest.mark.parametrize(
    ("variant", "value"),
    [
        ("answered_or_abandoned", 2 / (3 + 3 - 1)),
        ("answered_only", 2 / 3),
        ("abandons_met", (2 + 2) / 6),
        ("with_flow_outs", 2 / (3 + 3 + 2)),
    ],
)
def test_service_level_by_each_formula(variant: ServiceLevel, value: float) -> None:
    (figures,) = queue_figures(VISITS, HANDLED, {"q": (20.0, 5.0)}, variant=variant)
    assert figures.service_level == pytest.approx(value)
    assert service_level(figures, variant) == figures.service_level


def test_the_other_figures_of_a_queue() -> None:
    (figures,) = queue_figures(VISITS, HANDLED, {"q": (20.0, 5.0)})
    assert (figures.offered, figures.answered, figures.abandoned) == (8, 3, 3)
    assert (figures.short_abandons, figures.flow_outs, figures.refused) == (1, 2, 1)
    assert figures.asa_s == pytest.approx(15.0)
    assert figures.aht_s == pytest.approx(130.0)
    assert figures.abandon_rate == pytest.approx(3 / 8)
    assert figures.max_wait_s == 100.0


def test_a_figure_without_a_base_is_none() -> None:
    (figures,) = queue_figures([visit("timeout", 1.0)], [], {})
    assert (figures.service_level, figures.asa_s, figures.aht_s) == (None, None, None)


def test_an_agents_seconds_are_cut_to_the_period_and_make_his_occupancy() -> None:
    segments = [
        AgentSegment("kim", "idle", 0.0, 20.0),
        AgentSegment("kim", "alerting", 20.0, 30.0),
        AgentSegment("kim", "talking", 30.0, 80.0),
        AgentSegment("kim", "wrap-up", 80.0, 90.0),
        AgentSegment("kim", "paused", 90.0, 150.0, "meal"),
    ]
    (figures,) = agent_figures(segments, HANDLED, VISITS, (10.0, 100.0))
    assert figures.signed_in_s == pytest.approx(90.0)
    assert sum(figures.seconds.values()) == pytest.approx(90.0)
    assert figures.occupancy == pytest.approx(60 / (60 + 20))
    assert figures.pauses == {"meal": 10.0}
    assert (figures.answered, figures.handled, figures.codes) == (3, 1, {"resolved": 1})


CALL: list[Event] = [
    calls.InteractionStarted(1.0, "i", "voice", "pbx", "010", "5000", "plan queue"),
    calls.LegStarted(1.0, "l1", "i", "in", "pbx", "010", "5000"),
    calls.LegAnswered(1.5, "l1", "PCMU"),
    acd.InteractionQueued(1.5, "i", "q", 0),
    acd.AgentChanged(2.0, "kim", "alerting", "idle", 2.0, "", "i", "q"),
    calls.LegStarted(2.0, "l2", "i", "out", "device:1001", "010", "1001"),
    calls.LegAnswered(4.0, "l2", "PCMU"),
    acd.AgentChanged(4.0, "kim", "talking", "alerting", 2.0, "", "i", "q"),
    acd.InteractionConnected(4.0, "i", "q", "kim", 2.5),
]


def feed(ledger: Ledger, events: list[Event]) -> list[Row]:
    return [row for event in events for row in ledger.feed(event)]


def test_what_a_crash_left_open_is_closed_with_its_reason() -> None:
    ledger = Ledger()
    feed(ledger, CALL)
    assert ledger.open == 3
    rows = feed(ledger, ledger.closing_events(Reason.RESTART))
    assert ledger.open == 0
    (record,) = [row for row in rows if isinstance(row, InteractionRecord)]
    assert (record.outcome, record.reason, record.agent) == ("handled", "restart", "kim")
    (handled,) = [row for row in rows if isinstance(row, HandledRecord)]
    assert handled.agent == "kim"


@pytest.mark.parametrize("event", CALL, ids=lambda event: type(event).__name__)
def test_an_event_comes_back_from_the_journal_as_it_was(event: Event) -> None:
    assert decode_batch(encode_batch([event])) == [event]
