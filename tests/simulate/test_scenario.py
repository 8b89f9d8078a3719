"""Scenario files: what they say, and what is said of their mistakes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cicswitch.calls.events import SwitchStarted
from cicswitch.config import Config, default_path
from cicswitch.config import load as load_config
from cicswitch.core.errors import ConfigError
from cicswitch.records.rows import HandledRecord
from cicswitch.runtime.place import Place
from cicswitch.simulate.model import Listed, Poisson, Shift
from cicswitch.simulate.scenario import (
    AnswerConfig,
    ArrivalsConfig,
    Scenario,
    ScenarioConfig,
    StaffConfig,
    TimesConfig,
    load,
)
from cicswitch.store.make import make_store
from cicswitch.terminal.simulation import source

HANDLE = 'handle = { kind = "exponential", mean_s = 100 }\n'


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config(default_path())


def read(folder: Path, config: Config, text: str) -> Scenario:
    path = folder / "scenario.toml"
    path.write_text(text)
    return load(path, config, opened=source)


def findings(folder: Path, config: Config, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(folder, config, text)
    return [str(finding).removeprefix(f"{folder}/") for finding in caught.value.findings]


def test_a_scenario_takes_queues_and_agents_from_the_configuration(
    tmp_path: Path, config: Config
) -> None:
    text = f'[[arrivals]]\nqueue = "support"\nper_hour = 60\n{HANDLE}'
    found = read(tmp_path, config, text)
    assert {queue.queue for queue in found.model.queues} == set(config.queue)
    assert {agent.agent for agent in found.model.agents} == set(config.agent)
    assert found.model.limits["support"] == (20.0, 5.0)
    (stream,) = found.model.streams
    assert isinstance(stream, Poisson)
    assert stream.rates == pytest.approx((1 / 60,))


def test_a_profile_repeats_every_day(tmp_path: Path, config: Config) -> None:
    found = read(
        tmp_path,
        config,
        'start = "06:00"\nhours = 30\n[[arrivals]]\nqueue = "support"\n'
        'profile = { "08:00" = 3600, "20:00" = 0 }\n' + HANDLE,
    )
    (stream,) = found.model.streams
    assert isinstance(stream, Poisson)
    hours = [edge / 3600 for edge in stream.edges]
    rates = dict(zip(hours, stream.rates, strict=False))
    assert rates == {6: 0.0, 8: 1.0, 20: 0.0, 24: 0.0, 32: 1.0}
    assert hours[-1] == 36


def test_staff_and_shifts(tmp_path: Path, config: Config) -> None:
    found = read(
        tmp_path,
        config,
        f'configured_agents = false\nhours = 24\n[[arrivals]]\nqueue = "support"\nper_hour = 1\n'
        f"{HANDLE}"
        '[[staff]]\nname = "early"\ncount = 2\nskills = { english = 70 }\n'
        'hours = ["08:00-12:00", "13:00-16:30"]\n',
    )
    assert [agent.agent for agent in found.model.agents] == ["early-1", "early-2"]
    assert found.model.shifts["early-2"][:2] == (Shift(28800, 43200), Shift(46800, 59400))


def test_arrivals_come_from_a_csv(tmp_path: Path, config: Config) -> None:
    (tmp_path / "calls.csv").write_text(
        "time,queue,skills,priority,handle_s\n"
        "08:00:30,support,,0,60\n2026-05-05T07:00,korean,english=30,5,\n28000,support,,0,90\n"
    )
    found = read(tmp_path, config, f'hours = 24\n[[arrivals]]\nfile = "calls.csv"\n{HANDLE}')
    support, korean = found.model.streams
    assert isinstance(support, Listed)
    assert isinstance(korean, Listed)
    assert (support.times, support.handles) == ((28000.0, 28830.0), (90.0, 60.0))
    assert (korean.times, korean.skills, korean.priority) == ((25200.0,), {"english": 30}, 5)


def test_durations_come_from_a_csv_or_the_switchs_own_records(
    tmp_path: Path, config: Config, place: Place
) -> None:
    (tmp_path / "times.csv").write_text("id,seconds\n1,30\n2,\n3,50.5\n")
    store = make_store(place)
    store.open(1.0, "test")
    rows = [
        HandledRecord("1", "support", "kim", 1.0, 20.0, 5.0, 9.0, ""),
        HandledRecord("2", "x", "kim", 1.0, 1.0, 1.0, 1.0, ""),
    ]
    store.append(SwitchStarted(1.0, "test"), rows)
    store.close(2.0, "stopped")
    named = "store.db" if isinstance(place, Path) else place.reveal()
    found = read(
        tmp_path,
        config,
        '[[arrivals]]\nqueue = "support"\nper_hour = 1\n'
        f'handle = {{ kind = "empirical", store = "{named}" }}\n'
        f'wrap_up = {{ kind = "empirical", store = "{named}" }}\n'
        'patience = { kind = "empirical", file = "times.csv", column = "seconds" }\n',
    )
    (stream,) = found.model.streams
    assert stream.handle.measured == (25.0,)
    assert stream.patience.measured == (30.0, 50.5)
    assert stream.wrap_up is not None
    assert stream.wrap_up.measured == (9.0,)


def test_every_mistake_is_told_at_once_with_its_line(tmp_path: Path, config: Config) -> None:
    (tmp_path / "calls.csv").write_text("time,queue,handle_s\n25:61,support,9\n08:00,support,x\n")
    found = findings(
        tmp_path,
        config,
        'start = "8 o\'clock"\nhuors = 3\n'
        '[[arrivals]]\nqueue = "suport"\nper_hour = 5\n'
        'handle = { kind = "lognormal", mean_s = 100 }\n'
        'patience = { kind = "sometimes" }\n'
        '[[arrivals]]\nqueue = "support"\n'
        '[[arrivals]]\nfile = "calls.csv"\n'
        '[shift]\nnobody = ["12:00-8:00"]\n',
    )
    assert found == [
        'calls.csv:2: time: found "25:61", expected 08:30, 08:30:15 or seconds',
        'calls.csv:3: handle_s: found "x", expected seconds, or nothing',
        'scenario.toml:1: start: found "8 o\'clock", expected a time of the day, like "08:30"',
        'scenario.toml:2: huors: found unknown key "huors", expected a key that is known here'
        ' (did you mean "hours"?)',
        'scenario.toml:4: arrivals[0].queue: found "suport", expected a queue'
        ' (english, korean, support) (did you mean "support"?)',
        "scenario.toml:6: arrivals[0].handle: found no sd_s,"
        " expected the standard deviation of lognormal durations",
        'scenario.toml:7: arrivals[0].patience.kind: found "sometimes", expected one of'
        ' "constant", "empirical", "exponential", "lognormal", "none"',
        "scenario.toml:8: arrivals[1]: found no rate, expected one of per_hour, profile, file",
        'scenario.toml:13: shift.nobody: found "nobody", expected an agent (choi, kim, lee, park)',
        'scenario.toml:13: shift.nobody[0]: found "12:00-8:00",'
        ' expected a time of work, like "08:00-12:00"',
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "[[arrivals]] for at least one queue"),
        ('[[arrivals]]\nqueue = "support"\nper_hour = 1\n', 'handle = { kind = "exponential", … }'),
        (
            f'configured_agents = false\n[[arrivals]]\nqueue = "support"\nper_hour = 1\n{HANDLE}',
            "agents in the configuration, or [[staff]]",
        ),
        (
            f'warm_up_hours = 30\n[[arrivals]]\nqueue = "support"\nper_hour = 1\n{HANDLE}',
            "less than the hours that are simulated",
        ),
        (
            '[[arrivals]]\nqueue = "support"\nper_hour = 1\n'
            'handle = { kind = "empirical", store = "no.db" }\n',
            "a store of the switch",
        ),
        ('[[arrivals]]\nfile = "no.csv"\n', "a readable file"),
    ],
)
def test_what_cannot_be_simulated_is_refused(
    tmp_path: Path, config: Config, text: str, expected: str
) -> None:
    (found,) = findings(tmp_path, config, text)
    assert found.endswith(f"expected {expected}")


def test_the_documentation_names_every_key() -> None:
    text = (Path(__file__).parents[2] / "docs/simulation.md").read_text()
    for kind in (ScenarioConfig, ArrivalsConfig, StaffConfig, AnswerConfig, TimesConfig):
        for key in kind.__struct_fields__:
            assert re.search(rf"[`\[ {{(]{key}[`\] =,]", text), f"{kind.__name__}.{key}"


HOURS = """
[hours.office]
zone = "Asia/Seoul"
open = ["mon-fri 09:00-18:00"]
holidays = ["korea"]
[holidays.korea]
country = "KR"
"""


def test_queues_open_and_close_on_the_day_that_a_scenario_names(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('dialplans = []\n[queue.q]\nhours = "office"\n[queue.r]\n' + HOURS)
    text = '[[staff]]\nname = "s"\n[[arrivals]]\nqueue = "q"\nper_hour = 1\n'
    text += 'handle = { kind = "constant", mean_s = 9 }\n'
    config = load_config(file)
    day = 'date = "2026-12-24"\nstart = "08:00"\nhours = 100\n'
    openings = read(tmp_path, config, day + text).model.openings
    # Friday is Christmas, and the weekend follows: Monday at nine is 105 hours after midnight.
    changes = ((8, False), (9, True), (18, False), (105, True))
    assert openings == {"q": tuple((hour * 3600.0, opens) for hour, opens in changes)}
    assert read(tmp_path, config, text).model.openings == {}
    (found,) = findings(tmp_path, config, 'date = "soon"\n' + text)
    assert 'date: found "soon", expected a date, like 2026-11-23' in found
