"""`cicswitch.toml` -> frozen Structs.

`load(path)` gives a `Config` or raises `ConfigError` with every mistake of the file and of the
dialplans that it names; `check(path)` gives the findings alone. Every key has its default here,
and the commented `cicswitch.toml` at the top of the project shows them all; a test holds the two
together. Relative paths are relative to the file that names them.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct, field

from cicswitch.acd.skills import Need, SkillsError, all_of, levels
from cicswitch.acd.skills import parse as parse_need
from cicswitch.attachments.clamd import place
from cicswitch.contacts.answers import FIELDS, unknown_fields
from cicswitch.contacts.faxes import FaxSettings
from cicswitch.core.errors import ConfigError
from cicswitch.core.signature import secret_key
from cicswitch.core.toml import Decoder, Document, Finding, Secret
from cicswitch.dialplan.load import load_dialplans
from cicswitch.dialplan.match import PatternError, number_matcher
from cicswitch.dialplan.model import Dialplan
from cicswitch.gateways.shape import GatewaySettings
from cicswitch.hours import Holidays, Hours, Schedule, check_holidays, checked_schedule
from cicswitch.mail.compose import ascii_address
from cicswitch.mail.settings import MailSettings
from cicswitch.reach import DoNotCallConfig, check_do_not_call, is_zone
from cicswitch.records.alerts import QUEUE_FIGURES, Rule
from cicswitch.records.journal import KINDS
from cicswitch.runtime.place import EXAMPLE, Place, Postgres
from cicswitch.runtime.policy import find
from cicswitch.segments import SegmentConfig, check_segments

__all__ = [
    "AgentConfig",
    "AlertConfig",
    "AnswerConfig",
    "ChatConfig",
    "Codes",
    "Config",
    "DeviceConfig",
    "Endpoint",
    "Features",
    "HttpConfig",
    "Listen",
    "LoggingConfig",
    "MediaConfig",
    "OidcConfig",
    "QueueConfig",
    "RecordingConfig",
    "SipConfig",
    "StoreConfig",
    "TrunkConfig",
    "WebhookConfig",
    "candidate",
    "check",
    "covered",
    "default_path",
    "dialplan_files",
    "load",
    "parse_endpoint",
]

Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(ge=0)]
Proficiency = Annotated[int, Meta(ge=1, le=100)]
Text = Annotated[str, Meta(min_length=1)]
AccountRole = Literal["agent", "supervisor", "quality", "planner", "administrator"]


class Endpoint(Struct, frozen=True):
    """Where to listen or send: transport (`udp`, `tcp`), IP address or host name, port."""

    transport: str
    host: str
    port: int

    @property
    def ipv6(self) -> bool:
        """Whether the address is IPv6."""
        return ":" in self.host

    @property
    def named(self) -> bool:
        """Whether the host is a name that must be resolved."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return True
        return False

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return ipaddress.ip_address(self.host).is_loopback

    def __str__(self) -> str:
        host = f"[{self.host}]" if self.ipv6 else self.host
        return f"{self.transport}:{host}:{self.port}"


_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.IGNORECASE)


def _host_name(text: str) -> str:
    """A host name (RFC 1123), lower case. Raises `ValueError`."""
    labels = text.removesuffix(".").split(".")
    if len(text) > 253 or labels[-1].isdigit() or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError(text)
    return text.lower()


def parse_endpoint(
    text: str, transports: tuple[str, ...], default_port: int, *, names: bool = False
) -> Endpoint:
    """`udp:127.0.0.1:5060`, `tcp:[::1]:5060`; transport and port may be left out.

    With `names` the host may be a name. Raises `ValueError` with what was expected.
    """
    transport, colon, rest = text.partition(":")
    if not colon or transport not in transports:
        transport, rest = transports[0], text
    host, _, port_text = rest.rpartition(":")
    if not host or rest.endswith("]"):
        host, port_text = rest, str(default_port)
    elif ":" in host and not host.startswith("["):
        host, port_text = rest, str(default_port)  # a bare IPv6 address
    try:
        port = int(port_text)
        try:
            address = str(ipaddress.ip_address(host.strip("[]")))
        except ValueError:
            if not names:
                raise
            address = _host_name(host)
    except ValueError:
        kind = "an IP address or a host name" if names else "an IP address"
        raise ValueError(f"{kind} with a port") from None
    if not 0 <= port <= 65535:
        raise ValueError("a port from 0 to 65535")
    return Endpoint(transport, address, port)


class Listen(Struct, frozen=True, forbid_unknown_fields=True):
    """Addresses that the switch listens on."""

    sip: tuple[str, ...] = ("udp:127.0.0.1:5060", "tcp:127.0.0.1:5060")
    http: str = "127.0.0.1:8080"
    advertise: str = ""


class SipConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Limits and habits of the SIP side."""

    realm: Text = "cicswitch"
    digest: tuple[Literal["MD5", "SHA-256"], ...] = ("MD5", "SHA-256")
    user_agent: Text = "cicswitch"
    max_calls: Positive = 5000
    max_loop_lag_ms: Positive = 500
    retry_after_s: Positive = 2
    register_min_s: Positive = 60
    register_max_s: Positive = 3600
    max_contacts: Positive = 5
    drain_s: Count = 30


class MediaConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """RTP, prompts and speech."""

    host: str = ""
    ipv6_host: str = ""
    ports: Text = "16384-32767"
    workers: Annotated[int, Meta(ge=0, le=64)] = 1
    latch: Literal["any", "host"] = "any"
    rtp_timeout_s: Positive = 30
    codecs: tuple[Literal["PCMU", "PCMA"], ...] = ("PCMU", "PCMA")
    prompts: tuple[str, ...] = ()
    uploads: Text = "var/prompts"
    language: Text = "en"
    music: Text = "moh/slow-harbour"
    music_ptime_ms: Literal[20, 40, 60] = 20


class RecordingConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where recordings go."""

    directory: Text = "var/recordings"
    voicemail: Text = "var/voicemail"
    min_free_mb: Count = 200


class WebrtcConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Browsers as phones."""

    enabled: bool = True
    host: str = ""
    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    advertise: tuple[str, ...] = ()
    codecs: tuple[Literal["opus", "PCMU", "PCMA"], ...] = ("opus", "PCMU", "PCMA")
    video: bool = True
    lost_s: Annotated[int, Meta(ge=2, le=60)] = 4
    ice_servers: tuple[Text, ...] = ()
    turn_secret: Secret = Secret()


class WidgetConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A button on pages of other sites that calls a number here."""

    number: str = ""
    chat: str = ""
    origins: tuple[str, ...] = ()
    title: str = ""
    video: bool = True
    callback: str = ""
    callback_numbers: tuple[str, ...] = ()
    secret: Secret = Secret()
    """By which the page's server proves who a visitor is: `cicswitch.identity`."""


class ChannelConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A medium in writing."""

    type: Text
    queue: str = ""
    silent_s: Seconds = 0.0
    end_s: Seconds = 0.0
    away_s: Positive = 60
    settings: dict[str, Any] = {}


class TrunkConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A way to another switch: a PBX or a provider."""

    address: Text
    accept: tuple[str, ...] = ()
    register: bool = False
    username: str = ""
    password: Secret = Secret()
    realm: str = ""
    from_domain: str = ""
    expires_s: Annotated[int, Meta(ge=60, le=86400)] = 600
    options_s: Count = 30
    resolve_s: Positive = 300
    max_calls: Count = 0
    strip: str = ""
    prefix: str = ""
    inbound_strip: str = ""
    inbound_prefix: str = ""
    country: str = ""
    codecs: tuple[Literal["PCMU", "PCMA"], ...] = ()

    def endpoint(self) -> Endpoint:
        """Where the peer is; its host may be a name. Raises `ValueError` with what is expected."""
        return parse_endpoint(self.address, ("udp", "tcp"), 5060, names=True)


class DeviceConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A phone that registers here. Its name in the table is its number and user name."""

    password: Secret
    name: str = ""


Medium = Literal["voice", "video", "callback", "chat", "email", "fax", "task"]


Absent = Literal[
    "offline",
    "paused",
    "not-responding",
    "alerting",
    "wrap-up",
    "interacting",
    "communicating",
]
"""What agents do while they count as nobody."""


class AgentConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A person who takes interactions."""

    device: Text
    name: str = ""
    skills: dict[str, Proficiency] = {}
    desire: dict[str, Proficiency] = {}
    cost: Seconds = 0.0
    attributes: dict[str, float] = {}
    capacity: dict[Medium, Annotated[int, Meta(ge=0, le=100)]] = {}
    interrupted_by: dict[Medium, tuple[Medium, ...]] = {}
    signed_in: bool = False
    auto_answer: bool = False
    supervisor: bool = False


class WeightsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Points of `select = "weighted"`."""

    proficiency: float = 1.0
    desire: float = 0.0
    cost: float = 0.0
    idle: float = 0.0
    attributes: dict[str, float] = {}


class RingConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A relaxation step of a queue."""

    after_s: Count = 0
    ewt_s: Count = 0
    unstaffed: bool = False
    skills: dict[str, Annotated[int, Meta(ge=0, le=100)]] = {}
    agents: tuple[str, ...] = ()
    priority: int = 0
    queue: str = ""


class FailConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What an offer that failed does to the agent."""

    then: Literal["not-responding", "pause", "rest"] = "not-responding"
    seconds: Count = 0
    code: str = ""


class CallbackConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How a queue calls customers back."""

    trunk: str = ""
    caller_id: str = ""
    attempts: Annotated[int, Meta(ge=1, le=100)] = 3
    retry_s: Positive = 300
    ring_s: Positive = 30
    expire_s: Count = 28800
    prompt: str = ""
    hours: str = ""
    zone: str = ""
    first: Literal["customer", "agent"] = "customer"
    machine: Literal["connect", "hang-up", "message"] = "connect"
    message: str = ""


class QueueConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A queue: what it asks of agents, how it orders, what callers get while they wait."""

    skills: dict[str, Proficiency] = {}
    agents: tuple[str, ...] = ()
    require: str = ""
    select: Literal[
        "longest-idle",
        "round-robin",
        "least-occupied",
        "fewest-answered",
        "most-skilled",
        "least-skilled",
        "weighted",
    ] = "longest-idle"
    weights: WeightsConfig = WeightsConfig()
    policy: str = ""
    policy_ms: Annotated[int, Meta(ge=1, le=1000)] = 5
    policy_shadow: bool = False
    offer_to: Annotated[int, Meta(ge=1, le=100)] = 1
    priority: int = 0
    ageing: Seconds = 1.0
    weight: Annotated[float, Meta(gt=0)] = 1.0
    goal: Annotated[float, Meta(ge=0, le=1)] = 0.0
    goal_points: Seconds = 1.0
    bound_s: Count = 0
    ring: tuple[RingConfig, ...] = ()
    exhausted: Literal["wait", "leave"] = "wait"
    patience_s: Positive = 30
    redial_s: Count = 0
    max_ewt_s: Count = 0
    on_fail: dict[Literal["timed_out", "rejected", "busy", "unreachable"], FailConfig] = {}
    wrap_up: dict[Medium, Count] = {}
    ring_s: Positive = 20
    wrap_up_s: Count = 30
    service_level_s: Positive = 20
    short_abandon_s: Seconds = 5.0
    join_empty: Literal["allow", "refuse"] | tuple[Absent, ...] = "allow"
    leave_empty: bool | tuple[Absent, ...] = False
    max_wait_s: Count = 0
    max_waiting: Count = 0
    music: str = ""
    comfort: str = ""
    comfort_s: Count = 0
    announce_s: Count = 0
    callback: CallbackConfig = CallbackConfig()
    reject_pause_s: Count = 10
    record: bool = True
    hours: str = ""
    at_close: Literal["stay", "leave"] = "stay"
    preview_s: Annotated[int, Meta(ge=0, le=300)] = 0
    preview_prompt: str = ""
    preview_say: str = ""
    segments: dict[str, int] = {}
    due_s: Seconds = 0.0
    due_priority: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


class Codes(Struct, frozen=True, forbid_unknown_fields=True):
    """Names for reasons: the digits that agents dial, and what reports print."""

    pause: dict[str, str] = field(
        default_factory=lambda: {"1": "break", "2": "meal", "3": "training", "4": "meeting"}
    )
    wrap_up: dict[str, str] = field(
        default_factory=lambda: {"1": "resolved", "2": "call-back", "3": "escalated"}
    )


class Features(Struct, frozen=True, forbid_unknown_fields=True):
    """Feature codes that agents dial from their devices."""

    sign_in: str = "*71"
    sign_out: str = "*72"
    pause: str = "*73"
    ready: str = "*74"
    wrap_up: str = "*75"
    supervise: str = "*76"
    echo: str = "*43"


class HttpConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The API, `/health` and `/metrics`."""

    enabled: bool = True
    certificate: str = ""
    key: str = ""
    accounts: Text = "var/accounts.db"
    session_idle_s: Positive = 3600
    session_max_s: Positive = 43200
    requests_per_minute: Positive = 600


class OidcConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where people may sign in elsewhere: `cicswitch.api.oidc`."""

    issuer: Text
    client_id: Text
    client_secret: Secret = Secret()
    label: str = ""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    name_claim: Text = "preferred_username"
    role_claim: str = ""
    roles: dict[str, AccountRole] = {}
    new_role: Literal["", AccountRole] = ""
    agent_claim: str = ""
    redirect: str = ""
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 10.0
    ca_file: str = ""


class WebhookConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Events that are sent to a program elsewhere: `cicswitch.webhooks`."""

    name: Text
    url: Text
    secret: Secret
    events: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    timeout_s: Annotated[float, Meta(gt=0, le=300)] = 10.0
    max_attempts: Count = 0
    retry_s: Annotated[float, Meta(gt=0)] = 1.0
    retry_max_s: Annotated[float, Meta(gt=0, le=86400)] = 300.0
    ca_file: str = ""


class AnswerConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A text that agents have at hand: `cicswitch.contacts.answers`."""

    text: Text
    title: str = ""
    media: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    language: str = ""
    subject: str = ""
    whole: bool = False


class AlertConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A figure that somebody is to be told of: `cicswitch.records.alerts`."""

    figure: Literal[
        "waiting",
        "longest_wait_s",
        "ewt_s",
        "service_level_now",
        "service_level_today",
        "abandonment",
        "agents_available",
        "agents_signed_in",
        "overdue",
        "trunk_down",
        "disk_free_mb",
        "degraded",
        "calls",
    ]
    queue: str = ""
    trunk: str = ""
    above: float | None = None
    below: float | None = None
    clear: float | None = None
    for_s: Count = 0
    severity: Literal["info", "warning", "critical"] = "warning"

    def rule(self, name: str) -> Rule:
        """What is watched."""
        threshold = self.below if self.above is None else self.above
        threshold = 0.0 if threshold is None else threshold
        return Rule(
            name=name,
            figure=self.figure,
            direction="below" if self.above is None else "above",
            threshold=threshold,
            clear=threshold if self.clear is None else self.clear,
            for_s=self.for_s,
            severity=self.severity,
            subject=self.queue or self.trunk,
        )


class ChatConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What colleagues write to one another."""

    keep_days: Count = 90
    messages_per_minute: Positive = 30


class AttachmentsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The files of messages in writing."""

    directory: Text = "var/attachments"
    file_mb: Annotated[int, Meta(ge=1, le=1024)] = 25
    message_mb: Annotated[int, Meta(ge=1, le=1024)] = 50
    quota_mb: Count = 10_000
    clamd: str = ""


class StoreConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The journal and its tables."""

    path: Text = "var/cicswitch.db"
    url: Secret = Secret()
    """A database of PostgreSQL's; what lies beside the store is beside `path` then too."""
    commit_ms: Annotated[int, Meta(ge=1, le=10000)] = 50
    synchronous: Literal["full", "normal"] = "full"
    trace_hours: Count = 24


class LoggingConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What is logged and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"
    redact: bool = True


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration. `directory` is where relative paths begin."""

    listen: Listen = Listen()
    control: Text = "var/control.sock"
    sip: SipConfig = SipConfig()
    media: MediaConfig = MediaConfig()
    recording: RecordingConfig = RecordingConfig()
    webrtc: WebrtcConfig = WebrtcConfig()
    widget: dict[str, WidgetConfig] = {}
    channel: dict[str, ChannelConfig] = {}
    trunk: dict[str, TrunkConfig] = {}
    device: dict[str, DeviceConfig] = {}
    skills: dict[str, str] = {}
    agent: dict[str, AgentConfig] = {}
    queue: dict[str, QueueConfig] = {}
    hours: dict[str, Hours] = {}
    holidays: dict[str, Holidays] = {}
    segment: dict[str, SegmentConfig] = {}
    do_not_call: DoNotCallConfig = DoNotCallConfig()
    codes: Codes = Codes()
    features: Features = Features()
    http: HttpConfig = HttpConfig()
    oidc: dict[str, OidcConfig] = {}
    webhooks: tuple[WebhookConfig, ...] = ()
    alerts: dict[str, AlertConfig] = {}
    answer: dict[str, AnswerConfig] = {}
    chat: ChatConfig = ChatConfig()
    attachments: AttachmentsConfig = AttachmentsConfig()
    store: StoreConfig = StoreConfig()
    logging: LoggingConfig = LoggingConfig()
    dialplans: tuple[str, ...] = ("dialplans/*.toml",)
    directory: str = "."
    plan: Dialplan | None = None
    segment_numbers: dict[str, str] = {}
    do_not_call_numbers: tuple[str, ...] = ()
    """Those that the files of segments list."""

    def path(self, text: str) -> Path:
        """A path of this configuration, absolute."""
        return Path(self.directory, text).resolve()

    def store_place(self) -> Place:
        """Where the store is."""
        url = self.store.url.reveal()
        return Postgres(url) if url else self.path(self.store.path)

    def sip_endpoints(self) -> list[Endpoint]:
        """The SIP listeners."""
        return [parse_endpoint(text, ("udp", "tcp"), 5060) for text in self.listen.sip]

    def http_endpoint(self) -> Endpoint:
        """The HTTP listener."""
        return parse_endpoint(self.listen.http, ("tcp",), 8080)


def default_path() -> Path:
    """`cicswitch.toml` of this folder if there is one, else the one that the package carries."""
    here = Path("cicswitch.toml")
    if here.exists():
        return here
    package = Path(__file__).parent
    for path in (package / "_data" / "cicswitch.toml", package.parent / "cicswitch.toml"):
        if path.exists():
            return path
    return here


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration in a file; raises `ConfigError` with all findings, in file order."""
    config, findings = _read(path, environ)
    if findings or config is None:
        raise ConfigError(sorted(findings))
    return config


def check(
    path: Path, environ: Mapping[str, str] = os.environ, text: str | None = None
) -> list[Finding]:
    """Every mistake in a file and its dialplans, in file order; an empty list if all is well.

    With `text` it is that which is checked, as if the file held it.
    """
    return sorted(_read(path, environ, {} if text is None else {path: text})[1])


def candidate(
    path: Path, texts: Mapping[Path, str | None], environ: Mapping[str, str] = os.environ
) -> tuple[Config | None, list[Finding]]:
    """The configuration in a file, and every mistake, if some of its files held other texts, were
    there, or (None) were gone."""
    return _read(path, environ, {file.absolute(): text for file, text in texts.items()})


def covered(config: Config, file: Path) -> bool:
    """Whether `dialplans` names a file that may not be there yet."""
    return any(_covers(config, pattern, file) for pattern in config.dialplans)


def dialplan_files(config: Config) -> list[Path]:
    """The files that `dialplans` names."""
    files: list[Path] = []
    for pattern in config.dialplans:
        files += [file for file in _matching(config, pattern) if file not in files]
    return files


_OWN = ("directory", "plan", "segment_numbers", "do_not_call_numbers")
"""What loading fills in."""


def _read(
    path: Path, environ: Mapping[str, str], texts: Mapping[Path, str | None] | None = None
) -> tuple[Config | None, list[Finding]]:
    texts = texts or {}
    text = texts.get(path, texts.get(path.absolute()))
    try:
        document = Document.read(path) if text is None else Document(text, str(path))
    except ConfigError as error:
        return None, list(error.findings)
    decoder = Decoder(document, environ)
    for own in _OWN:
        if own in document.data:
            decoder.add((own,), f'unknown key "{own}"', "a key that is known here")
    data = {key: value for key, value in document.data.items() if key not in _OWN}
    if isinstance(data.get("store"), str):
        data["store"] = {"url": data["store"]}  # the short form
    config = decoder.decode(Config, data)
    if config is None:
        return None, decoder.findings
    config = msgspec.structs.replace(config, directory=str(path.parent.absolute()))
    _endpoints(config, decoder)
    _store(config, data, decoder)
    _references(config, decoder)
    config = _channels(config, decoder)
    _attachments(config, decoder)
    _numbers(config, decoder)
    _oidc(config, decoder)
    _answers(config, decoder)
    _webhooks(config, decoder)
    _alerts(config, decoder)
    schedules = _hours(config, decoder)
    numbers = check_segments(config.segment, path.parent, decoder)
    never = check_do_not_call(config.do_not_call, path.parent, decoder)
    _callbacks(config, decoder)
    findings = decoder.findings
    plan, plan_findings = load_dialplans(
        _dialplan_files(config, decoder, texts),
        queues=config.queue,
        trunks=config.trunk,
        channels=config.channel,
        faxes=[name for name, each in config.channel.items() if each.type == "fax"],
        skills=config.skills,
        hours=schedules,
        holidays=config.holidays,
        segments=config.segment,
        widgets=config.widget,
        texts={file: text for file, text in texts.items() if text is not None},
    )
    findings += plan_findings
    return msgspec.structs.replace(
        config, plan=plan, segment_numbers=numbers, do_not_call_numbers=never
    ), findings


