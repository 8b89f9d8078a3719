"""Texts by SIP: MESSAGE outside of a dialog (RFC 3428), from phones and trunks, and to them.

    Messages.handle(event, now)    one that has come: answered when its taker has it on disk
    Messages.send(target, …)       one that goes: returns when the far end has it

A phone proves who it is as for a call, a trunk by its address. 202 says that somebody will read it
(RFC 3428 section 7: "A 202 (Accepted) response code … has been accepted for delivery"); 503 that it
is to be sent again. What says that somebody types (RFC 3994) is passed on, and everything else that
is no plain text gets 415.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import structlog

from cicswitch.core.errors import CicError, CommandError, NotReached, ResourceError
from cicswitch.ports import ShortMessage
from cicswitch.sip import events as sip
from cicswitch.sip.uri import NameAddr, UriError, escape_user, parse_name_addr, parse_uri

if TYPE_CHECKING:
    from cicswitch.legs.sip.stack import SipStack
    from cicswitch.sip.auth import Authenticator, Credentials
    from cicswitch.sip.flow import Flow
    from cicswitch.sip.message import Response

__all__ = ["LONGEST", "Messages"]

log = structlog.get_logger("sip")

LONGEST: Final = 900
"""Bytes of a text that goes by UDP; with its headers it is below the 1300 of RFC 3428 section 8."""
_AT_ONCE: Final = 500
_ANSWERED_S: Final = 40.0
"""More than the 32 s that a transaction may take."""
_TYPES: Final = "application/im-iscomposing+xml"
_LATER: Final = (408, 480, 486)
"""Answers after which it is worth to try again, besides all from 500 to 599."""

Taker = Callable[[ShortMessage], Awaitable[None]]


class Messages:
    """Texts in and out, for one channel."""

    def __init__(
        self, stack: SipStack, authenticator: Authenticator, clock: Callable[[], float]
    ) -> None:
        self._stack = stack
        self._authenticator = authenticator
        self._clock = clock
        self.taker: Taker | None = None
        """Takes what comes, and returns when it is on disk. Raises `CommandError` for what nobody
        takes, `ResourceError` for what is to be sent again. None: there is no channel."""
        self._tasks: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """End what is not taken yet: it is sent again."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- in --------------------------------------------------------------------------------------

    def handle(self, event: sip.RequestReceived, now: float) -> bool:
        """Whether the request is a MESSAGE that somebody is there for; if so it is answered."""
        request, transaction = event.request, event.transaction
        if request.method != "MESSAGE" or self.taker is None:
            return False
        kind, _, more = request.get("Content-Type").partition(";")
        kind = kind.strip().lower() or "text/plain"
        if kind not in ("text/plain", _TYPES):
            transaction.respond(now, 415, headers=(("Accept", f"text/plain, {_TYPES}"),))
            return True
        message = self._read(event, kind == _TYPES, _charset(more), now)
        if message is None:
            return True
        if len(self._tasks) >= _AT_ONCE:
            retry = str(self._stack.retry_after_s)
            transaction.respond(now, 503, headers=(("Retry-After", retry),))
            return True
        task = asyncio.get_running_loop().create_task(self._take(event, message, self.taker))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    def _read(
        self, event: sip.RequestReceived, typing: bool, charset: str, now: float
    ) -> ShortMessage | None:
        """The message, from whom it is; None: it is refused, and answered so."""
        request, transaction, flow = event.request, event.transaction, event.flow
        stack = self._stack
        try:
            sender = parse_name_addr(request.from_)
            caller, called = parse_uri(sender.uri).user, parse_uri(request.uri).user
        except UriError as error:
            transaction.respond(now, error.status)
            return None
        name, peer = sender.display, ""
        trunk = stack.trunks.find(flow)
        if trunk is not None:
            peer, caller, called = trunk.name, trunk.inbound(caller), trunk.inbound(called)
        else:
            user = self._proven(event, now)
            if not user:
                return None
            if caller != user:
                # RFC 3261 section 22: who authenticates as one must not write as another.
                stack.counters["refused_source"] += 1
                transaction.respond(now, 403)
                return None
            peer, name = "device", name or stack.devices.name(user)
        try:
            text = request.body.decode(charset)
        except (LookupError, UnicodeDecodeError):
            text = request.body.decode("utf-8", "replace")
        if typing:
            text = "active" if b">active<" in request.body.replace(b" ", b"") else ""
        return ShortMessage(
            peer=peer,
            caller=caller,
            called=called,
            name=name,
            text=text,
            external=f"{request.call_id}:{request.get('CSeq').split()[0]}",
            typing=typing,
        )

    def _proven(self, event: sip.RequestReceived, now: float) -> str:
        """The device that has sent it; empty: it has to say so first, or is none."""
        user: str = event.flow.user
        if not user:
            verdict = self._authenticator.check(event.request, now)
            if verdict.status != 200:
                self._stack.counters["unauthorized"] += 1
                event.transaction.respond(now, verdict.status, headers=verdict.headers)
                return ""
            user = verdict.username
        if user not in self._stack.devices:  # a visitor of a page, who has a chat
            event.transaction.respond(now, 403)
            return ""
        return user

    async def _take(self, event: sip.RequestReceived, message: ShortMessage, taker: Taker) -> None:
        status, retry = 202, ""
        try:
            await taker(message)
        except ResourceError as error:
            status, retry = 503, str(self._stack.retry_after_s)
            log.warning("message_not_taken", error=str(error))
        except CommandError as error:
            status = 404
            log.info("message_refused", called=message.called, why=str(error))
        except CicError as error:
            status = 500
            log.error("message_failed", error=str(error))
        headers = (("Retry-After", retry),) if retry else ()
        event.transaction.respond(self._clock(), status, headers=headers)
        self._stack.touch()

    # -- out -------------------------------------------------------------------------------------

    def knows(self, target: str) -> bool:
        """Whether there is such a device or trunk, there now or not."""
        where, _, number = target.partition(":")
        if where == "device":
            return number in self._stack.devices
        return where in self._stack.trunks.by_name

    def fits(self, target: str, text: str) -> bool:
        """Whether a text may go there as one message. Raises `ResourceError`."""
        if len(text.encode()) <= LONGEST:
            return True
        return all(place.flow.listener.reliable for place in self._places(target))

    async def send(self, target: str, text: str, caller: str, name: str, call_id: str) -> None:
        """Give a text to `device:NUMBER`, at all its phones, or to `TRUNK:NUMBER`; `call_id` tells
        it from all others.

        Raises `NotReached` with the far end's status if it will not have it, `ResourceError` for
        what may pass.
        """
        statuses = [
            await self._ask(place, text, caller, name, call_id) for place in self._places(target)
        ]
        if any(200 <= status < 300 for status in statuses):
            return
        status = max(statuses)
        if status in _LATER or 500 <= status < 600:
            raise ResourceError(f"{target} answers {status}")
        raise NotReached(f"{target} answers {status}", str(status))

    async def _ask(self, place: _Place, text: str, caller: str, name: str, call_id: str) -> int:
        answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def final(now: float, status: int, response: Response | None) -> None:
            if not answered.done():
                answered.set_result(status)

        user = f"{escape_user(caller)}@" if caller else "anonymous@"
        self._stack.agent.request(
            self._clock(),
            "MESSAGE",
            place.uri,
            place.flow,
            str(NameAddr(name, f"sip:{user}{place.domain}", {})),
            place.to,
            on_final=final,
            headers=tuple(("Route", each) for each in place.route),
            body=text.encode(),
            content_type="text/plain;charset=UTF-8",
            credentials=place.credentials,
            call_id=call_id,
        )
        self._stack.touch()
        try:
            return await asyncio.wait_for(answered, _ANSWERED_S)
        except TimeoutError:
            return 408

    def _places(self, target: str) -> list[_Place]:
        """Where a target can be written to. Raises `ResourceError` if it is not there now."""
        stack = self._stack
        where, _, number = target.partition(":")
        if where != "device":
            trunk = stack.trunks.by_name.get(where)
            if trunk is None or trunk.flow is None or not trunk.up:
                raise ResourceError(f"the trunk {where} is down")
            uri = trunk.uri(escape_user(trunk.outbound(number)))
            domain = trunk.config.from_domain or trunk.flow.listener.sent_by
            return [_Place(trunk.flow, uri, f"<{uri}>", domain, (), trunk.credentials)]
        found = []
        if number in stack.devices:
            for binding in stack.devices.bindings(number, stack.registrar, self._clock()):
                if binding.flow is not None:
                    to = f"<sip:{number}@{binding.aor.partition('@')[2]}>"
                    domain = binding.flow.listener.sent_by
                    route = tuple(binding.path)
                    found.append(_Place(binding.flow, binding.contact, to, domain, route, None))
        if not found:
            raise ResourceError(f"{number} is not registered")
        return found


class _Place:
    """A phone, or a trunk."""

    def __init__(
        self,
        flow: Flow,
        uri: str,
        to: str,
        domain: str,
        route: tuple[str, ...],
        credentials: Credentials | None,
    ) -> None:
        self.flow = flow
        self.uri = uri
        self.to = to
        self.domain = domain
        self.route = route
        self.credentials = credentials


def _charset(parameters: str) -> str:
    """`charset` of a Content-Type; UTF-8 without it (RFC 3428 section 9)."""
    for each in parameters.split(";"):
        name, _, value = each.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip('"')[:40] or "utf-8"
    return "utf-8"
