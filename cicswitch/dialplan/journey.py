"""Scripted calls through a dialplan: the tests that stand beside it in `*.test.toml`.

    [[journey]]
    name = "Korean speakers reach Korean-speaking agents"
    called = "5001"
    script = ["answer", "play welcome language-menu", "press 2", "queue support korean=50"]

A script alternates between what the dialplan must do (`answer`, `play`, `say`, `queue`, `dial`,
`voicemail`, `fax`, `transfer`, `python`, `hangup`) and what happens to it: `press 12`, `wait` (the
timer runs out), `played`, `outcome no_answer`, `return TARGET`. Prompts end by themselves before
the next line unless that line is a key. `no route` means that nobody takes the call.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from cicswitch.core.errors import ConfigError
from cicswitch.core.toml import Decoder, Document
from cicswitch.dialplan import actions as a
from cicswitch.dialplan.match import Matcher
from cicswitch.dialplan.model import Dialplan
from cicswitch.dialplan.run import Run

__all__ = ["Journey", "JourneyResult", "run_journey", "run_journeys"]

_STIMULI = ("press", "wait", "played", "outcome", "return")


class Journey(Struct, frozen=True, kw_only=True):
    """One scripted call. `at` is ISO 8601, UTC without an offset."""

    name: str
    called: str
    script: tuple[str, ...]
    caller: str = "01012345678"
    trunk: str = "device"
    segment: str = ""
    customer_id: str = ""
    """Of a customer who is known; `customer_name` and `customer_language` are his."""
    customer_name: str = ""
    customer_language: str = ""
    at: str = "2026-11-23T12:00:00"


class JourneyResult(Struct, frozen=True):
    """What came of a journey; `problem` is empty when all was as the script says."""

    file: str
    line: int
    name: str
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Whether it went as scripted."""
        return not self.problem

    def __str__(self) -> str:
        if self.ok:
            return f"ok    {self.name}"
        return f"FAIL  {self.file}:{self.line}: {self.name}: {self.problem}"


def run_journeys(files: Iterable[Path], dialplan: Dialplan) -> list[JourneyResult]:
    """All journeys of some files against a dialplan. Raises `ConfigError` for a broken file."""
    results: list[JourneyResult] = []
    for file in files:
        document = Document.read(file)
        decoder = Decoder(document)
        items = document.data.get("journey", [])
        for index, item in enumerate(items):
            journey = decoder.decode(Journey, item, ("journey", index))
            if journey is not None:
                line = document.line(("journey", index))
                problem = run_journey(journey, dialplan)
                results.append(JourneyResult(str(file), line, journey.name, problem))
        if decoder.findings:
            raise ConfigError(decoder.findings)
    return results


def run_journey(journey: Journey, dialplan: Dialplan) -> str:
    """Play one journey; the first difference in words, or an empty text."""
    moment = datetime.fromisoformat(journey.at)
    now = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    found = Matcher(dialplan).match(journey.trunk, journey.called, journey.caller, now)
    if found is None:
        return "" if journey.script == ("no route",) else "no route takes the call"
    if journey.script == ("no route",):
        return f"route {found[0].name or found[0].flow} takes the call"
    route, plan = found
    variables = {
        "caller": journey.caller,
        "caller_name": "",
        "called": journey.called,
        "trunk": journey.trunk,
        "language": "en",
        "segment": journey.segment,
        "customer_id": journey.customer_id,
        "customer_name": journey.customer_name,
        "customer_language": journey.customer_language,
    }
    walk = _Walk(Run(plan, route.flow, variables), now)
    for number, line in enumerate(journey.script, 1):
        word, _, rest = line.partition(" ")
        if word in _STIMULI:
            walk.stimulate(word, rest)
            continue
        got = walk.next()
        if got != line:
            return f'step {number}: the script says "{line}", the dialplan does "{got}"'
    return ""


class _Walk:
    """A run whose prompts end by themselves and whose answers are instant."""

    def __init__(self, run: Run, now: float) -> None:
        self._run = run
        self._now = now
        self._todo: list[a.Action] = run.start(now)

    def stimulate(self, word: str, rest: str) -> None:
        run, now = self._run, self._now
        match word:
            case "press":
                for digit in rest:
                    leaves = run.leaves_by(digit)
                    self._todo += run.left_by(digit, now) if leaves else run.digit(digit, now)
            case "wait":
                self._todo += run.timed_out(now)
            case "played":
                self._todo += run.played(now)
            case "outcome":
                self._todo += run.outcome(rest, now)
            case "return":
                self._todo += run.returned(rest, now)

    def next(self) -> str:
        """The next action that a script names; what plays ends when somebody asks for more."""
        while True:
            while self._todo:
                action = self._todo.pop(0)
                if isinstance(action, a.AnswerCall):
                    self._todo += self._run.answered(self._now)
                shown = _shown(action)
                if shown:
                    return shown
            before = self._run.step
            self._todo += self._run.played(self._now)
            if not self._todo and self._run.step is before:
                return "nothing"


def _shown(action: a.Action) -> str:
    match action:
        case a.AnswerCall():
            return "answer"
        case a.PlayPrompts():
            return f"play {' '.join(action.prompts)}"
        case a.SpeakText():
            return f"say {action.text}"
        case a.EnterQueue():
            skills = "".join(f" {name}={least}" for name, least in sorted(action.skills.items()))
            return f"queue {action.queue}{skills}"
        case a.EnterCallback():
            return f"callback {action.number}"
        case a.DialTargets():
            return f"dial {' '.join(action.targets)}"
        case a.EnterVoicemail():
            return f"voicemail {action.box}"
        case a.ReceiveFax():
            return f"fax {action.channel}".rstrip()
        case a.TransferCall():
            return f"transfer {action.to}"
        case a.CallPython():
            return f"python {action.name}"
        case a.EndCall():
            return f"hangup {action.reason}"
    return ""