def _callbacks(config: Config, decoder: Decoder) -> None:
    """When customers are called back, and from which pages."""
    for name, queue in config.queue.items():
        settings, key = queue.callback, ("queue", name, "callback")
        if settings.hours and settings.hours not in config.hours:
            decoder.unknown((*key, "hours"), "hours", settings.hours, config.hours)
        if settings.zone and not is_zone(settings.zone):
            decoder.add((*key, "zone"), f'"{settings.zone}"', 'a time zone, like "Asia/Seoul"')
    for name, widget in config.widget.items():
        if not widget.callback:
            continue
        if widget.callback not in config.queue:
            decoder.unknown(("widget", name, "callback"), "a queue", widget.callback, config.queue)
        elif not config.queue[widget.callback].callback.trunk:
            missing = f"queue.{widget.callback}.callback.trunk: by which trunk to call"
            decoder.add(("widget", name, "callback"), f'"{widget.callback}"', missing)
        if not widget.callback_numbers:
            expected = 'callback_numbers beside it: who may be called, like ["_0ZX."]'
            decoder.add(("widget", name, "callback"), f'"{widget.callback}"', expected)
        for index, number in enumerate(widget.callback_numbers):
            try:
                number_matcher(number)
            except PatternError as error:
                at = ("widget", name, "callback_numbers", index)
                decoder.add(at, f'"{number}"', str(error))


def _hours(config: Config, decoder: Decoder) -> dict[str, Schedule]:
    """All hours compiled, with findings for what is wrong in them and in queues that have them."""
    for name, holidays in config.holidays.items():
        check_holidays(name, holidays, decoder)
    schedules = {
        name: checked_schedule(name, hours, config.holidays, decoder)
        for name, hours in config.hours.items()
    }
    for name, queue in config.queue.items():
        if queue.hours and queue.hours not in config.hours:
            decoder.unknown(("queue", name, "hours"), "hours", queue.hours, config.hours)
        if queue.at_close == "leave" and not queue.hours:
            decoder.add(("queue", name, "at_close"), '"leave"', "hours that close beside it")
    return schedules


def _store(config: Config, data: Mapping[str, Any], decoder: Decoder) -> None:
    key, text = ("store", "url"), config.store.url.reveal()
    if text:
        try:
            Postgres(text)
        except ValueError as error:
            decoder.add(key, str(error), f'like "{EXAMPLE}"')
        return
    given = data.get("store")
    if isinstance(given, dict) and isinstance(given.get("url"), str):
        line = decoder.document.line(key)
        if not any(each.line == line for each in decoder.findings):  # it could be read, and is ""
            decoder.add(key, "nothing", f'like "{EXAMPLE}"; without the key it is a file')


def _endpoints(config: Config, decoder: Decoder) -> None:
    seen: dict[Endpoint, int] = {}
    if not config.listen.sip:
        decoder.add(("listen", "sip"), "an empty list", "at least one listener")
    for index, text in enumerate(config.listen.sip):
        key = ("listen", "sip", index)
        try:
            endpoint = parse_endpoint(text, ("udp", "tcp"), 5060)
        except ValueError as error:
            decoder.add(key, f'"{text}"', f'{error}, like "udp:127.0.0.1:5060"')
            continue
        if endpoint in seen:
            decoder.add(key, f'"{text}" twice', "each listener once")
        seen[endpoint] = index
    hosts = [
        *(("listen", "advertise"), ("media", "host"), ("media", "ipv6_host"), ("webrtc", "host"))
    ]
    for section, name in hosts:
        text = getattr(getattr(config, section), name)
        if text:
            try:
                ipaddress.ip_address(text)
            except ValueError:
                decoder.add((section, name), f'"{text}"', "an IP address")
    for number, text in enumerate(config.webrtc.advertise):
        try:
            ipaddress.ip_address(text)
        except ValueError:
            decoder.add(("webrtc", "advertise", number), f'"{text}"', "an IP address")
    for number, text in enumerate(config.webrtc.ice_servers):
        if not text.startswith(("stun:", "stuns:", "turn:", "turns:")):
            key = ("webrtc", "ice_servers", number)
            decoder.add(key, f'"{text}"', 'a server like "stun:stun.example.com:3478"')
    for name, widget in config.widget.items():
        if not (widget.number or widget.chat or widget.callback):
            found = "neither number nor chat nor callback"
            decoder.add(("widget", name), found, "one of them at least")
        if widget.chat and widget.chat not in config.channel:
            decoder.unknown(("widget", name, "chat"), "a channel", widget.chat, config.channel)
        if widget.secret:
            try:
                secret_key(widget.secret.reveal())
            except ValueError as error:
                decoder.add(("widget", name, "secret"), "another", str(error))
        for index, text in enumerate(widget.origins):
            asked = urlsplit(text)
            plain = asked.netloc and f"{asked.scheme}://{asked.netloc}" == text
            if asked.scheme not in ("http", "https") or not plain:
                decoder.add(
                    ("widget", name, "origins", index),
                    f'"{text}"',
                    'an origin like "https://www.example.com"',
                )
    try:
        parse_endpoint(config.listen.http, ("tcp",), 8080)
    except ValueError as error:
        decoder.add(("listen", "http"), f'"{config.listen.http}"', f"{error}")
    for name, other in (("certificate", "key"), ("key", "certificate")):
        if getattr(config.http, name) and not getattr(config.http, other):
            decoder.add(("http", name), f"no {other}", f"both for HTTPS: {name} and {other}")
    low, dash, high = config.media.ports.partition("-")
    if not (dash and low.isdigit() and high.isdigit() and 1024 <= int(low) < int(high) <= 65535):
        decoder.add(("media", "ports"), f'"{config.media.ports}"', 'a range, like "16384-32767"')
    for name, trunk in config.trunk.items():
        try:
            trunk.endpoint()
        except ValueError as error:
            decoder.add(("trunk", name, "address"), f'"{trunk.address}"', str(error))
        for number, network in enumerate(trunk.accept):
            try:
                ipaddress.ip_network(network, strict=False)
            except ValueError:
                decoder.add(("trunk", name, "accept", number), f'"{network}"', "an IP network")
        if trunk.register and not (trunk.username and trunk.password):
            decoder.add(
                ("trunk", name, "register"), "true", "username and password beside it to register"
            )


