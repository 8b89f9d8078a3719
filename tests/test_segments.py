"""Customer segments: found by number, counted as priority, kept in records."""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path

import pytest

from cicswitch.acd import commands as acd
from cicswitch.acd import events as acd_events
from cicswitch.acd.explain import of_interaction
from cicswitch.acd.explain_text import text
from cicswitch.config import check, load
from cicswitch.records.report import queue_figures
from cicswitch.records.rows import HandledRecord, QueueVisit
from cicswitch.reporting import gather, limits_of
from cicswitch.segments import Segments
from tests.operation import test_keys as keys
from tests.operation.test_keys import parties

TABLES = """
[segment.gold]
numbers = ["01011112222", "_0107777X."]
file = "customers.csv"
priority = 20
[segment.vip]
numbers = ["_+8210.", "_010777."]
file = "customers.csv"
priority = 50
"""
ROWS = "number,segment\n01033334444,gold\n01055556666,vip\n0107777000,vip\n"


def configuration(folder: Path, text: str = TABLES, rows: str = ROWS) -> Path:
    (folder / "customers.csv").write_text(rows)
    file = folder / "c.toml"
    file.write_text(f"dialplans = []\n{text}")
    return file


@pytest.mark.parametrize(
    ("number", "segment"),
    [
        ("01011112222", "gold"),
        ("01033334444", "gold"),
        ("01055556666", "vip"),
        ("+821012345678", "vip"),
        ("0107777123", "gold"),  # the first pattern in the file
        ("0107778", "vip"),
        ("0107777000", "vip"),  # a number that is named goes before a pattern
        ("021234", ""),
        ("", ""),
    ],
)
def test_a_number_has_a_segment(tmp_path: Path, number: str, segment: str) -> None:
    config = load(configuration(tmp_path))
    assert Segments(config.segment, config.segment_numbers).of(number) == segment


@pytest.mark.parametrize(
    ("tables", "rows", "finding"),
    [
        (
            '[segment.a]\nnumbers = ["+8210*"]',
            "",
            'c.toml:3: segment.a.numbers[0]: found "+8210*", expected a number, or "_" and a'
            ' pattern (did you mean "_+8210."?)',
        ),
        ('[segment.a]\nnumbers = ["_1[x]"]', "", "expected digits between [ and ], like [125-7]"),
        (
            '[segment.a]\nnumbers = ["1"]\n[segment.b]\nnumbers = ["1"]',
            "",
            'c.toml:5: segment.b.numbers[0]: found "1", of segment "a" too',
        ),
        ('[segment.a]\nfile = "none.csv"', "", 'c.toml:3: segment.a.file: found "none.csv"'),
        ('[segment.a]\nfile = "customers.csv"', "phone\n1\n", 'customers.csv:1: found "phone"'),
        (
            '[segment.a]\nfile = "customers.csv"',
            "number,segment\n1,a\n\n2,aa\n",
            'customers.csv:4: segment: found "aa", expected a segment (a)',
        ),
        (
            '[segment.a]\nfile = "customers.csv"',
            "number\n1\n02-123\n",
            'customers.csv:3: number: found "02-123", expected a number of digits',
        ),
        (
            '[segment.a]\nfile = "customers.csv"',
            "number\n1,2\n",
            "customers.csv:2: found 2 columns, expected 1",
        ),
        (
            '[segment.a]\nfile = "customers.csv"\n[segment.b]\nfile = "customers.csv"',
            "number\n1\n",
            'customers.csv:2: number: found "1", of segment "a" too',
        ),
        (
            "[segment.a]\n[queue.q]\nsegments = { b = 3 }",
            "",
            'c.toml:4: queue.q.segments.b: found "b", expected a segment (a)',
        ),
    ],
)
def test_a_mistake_is_found_where_it_stands(
    tmp_path: Path, tables: str, rows: str, finding: str
) -> None:
    (found,) = [str(each) for each in check(configuration(tmp_path, tables, rows))]
    assert finding in found


def test_the_numbers_of_files_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cicswitch.segments.MOST_NUMBERS", 3)
    rows = "number\n" + "".join(f"{n}\n" for n in range(9))
    (found,) = [
        str(each)
        for each in check(configuration(tmp_path, '[segment.a]\nfile = "customers.csv"', rows))
    ]
    assert found.endswith(
        "customers.csv:5: number: found one number more, expected at most 3 in all files"
    )
    bad = "number\n" + "x\n" * 99
    assert len(check(configuration(tmp_path, '[segment.a]\nfile = "customers.csv"', bad))) == 20


