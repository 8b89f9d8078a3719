"""Who needs a plan; and what a new one begins with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cicswitch.dialplan.load import load_dialplans
from cicswitch.dialplan.model import Dialplan
from cicswitch.dialplan.users import template, users

MAIN = """
[[route]]
trunk = "pbx"
called = "_50XX"
flow = "in"
[[flow.in]]
do = "queue"
queue = "support"
on_timeout = "out"
[[flow.out]]
do = "transfer"
to = "7000"
"""
OTHER = """
[[route]]
trunk = ["isp", "widget:shop"]
called = "_7XXX"
flow = "in"
[[flow.in]]
do = "queue"
queue = "sales"
"""
FREE = '[[route]]\ncalled = "8000"\ntrunk = "device"\nflow = "x"\n[[flow.x]]\ndo = "hangup"\n'


def plans(tmp_path: Path, **texts: str) -> Dialplan:
    files = [tmp_path / f"{name}.toml" for name in texts]
    made, findings = load_dialplans(
        files,
        queues=("support", "sales"),
        trunks=("pbx", "isp"),
        skills=(),
        widgets=("shop",),
        texts=dict(zip(files, texts.values(), strict=True)),
    )
    assert not findings
    return made


def test_trunks_widgets_queues_and_steps_need_the_plan_that_alone_serves_them(
    tmp_path: Path,
) -> None:
    made = plans(tmp_path, main=MAIN, other=OTHER, free=FREE)
    _, other, free = made.plans
    asked: Any = {"trunks": ("pbx", "isp"), "widgets": {"shop": "7000"}}
    assert users(other, made, **asked, queues={"support": (), "sales": ()}) == [
        "trunk.isp: no other plan takes its calls",
        "widget.shop: no other plan takes 7000",
        "queue.sales: no other plan puts calls into it",
        "main.toml: it transfers to 7000",
    ]
    assert users(free, made, **asked, queues={"support": (), "sales": ()}) == []
    handed = users(other, made, queues={"support": ("sales",), "sales": ()})
    assert not any("queue" in each for each in handed)  # another queue hands over to it


def test_what_another_plan_serves_too_needs_neither(tmp_path: Path) -> None:
    made = plans(tmp_path, main=MAIN, other=OTHER, twin=OTHER)
    assert not users(
        made.plans[1],
        made,
        trunks=("pbx", "isp"),
        widgets={"shop": "7000"},
        queues={"support": (), "sales": ()},
    )


def test_a_template_takes_a_number_that_is_free(tmp_path: Path) -> None:
    taken = FREE.replace('"8000"', '["9000", "_900[1-4]"]').replace('trunk = "device"\n', "")
    made = plans(tmp_path, main=MAIN, other=taken)
    text = template("night.toml", made)
    assert 'called = "9005"' in text
    (plan,) = plans(tmp_path, night=text).plans
    assert len(plan.steps) == 3
