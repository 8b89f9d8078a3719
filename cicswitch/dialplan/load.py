"""Dialplan files -> `Dialplan`, with every mistake as a finding beside its line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cicswitch.acd.skills import SkillsError, parse
from cicswitch.core.errors import ConfigError
from cicswitch.core.toml import Decoder, Document, Finding, KeyPath, near_miss
from cicswitch.dialplan.match import PatternError, number_matcher
from cicswitch.dialplan.model import (
    STEPS,
    Callback,
    Collect,
    Dial,
    Dialplan,
    Fax,
    If,
    Menu,
    Plan,
    Play,
    Queue,
    Route,
    Say,
    Set,
    Step,
    Transfer,
    Voicemail,
)
from cicswitch.hours import Holidays, Hours, Schedule, checked_schedule

__all__ = ["JUMPS", "load_dialplans"]

JUMPS = (
    *("next", "then", "otherwise", "on_timeout", "on_invalid", "on_full", "on_empty"),
    *("on_busy", "on_no_answer", "on_failed", "on_long", "on_exhausted", "on_closed"),
    "on_received",
)
"""The keys of steps whose value is a target."""

BUILT_IN = frozenset(
    {
        *("caller", "caller_name", "called", "trunk", "language", "last_agent", "priority"),
        *("segment", "customer_id", "customer_name", "customer_language"),
    }
)
IN_WRITING = frozenset(
    {
        *("medium", "subject", "mail_from_domain", "mail_to", "mail_automatic"),
        "mail_reply_to",
        *("mail_spf", "mail_dkim", "mail_dmarc"),
    }
)
"""Set for what comes in writing, the `mail_…` for emails; empty for calls, which may set them."""
_OF_FAX = {"fax_pages", "fax_ident", "fax_cause", "fax_t38", "fax_rate"}
CONTEXT = "context_"
_SETTABLE = {"language", "priority", "segment"}
_VARIABLE = re.compile(r"\{([^{}]*)\}")


def load_dialplans(
    files: Iterable[Path],
    *,
    queues: Iterable[str],
    trunks: Iterable[str],
    skills: Iterable[str],
    hours: Mapping[str, Schedule] | None = None,
    holidays: Mapping[str, Holidays] | None = None,
    segments: Iterable[str] = (),
    widgets: Iterable[str] = (),
    channels: Iterable[str] = (),
    faxes: Iterable[str] = (),
    texts: Mapping[Path, str] | None = None,
) -> tuple[Dialplan, list[Finding]]:
    """All files as one dialplan; findings for what is wrong in them, empty if nothing is.

    `texts` stand for what some of the files hold.
    """
    known = _Known(set(queues), set(trunks), set(skills), hours or {}, holidays or {})
    known.segments |= set(segments)
    known.faxes |= set(faxes)
    known.sources |= {f"widget:{name}" for name in widgets} | set(channels)
    routes: list[tuple[Route, Plan]] = []
    plans: list[Plan] = []
    findings: list[Finding] = []
    for file in files:
        try:
            text = (texts or {}).get(file)
            document = Document.read(file) if text is None else Document(text, str(file))
        except ConfigError as error:
            findings += error.findings
            continue
        loader = _Loader(document, known)
        plan, own = loader.load()
        plans.append(plan)
        routes += [(route, plan) for route in own]
        findings += loader.decoder.findings
    return Dialplan(routes=tuple(routes), plans=tuple(plans)), findings


class _Known:
    def __init__(
        self,
        queues: set[str],
        trunks: set[str],
        skills: set[str],
        hours: Mapping[str, Schedule],
        holidays: Mapping[str, Holidays],
    ) -> None:
        self.queues, self.trunks, self.skills = queues, trunks, skills
        self.hours, self.holidays = hours, holidays
        self.segments: set[str] = set()
        self.faxes: set[str] = set()
        """Channels of type `fax`."""
        self.sources = {"device", *trunks}
        """What a route may name as where calls come from."""


class _Loader:
    def __init__(self, document: Document, known: _Known) -> None:
        self.document = document
        self.known = known
        self.decoder = Decoder(document)
        self.variables = set(BUILT_IN)

    def load(self) -> tuple[Plan, list[Route]]:
        data, decoder = self.document.data, self.decoder
        top = ("route", "flow", "hours")
        for key in data:
            if key not in top:
                hint = near_miss(key, top) or f"known here: {', '.join(top)}"
                decoder.add((key,), f'unknown key "{key}"', "a key that is known here", hint)
        tables = decoder.decode(dict[str, Hours], data.get("hours", {}), ("hours",)) or {}
        hours = {
            **self.known.hours,
            **{
                name: checked_schedule(name, table, self.known.holidays, decoder)
                for name, table in tables.items()
            },
        }
        steps: list[Step] = []
        paths: list[KeyPath] = []
        flow_of: list[str] = []
        follows: list[int] = []
        targets: dict[tuple[str, str], int] = {}
        flows = data.get("flow", {})
        if not isinstance(flows, dict):
            decoder.add(("flow",), "a value", "flows, like [[flow.main]]")
            flows = {}
        for flow, items in flows.items():
            if not isinstance(items, list) or not items:
                decoder.add(("flow", flow), "no list of steps", f"steps, like [[flow.{flow}]]")
                continue
            targets["", flow] = len(steps)
            for index, item in enumerate(items):
                path: KeyPath = ("flow", flow, index)
                step = self._step(item, path)
                if step is None:
                    continue
                if step.name:
                    if (flow, step.name) in targets:
                        decoder.add((*path, "name"), f'"{step.name}" twice', "a name once a flow")
                    targets[flow, step.name] = len(steps)
                steps.append(step)
                paths.append(path)
                flow_of.append(flow)
                follows.append(len(steps))
            if follows and flow_of[-1] == flow:
                follows[-1] = -1
        plan = Plan(
            file=self.document.file,
            name=Path(self.document.file).name,
            steps=tuple(steps),
            lines=tuple(self.document.line(path) for path in paths),
            flow_of=tuple(flow_of),
            follows=tuple(
                _find(targets, flow, step.next) if step.next else after
                for step, flow, after in zip(steps, flow_of, follows, strict=True)
            ),
            targets=targets,
            hours=hours,
            own_hours=frozenset(tables),
        )
        for step in steps:
            if isinstance(step, Set):
                self.variables |= set(step.values)
            elif isinstance(step, Collect):
                self.variables.add(step.into)
            elif isinstance(step, Fax):
                self.variables |= _OF_FAX
        for step, path, flow in zip(steps, paths, flow_of, strict=True):
            self._check(step, path, flow, plan)
        return plan, self._routes(plan)

    def _step(self, item: Any, path: KeyPath) -> Step | None:
        decoder = self.decoder
        if not isinstance(item, dict):
            decoder.add(path, "a value", 'a step, like { do = "answer" }')
            return None
        do = item.get("do")
        if not isinstance(do, str) or do not in STEPS:
            found = f'"{do}"' if "do" in item else 'no key "do"'
            hint = near_miss(str(do), STEPS)
            decoder.add((*path, "do"), found, f"one of {', '.join(STEPS)}", hint)
            return None
        return decoder.decode(STEPS[do], {k: v for k, v in item.items() if k != "do"}, path)

    def _check(self, step: Step, path: KeyPath, flow: str, plan: Plan) -> None:
        decoder = self.decoder
        for key in JUMPS:
            target = getattr(step, key, "")
            if target:
                self._target(target, (*path, key), flow, plan)
        for key in step.__struct_fields__:
            self._texts(getattr(step, key), (*path, key))
        match step:
            case Menu():
                if not step.choices:
                    decoder.add((*path, "choices"), "no choices", 'choices, like { 1 = "sales" }')
                for digits, target in step.choices.items():
                    if not digits or not set(digits) <= set("0123456789*#ABCD"):
                        decoder.add((*path, "choices", digits), f'"{digits}"', "digits as the key")
                    self._target(target, (*path, "choices", digits), flow, plan)
            case Collect():
                if step.least > step.most:
                    decoder.add((*path, "least"), str(step.least), f"at most {step.most} (most)")
                if step.pattern:
                    self._pattern(step.pattern, (*path, "pattern"))
                if not step.into.isidentifier():
                    decoder.add((*path, "into"), f'"{step.into}"', "a name of letters and digits")
            case Set():
                segment = step.values.get("segment")
                if segment and "{" not in str(segment) and segment not in self.known.segments:
                    at: KeyPath = (*path, "values", "segment")
                    decoder.unknown(at, "a segment", str(segment), self.known.segments)
                for name in step.values:
                    if not name.isidentifier() or name in BUILT_IN - _SETTABLE:
                        wanted = "a name of letters and digits that is not the call's own"
                        decoder.add((*path, "values", name), f'"{name}"', wanted)
            case If():
                self._if(step, path, plan)
            case Queue():
                if step.queue not in self.known.queues:
                    decoder.unknown((*path, "queue"), "a queue", step.queue, self.known.queues)
                for skill in step.skills:
                    if "{" not in skill and skill not in self.known.skills:
                        decoder.unknown(
                            (*path, "skills", skill), "a skill", skill, self.known.skills
                        )
                self._require(step.require, (*path, "require"))
                for digit, target in step.keys.items():
                    if len(digit) != 1 or digit not in "0123456789*#ABCD":
                        decoder.add((*path, "keys", digit), f'"{digit}"', "one digit as the key")
                    self._target(target, (*path, "keys", digit), flow, plan)
            case Callback():
                if step.queue and step.queue not in self.known.queues:
                    decoder.unknown((*path, "queue"), "a queue", step.queue, self.known.queues)
            case Dial():
                targets = (step.to,) if isinstance(step.to, str) else step.to
                if not targets:
                    decoder.add((*path, "to"), "an empty list", "at least one target")
                for target in targets:
                    self._destination(target, (*path, "to"))
            case Transfer():
                self._destination(step.to, (*path, "to"))
            case Voicemail():
                if not re.fullmatch(r"[A-Za-z0-9_.-]+", step.box) or step.box.startswith("."):
                    decoder.add((*path, "box"), f'"{step.box}"', "letters, digits, - and _")
            case Fax():
                if step.channel and step.channel not in self.known.faxes:
                    what = "a channel of type fax"
                    decoder.unknown((*path, "channel"), what, step.channel, self.known.faxes)
                elif not step.channel and len(self.known.faxes) != 1:
                    found = f"{len(self.known.faxes)} channels of type fax"
                    decoder.add((*path, "channel"), found, "one, or its name here")
            case Play() | Say():
                pass  # their texts and jumps have been checked above

    def _require(self, text: str, path: KeyPath) -> None:
        try:
            need = parse(text)
        except SkillsError as error:
            self.decoder.add(path, f'"{text[error.at :] or "the end"}" in "{text}"', error.expected)
            return
        for skill in sorted(need.skills()):
            if skill not in self.known.skills:
                self.decoder.unknown(path, "a skill", skill, self.known.skills)

    def _destination(self, text: str, path: KeyPath) -> None:
        where, colon, _ = text.partition(":")
        if colon and "{" not in where and where != "agent" and where not in self.known.trunks:
            self.decoder.unknown(path, '"agent:NAME" or a trunk', where, self.known.trunks)

    def _if(self, step: If, path: KeyPath, plan: Plan) -> None:
        asked = [step.equals is not None, bool(step.matches), bool(step.hours)]
        if sum(asked) != 1:
            self.decoder.add(path, f"{sum(asked)} tests", "one of equals, matches and hours")
        if step.hours:
            self._known_hours(step.hours, (*path, "hours"), plan)
        elif not self._is_set(step.variable):
            self.decoder.unknown(
                (*path, "variable"), "a variable that is set", step.variable, self.variables
            )
        if step.matches:
            self._pattern(step.matches, (*path, "matches"))
        if not step.then and not step.otherwise:
            self.decoder.add(path, "neither then nor otherwise", "at least one of them")

    def _target(self, target: str, path: KeyPath, flow: str, plan: Plan) -> None:
        if plan.find(flow, target) < 0:
            names = {name for own, name in plan.targets if own in ("", flow)}
            self.decoder.unknown(path, "a step of this flow, or a flow", target, names)

    def _texts(self, value: object, path: KeyPath) -> None:
        if isinstance(value, str):
            for name in _VARIABLE.findall(value):
                if not self._is_set(name):
                    self.decoder.unknown(path, "a variable that is set", name, self.variables)
        elif isinstance(value, tuple | list):
            for index, item in enumerate(value):
                self._texts(item, (*path, index))
        elif isinstance(value, dict):
            for key, item in value.items():
                self._texts(key, (*path, key))
                self._texts(item, (*path, key))

    def _pattern(self, pattern: str, path: KeyPath) -> None:
        try:
            number_matcher(pattern)
        except PatternError as error:
            self.decoder.add(path, f'"{pattern}"', str(error))

    def _known_hours(self, text: str, path: KeyPath, plan: Plan) -> None:
        name = text.removeprefix("!")
        if name not in plan.hours:
            what = "hours of this file or of the configuration"
            self.decoder.unknown(path, what, name, plan.hours)

    def _is_set(self, name: str) -> bool:
        """What comes from a web page is known by its prefix only; it is empty for other calls."""
        return name in self.variables or name in IN_WRITING or name.startswith(CONTEXT)

    def _routes(self, plan: Plan) -> list[Route]:
        data = self.document.data.get("route", [])
        decoder = self.decoder
        if not isinstance(data, list):
            decoder.add(("route",), "a table", "[[route]]")
            return []
        good: list[Route] = []
        for index, item in enumerate(data):
            path: KeyPath = ("route", index)
            before = len(decoder.findings)
            route = decoder.decode(Route, item, path)
            if route is None:
                continue
            for key in ("called", "caller"):
                value = getattr(route, key)
                for pattern in (value,) if isinstance(value, str) else value:
                    self._pattern(pattern, (*path, key))
            trunks = (route.trunk,) if isinstance(route.trunk, str) else route.trunk
            for trunk in trunks:
                if trunk not in self.known.sources:
                    choices = self.known.sources
                    decoder.unknown((*path, "trunk"), "a trunk", trunk, choices)
            if ("", route.flow) not in plan.targets:
                flows = [name for own, name in plan.targets if not own]
                decoder.unknown((*path, "flow"), "a flow of this file", route.flow, flows)
            if route.fax and ("", route.fax) not in plan.targets:
                flows = [name for own, name in plan.targets if not own]
                decoder.unknown((*path, "fax"), "a flow of this file", route.fax, flows)
            if route.hours:
                self._known_hours(route.hours, (*path, "hours"), plan)
            if len(decoder.findings) == before:
                good.append(route)
        return good


def _find(targets: Mapping[tuple[str, str], int], flow: str, name: str) -> int:
    at = targets.get((flow, name))
    return targets.get(("", name), -1) if at is None else at