def test_a_dialplan_sets_a_segment_that_is_there(tmp_path: Path) -> None:
    file = configuration(tmp_path)
    file.write_text(file.read_text().replace("dialplans = []", 'dialplans = ["p.toml"]'))
    (tmp_path / "p.toml").write_text(
        '[[route]]\nflow = "f"\n[[flow.f]]\ndo = "set"\nvalues = { segment = "vop" }\n'
        '[[flow.f]]\ndo = "if"\nvariable = "segment"\nequals = "vip"\nthen = "f"\n'
    )
    (found,) = [str(each) for each in check(file)]
    assert found.endswith(
        'p.toml:5: flow.f[0].values.segment: found "vop", expected a segment (gold, vip)'
        ' (did you mean "vip"?)'
    )


PLAN = """
[[route]]
called = "5000"
flow = "queue"
[[flow.queue]]
do = "queue"
queue = "q"
[[route]]
called = "5001"
flow = "set"
[[flow.set]]
do = "set"
values = { segment = "gold" }
[[flow.set]]
do = "queue"
queue = "q"
priority = 5
"""


async def test_a_segment_gives_priority_and_stands_in_the_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "PLAN", PLAN)
    (tmp_path / "customers.csv").write_text(ROWS)
    extra = TABLES + '[queue.q]\nagents = ["lee"]\nsegments = { vip = 80 }\n'
    async with parties(tmp_path, extra=extra) as p:

        def heard() -> list[acd_events.InteractionQueued]:
            return [e for e in p.c.events if isinstance(e, acd_events.InteractionQueued)]

        calls = (("021234", "5000"), ("01055556666", "5000"), ("01055556666", "5001"))
        for count, (user, called) in enumerate(calls, 1):
            p.near.call(called, user=user)
            p.near.ack(await p.near.expect("SIP/2.0 200"))
            await p.c.until(partial(lambda n: len(heard()) == n, count))
        queued = heard()
        assert [(e.segment, e.priority) for e in queued] == [("", 0), ("vip", 80), ("gold", 25)]
        engine = p.c.switch.engine
        order = [i.id for i in engine.waiting("q")]
        assert order == [queued[1].interaction, queued[2].interaction, queued[0].interaction]
        explained = of_interaction(engine, order[0], p.c.switch.clock.now())
        assert "Its customer is of segment vip." in text(explained)
        for name in order:
            with contextlib.suppress(KeyError):
                p.c.switch.hangup(p.c.switch.calls[name])
        await p.c.empty()
        rows = await p.c.rows("interaction")
        assert sorted(row["segment"] for row in rows) == ["", "gold", "vip"]
        config = p.c.switch.config
        report = gather(p.c.switch.place, limits_of(config), 0.0, 1e11, "answered_only", "segment")
        assert [(f.queue, f.abandoned) for f in report.queues] == [
            ("-", 1),
            ("gold", 1),
            ("vip", 1),
        ]


def test_figures_by_segment_count_each_visit_by_its_own_queues_threshold() -> None:
    visits = [
        QueueVisit("1", "q", 0.0, 15.0, "answered", 15.0, "a"),
        QueueVisit("2", "r", 0.0, 15.0, "answered", 15.0, "a"),
        QueueVisit("3", "r", 0.0, 15.0, "answered", 15.0, "a"),
    ]
    handled = [HandledRecord("2", "r", "a", 99.0, 50.0, 0.0, 10.0, "")]
    limits = {"q": (20.0, 5.0), "r": (10.0, 5.0)}
    segments = {"1": "vip", "2": "vip"}
    none, vip = queue_figures(visits, handled, limits, segments=segments)
    assert (none.queue, none.answered, none.answered_within) == ("-", 1, 0)
    assert (vip.queue, vip.answered, vip.answered_within, vip.aht_s) == ("vip", 2, 1, 60.0)


async def test_a_program_that_queues_a_call_gives_it_its_segment_too(tmp_path: Path) -> None:
    extra = '[segment.vip]\nnumbers = ["0299990000"]\npriority = 7\n[queue.q]\nagents = ["lee"]\n'
    async with parties(tmp_path, extra=extra) as p:
        p.near.call("5001")
        p.near.ack(await p.near.expect("SIP/2.0 200"))
        (call,) = p.c.switch.calls.values()
        call.phase = type(call.phase).EMBEDDED
        p.c.switch.queue(call, "q")
        event = await p.c.event(acd_events.InteractionQueued)
        assert (event.segment, event.priority) == ("vip", 7)
        p.c.command(acd.Leave(call.id))