def _channels(config: Config, decoder: Decoder) -> Config:
    """Check them; the configuration with the settings of this package's channels as they mean."""
    found: dict[str, ChannelConfig] = {}
    known: dict[str, str] = {}
    texts = [name for name, channel in config.channel.items() if channel.type == "sip"]
    for name in texts[1:]:
        decoder.add(("channel", name, "type"), f'"sip", as channel "{texts[0]}" is', "one of them")
    for name, channel in config.channel.items():
        made = found[name] = _settled(name, channel, config, decoder)
        for address in made.settings.get("addresses", ()) if channel.type == "email" else ():
            other = known.setdefault(str(address).lower(), name)
            if other != name:
                what = f'"{address}", an address of channel "{other}" too'
                path = ("channel", name, "settings", "addresses")
                decoder.add(path, what, "each address once")
        if name == "device" or name in config.trunk:
            what = "phones" if name == "device" else "a trunk"
            decoder.add(("channel", name), f"the name of {what}", "a name of its own")
        if channel.queue and channel.queue not in config.queue:
            decoder.unknown(("channel", name, "queue"), "a queue", channel.queue, config.queue)
        if channel.end_s and channel.end_s < channel.silent_s:
            decoder.add(("channel", name, "end_s"), f"{channel.end_s:g}", "silent_s or more")
    return msgspec.structs.replace(config, channel=found)


_SETTINGS: dict[str, type[FaxSettings | GatewaySettings | MailSettings]] = {
    "email": MailSettings,
    "fax": FaxSettings,
    "webhook": GatewaySettings,
}


def _settled(name: str, channel: ChannelConfig, config: Config, decoder: Decoder) -> ChannelConfig:
    """A channel with its settings decoded: their defaults filled in, their secrets read."""
    kind = _SETTINGS.get(channel.type)
    if kind is None:
        return channel
    path = ("channel", name, "settings")
    settings = decoder.decode(kind, channel.settings, path)
    if settings is None:
        return channel
    if not isinstance(settings, FaxSettings):
        settings.check(path, decoder)
        orders = settings.fax if isinstance(settings, MailSettings) else None
        faxes = [each for each, one in config.channel.items() if one.type == "fax"]
        if orders is not None and orders.channel not in faxes:
            place = (*path, "fax", "channel")
            decoder.unknown(place, "a channel of type fax", orders.channel, faxes)
    else:
        _fax(settings, path, config, decoder)
    return msgspec.structs.replace(channel, settings=msgspec.structs.asdict(settings))


def _fax(settings: FaxSettings, path: tuple[str, ...], config: Config, decoder: Decoder) -> None:
    if settings.trunk and settings.trunk not in config.trunk:
        decoder.unknown((*path, "trunk"), "a trunk", settings.trunk, config.trunk)
    mails = [name for name, channel in config.channel.items() if channel.type == "email"]
    if settings.email and settings.email not in mails:
        decoder.unknown((*path, "email"), "a channel of type email", settings.email, mails)
    if bool(settings.email) != bool(settings.email_to):
        decoder.add((*path, "email"), "one of email and email_to", "both of them")
    for index, text in enumerate(settings.email_to):
        try:
            ascii_address(text)
        except ValueError as error:
            decoder.add(
                (*path, "email_to", index),
                f'"{text}"',
                f'an address like "office@example.com": {error}',
            )


def _attachments(config: Config, decoder: Decoder) -> None:
    own = config.attachments
    if own.message_mb < own.file_mb:
        decoder.add(("attachments", "message_mb"), f"{own.message_mb}", "file_mb or more")
    if own.clamd:
        try:
            place(own.clamd)
        except ValueError:
            expected = '"unix:PATH" or "tcp:HOST:PORT"'
            decoder.add(("attachments", "clamd"), f'"{own.clamd}"', expected)


def _references(config: Config, decoder: Decoder) -> None:
    for name, agent in config.agent.items():
        for skill in agent.skills:
            if skill not in config.skills:
                decoder.unknown(("agent", name, "skills", skill), "a skill", skill, config.skills)
        where, colon, number = agent.device.partition(":")
        if colon and where not in config.trunk:
            decoder.unknown(("agent", name, "device"), "a trunk", where, config.trunk)
        elif colon and not number:
            decoder.add(("agent", name, "device"), f'"{agent.device}"', '"TRUNK:EXTENSION"')
        elif not colon and agent.device not in config.device:
            decoder.unknown(("agent", name, "device"), "a device", agent.device, config.device)
    devices: dict[str, str] = {}
    for name, agent in config.agent.items():
        other = devices.setdefault(agent.device, name)
        if other != name:
            decoder.add(
                ("agent", name, "device"),
                f'"{agent.device}", the device of agent "{other}"',
                "a device for each agent",
            )
    for name, queue in config.queue.items():
        for skill in queue.skills:
            if skill not in config.skills:
                decoder.unknown(("queue", name, "skills", skill), "a skill", skill, config.skills)
        for index, member in enumerate(queue.agents):
            if member not in config.agent:
                decoder.unknown(("queue", name, "agents", index), "an agent", member, config.agent)
        need = _need(config, name, queue, decoder)
        if config.agent and not any(
            (not queue.agents or agent_name in queue.agents) and need.meets(agent.skills)
            for agent_name, agent in config.agent.items()
        ):
            decoder.add(
                ("queue", name),
                "no agent who could ever serve it",
                "at least one agent with its skills",
            )
        _rings(config, name, queue, decoder)
        trunk = queue.callback.trunk
        if trunk and trunk not in config.trunk:
            decoder.unknown(("queue", name, "callback", "trunk"), "a trunk", trunk, config.trunk)
        _preview(name, queue, decoder)
        for segment in queue.segments:
            if segment not in config.segment:
                key = ("queue", name, "segments", segment)
                decoder.unknown(key, "a segment", segment, config.segment)
        if ":" in queue.policy:
            try:
                find(queue.policy, {})
            except LookupError as error:
                decoder.add(("queue", name, "policy"), str(error), "MODULE:FUNCTION")


