"""The user agent on its sockets: which event goes to which leg, and who may call.

`pump()` is the heart: it hands the core's events to legs and what it wants to send to the sockets,
until there is nothing left. Everything that touches the core ends in a pump: a datagram, a timer,
a verb of a leg (`touch`).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any, Protocol

import structlog

from cicswitch.calls import events as ev
from cicswitch.calls.reason import Reason
from cicswitch.config import Config, Endpoint
from cicswitch.core.ids import Names, Tokens
from cicswitch.core.timers import TimerWheel
from cicswitch.legs.sip.devices import Devices
from cicswitch.legs.sip.guests import MARK, Guest, Guests
from cicswitch.legs.sip.ladder import Ladder
from cicswitch.legs.sip.leg import SipLeg
from cicswitch.legs.sip.messages import Messages
from cicswitch.legs.sip.places import Places
from cicswitch.legs.sip.trunks import Trunk, Trunks
from cicswitch.net.dns import resolve
from cicswitch.net.transports import SipTransports
from cicswitch.net.websocket import WebSocket
from cicswitch.ports import LegsUnavailable, MediaExhausted, MediaPlane, Webrtc
from cicswitch.runtime.clock import Clock
from cicswitch.sip import events as sip
from cicswitch.sip.auth import Authenticator
from cicswitch.sip.flow import WEB, Flow, Listener
from cicswitch.sip.registrar import Binding, BindingChanged, Registrar
from cicswitch.sip.session import InviteSession
from cicswitch.sip.settings import Settings
from cicswitch.sip.uri import NameAddr, UriError, escape_user, parse_name_addr, parse_uri
from cicswitch.sip.user_agent import UserAgent

__all__ = ["LegSink", "SipStack"]

log = structlog.get_logger("sip")


class LegSink(Protocol):
    """The conductor, as legs see it."""

    def offer(self, leg: Any, event: ev.LegOffered) -> None:
        """A call has arrived."""

    def post(self, event: Any) -> None:
        """Something happened to a leg."""


class SipStack:
    """SIP for one switch. Implements `ports.Legs`."""

    def __init__(
        self,
        config: Config,
        media: MediaPlane,
        wheel: TimerWheel,
        tokens: Tokens,
        clock: Clock,
        *,
        overloaded: Callable[[], int | None],
        rearm: Callable[[], None],
        keep_ladder: Callable[[float, str, str, bytes], None],
        webrtc: Webrtc | None = None,
        resolve: Callable[[str], Awaitable[list[str]]] = resolve,
    ) -> None:
        self.media = media
        self.webrtc = webrtc
        """None: browsers are not served."""
        self.video = config.webrtc.video
        self.web_codecs = config.webrtc.codecs
        self.now = clock.now()
        self.sink: LegSink | None = None
        self.retry_after_s = config.sip.retry_after_s
        self.counters = {"unauthorized": 0, "refused_source": 0, "errors": 0}
        self._config = config
        self._clock = clock
        self._names = Names(self.now, tokens)
        self._rearm = rearm
        self._legs: dict[str, SipLeg] = {}
        self._interaction_of: Callable[[str], str] = lambda leg: ""
        self._origin = 0
        self._pumping = False
        self._touched = False
        self._listeners: list[tuple[Endpoint, Listener]] = []
        self._web: Listener | None = None
        self._trunk_calls: dict[str, Trunk] = {}
        self._guests: dict[str, Guest] = {}
        """Visitors by the legs of their calls."""
        self.ladder = Ladder(
            *(wheel, clock.now, keep_ladder),
            lambda: [leg.sip_call_id for leg in self._legs.values()],
        )
        self.agent = UserAgent(
            wheel,
            tokens,
            Settings(product=config.sip.user_agent),
            overloaded=overloaded,
            tap=self.ladder.tap if config.store.trace_hours else None,
        )
        self.devices = Devices(config.device)
        self.guests = Guests()
        self.trunks = Trunks(config.trunk)
        self._places = Places(
            *(self.agent, self.trunks, wheel, clock),
            resolve=resolve,
            touch=self.touch,
        )
        self._authenticator = Authenticator(
            config.sip.realm,
            os.urandom(32),
            tokens,
            self.devices.password,
            algorithms=config.sip.digest,
        )
        self.registrar = Registrar(
            self.agent,
            self._authenticator,
            min_expires_s=config.sip.register_min_s,
            max_expires_s=config.sip.register_max_s,
            max_contacts=config.sip.max_contacts,
        )
        self.messages = Messages(self, self._authenticator, clock.now)
        self.transports = SipTransports(
            self._received, self._flow_failed, clock.now, in_use=self._connections_in_use
        )
        self._handlers: dict[type, Callable[[Any], None]] = {
            sip.InviteReceived: self._invited,
            sip.ProvisionalReceived: self._provisional,
            sip.SessionAccepted: self._accepted,
            sip.SessionRejected: self._rejected,
            sip.SessionAcked: self._acked,
            sip.SessionCancelled: self._cancelled,
            sip.SessionEnded: self._ended,
            sip.ReinviteReceived: self._reinvited,
            sip.ReinviteAnswered: self._reinvite_answered,
            sip.ReinviteRejected: self._reinvite_rejected,
            sip.ReferReceived: self._referred,
            sip.ReferAnswered: self._refer_answered,
            sip.NotifyReceived: self._notified,
            sip.InfoReceived: self._info,
            sip.RequestReceived: self._requested,
            BindingChanged: self._binding_changed,
        }

    # -- life ------------------------------------------------------------------------------------

    async def start(self, sink: LegSink, interaction_of: Callable[[str], str]) -> None:
        """Listen, then register and ping the trunks. Raises `ResourceError` in one line."""
        self.sink = sink
        self._interaction_of = interaction_of
        for endpoint in self._config.sip_endpoints():
            listener = await self.transports.listen(
                endpoint.transport, endpoint.host, endpoint.port, self._config.listen.advertise
            )
            self._listeners.append((endpoint, listener))
        self._places.listeners = self._listeners
        for trunk in self.trunks.by_name.values():
            self._places.start(trunk)
        self.pump()

    @property
    def listeners(self) -> Sequence[Listener]:
        """The listeners, as they were bound."""
        return [listener for _, listener in self._listeners]

    def open_web(
        self,
        remote: tuple[str, int],
        write: Callable[[bytes], None],
        close: Callable[[], None],
        *,
        secure: bool,
        user: str = "",
    ) -> WebSocket:
        """A browser's SIP by WebSocket; `user`: the device that it may be without a password.

        Raises `ResourceError` if there are too many.
        """
        if self._web is None:
            host, _, port = self._config.listen.http.rpartition(":")
            host = self._config.listen.advertise or host.strip("[]")
            self._web = Listener("ws", "WSS" if secure else "WS", host, int(port))
        return self.transports.open_web(self._web, remote, write, close, user)

    def configure(self, config: Config) -> None:
        """Take over devices and trunks; calls go on. Listeners stay as they are."""
        self._config = config
        self.video = config.webrtc.video
        self.web_codecs = config.webrtc.codecs
        self.retry_after_s = config.sip.retry_after_s
        self.devices.configure(config.device)
        now = self._clock.now()
        for name, trunk in list(self.trunks.by_name.items()):
            if config.trunk.get(name) != trunk.config:
                trunk.stop(now)
                self.trunks.remove(name)
        for name, settings in config.trunk.items():
            if name not in self.trunks.by_name:
                trunk = Trunk(name, settings)
                self.trunks.add(trunk)
                self._places.start(trunk)
        self.pump()

    async def stop(self) -> None:
        """Unregister, give what is on its way a moment, close. Idempotent."""
        now = self._clock.now()
        for trunk in self.trunks.by_name.values():
            trunk.stop(now)
        self.pump()
        if any(trunk.registration is not None for trunk in self.trunks.by_name.values()):
            await asyncio.sleep(0.2)
        self._places.stop()
        await self.messages.stop()
        self.ladder.flush()
        await self.transports.close()

    # -- the pump --------------------------------------------------------------------------------

    def _received(self, batch: list[tuple[Flow, bytes]]) -> None:
        """Parse all, act on one after the other, send all.

        Code that goes on is faster than code that starts: it is in the processor's caches.
        """
        agent = self.agent
        messages = agent.read(batch)
        self._pumping = True
        try:
            for message, flow in messages:
                self.now = now = self._clock.now()
                agent.handle(message, flow, now)
                self._act_on_events()
        finally:
            self._pumping = False
        self.pump()

    def _flow_failed(self, flow: Flow) -> None:
        self.now = now = self._clock.now()
        self.agent.flow_failed(flow, now)
        self.registrar.flow_failed(flow, now)
        self.touch()

    def _connections_in_use(self) -> set[int]:
        flows = self.registrar.flows() | {
            (session.dialog or session).flow for session in self.agent.session_table.values()
        }
        return {flow.connection for flow in flows if flow.connection is not None}

    def touch(self) -> None:
        """Something was asked of the core outside a pump: pump soon."""
        if not self._pumping and not self._touched:
            self._touched = True
            asyncio.get_running_loop().call_soon(self._pump_touched)

    def _pump_touched(self) -> None:
        self._touched = False
        self.pump()

    def pump(self) -> None:
        """Act on the core's events and send what it wants to send, until it wants no more."""
        if self._pumping:
            return
        self._pumping = True
        self.now = self._clock.now()
        agent, send, datagrams = self.agent, self.transports.send, self.transports.datagrams
        try:
            while True:
                acted = self._act_on_events()
                outputs = agent.take_outputs()
                for flow, data in outputs:
                    socket = datagrams.get(flow.listener)
                    if socket is not None:
                        socket.send(data, flow)
                    else:
                        send(flow, data)
                if not acted and not outputs:
                    break
        finally:
            self._pumping = False
        self._rearm()

    def _act_on_events(self) -> bool:
        """Whether there was any."""
        events = self.agent.take_events()
        acted = bool(events)
        while events:
            for event in events:
                self._act(event)
            events = self.agent.take_events()
        return acted

    def _act(self, event: sip.Event) -> None:
        handler = self._handlers.get(type(event))
        if handler is None:
            return
        try:
            handler(event)
        except Exception:
            # One peer's message must never end the loop for all; its call is ended instead.
            self.counters["errors"] += 1
            log.exception("sip_event_failed", event_type=type(event).__name__)
            leg = getattr(getattr(event, "session", None), "data", None)
            if isinstance(leg, SipLeg):
                leg.end(self.now, Reason.ERROR)

    # -- for legs --------------------------------------------------------------------------------

    def post(self, event: Any) -> None:
        """Tell the conductor."""
        assert self.sink is not None
        self.sink.post(event)

    def next_origin(self) -> int:
        """A session id for o=, unique for this process (RFC 8866 section 5.2)."""
        self._origin += 1
        return int(self.now) * 100_000 + self._origin

    def uri_at(self, session: InviteSession, number: str) -> str:
        """A number at the host of the session's far end."""
        host, port = session.flow.remote
        return f"sip:{escape_user(number)}@{f'[{host}]' if ':' in host else host}:{port}"

    def forget(self, leg: SipLeg) -> None:
        """The leg is over."""
        if self._legs.pop(leg.id, None) is None:
            return
        guest = self._guests.pop(leg.id, None)
        if guest is not None:
            guest.calls -= 1
        trunk = self._trunk_calls.pop(leg.id, None)
        if trunk is not None:
            trunk.calls -= 1
        self.ladder.ended(leg.sip_call_id, self._interaction_of(leg.id), leg.id)

    @property
    def legs(self) -> int:
        """Legs that live."""
        return len(self._legs)

    # -- inbound ---------------------------------------------------------------------------------

    def _invited(self, event: sip.InviteReceived) -> None:
        session, request = event.session, event.request
        now = self.now
        try:
            who, mark, tag = request.from_.partition(">;tag=")
            plain = mark and tag == request.from_tag
            display, caller_user = _sender(f"{who}>" if plain else request.from_)
            called_user = _user(request.uri)
        except UriError as error:
            self.ladder.drop(session.call_id)
            session.reject(now, error.status)
            return
        trunk = self.trunks.find(session.flow)
        context: dict[str, str] = {}
        guest: Guest | None = None
        if trunk is not None:
            peer = trunk.name
            caller, called = trunk.inbound(caller_user), trunk.inbound(called_user)
            codecs = trunk.config.codecs or self._config.media.codecs
            limit = trunk.config.max_calls
            if limit and trunk.calls >= limit:
                session.reject(now, 503, "", (("Retry-After", str(self.retry_after_s)),))
                return
        else:
            username = session.flow.user
            if not username:
                verdict = self._authenticator.check(request, now)
                if verdict.status != 200:
                    self.counters["unauthorized"] += 1
                    self.ladder.drop(session.call_id)
                    session.reject(now, verdict.status, "", verdict.headers)
                    return
                username = verdict.username
            if username.startswith(MARK):
                guest = self.guests.find(username)
            if guest is not None and (called_user != guest.number or guest.calls):
                # One number, and one call at a time.
                session.reject(now, 403 if called_user != guest.number else 486)
                return
            if caller_user != username:
                # RFC 3261 section 22: who authenticates as one must not call as another.
                self.counters["refused_source"] += 1
                session.reject(now, 403)
                return
            peer, caller, called = f"device:{username}", username, called_user
            codecs = self._config.media.codecs
            if guest is not None:
                peer, display, context = f"widget:{guest.widget}", guest.name, guest.context
        leg = SipLeg(self, self._names.name(), peer)
        self._legs[leg.id] = leg
        if guest is not None:
            self._guests[leg.id] = guest
            guest.calls += 1
        if trunk is not None:
            trunk.calls += 1
            self._trunk_calls[leg.id] = trunk
        hops = request.get("Max-Forwards")
        if hops.isdigit():
            leg.max_forwards = int(hops)
        if not leg.incoming(session, request.body, codecs):
            return
        name = display or (self.devices.name(caller) if trunk is None else "")
        assert self.sink is not None
        self.sink.offer(
            leg, ev.LegOffered(now, leg.id, peer, caller, name, called, session.call_id, context)
        )

    def _acked(self, event: sip.SessionAcked) -> None:
        if isinstance(event.session.data, SipLeg):
            event.session.data.acknowledged(event.body)

    def _cancelled(self, event: sip.SessionCancelled) -> None:
        if isinstance(event.session.data, SipLeg):
            event.session.data.cancelled()

    # -- outbound --------------------------------------------------------------------------------

    def originate(
        self,
        now: float,
        target: str,
        *,
        caller: str,
        caller_name: str = "",
        near: str | None = None,
        codec: str = "",
        auto_answer: bool = False,
    ) -> Sequence[SipLeg]:
        """See `ports.Legs`."""
        self.now = now
        if near is not None and near not in self._legs:
            near = None
        where, colon, number = target.partition(":")
        if colon and where != "device":
            return [
                self._call_trunk(now, where, number, caller, caller_name, near, codec, auto_answer)
            ]
        device = number if colon else target
        if device not in self.devices:
            raise LegsUnavailable(Reason.NOT_FOUND)
        bindings = self.devices.bindings(device, self.registrar, now)
        if not bindings:
            raise LegsUnavailable(Reason.UNAVAILABLE)
        return [
            self._call_binding(now, device, binding, caller, caller_name, near, codec, auto_answer)
            for binding in bindings
        ]

    def _call_trunk(
        self,
        now: float,
        name: str,
        number: str,
        caller: str,
        caller_name: str,
        near: str | None,
        codec: str,
        auto_answer: bool,
    ) -> SipLeg:
        trunk = self.trunks.by_name.get(name)
        if trunk is None or not number:
            raise LegsUnavailable(Reason.NOT_FOUND)
        if trunk.flow is None or not trunk.up:
            raise LegsUnavailable(Reason.UNAVAILABLE)
        if trunk.config.max_calls and trunk.calls >= trunk.config.max_calls:
            raise LegsUnavailable(Reason.CONGESTION)
        domain = trunk.config.from_domain or trunk.flow.listener.sent_by
        leg = self._call(
            now,
            trunk.name,
            trunk.uri(escape_user(trunk.outbound(number))),
            trunk.flow,
            _from(caller, caller_name, domain),
            near,
            trunk.config.codecs or self._config.media.codecs,
            codec,
            credentials=trunk.credentials,
            auto_answer=auto_answer,
        )
        trunk.calls += 1
        self._trunk_calls[leg.id] = trunk
        return leg

    def _call_binding(
        self,
        now: float,
        device: str,
        binding: Binding,
        caller: str,
        caller_name: str,
        near: str | None,
        codec: str,
        auto_answer: bool,
    ) -> SipLeg:
        assert binding.flow is not None
        return self._call(
            now,
            f"device:{device}",
            binding.contact,
            binding.flow,
            _from(caller, caller_name, binding.flow.listener.sent_by),
            near,
            self._config.media.codecs,
            codec,
            to=f"<sip:{device}@{binding.aor.partition('@')[2]}>",
            route=binding.path,
            auto_answer=auto_answer,
        )

    def _call(
        self,
        now: float,
        peer: str,
        uri: str,
        flow: Flow,
        from_: str,
        near: str | None,
        codecs: tuple[str, ...],
        codec: str,
        *,
        to: str = "",
        route: Sequence[str] = (),
        credentials: Any = None,
        auto_answer: bool = False,
    ) -> SipLeg:
        leg = SipLeg(self, self._names.name(), peer)
        if near is not None:
            leg.max_forwards = self._legs[near].max_forwards - 1
            if leg.max_forwards <= 0:
                raise LegsUnavailable(Reason.CONGESTION)
        try:
            leg.open_media(
                ipv6=":" in flow.remote[0],
                codecs=codecs,
                codec=codec,
                near=near,
                browser=flow.transport in WEB,
                video=near is not None and self._legs[near].has_video,
            )
        except MediaExhausted:
            raise LegsUnavailable(Reason.CONGESTION) from None
        session = self.agent.invite(
            now,
            uri,
            flow,
            from_,
            to,
            leg.offer(),
            route=route,
            headers=leg.headers + (_auto_answer(flow) if auto_answer else ()),
            credentials=credentials,
            data=leg,
            max_forwards=leg.max_forwards,
        )
        self._legs[leg.id] = leg
        leg.outgoing(session)
        self.touch()
        return leg

    def is_device(self, number: str) -> bool:
        """See `ports.Legs`."""
        return number in self.devices

    def _provisional(self, event: sip.ProvisionalReceived) -> None:
        if isinstance(event.session.data, SipLeg):
            event.session.data.provisional(event.status, event.body)

    def _accepted(self, event: sip.SessionAccepted) -> None:
        if isinstance(event.session.data, SipLeg):
            event.session.data.accepted(event.body)

    def _rejected(self, event: sip.SessionRejected) -> None:
        if isinstance(event.session.data, SipLeg):
            event.session.data.rejected(event.status)

    # -- during a call ---------------------------------------------------------------------------

    def _ended(self, event: sip.SessionEnded) -> None:
        if isinstance(event.session.data, SipLeg):
            remote = event.by is sip.EndedBy.REMOTE
            event.session.data.ended(Reason.NORMAL if remote else Reason.SIGNALLING_LOST)

    def _reinvited(self, event: sip.ReinviteReceived) -> None:
        if isinstance(event.session.data, SipLeg):
            event.session.data.reinvited(event.body)
        else:
            event.session.reject_reinvite(self.now, 488)

    def _reinvite_answered(self, event: sip.ReinviteAnswered) -> None:
        if isinstance(event.session.data, SipLeg):
            event.session.data.reinvite_answered(event.body)

    def _reinvite_rejected(self, event: sip.ReinviteRejected) -> None:
        if isinstance(event.session.data, SipLeg):
            event.session.data.reinvite_rejected()

    def _referred(self, event: sip.ReferReceived) -> None:
        leg = event.session.data
        if not isinstance(leg, SipLeg):
            return
        try:
            target = parse_uri(event.refer_to).user
        except UriError:
            leg.transfer_progress(self.now, 400)
            return
        replaces = ""
        if event.replaces:
            replaces = self._replaced_leg(event.replaces)
            if not replaces:
                leg.transfer_progress(self.now, 481)
                return
        self.post(ev.LegTransfer(self.now, leg.id, target, replaces))

    def _replaced_leg(self, header: str) -> str:
        """The leg that a Replaces header in a REFER names; "" if it is none of ours."""
        call_id, *params = header.split(";")
        tags = dict(param.partition("=")[::2] for param in params)
        to_tag, from_tag = tags.get("to-tag", ""), tags.get("from-tag", "")
        for local, remote in ((to_tag, from_tag), (from_tag, to_tag)):
            session = self.agent.find_session(call_id.strip(), local, remote)
            if session is not None and isinstance(session.data, SipLeg):
                return session.data.id
        return ""

    def _refer_answered(self, event: sip.ReferAnswered) -> None:
        if isinstance(event.session.data, SipLeg) and event.status >= 300:
            self.post(ev.ReferAnswered(self.now, event.session.data.id, event.status))

    def _notified(self, event: sip.NotifyReceived) -> None:
        if isinstance(event.session.data, SipLeg) and event.status >= 200:
            self.post(ev.ReferAnswered(self.now, event.session.data.id, event.status))

    def _info(self, event: sip.InfoReceived) -> None:
        """DTMF in INFO: `application/dtmf-relay` and `application/dtmf`."""
        leg = event.session.data
        if not isinstance(leg, SipLeg):
            return
        text = event.body.decode("ascii", "replace")
        kind = event.content_type.partition(";")[0].strip().lower()
        digit = ""
        if kind == "application/dtmf-relay":
            for line in text.splitlines():
                name, _, value = line.partition("=")
                if name.strip().lower() == "signal":
                    digit = value.strip().upper()
        elif kind == "application/dtmf":
            digit = text.strip().upper()
        digit = {"10": "*", "11": "#"}.get(digit, digit)
        if len(digit) == 1 and digit in "0123456789*#ABCD":
            self.post(ev.LegDigit(self.now, leg.id, digit))

    # -- other requests --------------------------------------------------------------------------

    def _requested(self, event: sip.RequestReceived) -> None:
        if self.registrar.handle(event, self.now) or self.messages.handle(event, self.now):
            return
        event.transaction.respond(self.now, 405, headers=self.agent.capabilities[:1])

    def _binding_changed(self, event: BindingChanged) -> None:
        self.devices.changed(event, self.registrar, self.now)
        number = event.aor.partition("@")[0]
        where = event.flow.remote if event.flow is not None else ()
        if event.registered and event.flow is not None and event.flow.transport in WEB:
            self.agent.moved(event.contact, event.flow)
        log.info("device_" + event.how.replace(" ", "_"), device=number, remote=where)


@lru_cache(maxsize=4096)
def _sender(value: str) -> tuple[str, str]:
    """Display name and user of a name-addr, which are the same for many calls of a peer."""
    sender = parse_name_addr(value)
    return sender.display, parse_uri(sender.uri).user


@lru_cache(maxsize=4096)
def _user(uri: str) -> str:
    return parse_uri(uri).user


def _from(caller: str, name: str, domain: str) -> str:
    user = f"{escape_user(caller)}@" if caller else "anonymous@"
    return str(NameAddr(name, f"sip:{user}{domain}", {}))


def _auto_answer(flow: Flow) -> tuple[tuple[str, str], ...]:
    """What asks a phone to answer by itself: `Answer-Mode: Auto` (RFC 5373), and the two headers
    that phones go by which do not know it."""
    host = flow.listener.sent_by
    return (
        ("Answer-Mode", "Auto"),
        ("Call-Info", f"<sip:{host}>;answer-after=0"),
        ("Alert-Info", f"<http://{host}>;info=alert-autoanswer"),
    )
