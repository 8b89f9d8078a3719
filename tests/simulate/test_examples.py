"""The examples of docs/examples run as they stand, and show what they say."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cicswitch.cli import app

EXAMPLES = Path(__file__).parents[2] / "docs/examples"


def simulate(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["simulate", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_scenario_gives_a_table_and_json(tmp_path: Path) -> None:
    scenario = str(EXAMPLES / "simulation.toml")
    assert "service level %" in simulate(scenario, "--seeds", "2", "--hours", "2")
    image = tmp_path / "plot.png"
    arguments = (scenario, "--seeds", "2", "--hours", "2", "--json", "--plot", str(image))
    found = json.loads(simulate(*arguments))
    assert found["hours"] == 2.0
    rows = {row["name"]: row["figures"] for row in found["queues"]}
    assert rows["english"]["answered"]["mean"] > 100
    assert 0 < rows["(all)"]["service_level"]["mean"] < 1
    assert image.read_bytes().startswith(b"\x89PNG")


def test_two_skills_each_come_close_to_six() -> None:
    spec = importlib.util.spec_from_file_location("pooling", EXAMPLES / "pooling.py")
    assert spec is not None
    assert spec.loader is not None
    pooling = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pooling)
    reports = pooling.main(hours=12, seeds=2, image=False)
    one, two, *_, six = [pooling.figure(report, "asa_s").mean for report in reports]
    assert one - two > 5 * abs(two - six)
    blocked = [pooling.blocked(report) for report in reports]
    assert blocked[0] > blocked[1] + 1


def test_without_matplotlib_a_plot_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    arguments = ["simulate", str(EXAMPLES / "simulation.toml"), "--hours", "1", "--plot", "x.png"]
    done = CliRunner().invoke(app, arguments)
    assert str(done.exception) == "a plot needs matplotlib: pip install 'cicswitch[bench]'"


def test_a_policy_of_the_configuration_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(
        "def lee(asked, free):\n    return max(agent.agent for agent in free)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "plan.toml").write_text(
        '[[route]]\nname = "all"\nflow = "main"\n[[flow.main]]\ndo = "queue"\nqueue = "q"\n'
    )
    config = (
        'dialplans = ["plan.toml"]\ndevice.1.password = "x"\ndevice.2.password = "x"\n'
        'agent.kim.device = "1"\nagent.lee.device = "2"\n[queue.q]\nwrap_up_s = 0\n'
    )
    (tmp_path / "plain.toml").write_text(config)
    (tmp_path / "mine.toml").write_text(f'{config}policy = "mine:lee"\n')
    (tmp_path / "s.toml").write_text(
        '[[arrivals]]\nqueue = "q"\nper_hour = 6\nhandle = { kind = "constant", mean_s = 5 }\n'
    )
    answered = []
    for name in ("plain.toml", "mine.toml"):
        options = ("--config", str(tmp_path / name), "--seeds", "1", "--json")
        found = json.loads(simulate(str(tmp_path / "s.toml"), *options))
        answered.append([row["figures"]["answered"]["mean"] for row in found["agents"][:2]])
    # Longest idle takes turns; the function gives Lee everything, unless he talks.
    assert answered[0][0] == pytest.approx(answered[0][1], abs=2)
    assert answered[1][0] < 5
