"""What the configuration says of queues and agents is what the engine gets, and mistakes in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cicswitch.acd import commands as c
from cicswitch.config import check, load
from cicswitch.switch.definitions import definitions

TEXT = """
dialplans = []
[skills]
ko = "Korean"
en = "English"
[device.1]
password = "x"
[agent.kim]
device = "1"
name = "Kim"
skills = { ko = 60 }
desire = { ko = 70 }
cost = 2.5
attributes = { seniority = 3.0 }
capacity = { chat = 4, fax = 0 }
interrupted_by = { chat = ["voice"] }
signed_in = true
[queue.q]
skills = { ko = 20 }
require = "ko >= 30 or en"
agents = ["kim"]
select = "weighted"
offer_to = 3
weight = 1.5
goal = 0.8
goal_points = 2.0
service_level_s = 30
bound_s = 600
exhausted = "leave"
patience_s = 45
redial_s = 120
max_ewt_s = 900
wrap_up_s = 20
hours = "office"
at_close = "leave"
join_empty = ["paused", "wrap-up"]
leave_empty = ["interacting"]
wrap_up = { chat = 5 }
[[queue.q.ring]]
after_s = 20
skills = { ko = 10, en = 0 }
priority = 5
[[queue.q.ring]]
ewt_s = 300
unstaffed = true
queue = "r"
[queue.q.weights]
proficiency = 2.0
desire = 0.5
cost = 1.0
idle = 0.1
attributes = { seniority = 4.0 }
[queue.q.on_fail]
busy = { then = "rest", seconds = 7 }
timed_out = { then = "pause", seconds = 60, code = "away" }
[queue.r]
[hours.office]
"""


def test_every_setting_reaches_the_engine(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(TEXT)
    queue, other, agent, sign_in = definitions(load(file))
    assert queue == c.DefineQueue(
        queue="q",
        skills={"ko": 20},
        require="ko >= 30 or en",
        agents=("kim",),
        select="weighted",
        weights=c.Weights(
            proficiency=2.0, desire=0.5, cost=1.0, idle=0.1, attributes={"seniority": 4.0}
        ),
        offer_to=3,
        weight=1.5,
        goal=0.8,
        goal_s=30,
        goal_points=2.0,
        bound_s=600,
        rings=(
            c.Ring(after_s=20, skills={"ko": 10, "en": 0}, priority=5),
            c.Ring(ewt_s=300, unstaffed=True, queue="r"),
        ),
        exhausted="leave",
        patience_s=45,
        ring_s=20,
        wrap_up_s=20,
        wrap_up={"chat": 5.0},
        on_fail={
            "rejected": c.FailRule(seconds=10),
            "busy": c.FailRule(then="rest", seconds=7),
            "unreachable": c.FailRule(seconds=10),
            "timed-out": c.FailRule(then="pause", seconds=60, code="away"),
        },
        max_ewt_s=900,
        at_close="leave",
        join_empty=("paused", "wrap-up"),
        leave_empty=("interacting",),
        redial_s=120,
    )
    assert isinstance(other, c.DefineQueue)
    assert agent == c.DefineAgent(
        agent="kim",
        name="Kim",
        skills={"ko": 60},
        desire={"ko": 70},
        cost=2.5,
        attributes={"seniority": 3.0},
        capacity={**c.DEFAULT_CAPACITY, "chat": 4, "fax": 0},
        interrupted_by={**c.DEFAULT_INTERRUPTED_BY, "chat": ("voice",)},
    )
    assert sign_in == c.SignIn("kim")


BASE = """dialplans = []
[skills]
ko = "Korean"
[queue.a]
"""


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        (
            'require = "ko >= 200"',
            '5: queue.a.require: found "200" in "ko >= 200", expected a level from 1 to 100',
        ),
        (
            'require = "ko and"',
            '5: queue.a.require: found "the end" in "ko and", expected a skill, not or (',
        ),
        (
            'require = "(ko"',
            '5: queue.a.require: found "the end" in "(ko", expected )',
        ),
        (
            'policy = "no.module:choose"',
            '5: queue.a.policy: found "no.module:choose" cannot be imported: No module named',
        ),
        (
            'require = "kk"',
            '5: queue.a.require: found "kk", expected a skill (ko)',
        ),
        (
            "[[queue.a.ring]]\npriority = 1",
            "5: queue.a.ring[0]: found no condition, expected after_s,",
        ),
        ("[[queue.a.ring]]\nafter_s = 1", "5: queue.a.ring[0]: found no effect, expected skills,"),
        (
            '[[queue.a.ring]]\nafter_s = 9\nqueue = "b"',
            '7: queue.a.ring[0].queue: found "b", expected a queue',
        ),
        (
            '[[queue.a.ring]]\nafter_s = 9\nqueue = "a"',
            '7: queue.a.ring[0].queue: found "a", expected another queue',
        ),
        (
            "[[queue.a.ring]]\nafter_s = 9\npriority = 1\n"
            "[[queue.a.ring]]\nafter_s = 5\npriority = 1",
            "9: queue.a.ring[1].after_s: found 5, expected 9 or more",
        ),
        (
            "max_wait_s = 30\n[[queue.a.ring]]\nafter_s = 30\npriority = 1",
            "7: queue.a.ring[0].after_s: found 30, expected less than max_wait_s = 30",
        ),
        (
            '[[queue.a.ring]]\nafter_s = 9\nagents = ["x"]',
            "7: queue.a.ring[0].agents: found agents who join everybody",
        ),
        (
            '[[queue.a.ring]]\nunstaffed = true\nqueue = "b"\n[queue.b]\n'
            '[[queue.b.ring]]\newt_s = 9\nqueue = "a"',
            "7: queue.a.ring[0].queue: found a -> b -> a, expected queues that do not hand over in",
        ),
        (
            '[[queue.a.ring]]\nafter_s = 9\nqueue = "b"\n[[queue.a.ring]]\nafter_s = 9\n'
            "priority = 1\n[queue.b]",
            "8: queue.a.ring[1]: found a ring after one that hands over",
        ),
    ],
)
def test_a_mistake_is_found_where_it_stands(tmp_path: Path, text: str, finding: str) -> None:
    file = tmp_path / "c.toml"
    file.write_text(BASE + text + "\n")
    found = [str(each).replace(str(file), "").lstrip(":") for each in check(file)]
    assert any(each.startswith(finding) for each in found), found
