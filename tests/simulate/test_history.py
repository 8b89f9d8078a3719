"""A recorded day is run again, with another configuration."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from math import inf
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cicswitch.acd.commands import Enqueue
from cicswitch.acd.events import Commanded
from cicswitch.calls.events import SwitchStarted
from cicswitch.cli import app
from cicswitch.config import load
from cicswitch.core.errors import ResourceError
from cicswitch.records.rows import AgentSegment, HandledRecord, InteractionRecord, QueueVisit, Row
from cicswitch.runtime.place import Place, text_of
from cicswitch.simulate.history import durations, models, read_day, remaining_patience, survival
from cicswitch.simulate.history import recorded as recorded_figures
from cicswitch.simulate.results import compare, simulate
from cicswitch.simulate.run import Simulation
from cicswitch.store.make import make_store
from cicswitch.terminal.simulation import source

DAY = datetime(2026, 5, 4, tzinfo=UTC)
NINE = DAY.timestamp() + 9 * 3600

ONE = """
dialplans = ["plan.toml"]
device.1001.password = "one"
device.1002.password = "two"
[queue.support]
wrap_up_s = 60
[agent.kim]
device = "1001"
"""
TWO = f"""{ONE}
[agent.lee]
device = "1002"
"""
PLAN = """
[[route]]
name = "all"
flow = "main"
[[flow.main]]
do = "queue"
queue = "support"
"""


def recorded(calls: int = 30) -> list[Row]:
    """Calls every 100 s from 9:00 on, to Kim alone: each second one is not answered in time.

    A talk is 130 s, its after-call work 20 s; who abandons has waited 40 s.
    """
    rows: list[Row] = []
    for number in range(calls):
        name, at = f"call-{number}", NINE + 100.0 * number
        rows.append(InteractionRecord(name, "voice", "pbx", "1", "2", "main", at))
        if number % 2:
            rows.append(QueueVisit(name, "support", at, at + 40, "abandoned", 40.0))
        else:
            rows.append(QueueVisit(name, "support", at, at + 2, "answered", 2.0, "kim"))
            ended = at + 152
            rows.append(HandledRecord(name, "support", "kim", ended, 120.0, 10.0, 20.0, ""))
    end = NINE + 100.0 * calls + 200
    rows += [
        AgentSegment("kim", "idle", NINE - 100, NINE),
        AgentSegment("kim", "alerting", NINE, NINE + 2),
        AgentSegment("kim", "talking", NINE + 2, NINE + 1000),
        AgentSegment("kim", "paused", NINE + 1000, NINE + 1080, "break"),
        AgentSegment("kim", "idle", NINE + 1080, end),
        AgentSegment("kim", "offline", end, end + 9999),
    ]
    return rows


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fill(tmp_path, tmp_path / "store.db")
    return tmp_path


def fill(tmp_path: Path, place: Place) -> None:
    (tmp_path / "one.toml").write_text(ONE)
    (tmp_path / "two.toml").write_text(TWO)
    (tmp_path / "plan.toml").write_text(PLAN)
    store = make_store(place)
    store.open(NINE, "test")
    store.append(SwitchStarted(NINE, "test"), recorded())
    store.close(NINE, "stopped")


def test_a_day_has_its_arrivals_handle_times_and_hours_of_work(folder: Path) -> None:
    day = read_day(folder / "store.db", DAY)
    assert len(day.visits) == 30
    assert day.visits[1][1:] == ("support", 32500.0, "abandoned", 40.0, "voice")
    assert day.shares["call-0"] == (130.0, 20.0)
    first, second = day.shifts["kim"]
    assert (first.begin, first.end, second.begin) == (32300.0, 33400.0, 33480.0)


def test_what_was_seen_is_run_again_as_it_was(folder: Path) -> None:
    day = read_day(folder / "store.db", DAY)
    (stream,) = day.streams(["support"], 1)
    assert stream.handles == (130.0,) * 30
    assert stream.wrap_ups == (20.0,) * 30
    assert stream.patiences[1::2] == (40.0,) * 15
    assert all(patience >= 40.0 for patience in stream.patiences[::2])
    simulation = Simulation(models(day, load(folder / "one.toml"))(1), 1)
    simulation.run()
    queue = simulation.queues["support"]
    assert queue.handle_s / queue.handled == pytest.approx(150.0, abs=0.1)
    assert queue.offered == 30
    assert min(queue.waits) == pytest.approx(2.0)  # as long as Kim let it ring


def test_contacts_keep_the_skills_and_the_priority_that_the_dialplan_gave_them(
    tmp_path: Path, place: Place
) -> None:
    fill(tmp_path, place)
    store = make_store(place)
    store.open(NINE, "test")
    enqueue = Enqueue(
        interaction="call-0", queue="support", skills={"ko": 30}, require="not vip", priority=3
    )
    store.append(Commanded(NINE, enqueue))
    store.close(NINE, "stopped")
    day = read_day(source(text_of(place)), DAY)
    assert day.visits[1][1:] == ("support", 32500.0, "abandoned", 40.0, "voice")
    assert day.shares["call-0"] == (130.0, 20.0)
    assert day.shifts["kim"][0].begin == 32300.0
    assert day.alerts
    assert set(durations(source(text_of(place)), "support")) == {130.0}
    first, others = day.streams(["support"], 1)
    assert (first.times, len(others.times)) == ((32400.0,), 29)
    assert (first.skills, first.require, first.priority) == ({"ko": 30}, "not vip", 3)
    assert (others.skills, others.require, others.priority) == ({}, "", 0)


def test_what_cannot_be_run_again_is_counted(folder: Path) -> None:
    day = read_day(folder / "store.db", DAY)
    assert day.left_out(["support"]) == {}
    assert day.left_out(["other"]) == {"support": 30}
    day.shares.clear()
    assert day.left_out(["support"]) == {"support": 30}
    assert day.streams(["support"], 1) == []


def test_who_is_not_in_the_records_works_while_the_others_do(folder: Path) -> None:
    day = read_day(folder / "store.db", DAY)
    shifts = models(day, load(folder / "two.toml"))(1).shifts
    assert [(shift.begin, shift.end) for shift in shifts["lee"]] == [(32300.0, 35600.0)]


def test_one_agent_more_answers_those_who_gave_up(folder: Path) -> None:
    day = read_day(folder / "store.db", DAY)
    before, after = (
        simulate(models(day, load(folder / name)), seeds=3) for name in ("one.toml", "two.toml")
    )
    assert (before.queues[0].figures["abandoned"].mean or 0) > 5
    assert (after.queues[0].figures["abandoned"].mean or 0) < 3


def test_the_same_configuration_makes_no_difference(folder: Path) -> None:
    day = read_day(folder / "store.db", DAY)
    first, second = (simulate(models(day, load(folder / "one.toml")), seeds=2) for _ in range(2))
    for row in compare(first, second).queues:
        assert all(estimate.mean in (0.0, None) for estimate in row.figures.values())


def test_the_day_as_it_was_stands_beside(folder: Path) -> None:
    support, _ = recorded_figures(read_day(folder / "store.db", DAY), {"support": (20.0, 5.0)})
    assert support.figures["service_level"].mean == 0.5
    assert support.figures["asa_s"].mean == pytest.approx(2.0)
    assert support.figures["aht_s"].mean == pytest.approx(150.0)


def test_the_command_shows_the_difference(folder: Path) -> None:
    arguments = ["simulate", "--journal", str(folder / "store.db"), "--day", "2026-05-04"]
    arguments += ["--config", str(folder / "two.toml"), "--against", str(folder / "one.toml")]
    shown = CliRunner().invoke(app, arguments)
    assert shown.exit_code == 0, shown.output
    assert "as recorded" in shown.output
    assert "two.toml less" in shown.output
    image = folder / "plot.png"
    done = CliRunner().invoke(app, [*arguments, "--json", "--plot", str(image), "--seeds", "2"])
    assert done.exit_code == 0, done.exception
    found = json.loads(done.stdout)
    assert found["queues"][0]["figures"]["abandoned"]["mean"] < -5
    assert image.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--journal", "store.db", "--day", "yesterday"], '"yesterday" is no day'),
        (["--journal", "store.db", "--day", "2026-05-05"], "nothing that was queued"),
        (["--journal", "none.db", "--day", "2026-05-04"], "there is no store"),
        (["--journal", "plan.toml", "--day", "2026-05-04"], "is no store of cicswitch"),
        ([], "either a scenario or --journal"),
        (["x.toml", "--day", "2026-05-04"], "need --journal"),
        (["--journal", "store.db", "--day", "2026-05-04", "--hours", "3"], "need a scenario"),
    ],
)
def test_what_cannot_be_run_again_is_refused(
    folder: Path, arguments: list[str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(app, ["simulate", *arguments])
    assert done.exit_code != 0
    said = str(done.exception) if isinstance(done.exception, ResourceError) else done.output
    assert expected in " ".join(said.replace("│", " ").split())


def test_the_kaplan_meier_estimate_is_that_of_the_textbook() -> None:
    # Four waits, two of them ended by an abandon: 3/4 are left after 2 s, half of those after 6 s.
    times, survives = survival(np.array([2.0, 4.0, 6.0, 8.0]), np.array([True, False, True, False]))
    assert times.tolist() == [2.0, 6.0]
    assert survives.tolist() == pytest.approx([0.75, 0.375])


def test_patience_is_recovered_from_those_who_were_answered_before_it_ended() -> None:
    random = np.random.default_rng(1)
    patience, offered = random.exponential(100, 20_000), random.uniform(0, 600, 20_000)
    waits, left = np.minimum(patience, offered), patience < offered
    found = remaining_patience(waits, left, random)
    assert (found >= waits).all()
    assert (found[left] == waits[left]).all()
    assert found[np.isfinite(found)].mean() == pytest.approx(100, rel=0.03)
    assert np.median(found) == pytest.approx(100 * np.log(2), rel=0.03)


def test_where_nobody_left_everybody_is_patient() -> None:
    found = remaining_patience(
        np.array([1.0, 2.0]), np.array([False, False]), np.random.default_rng(1)
    )
    assert found.tolist() == [inf, inf]
