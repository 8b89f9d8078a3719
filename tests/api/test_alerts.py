"""Alerts of a switch that runs: over the API, in the stream, in the metrics, over a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from cicswitch.acd import commands as acd
from cicswitch.api.snapshot import snapshot
from cicswitch.calls.events import AlertAcknowledged, AlertCleared, AlertRaised
from cicswitch.config import check
from cicswitch.terminal.top import View
from tests.api.served import EXTRA, Served, problem, served

RULES = """
[alerts.nobody]
figure = "agents_signed_in"
queue = "support"
below = 1
clear = 2
severity = "critical"
[alerts.wait]
figure = "longest_wait_s"
above = 0
for_s = 1
[alerts.line]
figure = "waiting"
above = 1
[alerts.level]
figure = "service_level_now"
below = 1.1
[alerts.level-today]
figure = "service_level_today"
below = 1.1
[alerts.lost]
figure = "abandonment"
above = 0
[alerts.ewt]
figure = "ewt_s"
above = 100000
[alerts.available]
figure = "agents_available"
queue = "korean"
below = 1
[alerts.disk]
figure = "disk_free_mb"
below = 100000000
severity = "info"
[alerts.sick]
figure = "degraded"
above = 0
[alerts.isp]
figure = "trunk_down"
trunk = "isp"
above = 0
[alerts.calls]
figure = "calls"
above = 1000
[queue.quick]
short_abandon_s = 0
[trunk.isp]
address = "udp:nowhere.invalid:5060"
options_s = 1
[trunk.spare]
address = "udp:nowhere.invalid:5060"
options_s = 1
"""


def names(api: Served) -> set[str]:
    return {each.name for each in api.switch.alerting.alerts}


async def test_figures_raise_alerts_that_are_acknowledged_and_outlive_a_restart(
    tmp_path: Path,
) -> None:
    async with served(tmp_path, extra=EXTRA + RULES) as api:
        c, boss = api.center, await api.token("supervisor")
        api.switch.command(acd.SignOut("kim"))
        await c.until(lambda: {"nobody", "available", "disk"} <= names(api))
        assert not names(api) & {"wait", "line", "level", "level-today", "lost", "ewt", "calls"}
        for number in range(2):
            api.switch.command(acd.Enqueue(interaction=f"i{number}", queue="quick"))
        await c.until(lambda: {"wait", "line"} <= names(api))
        for number in range(2):
            api.switch.command(acd.Leave(f"i{number}"))
        await c.until(lambda: {"lost", "level", "level-today"} <= names(api))
        await c.until(lambda: not names(api) & {"wait", "line"})
        await c.until(lambda: {"isp", "sick"} <= names(api))
        raised = await c.event(AlertRaised, name="isp")
        assert (raised.subject, raised.queue, raised.severity) == ("isp", "", "warning")
        listed = (await boss.get("/api/v1/alerts")).json()["items"]
        nobody = next(each for each in listed if each["name"] == "nobody")
        assert (nobody["subject"], nobody["value"], nobody["threshold"]) == ("support", 0.0, 1.0)
        assert {each["name"] for each in listed if each["ended_at"]} >= {"wait", "line"}
        ended = [bool(each["ended_at"]) for each in listed]
        assert ended == sorted(ended)
        place = f"/api/v1/alerts/{nobody['alert']}/acknowledge"
        problem(await (await api.token("agent")).post(place), 403)
        reply = await boss.post(place)
        assert (reply.status_code, reply.json()["acknowledged_by"]) == (200, "supervisor")
        problem(await boss.post(place), 409)
        problem(await boss.post("/api/v1/alerts/none/acknowledge"), 404)
        assert [each.action for each in await api.audit()].count("alert.acknowledge") == 1
        await c.event(AlertAcknowledged, name="nobody")
        metrics = (await boss.get("/metrics")).text
        assert (
            'cicswitch_alert{acknowledged="yes",name="nobody",severity="critical",'
            'subject="support"} 1.0' in metrics
        )
        view = View(tmp_path / "none")
        view.data = snapshot(api.switch)
        told = [line.plain for line in view._head(view.data)]
        assert any("alerts:" in line and "nobody support 0 (supervisor)" in line for line in told)
        # A reload keeps those whose rule is the same.
        file = tmp_path / "cicswitch.toml"
        file.write_text(file.read_text().replace("below = 100000000", "below = 90000000"))
        disk = (await c.event(AlertRaised, name="disk")).alert
        await api.web.reload()
        ended_event = await c.event(AlertCleared, name="disk")
        assert (ended_event.alert, ended_event.reason) == (disk, "changed")
        open_before = {each.alert: each for each in api.switch.alerting.alerts}
        assert nobody["alert"] in open_before
        kept = nobody["alert"]
    # A restart takes up those whose rule is the same, with who has acknowledged.
    async with served(tmp_path, extra=EXTRA + RULES, people=False) as api:
        found = api.switch.alerting.alerts
        assert found.open[kept].acknowledged_by == "supervisor"
        assert found.open[kept].raised_at == nobody["raised_at"]
        assert {each.name for each in found.ended} >= {"wait", "line", "disk"}
        assert not [each for each in api.center.events if getattr(each, "alert", "") == kept]


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ('figure = "waiting"', "alerts.x", "one of them"),
        ('figure = "waiting"\nabove = 1\nbelow = 1', "alerts.x", "one of them"),
        ('figure = "waiting"\nabove = 1\nclear = 2', "alerts.x.clear", "at most 1"),
        ('figure = "waiting"\nbelow = 1\nclear = 0', "alerts.x.clear", "at least 1"),
        ('figure = "waiting"\nabove = 1\nqueue = "suport"', "alerts.x.queue", "a queue"),
        ('figure = "calls"\nabove = 1\nqueue = "support"', "alerts.x.queue", "no queue's"),
        ('figure = "trunk_down"\nabove = 0\ntrunk = "isp"', "alerts.x.trunk", "a trunk"),
        ('figure = "waitin"\nabove = 1', "alerts.x.figure", "waiting"),
        ('figure = "waiting"\nabove = 1\nseverity = "bad"', "alerts.x.severity", "warning"),
        ('figure = "waiting"\nabove = 1\nfor_s = -1', "alerts.x.for_s", "0"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, text: str, key: str, expected: str) -> None:
    file = tmp_path / "cicswitch.toml"
    file.write_text(f"dialplans = []\n[queue.support]\n[alerts.x]\n{text}\n")
    (finding,) = check(file)
    assert finding.key == key
    assert expected in finding.expected
