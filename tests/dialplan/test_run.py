"""Steps and branches of a run, each in a dialplan of a few lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from cicswitch.dialplan import actions as a
from cicswitch.dialplan.journey import run_journeys
from cicswitch.dialplan.load import load_dialplans
from cicswitch.dialplan.match import Matcher, number_matcher
from cicswitch.dialplan.run import Run
from cicswitch.hours import Hours, Schedule
from cicswitch.hours.schedule import parse_week

NOW = 1_795_430_400.0


def run_of(folder: Path, flow: str, **variables: str) -> Run:
    file = folder / "p.toml"
    file.write_text(f'[[route]]\ncalled = "1"\nflow = "main"\n{flow}')
    dialplan, findings = load_dialplans(
        [file], queues=["q"], trunks=["pbx"], skills=["english", "korean"]
    )
    assert findings == []
    _, plan = dialplan.routes[0]
    return Run(plan, "main", {"caller": "010", "called": "1", "language": "en", **variables})


def answered(run: Run) -> list[a.Action]:
    assert run.start(NOW) == [a.AnswerCall()]
    return run.answered(NOW)


MENU = """
[[flow.main]]
do = "menu"
prompt = "choose"
choices = { 1 = "one", 12 = "twelve" }
tries = 2
invalid_prompt = "invalid"
on_timeout = "late"
[[flow.one]]
do = "say"
text = "one"
[[flow.twelve]]
do = "say"
text = "twelve"
[[flow.late]]
do = "say"
text = "late"
"""


def test_a_choice_that_begins_a_longer_one_waits_for_the_rest(tmp_path: Path) -> None:
    run = run_of(tmp_path, MENU)
    assert answered(run) == [a.PlayPrompts(("choose",), "en")]
    assert run.digit("1", NOW) == [a.StopPlaying(), a.SetTimer(2.0)]
    assert run.digit("2", NOW) == [a.ClearTimer(), a.SpeakText("twelve", "en")]


def test_a_choice_that_could_go_on_is_taken_when_nothing_follows(tmp_path: Path) -> None:
    run = run_of(tmp_path, MENU)
    answered(run)
    run.digit("1", NOW)
    assert run.timed_out(NOW) == [a.SpeakText("one", "en")]


def test_no_choice_is_asked_again_and_then_leaves_by_its_branch(tmp_path: Path) -> None:
    run = run_of(tmp_path, MENU)
    answered(run)
    assert run.played(NOW) == [a.SetTimer(5.0)]
    assert run.timed_out(NOW) == [a.PlayPrompts(("choose",), "en")]
    run.played(NOW)
    assert run.timed_out(NOW) == [a.SpeakText("late", "en")]


def test_a_wrong_choice_is_said_to_be_wrong(tmp_path: Path) -> None:
    run = run_of(tmp_path, MENU)
    answered(run)
    run.played(NOW)
    assert run.digit("9", NOW) == [a.ClearTimer(), a.PlayPrompts(("invalid",), "en")]
    assert run.played(NOW) == [a.PlayPrompts(("choose",), "en")]


COLLECT = """
[[flow.main]]
do = "collect"
into = "number"
least = 2
most = 4
pattern = "_1X!"
tries = 2
on_invalid = "wrong"
[[flow.main]]
do = "say"
text = "you said {number}"
[[flow.wrong]]
do = "hangup"
reason = "rejected"
"""


@pytest.mark.parametrize(
    ("keys", "said"), [("12#", "12"), ("1234", "1234"), ("15", "15"), ("9#12#", "12")]
)
def test_digits_are_collected_up_to_the_finish_the_most_or_a_pause(
    tmp_path: Path, keys: str, said: str
) -> None:
    run = run_of(tmp_path, COLLECT)
    answered(run)
    out: list[a.Action] = []
    for key in keys:
        out += run.digit(key, NOW)
    out += run.timed_out(NOW)
    assert a.SpeakText(f"you said {said}", "en") in out


def test_digits_that_do_not_match_leave_by_the_branch_for_it(tmp_path: Path) -> None:
    run = run_of(tmp_path, COLLECT)
    answered(run)
    for key in "22#33#":
        out = run.digit(key, NOW)
    assert out[-1] == a.EndCall("rejected")


def test_set_and_if_lead_by_variables_and_a_queue_gets_what_they_hold(tmp_path: Path) -> None:
    run = run_of(
        tmp_path,
        """
