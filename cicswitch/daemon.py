"""The composition root: builds the parts, wires them, runs them, drains them.

`Switch` is the whole of it as an async context manager, for the daemon and for programs that embed
cicswitch. `serve` is the daemon: a `Switch` with signals, control socket and HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any

import structlog

from cicswitch.acd.commands import Command
from cicswitch.acd.engine import Engine
from cicswitch.alerting import Alerting
from cicswitch.archive import Archive
from cicswitch.attachments.files import Attachments
from cicswitch.calls.call import Call
from cicswitch.channels.fax import Fax
from cicswitch.channels.load import make as make_channel
from cicswitch.channels.sip import SipTexts
from cicswitch.config import Config, default_path, load
from cicswitch.core.errors import ConfigError, NotFound, ResourceError
from cicswitch.core.ids import Tokens
from cicswitch.core.timers import TimerWheel
from cicswitch.core.version import __version__
from cicswitch.legs.sip import SipStack
from cicswitch.media.library import Library
from cicswitch.media.plane import WorkerPlane
from cicswitch.media.settings import MediaSettings
from cicswitch.media.spandsp import missing as missing_for_fax
from cicswitch.media.speech import EspeakSpeech
from cicswitch.media.wav import repair
from cicswitch.media.webrtc.gateway import Gateway
from cicswitch.net.dns import resolve
from cicswitch.records.journal import Event
from cicswitch.records.scores import Scores
from cicswitch.records.today import Today
from cicswitch.runtime import log as logs
from cicswitch.runtime.clock import Clock, WheelDriver
from cicswitch.runtime.garbage import GarbageKeeper
from cicswitch.runtime.overload import OverloadGate
from cicswitch.runtime.tasks import TaskPool
from cicswitch.store.make import make_store
from cicswitch.store.reader import let_go
from cicswitch.switch import Conductor, Environment

__all__ = ["Switch"]

log = structlog.get_logger("daemon")

_REPAIR_S = 2 * 86400
"""How far back recordings are looked at after a crash; no call lasts longer."""
_FIXED = (
    *("listen", "control", "store", "channel", "http.enabled", "http.accounts", "logging"),
    "attachments.directory",
    *("sip.realm", "sip.digest", "sip.user_agent", "sip.max_contacts"),
    *("sip.register_min_s", "sip.register_max_s"),
    *("media.host", "media.ipv6_host", "media.ports", "media.workers"),
    *("webrtc.enabled", "webrtc.host", "webrtc.port", "webrtc.advertise", "webrtc.lost_s"),
    *("media.latch", "media.rtp_timeout_s", "media.music_ptime_ms"),
)
"""What a reload cannot change, and says so."""
_CHECK_S = 2.0
"""How often the disk is looked at: a recorded call writes 32 KB a second."""
_STEP_S = 5.0
"""A clock that has moved by more was set."""


def _media_settings(config: Config) -> MediaSettings:
    media = config.media
    low, _, high = media.ports.partition("-")
    hosts = [endpoint.host for endpoint in config.sip_endpoints()]
    ipv4 = next((host for host in hosts if ":" not in host), "127.0.0.1")
    ipv6 = next((host for host in hosts if ":" in host), "")
    return MediaSettings(
        host=media.host or ipv4,
        advertise=config.listen.advertise,
        host6=media.ipv6_host or ipv6,
        port_min=int(low),
        port_max=int(high) - 1,
        workers=media.workers,
        latch=media.latch,
        rtp_timeout_s=media.rtp_timeout_s,
        music_ptime_ms=media.music_ptime_ms,
    )


def _browsers(config: Config) -> Gateway | None:
    """What talks to browsers; they need the HTTP server, which has their signalling."""
    webrtc, media = config.webrtc, _media_settings(config)
    if not (webrtc.enabled and config.http.enabled):
        return None
    advertise = webrtc.advertise or ((media.advertise,) if media.advertise else ())
    return Gateway(
        *(webrtc.host or media.host, webrtc.port, advertise),
        inner_host=media.host,
        lost_s=webrtc.lost_s,
    )


class Switch:
    """A running switch: `async with Switch(config) as switch:`.

    `config` is a `Config`, the path of a TOML file, or None for the defaults. `functions` are the
    Python steps that dialplans may call by name: `async def step(call, **arguments) -> str | None`.
    `resolve` gives the addresses of a trunk's host name; the system's resolver by default.
    """

    def __init__(
        self,
        config: Config | Path | str | None = None,
        *,
        functions: Mapping[str, Callable[..., Any]] | None = None,
        resolve: Callable[[str], Awaitable[list[str]]] = resolve,
    ) -> None:
        self._file: Path | None = None
        if not isinstance(config, Config):
            self._file = Path(config) if config is not None else default_path()
            config = load(self._file)
        self.config = config
        self.clock = Clock()
        self.wheel = TimerWheel()
        self.tokens = Tokens(os.urandom)
        self.tasks = TaskPool()
        self.on_reload: list[Callable[[Config], list[str]]] = []
        """Called with every configuration that is taken over; they give what needs a restart."""
        self.degraded: dict[str, str] = {}
        """What does not work at the moment, and why: shown by `/health` and `top`."""
        self.started_at = 0.0
        self._functions = dict(functions or {})
        self._started = False
        self.browsers = _browsers(config)
        self.media = WorkerPlane(_media_settings(config), self.browsers)
        self.place = config.store_place()
        """Where the store is."""
        self.store = make_store(
            self.place,
            commit_ms=config.store.commit_ms,
            synchronous=config.store.synchronous,
            trace_hours=config.store.trace_hours,
            chat_days=config.chat.keep_days,
            on_degraded=self._store_degraded,
        )
        self.attachments = Attachments(
            config.path(config.attachments.directory),
            lambda: self.config.attachments,
            self.place,
        )
        self.archive = Archive(config.path(config.store.path), self.attachments, self.place)
        self.gate = OverloadGate(
            lambda: len(self.conductor.calls),
            self.clock.now,
            max_calls=config.sip.max_calls,
            max_lag_s=config.sip.max_loop_lag_ms / 1000,
            retry_after_s=config.sip.retry_after_s,
            behind=lambda now: self.sip.transports.behind(now),
        )
        self.sip = SipStack(
            config,
            self.media,
            self.wheel,
            self.tokens,
            self.clock,
            overloaded=self.gate,
            rearm=self._rearm,
            keep_ladder=self.store.append_trace,
            webrtc=self.browsers,
            resolve=resolve,
        )
        self._library = self._make_library(config)
        self.speech = EspeakSpeech(config.path("var/speech"))
        self.conductor = Conductor(
            Environment(
                config=config,
                legs=self.sip,
                media=self.media,
                journal=self.store,
                archive=self.archive,
                speech=self.speech,
                tasks=self.tasks,
                wheel=self.wheel,
                tokens=self.tokens,
                clock=self.clock.now,
                rearm=self._rearm,
                prompt=self._prompt,
                can_record=lambda: "recording" not in self.degraded,
                recorded=self._recorded,
                recordings=config.path(config.recording.directory),
                voicemail=config.path(config.recording.voicemail),
                music=config.media.music,
                functions=self._functions,
            )
        )
        self.today = Today()
        self.scores = Scores()
        """Running figures of the day, for live views."""
        self.alerting = Alerting(self)
        self._set_limits(config)
        self.conductor.visitors.append(self.today.feed)
        self.conductor.subscribers.append(self.scores.feed)
        self._driver: WheelDriver | None = None
        self._garbage = GarbageKeeper(self._quiet)
        self._disk_timer: asyncio.TimerHandle | None = None
        self._behind_s = 0.0

    @property
    def file(self) -> Path | None:
        """The configuration file; None: it was given as a `Config`."""
        return self._file

    @property
    def engine(self) -> Engine:
        """The ACD."""
        return self.conductor.engine

    @property
    def gc_pause_max_s(self) -> float:
        """The collector's longest pause while serving."""
        return self._garbage.pause_s_max

    @property
    def counters(self) -> dict[str, int]:
        """What has happened to calls since the start; `errors` are those of every part."""
        counters = dict(self.conductor.counters)
        counters["errors"] += self.sip.counters["errors"] + self.tasks.failures
        return counters

    def tables(self) -> dict[str, int]:
        """Sizes of all tables that must be empty when no call is in progress."""
        agent, conductor = self.sip.agent, self.conductor
        return {
            "calls": len(conductor.calls),
            "callbacks": len(conductor.callbacks.promises),
            "contacts": len(conductor.contacts.live),
            "call_legs": len(conductor.by_leg),
            "seized": len(conductor.seized),
            "sip_legs": self.sip.legs,
            "sip_sessions": agent.sessions,
            "sip_clients": len(agent.clients),
            "sip_servers": len(agent.servers),
            "ladders": len(self.sip.ladder),
            "interactions": len(self.engine.interactions),
            "reservations": len(self.engine.reservations),
        }

    def blocks(self) -> dict[str, int]:
        """Blocks of memory that Python has handed out and not got back.

        It is what is held, wherever it hangs; what a process takes from the system is more, because
        free blocks lie between those in use. That of the media workers is a second old.
        """
        return {
            "signalling": sys.getallocatedblocks(),
            "media": int(self.media.figures().get("blocks", 0)),
        }

    # -- life ------------------------------------------------------------------------------------

    async def __aenter__(self) -> Switch:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Open the store, start media, listen. Raises `ResourceError` in one line; idempotent."""
        if self._started:
            return
        loop = asyncio.get_running_loop()
        self._driver = WheelDriver(loop, self.wheel, self.clock, self._after_fire)
        self.started_at = self.clock.now()
        recovered = self.store.open(self.started_at, __version__)
        back_s = self.store.last_at - self.started_at
        if back_s > _STEP_S:
            log.warning("clock_went_back", seconds=round(back_s))
        if recovered:
            log.warning("recovered", closed=recovered, reason="the switch had not stopped in order")
            await asyncio.to_thread(self._repair_recordings)
        self.conductor.people.restore(self.store.customers)  # before the first call comes
        self.store.customers = []
        try:
            await self.media.start(self._media_event)
            await self.sip.start(self.conductor, self.conductor.interaction_of)
            await self.attachments.start()
            self._make_channels()
        except (ResourceError, OSError):
            await self._close("failed start")
            raise
        self._started = True
        self._check_disk()
        self.gate.start(loop)
        self._garbage.start(loop)
        self.conductor.pump()
        self.conductor.callbacks.restore(self.store.callbacks, self.store.blocked)
        self.conductor.contacts.restore(self.store.contacts)
        self.conductor.drafts.restore(self.store.drafts)
        self.store.drafts = []
        self.conductor.outbox.restore(self.store.outbox)
        self.store.callbacks, self.store.contacts, self.store.outbox = [], [], []
        lacking = missing_for_fax() if self.conductor.faxes.channels else ""
        if lacking:
            self.degraded["fax"] = lacking
            log.error("fax_not_possible", error=lacking)
        for channel in self.conductor.contacts.channels.values():
            try:
                await channel.start()
            except ResourceError as error:
                self.degraded[f"channel {channel.name}"] = str(error)
                log.error("channel_not_started", channel=channel.name, error=str(error))
        self.alerting.start()
        self._rearm()

    def _make_channels(self) -> None:
        contacts = self.conductor.contacts
        for name, config in self.config.channel.items():
            channel = make_channel(name, config, contacts, self.archive)
            contacts.channels[name] = channel
            if isinstance(channel, Fax):
                self.conductor.faxes.channels[name] = channel
            elif isinstance(channel, SipTexts):
                channel.carrier = self.sip.messages

    async def drain(self, seconds: float) -> int:
        """Take no new calls and wait for those in progress; the number that is left after it."""
        self.conductor.draining = True
        self.gate.closed = True
        if self.conductor.calls:
            empty = asyncio.Event()
            self.conductor.on_empty = empty.set
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(empty.wait(), seconds)
        return len(self.conductor.calls)

    async def stop(self, reason: str = "stopped") -> None:
        """End what is left, write the books, close. Idempotent."""
        if not self._started:
            return
        self._started = False
        self.conductor.draining = True
        self.gate.closed = True
        self.conductor.end_all()
        self.sip.pump()
        await asyncio.sleep(0.05)
        await self._close(reason)

    async def _close(self, reason: str) -> None:
        for channel in self.conductor.contacts.channels.values():
            await channel.stop()
        self.gate.stop()
        self._garbage.stop()
        if self._disk_timer is not None:
            self._disk_timer.cancel()
            self._disk_timer = None
        await self.tasks.close()
        await self.sip.stop()
        await self.media.stop()
        await asyncio.sleep(0)
        if self._driver is not None:
            self._driver.stop()
        await self.attachments.stop()
        self.archive.close()
        await asyncio.to_thread(let_go, self.place)  # who is the last to go takes the log along
        await asyncio.to_thread(self.store.close, self.clock.now(), reason)
        await asyncio.to_thread(let_go, self.place)

    def reload_file(self) -> list[str]:
        """Read the configuration file again and take it over, as `reload` does.

        Raises `ConfigError` and changes nothing if there is a mistake in it.
        """
        if self._file is None:
            return ["this switch was not started from a file"]
        return self.reload(load(self._file))

    def reload(self, config: Config) -> list[str]:
        """Take over a configuration without dropping a call; what needs a restart, in words."""
        fixed = [
            f"{key} takes effect at the next start"
            for key in _FIXED
            if attrgetter(key)(config) != attrgetter(key)(self.config)
        ]
        self.config = config
        self._library = self._make_library(config)
        self.gate.max_calls = config.sip.max_calls
        self.gate.max_lag_s = config.sip.max_loop_lag_ms / 1000
        self.gate.retry_after_s = config.sip.retry_after_s
        self._set_limits(config)
        self.sip.configure(config)
        env = self.conductor.env
        env.music = config.media.music
        env.recordings = config.path(config.recording.directory)
        env.voicemail = config.path(config.recording.voicemail)
        self.conductor.configure(config)
        self.conductor.pump()
        self.alerting.configure(config)
        self.store.chat_days = config.chat.keep_days
        self._rearm()
        for listener in self.on_reload:
            fixed += listener(config)
        return fixed

    # -- commands --------------------------------------------------------------------------------

    def command(self, command: Command) -> None:
        """A command to the ACD. Raises `CommandError` and changes nothing if it is refused."""
        self.conductor.command(command)
        self._rearm()

    async def originate(self, target: str, *, caller: str = "", timeout_s: float = 30.0) -> Call:
        """Call a device (`1001`) or a number (`TRUNK:NUMBER`); the call, once it is answered.

        Raises `CommandError` with the reason if it is not.
        """
        return await self.conductor.embedding.originate(target, caller, timeout_s)

    def answer(self, call: Call) -> None:
        """Answer an inbound call."""
        self.conductor.embedding.answer(call)

    async def play(self, call: Call, *prompts: str, language: str = "") -> None:
        """Play prompts to the caller, to their end."""
        await self.conductor.embedding.play(call, prompts, language)

    def queue(
        self,
        call: Call,
        queue: str,
        *,
        skills: Mapping[str, int] | None = None,
        priority: int = 0,
        timeout_s: float = 0,
    ) -> None:
        """Put a call into a queue; an agent gets it as any other."""
        self.conductor.embedding.queue(call, queue, skills or {}, priority, timeout_s)

    def bridge(self, a: Call, b: Call) -> None:
        """Join the callers of two calls; they go on as call `a`."""
        self.conductor.embedding.bridge(a, b)

    def hangup(self, call: Call) -> None:
        """End a call. Harmless when it is over."""
        self.conductor.embedding.hangup(call)

    @property
    def calls(self) -> Mapping[str, Call]:
        """Calls in progress by interaction."""
        return self.conductor.calls

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with every event; the function that is returned ends it."""
        self.conductor.subscribers.append(listener)
        return lambda: self.conductor.subscribers.remove(listener)

    # -- wiring ----------------------------------------------------------------------------------

    def _rearm(self) -> None:
        if self._driver is not None:
            self._driver.rearm()

    def _after_fire(self, now: float) -> None:
        self.sip.now = now
        self.conductor.pump()
        self.sip.pump()

    def _media_event(self, event: Any) -> None:
        self.conductor.post(event)
        self._rearm()

    def _quiet(self) -> bool:
        return not self.conductor.calls or self.gate.lag_s < 0.002

    def _set_limits(self, config: Config) -> None:
        self.today.limits = {
            name: (queue.service_level_s, queue.short_abandon_s)
            for name, queue in config.queue.items()
        }

    def _make_library(self, config: Config) -> Library:
        folders = [config.path(each) for each in (config.media.uploads, *config.media.prompts)]
        return Library(folders, default_language=config.media.language)

    @property
    def library(self) -> Library:
        """Prompts by name, as calls find them."""
        return self._library

    def _prompt(self, name: str, language: str) -> Path | None:
        try:
            return self._library.find(name, language)
        except NotFound:
            return None

    def _store_degraded(self, reason: str) -> None:
        """Called from the writer thread; a dict assignment is atomic."""
        if reason:
            self.degraded["store"] = reason
        else:
            self.degraded.pop("store", None)

    def _repair_recordings(self) -> None:
        """After a crash: give recordings that were open the sizes in their headers."""
        since = self.started_at - _REPAIR_S
        for folder in (self.config.recording.directory, self.config.recording.voicemail):
            for path in self.config.path(folder).rglob("*.wav"):
                try:
                    if path.stat().st_mtime > since and repair(path):
                        log.info("recording_repaired", interaction_id=_interaction_in(path))
                except (OSError, ResourceError) as error:
                    reason = str(error).replace(path.name, "…")
                    log.warning(
                        "recording_not_repaired",
                        interaction_id=_interaction_in(path),
                        error=reason,
                    )

    def _recorded(self, error: str) -> None:
        """A recording was closed, complete or with what ended it early."""
        if not error:
            self.degraded.pop("recorder", None)
            return
        self.degraded["recorder"] = error
        self._look_at_disk()  # a full disk is told at once, and nothing more is begun

    def _check_disk(self) -> None:
        self._look_at_disk()
        self._look_at_clock()
        logs.retry()
        self._disk_timer = asyncio.get_running_loop().call_later(_CHECK_S, self._check_disk)

    def _look_at_clock(self) -> None:
        behind_s = self.clock.behind()
        if abs(behind_s - self._behind_s) > _STEP_S:
            self._behind_s = behind_s
            hint = "what is written down keeps the old clock until the switch is restarted"
            log.warning("clock_stepped", seconds=round(behind_s), hint=hint)

    def _look_at_disk(self) -> None:
        recording = self.config.recording
        for folder in (recording.directory, recording.voicemail):
            reason = _too_little(self.config.path(folder), recording.min_free_mb)
            if reason:
                if "recording" not in self.degraded:
                    log.error("recording_degraded", error=reason)
                self.degraded["recording"] = reason
                return
        if self.degraded.pop("recording", None) is not None:
            self.degraded.pop("recorder", None)  # it failed for want of the space that is there now
            log.info("recording_recovered")


