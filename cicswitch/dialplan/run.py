"""One call's way through its flow: events in, actions out.

A `Run` takes steps until one has to wait (for a prompt's end, a digit, an agent …) and returns the
actions on the way. What it waits for is a `Wait` that holds the waiting step's own data, so there
are no flags: a run with no `Wait` is over.

    start()            the call is here                  -> actions
    answered()         AnswerCall is done                -> actions
    played()           PlayPrompts or SpeakText is done  -> actions
    digit(d)           the caller pressed a key          -> actions
    timed_out()        SetTimer is due                   -> actions
    outcome(word)      a queue, dial … came back         -> actions
    returned(target)   a Python step came back           -> actions

An event that the current wait does not know is dropped: it crossed the action that ended its
cause. A flow that takes 1,000 steps without waiting is a loop: the call is ended with congestion.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import IntEnum
from functools import lru_cache
from typing import Final

from cicswitch.dialplan.actions import (
    Action,
    AnswerCall,
    CallPython,
    ClearTimer,
    DialTargets,
    EndCall,
    EnterCallback,
    EnterQueue,
    EnterVoicemail,
    PlayPrompts,
    ReceiveFax,
    SetTimer,
    SpeakText,
    StopPlaying,
    TransferCall,
)
from cicswitch.dialplan.match import number_matcher
from cicswitch.dialplan.model import (
    Answer,
    Callback,
    Collect,
    Dial,
    Fax,
    Hangup,
    If,
    Menu,
    Plan,
    Play,
    Python,
    Queue,
    Say,
    Set,
    Step,
    Transfer,
    Voicemail,
)

__all__ = ["Run", "Waits"]

_VARIABLE: Final = re.compile(r"\{([^{}]*)\}")
_LOOP: Final = 1000
_EARLY: Final = frozenset((Hangup, Dial, Transfer, Python))
"""Steps that an unanswered call may take."""


class Waits(IntEnum):
    """What a run waits for."""

    ANSWER = 1
    PLAY = 2
    INPUT_PROMPT = 3
    INPUT = 4
    INVALID_PROMPT = 5
    OUTCOME = 6
    VOICEMAIL_PROMPT = 7


class _Input:
    """The digits of a menu or collect step so far, and the tries that are left."""

    __slots__ = ("digits", "tries")

    def __init__(self, tries: int) -> None:
        self.tries = tries
        self.digits = ""


class Run:
    """One call in its plan. `variables` are the call's own and those that steps set."""

    __slots__ = ("_answered", "_at", "_input", "_now", "_out", "_plan", "_waits", "variables")

    def __init__(
        self, plan: Plan, flow: str, variables: Mapping[str, str], *, answered: bool = False
    ) -> None:
        self._plan = plan
        self._at = plan.targets["", flow]
        self._answered = answered
        self._waits: Waits | None = None
        self._input: _Input | None = None
        self._out: list[Action] = []
        self._now = 0.0
        self.variables: dict[str, str] = dict(variables)

    @property
    def step(self) -> Step | None:
        """The step that waits; None when the run is over."""
        return None if self._waits is None else self._plan.steps[self._at]

    @property
    def where(self) -> str:
        """`FILE:LINE flow/step` of the current step, for people."""
        if not 0 <= self._at < len(self._plan.steps):
            return self._plan.file
        step, flow = self._plan.steps[self._at], self._plan.flow_of[self._at]
        return f"{self._plan.file}:{self._plan.lines[self._at]} {flow}/{step.name or 'step'}"

    @property
    def language(self) -> str:
        """The language of prompts."""
        return self.variables.get("language", "")

    def start(self, now: float) -> list[Action]:
        """Begin with the flow's first step. `now`: seconds of the epoch, for hours."""
        return self._walk(self._at, now)

    def answered(self, now: float) -> list[Action]:
        """The call has been answered."""
        self._answered = True
        if self._waits is not Waits.ANSWER:
            return []
        if isinstance(self._plan.steps[self._at], Answer):
            return self._walk(self._plan.follows[self._at], now)
        return self._walk(self._at, now)

    def played(self, now: float) -> list[Action]:
        """The prompt or text is over."""
        step = self.step
        match self._waits:
            case Waits.PLAY:
                return self._walk(self._plan.follows[self._at], now)
            case Waits.INPUT_PROMPT if isinstance(step, Menu | Collect):
                self._waits = Waits.INPUT
                return [SetTimer(step.timeout_s)]
            case Waits.INVALID_PROMPT:
                return self._ask(now)
            case Waits.VOICEMAIL_PROMPT if isinstance(step, Voicemail):
                return self._voicemail(step)
        return []

    def digit(self, digit: str, now: float) -> list[Action]:
        """The caller pressed a key."""
        step = self.step
        match self._waits:
            case Waits.PLAY if isinstance(step, Play) and step.interrupt:
                return [StopPlaying(), *self._walk(self._plan.follows[self._at], now)]
            case Waits.INPUT_PROMPT | Waits.INVALID_PROMPT | Waits.INPUT:
                stop: list[Action] = [] if self._waits is Waits.INPUT else [StopPlaying()]
                self._waits = Waits.INPUT
                return [*stop, *self._pressed(digit, now)]
        return []

    def leaves_by(self, digit: str) -> bool:
        """Whether a key leads out of the queue that the call waits in."""
        step = self.step
        return self._waits is Waits.OUTCOME and isinstance(step, Queue) and digit in step.keys

    def left_by(self, digit: str, now: float) -> list[Action]:
        """The call left its queue by that key."""
        step = self.step
        assert isinstance(step, Queue)
        return self._choose(step.keys[digit], now)

    def timed_out(self, now: float) -> list[Action]:
        """The run's timer is due."""
        if self._waits is not Waits.INPUT or self._input is None:
            return []
        step = self.step
        if isinstance(step, Menu):
            if self._input.digits in step.choices:
                return self._choose(step.choices[self._input.digits], now)
            return self._again(bool(self._input.digits), now)
        if isinstance(step, Collect):
            if len(self._input.digits) >= step.least:
                return self._collected(step, now)
            return self._again(bool(self._input.digits), now)
        return []

    def outcome(self, word: str, now: float) -> list[Action]:
        """A queue, dial, voicemail, transfer or Python step came back without ending the call."""
        if self._waits is not Waits.OUTCOME:
            return []
        step = self._plan.steps[self._at]
        target = getattr(step, f"on_{word}", "")
        if target:
            return self._choose(target, now)
        if word == "ended" and not isinstance(step, Voicemail) and not step.next:
            return self._walk(-1, now)  # after a talk the call is over, unless the step says more
        if isinstance(step, Dial) and not step.next and self._plan.follows[self._at] < 0:
            reason = {"busy": "busy", "no_answer": "unavailable"}.get(word, "congestion")
            self._waits = None
            return [EndCall(reason)]
        return self._walk(self._plan.follows[self._at], now)

    def returned(self, target: str, now: float) -> list[Action]:
        """A Python step came back with a target, or "" to go on."""
        if self._waits is not Waits.OUTCOME:
            return []
        if not target:
            return self._walk(self._plan.follows[self._at], now)
        if self._plan.find(self._plan.flow_of[self._at], target) < 0:
            return self.outcome("failed", now)
        return self._choose(target, now)

    # -- walking ---------------------------------------------------------------------------------

    def _choose(self, target: str, now: float) -> list[Action]:
        return self._walk(self._plan.find(self._plan.flow_of[self._at], target), now)

    def _walk(self, at: int, now: float) -> list[Action]:
        """Take steps from `at` until one waits."""
        self._waits, self._input, self._now = None, None, now
        out: list[Action] = []
        plan = self._plan
        for _ in range(_LOOP):
            if at < 0:
                out.append(EndCall("normal"))
                return out
            self._at = at
            step = plan.steps[at]
            if isinstance(step, Set):
                for name, value in step.values.items():
                    self.variables[name] = self._text(str(value))
                at = plan.follows[at]
            elif isinstance(step, If):
                target = step.then if self._holds(step) else step.otherwise
                at = plan.find(plan.flow_of[at], target) if target else plan.follows[at]
            elif isinstance(step, Answer) and self._answered:
                at = plan.follows[at]
            else:
                out += self._take(step)
                return out
        out.append(EndCall("congestion"))
        return out

    def _holds(self, step: If) -> bool:
        if step.hours:
            opened = self._plan.hours[step.hours.removeprefix("!")].is_open(self._now)
            return opened is not step.hours.startswith("!")
        value = self.variables.get(step.variable, "")
        if step.matches:
            return bool(number_matcher(step.matches)(value))
        return value == self._text(str(step.equals))

    def _take(self, step: Step) -> list[Action]:
        """Begin a step that waits. Most need an answered call, and answer it first."""
        early = type(step) in _EARLY or (isinstance(step, Play) and step.early)
        if not self._answered and not (early and not getattr(step, "music", "")):
            self._waits = Waits.ANSWER
            return [AnswerCall()]
        self._waits = Waits.OUTCOME
        match step:
            case Play():
                self._waits = Waits.PLAY
                return [self._prompts(step.prompt, early=step.early and not self._answered)]
            case Say():
                self._waits = Waits.PLAY
                return [SpeakText(self._text(step.text), step.language or self.language)]
            case Menu() | Collect():
                self._input = _Input(step.tries)
                return self._ask(self._now)
            case Queue():
                skills = {self._text(name): least for name, least in step.skills.items()}
                priority = step.priority + _number(self.variables.get("priority", "0"))
                prefer = (step.prefer,) if isinstance(step.prefer, str) else step.prefer
                agents = tuple(name for each in prefer if (name := self._text(each)))
                return [
                    EnterQueue(
                        step.queue,
                        skills,
                        priority,
                        step.timeout_s,
                        step.require,
                        agents,
                        step.patience_s,
                        self.variables.get("segment", ""),
                    )
                ]
            case Callback():
                return [EnterCallback(step.queue, self._text(step.number))]
            case Dial():
                to = (step.to,) if isinstance(step.to, str) else step.to
                targets = tuple(self._text(target) for target in to)
                return [DialTargets(targets, step.timeout_s, step.music, step.record)]
            case Voicemail():
                if step.prompt or step.say:
                    self._waits = Waits.VOICEMAIL_PROMPT
                    return [self._spoken(step.prompt, step.say)]
                return self._voicemail(step)
            case Transfer():
                return [TransferCall(self._text(step.to), step.refer)]
            case Python():
                arguments = {
                    name: self._text(value) if isinstance(value, str) else value
                    for name, value in step.arguments.items()
                }
                return [CallPython(step.call, arguments)]
            case Fax():
                return [ReceiveFax(step.channel, step.t38)]
            case Hangup():
                self._waits = None
                return [EndCall(step.reason)]
        raise AssertionError(f"a step that nothing takes: {step!r}")

    def _voicemail(self, step: Voicemail) -> list[Action]:
        self._waits = Waits.OUTCOME
        return [EnterVoicemail(step.box, step.most_s, step.finish)]

    # -- digits ----------------------------------------------------------------------------------

    def _ask(self, now: float) -> list[Action]:
        step = self.step if self._waits is not None else self._plan.steps[self._at]
        assert isinstance(step, Menu | Collect)
        assert self._input is not None
        self._input.digits = ""
        if step.prompt or step.say:
            self._waits = Waits.INPUT_PROMPT
            return [self._spoken(step.prompt, step.say)]
        self._waits = Waits.INPUT
        return [SetTimer(step.timeout_s)]

    def _pressed(self, digit: str, now: float) -> list[Action]:
        step, entry = self.step, self._input
        assert entry is not None
        if isinstance(step, Menu):
            entry.digits += digit
            digits = entry.digits
            longer = any(key != digits and key.startswith(digits) for key in step.choices)
            if longer:
                return [SetTimer(step.between_s)]
            if digits in step.choices:
                return [ClearTimer(), *self._choose(step.choices[digits], now)]
            return [ClearTimer(), *self._again(True, now)]
        assert isinstance(step, Collect)
        if digit == step.finish:
            if len(entry.digits) < step.least:
                return [ClearTimer(), *self._again(True, now)]
            return [ClearTimer(), *self._collected(step, now)]
        entry.digits += digit
        if len(entry.digits) >= step.most:
            return [ClearTimer(), *self._collected(step, now)]
        return [SetTimer(step.between_s)]

    def _collected(self, step: Collect, now: float) -> list[Action]:
        assert self._input is not None
        if step.pattern and not number_matcher(step.pattern)(self._input.digits):
            return self._again(True, now)
        self.variables[step.into] = self._input.digits
        return self._walk(self._plan.follows[self._at], now)

    def _again(self, invalid: bool, now: float) -> list[Action]:
        """A wrong choice or none: ask once more, or leave by the branch for it."""
        step, entry = self.step, self._input
        assert isinstance(step, Menu | Collect)
        assert entry is not None
        entry.tries -= 1
        if entry.tries > 0:
            if invalid and step.invalid_prompt:
                self._waits = Waits.INVALID_PROMPT
                return [self._prompts(step.invalid_prompt)]
            return self._ask(now)
        target = step.on_invalid if invalid else (step.on_timeout or step.on_invalid)
        return self._choose(target, now) if target else self._walk(-1, now)

    # -- texts -----------------------------------------------------------------------------------

    def _prompts(self, prompt: str | tuple[str, ...], *, early: bool = False) -> PlayPrompts:
        names = (prompt,) if isinstance(prompt, str) else prompt
        return PlayPrompts(tuple(self._text(name) for name in names), self.language, early)

    def _spoken(self, prompt: str | tuple[str, ...], say: str) -> PlayPrompts | SpeakText:
        return self._prompts(prompt) if prompt else SpeakText(self._text(say), self.language)

    def _text(self, text: str) -> str:
        if "{" not in text:
            return text
        pieces = _pieces(text)
        out = pieces[0]
        for at in range(1, len(pieces), 2):
            out += self.variables.get(pieces[at], "") + pieces[at + 1]
        return out


@lru_cache(maxsize=1024)
def _pieces(text: str) -> list[str]:
    """What stands between the variables of a text, and their names, in turn."""
    return _VARIABLE.split(text)


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return 0