[[flow.main]]
do = "set"
values = { language = "ko", priority = 7, skill = "korean" }
[[flow.main]]
do = "if"
variable = "caller"
matches = "_01X"
then = "vip"
[[flow.main]]
do = "hangup"
[[flow.vip]]
do = "queue"
queue = "q"
skills = { "{skill}" = 40 }
priority = 3
timeout_s = 60
on_timeout = "late"
[[flow.late]]
do = "hangup"
reason = "busy"
""",
    )
    # The caller is 010: `_01X` takes it.
    assert answered(run) == [a.EnterQueue("q", {"korean": 40}, 10, 60.0)]
    assert run.outcome("timeout", NOW) == [a.EndCall("busy")]


def test_dialling_needs_no_answer_and_its_failure_becomes_the_callers(tmp_path: Path) -> None:
    run = run_of(tmp_path, '[[flow.main]]\ndo = "dial"\nto = ["1001", "pbx:{called}"]\n')
    assert run.start(NOW) == [a.DialTargets(("1001", "pbx:1"), 30.0, "", False)]
    assert run.outcome("busy", NOW) == [a.EndCall("busy")]


def test_a_loop_of_steps_that_never_wait_ends_the_call(tmp_path: Path) -> None:
    run = run_of(tmp_path, '[[flow.main]]\ndo = "set"\nvalues = { x = 1 }\nnext = "main"\n')
    assert run.start(NOW) == [a.EndCall("congestion")]


def test_an_event_that_comes_too_late_is_dropped(tmp_path: Path) -> None:
    run = run_of(tmp_path, MENU)
    answered(run)
    run.digit("1", NOW)
    run.digit("2", NOW)
    assert run.timed_out(NOW) == []
    assert run.outcome("ended", NOW) == []


def test_a_python_step_says_where_to_go_on(tmp_path: Path) -> None:
    flow = '[[flow.main]]\ndo = "python"\ncall = "f"\n[[flow.b]]\ndo = "hangup"\nreason = "busy"\n'
    run = run_of(tmp_path, flow)
    assert run.start(NOW) == [a.CallPython("f", {})]
    assert run.returned("b", NOW) == [a.EndCall("busy")]
    run = run_of(tmp_path, flow)
    run.start(NOW)
    assert run.returned("nowhere", NOW) == [a.EndCall("normal")]


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("_1XXX", "1234", "123"),
        ("_NZX", "210", "110"),
        ("_[125-7]X", "69", "39"),
        ("_9.", "91", "9"),
        ("_9!", "9", "8"),
        ("*71", "*71", "x71"),
        ("_+82X.", "+8210", "8210"),
    ],
)
def test_number_patterns(pattern: str, yes: str, no: str) -> None:
    assert number_matcher(pattern)(yes)
    assert not number_matcher(pattern)(no)


@pytest.mark.parametrize(
    ("at", "opened"),
    [
        ("2026-11-23T09:00:00", True),
        ("2026-11-23T17:59:59", True),
        ("2026-11-23T18:00:00", False),
        ("2026-11-22T12:00:00", False),
        ("2026-12-25T12:00:00", False),
        ("2026-11-28T01:00:00", True),
        ("2026-11-29T01:00:00", True),
        ("2026-11-29T03:00:00", False),
    ],
)
def test_hours_in_their_time_zone_over_midnight_and_on_closed_days(at: str, opened: bool) -> None:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    hours = Hours(
        open=("mon-fri 09:00-18:00", "fri,sat 22:00-02:00"),
        zone="Asia/Seoul",
        closed=("12-25",),
    )
    moment = datetime.fromisoformat(at).replace(tzinfo=ZoneInfo("Asia/Seoul"))
    assert Schedule(hours).is_open(moment.timestamp()) is opened


def test_a_span_of_days_may_go_over_the_end_of_the_week() -> None:
    assert parse_week("sat-mon 00:00-24:00")[0] == {5, 6, 0}


def test_the_first_route_that_matches_takes_the_call(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text(
        '[[route]]\nname = "pattern"\ncalled = "_1X"\ntrunk = "pbx"\nflow = "f"\n'
        '[[route]]\nname = "exact"\ncalled = ["10", "11"]\nflow = "f"\n'
        '[[route]]\nname = "caller"\ncaller = "_02."\nflow = "f"\n'
        '[[flow.f]]\ndo = "answer"\n'
    )
    dialplan, _ = load_dialplans([file], queues=[], trunks=["pbx"], skills=[])
    matcher = Matcher(dialplan)

    def name(trunk: str, called: str, caller: str) -> str | None:
        found = matcher.match(trunk, called, caller, NOW)
        return found[0].name if found else None

    assert name("pbx", "10", "01") == "pattern"
    assert name("device", "10", "01") == "exact"
    assert name("device", "99", "0212") == "caller"
    assert name("device", "99", "01") is None


QUEUE = """
[[flow.main]]
do = "queue"
queue = "q"
skills = { english = 20 }
require = "korean or english >= 50"
prefer = ["kim", "{last_agent}"]
patience_s = 20
keys = { 1 = "box" }
on_long = "later"
on_exhausted = "box"
[[flow.box]]
do = "say"
text = "box"
[[flow.later]]
do = "say"
text = "later"
"""


def test_a_queue_step_says_all_that_it_asks_for(tmp_path: Path) -> None:
    run = run_of(tmp_path, QUEUE, last_agent="")
    require = "korean or english >= 50"
    entered = a.EnterQueue("q", {"english": 20}, 0, 0.0, require, ("kim",), 20.0)
    assert answered(run) == [entered]
    assert not run.leaves_by("2")
    assert run.leaves_by("1")
    assert run.left_by("1", NOW) == [a.SpeakText("box", "en")]
    assert not run.leaves_by("1")


@pytest.mark.parametrize(("word", "said"), [("long", "later"), ("exhausted", "box")])
def test_a_queue_that_takes_or_keeps_nobody_goes_on_where_the_step_says(
    tmp_path: Path, word: str, said: str
) -> None:
    run = run_of(tmp_path, QUEUE, last_agent="lee")
    (entered,) = answered(run)
    assert isinstance(entered, a.EnterQueue)
    assert entered.prefer == ("kim", "lee")
    assert run.outcome(word, NOW) == [a.SpeakText(said, "en")]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('require = "korean >="', "a level from 1 to 100"),
        ('require = "chinese"', "a skill (english, korean)"),
        ('keys = { 12 = "main" }', "one digit as the key"),
        ('keys = { 1 = "nowhere" }', "a step of this flow, or a flow"),
    ],
)
def test_mistakes_of_a_queue_step_are_found(tmp_path: Path, line: str, expected: str) -> None:
    file = tmp_path / "p.toml"
    step = f'[[flow.main]]\ndo = "queue"\nqueue = "q"\n{line}\n'
    file.write_text(f'[[route]]\ncalled = "1"\nflow = "main"\n{step}')
    _, findings = load_dialplans([file], queues=["q"], trunks=[], skills=["english", "korean"])
    assert expected in str(findings[0]), findings


KNOWN = """
[[flow.main]]
do = "if"
variable = "customer_id"
equals = ""
then = "stranger"
[[flow.main]]
do = "set"
values = { language = "{customer_language}" }
[[flow.main]]
do = "say"
text = "Hello {customer_name}"
[[flow.stranger]]
do = "say"
text = "Hello"
"""


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ('customer_id = "c-1"\ncustomer_name = "Park"\ncustomer_language = "ko"', "Hello Park"),
        ("", "Hello"),
    ],
)
def test_a_dialplan_and_its_journeys_know_customers(tmp_path: Path, who: str, said: str) -> None:
    run_of(tmp_path, KNOWN)
    dialplan, _ = load_dialplans([tmp_path / "p.toml"], queues=[], trunks=[], skills=[])
    file = tmp_path / "p.test.toml"
    script = f'"answer", "say {said}", "hangup normal"'
    file.write_text(f'[[journey]]\nname = "known"\ncalled = "1"\n{who}\nscript = [{script}]\n')
    (result,) = run_journeys([file], dialplan)
    assert result.ok, result