_PREVIEW = frozenset(("queue", "caller", "caller_name", "called", "segment"))


def _preview(name: str, queue: QueueConfig, decoder: Decoder) -> None:
    """What agents are told before the customer."""
    for key in ("preview_prompt", "preview_say"):
        if getattr(queue, key) and not queue.preview_s:
            decoder.add(("queue", name, key), "no preview_s", "the seconds to decide in beside it")
    if queue.preview_prompt and queue.preview_say:
        decoder.add(("queue", name, "preview_say"), "preview_prompt too", "one of them")
    for variable in re.findall(r"\{([^{}]*)\}", queue.preview_say):
        if variable not in _PREVIEW:
            decoder.unknown(("queue", name, "preview_say"), "a variable", variable, _PREVIEW)


def _need(config: Config, name: str, queue: QueueConfig, decoder: Decoder) -> Need:
    """What a queue asks for."""
    asked = levels(queue.skills)
    key = ("queue", name, "require")
    try:
        more = parse_need(queue.require)
    except SkillsError as error:
        shown = queue.require[error.at :] or "the end"
        decoder.add(key, f'"{shown}" in "{queue.require}"', error.expected)
        return asked
    for skill in sorted(more.skills()):
        if skill not in config.skills:
            decoder.unknown(key, "a skill", skill, config.skills)
    return all_of(asked, more)


def _rings(config: Config, name: str, queue: QueueConfig, decoder: Decoder) -> None:
    """Relaxation steps that name what there is, take effect, and do not go round in a circle."""
    after_s = 0.0
    for index, ring in enumerate(queue.ring):
        key = ("queue", name, "ring", index)
        for skill in ring.skills:
            if skill not in config.skills:
                decoder.unknown((*key, "skills", skill), "a skill", skill, config.skills)
        for number, member in enumerate(ring.agents):
            if member not in config.agent:
                decoder.unknown((*key, "agents", number), "an agent", member, config.agent)
        if ring.agents and not queue.agents:
            decoder.add(
                (*key, "agents"), "agents who join everybody", "a queue that names its agents"
            )
        if ring.queue and ring.queue not in config.queue:
            decoder.unknown((*key, "queue"), "a queue", ring.queue, config.queue)
        if ring.queue == name:
            decoder.add((*key, "queue"), f'"{name}"', "another queue")
        if ring.queue and index + 1 < len(queue.ring):
            decoder.add(
                ("queue", name, "ring", index + 1),
                "a ring after one that hands over",
                "none: nobody is left to go through it",
            )
        if not (ring.after_s or ring.ewt_s or ring.unstaffed):
            decoder.add(key, "no condition", "after_s, ewt_s or unstaffed")
        if not (ring.skills or ring.agents or ring.priority or ring.queue):
            decoder.add(key, "no effect", "skills, agents, priority or queue")
        if ring.after_s and ring.after_s < after_s:
            decoder.add(
                (*key, "after_s"), f"{ring.after_s}", f"{after_s:g} or more, as the ring before it"
            )
        after_s = max(after_s, ring.after_s)
        if ring.after_s and queue.max_wait_s and ring.after_s >= queue.max_wait_s:
            decoder.add(
                (*key, "after_s"), f"{ring.after_s}", f"less than max_wait_s = {queue.max_wait_s}"
            )
        if not ring.after_s and (circle := _circle(config, name, ring)):
            decoder.add(
                (*key, "queue"), " -> ".join(circle), "queues that do not hand over in a circle"
            )


def _circle(config: Config, name: str, ring: RingConfig) -> list[str]:
    """The way back to `name` by rings that wait for no time; empty if there is none."""
    way = [name]
    while ring.queue and ring.queue in config.queue:
        way.append(ring.queue)
        if ring.queue == name:
            return way if len(way) > 2 else []
        if way.count(ring.queue) > 1:
            return []
        onward = [r for r in config.queue[ring.queue].ring if r.queue and not r.after_s]
        if not onward:
            return []
        ring = onward[0]
    return []


def _numbers(config: Config, decoder: Decoder) -> None:
    features: dict[str, str] = {}
    for feature in Features.__struct_fields__:
        code = getattr(config.features, feature)
        if code and (not set(code) <= set("0123456789*#") or len(code) < 2):
            decoder.add(
                ("features", feature), f'"{code}"', 'two or more of 0-9*#, or "" to turn it off'
            )
        if code and code in features:
            decoder.add(("features", feature), f'"{code}" twice', "a code for each feature")
        features[code] = feature
    for table in ("pause", "wrap_up"):
        for digits in getattr(config.codes, table):
            if not digits.isdigit():
                decoder.add(("codes", table, digits), f'"{digits}"', "digits to dial as the key")


_HOOK = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


def _answers(config: Config, decoder: Decoder) -> None:
    media = {"chat", "email", "fax", "sms", "task"}
    own = media | {"webhook"}
    others = any(channel.type not in own for channel in config.channel.values())
    for name, answer in config.answer.items():
        key = ("answer", name)
        for index, queue in enumerate(answer.queues):
            if queue not in config.queue:
                decoder.unknown((*key, "queues", index), "a queue", queue, config.queue)
        for index, medium in enumerate(answer.media):
            if medium not in media and not others:  # which have media of their own
                decoder.unknown((*key, "media", index), "a medium", medium, media)
        for field_name in unknown_fields(answer.text):
            decoder.unknown((*key, "text"), "a field", f"{{{field_name}}}", FIELDS)
        for field_name in unknown_fields(answer.subject):
            decoder.unknown((*key, "subject"), "a field", f"{{{field_name}}}", FIELDS)
        if "\n" in answer.subject or len(answer.subject) > 200:
            decoder.add((*key, "subject"), "a long text", "one line of 200 characters at most")


