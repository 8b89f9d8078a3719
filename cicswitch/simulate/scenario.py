"""A scenario in TOML -> a `Model`, with queues and agents from the configuration.

`load(path, config)` gives a `Scenario` or raises `ConfigError` with every mistake of the file and
of the tables that it names. Relative paths are relative to the file that names them. The keys are
those of the Structs below; docs/simulation.md and docs/examples/simulation.toml show them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from itertools import pairwise
from math import inf, isfinite
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from cicswitch.acd.commands import DefineAgent
from cicswitch.config import Config, Medium, Proficiency
from cicswitch.core.errors import ConfigError, ResourceError
from cicswitch.core.toml import Decoder, Document, KeyPath
from cicswitch.hours import schedules
from cicswitch.runtime.place import is_url
from cicswitch.simulate import history
from cicswitch.simulate.listed import clock, read_arrivals, read_column
from cicswitch.simulate.model import Listed, Model, Poisson, Shift, Stream
from cicswitch.simulate.times import NONE, Kind, Times
from cicswitch.switch.definitions import agent_definition, queue_definition

__all__ = ["Scenario", "config_of", "load"]

Above = Annotated[float, Meta(gt=0)]
Seconds = Annotated[float, Meta(ge=0)]
DAY_S = 86400.0


class TimesConfig(Struct, frozen=True):
    """Durations: `kind` and its numbers, or where they were measured."""

    kind: Kind
    mean_s: Seconds = 0.0
    sd_s: Seconds = 0.0
    file: str = ""
    """CSV of `empirical`, with the durations in `column`."""
    column: str = "handle_s"
    store: str = ""
    """The switch's own records as the measure: of `queue`, or of the arrivals' queue."""
    queue: str = ""


class ArrivalsConfig(Struct, frozen=True):
    """Interactions of one kind, drawn; or those of a file."""

    queue: str = ""
    per_hour: Seconds = 0.0
    profile: dict[str, Seconds] = {}
    """From a time of the day on, so many an hour: `"08:00" = 60`. Repeats every day."""
    file: str = ""
    """CSV: time,queue and optionally skills, priority, handle_s, patience_s."""
    medium: Medium = "voice"
    skills: dict[str, Proficiency] = {}
    priority: int = 0
    handle: TimesConfig | None = None
    patience: TimesConfig | None = None
    wrap_up: TimesConfig | None = None


class StaffConfig(Struct, frozen=True):
    """Agents beside those of the configuration: so many who are alike."""

    name: Annotated[str, Meta(min_length=1)]
    count: Annotated[int, Meta(ge=1, le=100_000)] = 1
    skills: dict[str, Proficiency] = {}
    hours: tuple[str, ...] = ()


class AnswerConfig(Struct, frozen=True):
    """How agents answer."""

    delay: TimesConfig = TimesConfig(kind="constant")
    return_s: Seconds = 60.0


class ScenarioConfig(Struct, frozen=True):
    """The whole file."""

    config: str = ""
    """The configuration; `--config` says another."""
    date: str = ""
    """The first day. With it queues open and close by their hours; without they are open."""
    start: str = "00:00"
    hours: Above = 24.0
    warm_up_hours: Seconds = 0.0
    seeds: Annotated[int, Meta(ge=1, le=1000)] = 5
    seed: Annotated[int, Meta(ge=0)] = 1
    configured_agents: bool = True
    """False: only [[staff]] works."""
    arrivals: tuple[ArrivalsConfig, ...] = ()
    staff: tuple[StaffConfig, ...] = ()
    shift: dict[str, tuple[str, ...]] = {}
    """By agent: `["08:00-12:00", "13:00-17:00"]`; who has none works all the time."""
    answer: AnswerConfig = AnswerConfig()


class Scenario(Struct, frozen=True):
    """What a scenario says."""

    model: Model
    seeds: int
    seed: int


def config_of(path: Path) -> Path | None:
    """The configuration that a scenario names; None: it names none."""
    named = Document.read(path).data.get("config", "")
    return path.parent / named if isinstance(named, str) and named else None


def load(
    path: Path,
    config: Config,
    hours: float = 0.0,
    opened: Callable[[str], history.Source] | None = None,
) -> Scenario:
    """A scenario, `hours` instead of its own. Raises `ConfigError` with all findings.

    `opened` gives the store of a URL; without it there are only files.
    """
    document = Document.read(path)
    decoder = Decoder(document)
    read = decoder.decode(ScenarioConfig, document.data)
    if read is None:
        raise ConfigError(sorted(decoder.findings))
    reader = _Reader(path.parent, config, read, decoder, hours or read.hours)
    reader.opened = opened
    model = reader.model()
    if decoder.findings:
        raise ConfigError(sorted(decoder.findings))
    return Scenario(model, read.seeds, read.seed)


class _Reader:
    """The parts of a scenario, mistakes collected in the decoder."""

    def __init__(
        self, base: Path, config: Config, read: ScenarioConfig, decoder: Decoder, hours: float
    ) -> None:
        self.base = base
        self.opened: Callable[[str], history.Source] | None = None
        self.config = config
        self.read = read
        self.decoder = decoder
        self.start = self._clock(("start",), read.start)
        self.end = self.start + hours * 3600

    def model(self) -> Model:
        read, config = self.read, self.config
        agents = self._agents()
        streams = [
            stream
            for number, arrivals in enumerate(read.arrivals)
            for stream in self._streams(("arrivals", number), arrivals)
        ]
        if not read.arrivals:
            self.decoder.add((), 'no key "arrivals"', "[[arrivals]] for at least one queue")
        if self.start + read.warm_up_hours * 3600 >= self.end:
            found = f"{read.warm_up_hours:g} hours"
            self.decoder.add(("warm_up_hours",), found, "less than the hours that are simulated")
        answer = self._times(("answer", "delay"), read.answer.delay, "")
        return Model(
            queues=tuple(queue_definition(name, q) for name, q in config.queue.items()),
            agents=tuple(agents),
            streams=tuple(streams),
            shifts=self._shifts({agent.agent for agent in agents}),
            openings=self._openings(),
            answer=answer,
            return_s=read.answer.return_s,
            start=self.start,
            end=self.end,
            warm_up_s=read.warm_up_hours * 3600,
            limits={
                name: (float(queue.service_level_s), queue.short_abandon_s)
                for name, queue in config.queue.items()
            },
        )

    def _openings(self) -> dict[str, tuple[tuple[float, bool], ...]]:
        """When queues open and close. Midnight is that of the hours' own time zone."""
        config = self.config
        if not self.read.date:
            return {}
        try:
            day = date.fromisoformat(self.read.date)
        except ValueError:
            self.decoder.add(("date",), f'"{self.read.date}"', "a date, like 2026-11-23")
            return {}
        made = schedules(config.hours, config.holidays)
        found: dict[str, tuple[tuple[float, bool], ...]] = {}
        for name, queue in config.queue.items():
            schedule = made.get(queue.hours)
            if schedule is None:
                continue
            midnight = datetime(day.year, day.month, day.day, tzinfo=schedule.zone).timestamp()
            at: float | None = midnight + self.start
            changes: list[tuple[float, bool]] = []
            while at is not None and at < midnight + self.end:
                changes.append((at - midnight, schedule.is_open(at)))
                at = schedule.next_change(at)
            found[name] = tuple(changes)
        return found

    # -- agents ----------------------------------------------------------------------------------

    def _agents(self) -> list[DefineAgent]:
        config, read = self.config, self.read
        found = []
        if read.configured_agents:
            found = [agent_definition(name, agent) for name, agent in config.agent.items()]
        known = {agent.agent for agent in found}
        for number, staff in enumerate(read.staff):
            for skill in staff.skills:
                if skill not in config.skills:
                    key = ("staff", number, "skills", skill)
                    self.decoder.unknown(key, "a skill", skill, config.skills)
            names = _names(staff)
            if not known.isdisjoint(names):
                self.decoder.add(
                    ("staff", number, "name"), f'"{staff.name}" again', "a name of its own"
                )
            known.update(names)
            found += [DefineAgent(agent=name, skills=staff.skills) for name in names]
        if not found:
            self.decoder.add((), "nobody who works", "agents in the configuration, or [[staff]]")
        return found

    def _shifts(self, agents: set[str]) -> dict[str, tuple[Shift, ...]]:
        shifts: dict[str, tuple[Shift, ...]] = {}
        for name, hours in self.read.shift.items():
            if name not in agents:
                self.decoder.unknown(("shift", name), "an agent", name, agents)
            shifts[name] = self._hours(("shift", name), hours)
        for number, staff in enumerate(self.read.staff):
            if staff.hours:
                worked = self._hours(("staff", number, "hours"), staff.hours)
                shifts.update(dict.fromkeys(_names(staff), worked))
        return shifts

    def _hours(self, path: KeyPath, texts: tuple[str, ...]) -> tuple[Shift, ...]:
        found: list[Shift] = []
        for index, text in enumerate(texts):
            begin_text, dash, end_text = text.partition("-")
            try:
                begin, end = clock(begin_text.strip()), clock(end_text.strip())
            except ValueError:
                dash = ""
            if not dash or begin >= end:
                expected = 'a time of work, like "08:00-12:00"'
                self.decoder.add((*path, index), f'"{text}"', expected)
                continue
            found.append(Shift(begin, end))
        ordered = sorted(found, key=lambda shift: shift.begin)
        for before, after in pairwise(ordered):
            if after.begin < before.end:
                self.decoder.add(path, "shifts that overlap", "one after the other")
        # The same hours every day.
        days = range(int(self.end // DAY_S) + 1)
        return tuple(
            Shift(shift.begin + day * DAY_S, shift.end + day * DAY_S)
            for day in days
            for shift in ordered
            if shift.end + day * DAY_S > self.start
        )

    # -- customers -------------------------------------------------------------------------------

    def _streams(self, path: KeyPath, arrivals: ArrivalsConfig) -> list[Stream]:
        decoder, config = self.decoder, self.config
        ways = [
            name
            for name, given in (
                ("per_hour", arrivals.per_hour),
                ("profile", arrivals.profile),
                ("file", arrivals.file),
            )
            if given
        ]
        if len(ways) != 1:
            found = " and ".join(ways) or "no rate"
            decoder.add(path, found, "one of per_hour, profile, file")
            return []
        for skill in arrivals.skills:
            if skill not in config.skills:
                decoder.unknown((*path, "skills", skill), "a skill", skill, config.skills)
        patience = NONE
        if arrivals.patience is not None:
            patience = self._times((*path, "patience"), arrivals.patience, arrivals.queue)
        wrap_up = None
        if arrivals.wrap_up is not None:
            wrap_up = self._times((*path, "wrap_up"), arrivals.wrap_up, arrivals.queue)
        if arrivals.file:
            return self._listed(path, arrivals, patience, wrap_up)
        if not arrivals.queue:
            decoder.add(path, 'no key "queue"', "queue = text")
        elif arrivals.queue not in config.queue:
            decoder.unknown((*path, "queue"), "a queue", arrivals.queue, config.queue)
        handle = self._handle(path, arrivals)
        edges, rates = self._rates(path, arrivals)
        return [
            Poisson(
                queue=arrivals.queue,
                medium=arrivals.medium,
                skills=arrivals.skills,
                priority=arrivals.priority,
                handle=handle,
                patience=patience,
                wrap_up=wrap_up,
                edges=tuple(edges),
                rates=tuple(rates),
            )
        ]

    def _handle(self, path: KeyPath, arrivals: ArrivalsConfig) -> Times:
        if arrivals.handle is None:
            self.decoder.add(path, 'no key "handle"', 'handle = { kind = "exponential", … }')
            return NONE
        handle = self._times((*path, "handle"), arrivals.handle, arrivals.queue)
        if arrivals.handle.kind == "none":
            self.decoder.add((*path, "handle", "kind"), '"none"', "contacts that end")
        return handle

    def _rates(self, path: KeyPath, arrivals: ArrivalsConfig) -> tuple[list[float], list[float]]:
        """Edges within the span (seconds) and the rates between them (a second)."""
        if not arrivals.profile:
            return [self.start, self.end], [arrivals.per_hour / 3600]
        day = sorted(
            (self._clock((*path, "profile", text), text), rate / 3600)
            for text, rate in arrivals.profile.items()
        )
        before = day[-1][1]  # the night goes on from the evening
        steps = [(0.0, before), *day]
        edges, rates = [self.start], []
        rate = before
        for number in range(int(self.end // DAY_S) + 1):
            for at, value in steps:
                moment = at + number * DAY_S
                if moment > self.start and moment < self.end:
                    edges.append(moment)
                    rates.append(rate)
                if moment < self.end:
                    rate = value
        return [*edges, self.end], [*rates, rate]

    def _listed(
        self, path: KeyPath, arrivals: ArrivalsConfig, patience: Times, wrap_up: Times | None
    ) -> list[Stream]:
        decoder, config = self.decoder, self.config
        file = self.base / arrivals.file
        handle = Times(kind="none")
        if arrivals.handle is not None:
            handle = self._handle(path, arrivals)
        found: list[Stream] = []
        for (queue, priority, skills), listed in read_arrivals(file, decoder.findings).items():
            if queue not in config.queue:
                decoder.unknown((*path, "file"), f"queues in {file.name}", queue, config.queue)
            for skill, _ in skills:
                if skill not in config.skills:
                    decoder.unknown((*path, "file"), f"skills in {file.name}", skill, config.skills)
            rows = [row for row in listed.rows if self.start <= row[0] < self.end]
            if handle.kind == "none" and any(row[1] != row[1] for row in rows):
                decoder.add(
                    path, 'no key "handle"', f"one, or handle_s in every row of {file.name}"
                )
            if rows:
                found.append(
                    Listed(
                        queue=queue,
                        medium=arrivals.medium,
                        skills={**arrivals.skills, **dict(skills)},
                        priority=priority or arrivals.priority,
                        handle=handle,
                        patience=patience,
                        wrap_up=wrap_up,
                        times=tuple(row[0] for row in rows),
                        handles=tuple(row[1] for row in rows),
                        patiences=tuple(row[2] for row in rows),
                    )
                )
        return found

    # -- durations -------------------------------------------------------------------------------

    def _times(self, path: KeyPath, times: TimesConfig, queue: str) -> Times:
        add = self.decoder.add
        kind = times.kind
        if kind in ("exponential", "lognormal") and not times.mean_s:
            add(path, "no mean_s", f"the mean of {kind} durations")
        if kind == "lognormal" and not times.sd_s:
            add(path, "no sd_s", "the standard deviation of lognormal durations")
        if kind != "empirical":
            return Times(kind=kind, mean_s=times.mean_s, sd_s=times.sd_s)
        if bool(times.file) == bool(times.store):
            add(path, "file and store" if times.file else "no source", "one of file, store")
            return NONE
        if times.file:
            findings = self.decoder.findings
            measured = read_column(self.base / times.file, times.column, findings)
            return Times(kind="empirical", measured=measured) if measured else NONE
        try:
            source: history.Source = self.base / times.store
            if self.opened is not None and is_url(times.store):
                source = self.opened(times.store)
            measured = history.durations(
                source, times.queue or queue, wrap_up=path[-1] == "wrap_up"
            )
        except (ResourceError, ValueError) as error:
            add((*path, "store"), str(error), "a store of the switch")
            return NONE
        if not measured:
            add((*path, "store"), "nothing that was handled", f'calls of queue "{queue}"')
            return NONE
        return Times(kind="empirical", measured=measured)

    def _clock(self, path: KeyPath, text: str) -> float:
        try:
            seconds = clock(text)
        except ValueError:
            seconds = inf
        if not isfinite(seconds) or seconds > DAY_S:
            self.decoder.add(path, f'"{text}"', 'a time of the day, like "08:30"')
            return 0.0
        return seconds


def _names(staff: StaffConfig) -> list[str]:
    return [f"{staff.name}-{number}" for number in range(1, staff.count + 1)]
