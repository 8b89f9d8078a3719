"""UserAgent: the SIP core that joins transactions, dialogs and sessions, without any I/O.

Authority: only the agent and its transactions change `clients`, `servers` and `sessions`. A
request takes the first of these ways that fits: its server transaction (a retransmission, an ACK
for a failure), the session whose tag its To carries, a CANCEL's INVITE, a new session, the
registered handler of whoever drains `RequestReceived`.

Failure: whatever does not parse is answered as the RFC says or counted and dropped. A peer can
make the agent keep state only by a valid new request, and `overloaded` limits those.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from cicswitch.core.ids import Tokens
from cicswitch.core.timers import TimerWheel
from cicswitch.sip import session_requests, session_responses, session_timer
from cicswitch.sip.auth import Credentials, again
from cicswitch.sip.dialog import host_port
from cicswitch.sip.events import Event, InviteReceived, RequestReceived
from cicswitch.sip.flow import Flow
from cicswitch.sip.message import ParseError, Request, Response
from cicswitch.sip.names import REASONS
from cicswitch.sip.parse import parse, validate
from cicswitch.sip.session import InviteSession
from cicswitch.sip.settings import Settings
from cicswitch.sip.transaction.client import ClientTransaction
from cicswitch.sip.transaction.linger import Linger
from cicswitch.sip.transaction.server import ServerTransaction, response_path, server_key
from cicswitch.sip.uri import UriError, parse_params, parse_uri
from cicswitch.sip.write import header_lines

__all__ = ["UserAgent"]

Headers = Sequence[tuple[str, str]]
OnFinal = Callable[[float, int, Response | None], None]


class UserAgent:
    """Bytes in, bytes and events out. After every call, and after `wheel.fire`, drain both:

        for flow, data in user_agent.take_outputs(): ...   # send
        for event in user_agent.take_events(): ...         # act

    `overloaded()` gives the Retry-After seconds for new INVITEs, or None; `tap(direction,
    messages)` sees every message as flow and bytes, direction "in" or "out". `counters` counts
    what an operator wants to see: malformed, stray, refused_overload, retransmissions_in,
    retransmissions_out, transport_errors and sent_NNN for failures that we answered.
    """

    __slots__ = (
        "answer_lines",
        "callers",
        "capabilities",
        "clients",
        "counters",
        "events",
        "invite_lines",
        "linger_64_t1",
        "linger_t4",
        "outputs",
        "overloaded",
        "servers",
        "session_table",
        "settings",
        "t1",
        "t1_64",
        "t2",
        "tap",
        "tokens",
        "wheel",
    )

    def __init__(
        self,
        wheel: TimerWheel,
        tokens: Tokens,
        settings: Settings | None = None,
        *,
        overloaded: Callable[[], int | None] | None = None,
        tap: Callable[[str, list[tuple[Flow, bytes]]], None] | None = None,
    ) -> None:
        settings = Settings() if settings is None else settings
        self.wheel = wheel
        self.tokens = tokens
        self.settings = settings
        self.overloaded = overloaded
        self.tap = tap
        self.t1, self.t2, self.t1_64 = settings.t1_s, settings.t2_s, 64 * settings.t1_s
        self.linger_64_t1 = Linger(wheel, self.t1_64)
        self.linger_t4 = Linger(wheel, settings.t4_s)
        self.clients: dict[str, ClientTransaction] = {}
        self.servers: dict[str, ServerTransaction] = {}
        self.session_table: dict[str, InviteSession] = {}
        self.callers: dict[str, InviteSession] = {}
        self.outputs: list[tuple[Flow, bytes]] = []
        self.events: list[Event] = []
        self.counters: defaultdict[str, int] = defaultdict(int)
        allow, supported = ", ".join(settings.allow), ", ".join(settings.supported)
        self.invite_lines = (
            f"Allow: {allow}\r\nSupported: {supported}\r\nUser-Agent: {settings.product}\r\n"
        )
        self.answer_lines = (
            f"Allow: {allow}\r\nSupported: {supported}\r\nServer: {settings.product}\r\n"
        )
        self.capabilities: Headers = (
            ("Allow", allow),
            ("Accept", ", ".join(settings.accept)),
            ("Supported", supported),
        )

    # ---- the shell's side

    def take_outputs(self) -> list[tuple[Flow, bytes]]:
        """What is to be sent, in order; the list is the caller's."""
        outputs = self.outputs
        if outputs:
            self.outputs = []
            if self.tap is not None:
                self.tap("out", outputs)
        return outputs

    def take_events(self) -> list[Event]:
        """What has happened, in order; the list is the caller's."""
        events = self.events
        if events:
            self.events = []
        return events

    def receive(self, data: bytes, flow: Flow, now: float) -> None:
        """One datagram, or one whole message cut from a stream by `framing.StreamFramer`."""
        for message, seen_from in self.read([(flow, data)]):
            self.handle(message, seen_from, now)

    def read(self, batch: list[tuple[Flow, bytes]]) -> list[tuple[Request | Response, Flow]]:
        """Parse messages for `handle`. What is malformed is answered or counted, and left out."""
        if self.tap is not None:
            self.tap("in", batch)
        messages: list[tuple[Request | Response, Flow]] = []
        for flow, data in batch:
            try:
                messages.append((parse(data), flow))
            except ParseError as error:
                if data.strip(b"\r\n\x00 "):
                    self._malformed(error, flow)
            except UriError:
                self.counters["malformed"] += 1
        return messages

    def handle(self, message: Request | Response, flow: Flow, now: float) -> None:
        """Take a message that was read."""
        try:
            if isinstance(message, Response):
                self._response(message, now)
            else:
                self._request(message, flow, now)
        except ParseError as error:
            if not self._answered_400(message, now):
                self._malformed(error, flow)
        except UriError:
            if not self._answered_400(message, now):
                self.counters["malformed"] += 1

    def _answered_400(self, message: Request | Response, now: float) -> bool:
        """Whether what is malformed was found with a transaction made already: it answers then."""
        if isinstance(message, Response):
            return False
        transaction = self.servers.get(server_key(message, message.method))
        if transaction is None or transaction.answered:
            return False
        self.counters["malformed"] += 1
        transaction.respond(now, 400)
        return True

    def _malformed(self, error: ParseError, flow: Flow) -> None:
        self.counters["malformed"] += 1
        if error.status and error.request is not None:
            self._stateless(error.request, flow, error.status, "", ())

    def flow_failed(self, flow: Flow, now: float) -> None:
        """The shell could not send to `flow`, or its connection is gone.

        Walks all transactions, so not for every lost datagram: for a send that failed, an ICMP
        error that was reported, a connection that closed.
        """
        self.counters["transport_errors"] += 1
        for client in [item for item in self.clients.values() if item.flow == flow]:
            client.fail(now)
        if flow.listener.reliable:
            for server in [item for item in self.servers.values() if item.flow == flow]:
                server.fail(now)

    def moved(self, contact: str, flow: Flow) -> None:
        """The peer behind this contact is reached by another connection now, as its registration
        says (RFC 5626 section 5.3): its dialogs follow it. Walks all of them.
        """
        uri = parse_uri(contact)
        where = f"{uri.user}@{uri.host}"
        for session in self.session_table.values():
            dialog = session.dialog
            if dialog is not None and not dialog.routes and where in dialog.remote_target:
                dialog.flow = flow

    # ---- the transaction user's side

    def invite(
        self,
        now: float,
        target: str,
        flow: Flow,
        from_: str,
        to: str = "",
        body: bytes = b"",
        *,
        content_type: str = "application/sdp",
        route: Sequence[str] = (),
        headers: Headers = (),
        credentials: Credentials | None = None,
        data: Any = None,
        contact_user: str = "",
        max_forwards: int = 0,
    ) -> InviteSession:
        """Call `target` (a URI) by way of `flow`. Without body the offer is delayed.

        `from_` and `to` are name-addrs without tag, such as `"Alice" <sip:alice@example.com>`;
        `to` defaults to the target. `route` is a preloaded route set of name-addrs.
        `credentials` answer a 401 or 407. `data` becomes `session.data`. A call that goes on for
        another passes that one's Max-Forwards less one, so that loops end.
        """
        token = self.tokens.token(56)
        tag, branch, call_id = token[:16], "z9hG4bK" + token[16:32], token[32:]
        listener = flow.listener
        settings = self.settings
        to = to or f"<{target}>"
        local = f"{from_};tag={tag}"
        contact = listener.contact(contact_user or settings.contact_user)
        session = InviteSession(self, tag, call_id, True, local, to, flow, contact)
        session.data = data
        session.target = target
        session.last_body = body
        session.credentials = credentials
        # A Contact that names another address than the one its registration came from sits
        # behind a NAT: all its requests take the flow.
        session.behind_nat = not route and host_port(target) != flow.remote
        extra = header_lines(headers) if headers else ""
        if settings.session_expires_s:
            extra += (
                f"Session-Expires: {settings.session_expires_s}\r\nMin-SE: {settings.min_se_s}\r\n"
            )
        if body:
            extra += f"Content-Type: {content_type}\r\n"
        routes = "".join([f"Route: {value}\r\n" for value in route]) if route else ""
        text = (
            f"INVITE {target} SIP/2.0\r\nVia: {listener.via_prefix}{branch}\r\n"
            f"{routes}Max-Forwards: {max_forwards or settings.max_forwards}\r\n"
            f"From: {local}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n"
            f"CSeq: 1 INVITE\r\nContact: {contact}\r\n"
            f"{self.invite_lines}{extra}Content-Length: {len(body)}\r\n\r\n"
        )
        transaction = ClientTransaction(self, "INVITE", branch, flow, text.encode() + body, session)
        session.transaction = transaction
        self.session_table[tag] = session
        transaction.start(now)
        return session

    def request(
        self,
        now: float,
        method: str,
        target: str,
        flow: Flow,
        from_: str,
        to: str = "",
        *,
        on_final: OnFinal,
        headers: Headers = (),
        body: bytes = b"",
        content_type: str = "",
        credentials: Credentials | None = None,
        call_id: str = "",
        cseq: int = 1,
    ) -> None:
        """A request outside any dialog; `on_final(now, status, response or None)` ends it."""
        tag, branch = self.tokens.token(16), "z9hG4bK" + self.tokens.token(16)
        extra = header_lines(headers) if headers else ""
        if body:
            extra += f"Content-Type: {content_type}\r\n"
        text = (
            f"{method} {target} SIP/2.0\r\nVia: {flow.listener.via_prefix}{branch}\r\n"
            f"Max-Forwards: {self.settings.max_forwards}\r\nFrom: {from_};tag={tag}\r\n"
            f"To: {to or f'<{target}>'}\r\nCall-ID: {call_id or self.tokens.token(24)}\r\n"
            f"CSeq: {cseq} {method}\r\nUser-Agent: {self.settings.product}\r\n{extra}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        user = _OneRequest(on_final, credentials)
        ClientTransaction(self, method, branch, flow, text.encode() + body, user).start(now)

    @property
    def sessions(self) -> int:
        """How many sessions live."""
        return len(self.session_table)

    def find_session(self, call_id: str, to_tag: str, from_tag: str) -> InviteSession | None:
        """The session that a Replaces header names (RFC 3891 section 3).

        "the to-tag and from-tag parameters are compared as the local and remote tag".
        """
        session = self.session_table.get(to_tag)
        if session is None or session.call_id != call_id:
            return None
        dialog = session.dialog
        if dialog is not None:
            return session if dialog.remote_tag == from_tag else None
        if session.early is not None:
            return session if from_tag in session.early else None
        request = session.request
        return session if request is not None and request.from_tag == from_tag else None

    # ---- arriving responses

    def _response(self, response: Response, now: float) -> None:
        method = response.cseq_method
        branch = response.branch
        transaction = self.clients.get(branch if method != "CANCEL" else branch + " CANCEL")
        # RFC 3261 section 18.1.2: "If the value of the "sent-by" parameter [...] does not
        # correspond to a value that the client transport is configured to insert into requests,
        # the response MUST be silently discarded." A branch of ours says the same.
        if transaction is None or transaction.method != method:
            self.counters["stray"] += 1
            return
        transaction.receive(response, now)

    def end_stray(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        """A 2xx that made a call which nobody wants: ACK it, and BYE at once."""
        dialog = session_responses.stray_dialog(transaction, response, response.from_)
        if dialog is None:
            return
        branch = self.tokens.token(32)
        ack = dialog.request("ACK", "z9hG4bK" + branch[:16], response.cseq)
        if not transaction.to_tag:
            transaction.to_tag, transaction.ack = response.to_tag, (dialog.flow, ack)
        self.outputs.append((dialog.flow, ack))
        bye_branch = "z9hG4bK" + branch[16:]
        data = dialog.request("BYE", bye_branch, response.cseq + 1)
        ClientTransaction(self, "BYE", bye_branch, dialog.flow, data, None).start(now)

    # ---- arriving requests

    def _request(self, request: Request, flow: Flow, now: float) -> None:
        method = request.method
        if method == "ACK":
            session = self.session_table.get(request.to_tag)
            if session is not None and session.call_id != request.call_id:
                session = None
            if session is None or session.ok is None or session.ok_cseq != request.cseq:
                # Not for a 2xx that waits for it: for a failure, or late.
                transaction = self.servers.get(server_key(request, "INVITE"))
                if transaction is not None and not transaction.receive(request, now):
                    return
            if session is not None:
                session_requests.receive_ack(session, request, now)
            else:
                self.counters["stray"] += 1
            return
        branch = request.branch
        if branch[:7] == "z9hG4bK" and len(branch) > 7:
            key = f"{branch} {request.sent_by} {method}"
        else:
            key = server_key(request, method)
        transaction = self.servers.get(key)
        if transaction is not None:
            transaction.receive(request, now)
            return
        tag = request.to_tag
        if tag:
            session = self.session_table.get(tag)
            if method == "CANCEL":
                self._cancel(key, request, flow, now)
                return
            transaction = ServerTransaction(self, key, request, flow)
            if session is None or session.call_id != request.call_id:
                # RFC 3261 section 12.2.2: "If the UAS wishes to reject the request because it
                # does not wish to recreate the dialog, it MUST respond to the request with a
                # 481 (Call/Transaction Does Not Exist) status code".
                transaction.respond(now, 481)
                return
            dialog = session.dialog
            if dialog is not None and dialog.remote_tag != request.from_tag:
                transaction.respond(now, 481)
                return
            if "Require" in request.first and self._refuse_extensions(request, transaction, now):
                return
            session_requests.receive_request(session, transaction, request, now)
            return
        self._new(key, method, request, flow, now)

    def _new(self, key: str, method: str, request: Request, flow: Flow, now: float) -> None:
        """A request outside any dialog that matches no transaction."""
        if method == "CANCEL":
            self._cancel(key, request, flow, now)
            return
        if method == "INVITE" and self.overloaded is not None:
            retry_after = self.overloaded()
            if retry_after is not None:
                self.counters["refused_overload"] += 1
                headers = (("Retry-After", str(retry_after)),)
                self._stateless(request, flow, 503, "", headers)
                return
        validate(request)
        first = request.first
        if first.get("Max-Forwards") == "0" and method != "OPTIONS":
            # RFC 3261 section 16.3: with Max-Forwards 0 "the element MUST NOT forward"; a B2BUA
            # would. OPTIONS is ours to answer.
            self._stateless(request, flow, 483, "", ())
            return
        transaction = ServerTransaction(self, key, request, flow)
        if method not in self.settings.allow:
            # RFC 3261 section 8.2.1: "the UAS MUST generate a 405 (Method Not Allowed) response
            # [...] The UAS MUST also add an Allow header field".
            transaction.respond(now, 405, headers=self.capabilities[:1])
            return
        if "Require" in first and self._refuse_extensions(request, transaction, now):
            return
        if method == "INVITE":
            self._new_invite(request, transaction, flow, now)
        elif method == "OPTIONS":
            transaction.respond(now, 200, headers=self.capabilities)
        elif method in ("BYE", "UPDATE", "INFO", "NOTIFY", "REFER"):
            # These live in dialogs, and there is none.
            transaction.respond(now, 481)
        else:
            self.events.append(RequestReceived(request, transaction, flow))

    def _new_invite(
        self, request: Request, transaction: ServerTransaction, flow: Flow, now: float
    ) -> None:
        first = request.first
        if "Contact" not in first:
            # RFC 3261 section 8.1.1.8: Contact "MUST be present and contain exactly one SIP URI".
            transaction.respond(now, 400, "No Contact")
            return
        content_type = first.get("Content-Type")
        if content_type is not None and request.body and content_type != "application/sdp":
            kind = request.content_type
            if kind != "application/sdp" and not kind.startswith("multipart/"):
                transaction.respond(now, 415, headers=(("Accept", "application/sdp"),))
                return
        if first.get("Content-Encoding", "identity").lower() != "identity":
            transaction.respond(now, 415, headers=(("Accept-Encoding", "identity"),))
            return
        if len(self.session_table) >= self.settings.max_sessions:
            transaction.respond(now, 503, headers=(("Retry-After", "5"),))
            return
        earlier = self.callers.get(request.from_tag)
        if (
            earlier is not None
            and earlier.call_id == request.call_id
            and earlier.caller_cseq == request.cseq
        ):
            # RFC 3261 section 8.2.2.2: the same request by another way: "the UAS core SHOULD
            # generate a 482 (Loop Detected) response".
            transaction.respond(now, 482)
            return
        replaces: InviteSession | None = None
        if "Replaces" in first:
            replaces = self._replaced(first["Replaces"])
            if replaces is None:
                # RFC 3891 section 3: "If no match is found, the UAS rejects the INVITE and
                # returns a 481 Call/Transaction Does Not Exist response."
                transaction.respond(now, 481)
                return
        tag = self.tokens.token(16)
        contact = flow.listener.contact(self.settings.contact_user)
        local = f"{request.to};tag={tag}"
        session = InviteSession(
            self, tag, request.call_id, False, local, request.from_, flow, contact
        )
        if "Session-Expires" in first and session_timer.too_small(
            session, transaction, request, now
        ):
            return
        session.request = request
        session.transaction = transaction
        transaction.user = session
        transaction.await_response(now)
        transaction.tag = f";tag={tag}"
        self.session_table[tag] = session
        session.caller_cseq = request.cseq
        session.caller_tag = request.from_tag
        self.callers[request.from_tag] = session
        self.events.append(InviteReceived(session, request, replaces))

    def _replaced(self, value: str) -> InviteSession | None:
        call_id, _, tail = value.partition(";")
        params = parse_params(tail)
        session = self.find_session(
            call_id.strip(), params.get("to-tag", ""), params.get("from-tag", "")
        )
        if session is None or ("early-only" in params and session.dialog is not None):
            return None
        return session

    def _cancel(self, key: str, request: Request, flow: Flow, now: float) -> None:
        """RFC 3261 section 9.2."""
        invite = self.servers.get(server_key(request, "INVITE"))
        transaction = ServerTransaction(self, key, request, flow)
        if invite is None:
            transaction.respond(now, 481)
            return
        transaction.tag = invite.tag if not request.to_tag else ""
        transaction.respond(now, 200)
        user = invite.user
        if user is not None and not invite.answered:
            user.on_cancel(request, now)

    def _refuse_extensions(
        self, request: Request, transaction: ServerTransaction, now: float
    ) -> bool:
        """RFC 3261 section 8.2.2.3: 420 with the options of Require that we do not know."""
        unknown = [
            option
            for option in request.get_list("Require")
            if option.lower() not in self.settings.supported
        ]
        if unknown:
            transaction.respond(now, 420, headers=(("Unsupported", ", ".join(unknown)),))
        return bool(unknown)

    def _stateless(
        self, request: Request, flow: Flow, status: int, reason: str, headers: Headers
    ) -> None:
        """A failure without a transaction (RFC 3261 section 8.2.7)."""
        if request.method == "ACK":
            return
        try:
            vias, flow = response_path(request, flow)
        except UriError:
            return
        to = request.to
        if to and not request.to_tag:
            # The same tag for a retransmission: "MUST generate the same To tag". The branch is
            # as good a source as a hash of the headers.
            to = f"{to};tag=s{request.branch[-24:]}"
        self.counters[f"sent_{status}"] += 1
        cseq = request.first.get("CSeq", "")
        text = (
            f"SIP/2.0 {status} {reason or REASONS[status]}\r\n{vias}From: {request.from_}\r\n"
            f"To: {to}\r\nCall-ID: {request.call_id}\r\nCSeq: {cseq}\r\n"
            f"{header_lines(headers)}Content-Length: 0\r\n\r\n"
        )
        self.outputs.append((flow, text.encode("utf-8", "replace")))


class _OneRequest:
    """The user of a request outside any dialog."""

    __slots__ = ("credentials", "on_final")

    def __init__(self, on_final: OnFinal, credentials: Credentials | None) -> None:
        self.on_final = on_final
        self.credentials = credentials

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        status = response.status
        if status < 200:
            return
        if status in (401, 407) and self.credentials is not None:
            made = again(transaction, response, self.credentials, None)
            if made is not None:
                made[0].user = self
                made[0].start(now)
                return
        self.on_final(now, status, response)

    def on_failure(self, transaction: ClientTransaction, status: int, now: float) -> None:
        self.on_final(now, status, None)