def _oidc(config: Config, decoder: Decoder) -> None:
    for name, provider in config.oidc.items():
        key = ("oidc", name)
        if not _HOOK.fullmatch(name):  # it is in a path
            expected = "up to 63 of a-z, 0-9, - and _, like company"
            decoder.add(key, f'"{name}"', expected)
        for field_name in ("issuer", "redirect"):
            url = getattr(provider, field_name)
            if url and not _secure(url):
                expected = 'https and a host, like "https://login.example.com"; http on loopback'
                decoder.add((*key, field_name), f'"{url}"', expected)
        if "openid" not in provider.scopes:
            decoder.add((*key, "scopes"), "another", '"openid" among them')
        if bool(provider.role_claim) != bool(provider.roles):
            missing = "roles" if provider.role_claim else "role_claim"
            decoder.add((*key, missing), "none", "role_claim and roles together")


def _secure(url: str) -> bool:
    """Whether a URL is https, or http on this machine, without anything that does not belong."""
    try:
        split = urlsplit(url)
        host = split.hostname or ""
        fine = bool(host) and split.port != 0 and split.username is None
        if split.query or split.fragment or not fine:
            return False
        if split.scheme == "http":
            return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
    return split.scheme == "https"


def _webhooks(config: Config, decoder: Decoder) -> None:
    names: set[str] = set()
    for index, hook in enumerate(config.webhooks):
        key = ("webhooks", index)
        if hook.name in names:
            decoder.add((*key, "name"), f'"{hook.name}" twice', "a name for each webhook")
        names.add(hook.name)
        if not _HOOK.fullmatch(hook.name):  # it becomes the name of a file
            expected = "up to 63 of a-z, 0-9, - and _, like crm"
            decoder.add((*key, "name"), f'"{hook.name}"', expected)
        try:
            split = urlsplit(hook.url)
            usable = split.scheme in ("http", "https") and bool(split.hostname) and split.port != 0
        except ValueError:
            usable = False
        if not usable or split.fragment or split.username is not None:
            expected = 'http or https, a host, no name and no "#", like "https://example.com/cic"'
            decoder.add((*key, "url"), f'"{hook.url}"', expected)
        try:
            secret_key(hook.secret.reveal())
        except ValueError as error:
            decoder.add((*key, "secret"), "another", str(error))
        for number, kind in enumerate(hook.events):
            if kind not in KINDS:
                decoder.unknown((*key, "events", number), "a kind of event", kind, KINDS)
        for field_name, known in (("queues", config.queue), ("agents", config.agent)):
            for number, name in enumerate(getattr(hook, field_name)):
                if name not in known:
                    what = "a queue" if field_name == "queues" else "an agent"
                    decoder.unknown((*key, field_name, number), what, name, known)
        if hook.retry_max_s < hook.retry_s:
            decoder.add((*key, "retry_max_s"), f"{hook.retry_max_s:g}", "retry_s or more")


def _alerts(config: Config, decoder: Decoder) -> None:
    for name, alert in config.alerts.items():
        key = ("alerts", name)
        if (alert.above is None) == (alert.below is None):
            found = "neither above nor below" if alert.above is None else "above and below"
            decoder.add(key, found, "one of them: above or below")
        elif alert.clear is not None:
            rule = alert.rule(name)
            if rule.past(alert.clear):
                side = "at most" if rule.direction == "above" else "at least"
                expected = f"{side} {rule.threshold:g}, where it is raised"
                decoder.add((*key, "clear"), f"{alert.clear:g}", expected)
        if alert.queue and alert.queue not in config.queue:
            decoder.unknown((*key, "queue"), "a queue", alert.queue, config.queue)
        if alert.queue and alert.figure not in QUEUE_FIGURES:
            decoder.add((*key, "queue"), f'"{alert.queue}"', f"none: {alert.figure} is no queue's")
        if alert.trunk and alert.trunk not in config.trunk:
            decoder.unknown((*key, "trunk"), "a trunk", alert.trunk, config.trunk)
        if alert.trunk and alert.figure != "trunk_down":
            decoder.add((*key, "trunk"), f'"{alert.trunk}"', f"none: {alert.figure} is no trunk's")


def _dialplan_files(
    config: Config, decoder: Decoder, texts: Mapping[Path, str | None]
) -> list[Path]:
    files: list[Path] = []
    for index, pattern in enumerate(config.dialplans):
        found = _matching(config, pattern, texts)
        if not found:
            decoder.add(("dialplans", index), f'"{pattern}"', "a file or a pattern that has files")
        files += [file for file in found if file not in files]
    return files


def _matching(
    config: Config, pattern: str, texts: Mapping[Path, str | None] | None = None
) -> list[Path]:
    base, root = Path(config.directory), Path(pattern).anchor
    found = {*(Path(root).glob(pattern.removeprefix(root)) if root else base.glob(pattern))}
    for file, text in (texts or {}).items():
        if text is None:
            found.discard(file)
        elif file not in found and _covers(config, pattern, file):
            found.add(file)
    return [file for file in sorted(found) if not file.name.endswith(".test.toml")]


def _covers(config: Config, pattern: str, file: Path) -> bool:
    """Whether a pattern names a file, as `Path.glob` would find it."""
    wanted = Path(config.directory, pattern).parts
    return _fits(file.absolute().parts, wanted)


def _fits(parts: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    if not wanted:
        return not parts
    if wanted[0] == "**":
        return any(_fits(parts[skip:], wanted[1:]) for skip in range(len(parts)))
    return bool(parts) and fnmatchcase(parts[0], wanted[0]) and _fits(parts[1:], wanted[1:])