def _interaction_in(path: Path) -> str:
    """The interaction that a file's name ends (a voicemail) or begins (a recording) with."""
    first, *rest = path.stem.split("-")
    return first if len(rest) < 2 else rest[-1]


def _too_little(folder: Path, least_mb: int) -> str:
    """What is wrong with the disk of a folder that may not be there yet; "" if nothing is."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return f"{folder}: {error.strerror}"
    if free >= max(1, least_mb * 2**20):
        return ""
    return f"{free // 2**20} MB are free at {folder}, {least_mb} are the least"


async def serve(
    path: Path,
    *,
    on_start: Callable[[Switch], Awaitable[list[Callable[[], Awaitable[None]]]]] | None = None,
) -> int:
    """Run a switch until SIGTERM or SIGINT; reload at SIGHUP. The process's exit status.

    `on_start(switch)` starts what stands beside it (control socket, HTTP) and returns what stops
    those again.
    """
    logs.gather()
    try:
        return await _serve(path, on_start)
    finally:
        logs.scatter()


async def _serve(
    path: Path,
    on_start: Callable[[Switch], Awaitable[list[Callable[[], Awaitable[None]]]]] | None,
) -> int:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    switch = Switch(path)

    def reload() -> None:
        try:
            notes = switch.reload_file()
        except ConfigError as error:
            for finding in error.findings:
                log.error("reload_refused", finding=str(finding))
            return
        log.info("reloaded", file=str(path), notes=notes)

    loop.add_signal_handler(signal.SIGHUP, reload)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    # After the handlers, so that a signal that comes early finds them.
    await switch.start()
    stops = await on_start(switch) if on_start is not None else []
    await stopping.wait()
    calls = len(switch.conductor.calls)
    if calls:
        log.info("draining", calls=calls, seconds=switch.config.sip.drain_s)

        async def again() -> None:
            stopping.clear()
            await stopping.wait()

        impatient = asyncio.create_task(again(), name="second-signal")
        drained = asyncio.create_task(switch.drain(switch.config.sip.drain_s), name="drain")
        await asyncio.wait({impatient, drained}, return_when=asyncio.FIRST_COMPLETED)
        for task in (impatient, drained):
            task.cancel()
    for stop in reversed(stops):
        await stop()
    await switch.stop("signal")
    log.info("stopped")
    return 0
