"""Mails handed in by one's own mail server: LMTP (RFC 2033) or SMTP (RFC 5321).

It takes mails for the channel's addresses from the networks that are named, and nothing else. 250
is said when the mail is on disk; 451 where it may be taken later, 552 where it is too large, 550
where nobody takes it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from typing import Any, Final

import structlog
from aiosmtpd.smtp import SMTP, Envelope, Session, syntax

from cicswitch.channels.email.intake import Intake, refusal
from cicswitch.core.errors import CommandError, ResourceError, TooLarge
from cicswitch.mail.settings import ReceiveSettings

__all__ = ["Receiver"]

log = structlog.get_logger("email")

_RECIPIENTS: Final = 100
_IDLE_S: Final = 120.0
_WAIT_S: Final = 30.0
_STOP_S: Final = 6.0
"""Longer than the store is waited for."""
# It would log addresses and commands as they come.
logging.getLogger("mail.log").setLevel(logging.CRITICAL)


class Receiver:
    """The listener."""

    def __init__(self, settings: ReceiveSettings, most_bytes: int, intake: Intake) -> None:
        self.settings = settings
        self.most_bytes = most_bytes
        self.intake = intake
        self.networks = [ipaddress.ip_network(each, strict=False) for each in settings.accept]
        self.links: set[_Link] = set()
        self.refused = 0
        self._taking: set[asyncio.Future[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises `ResourceError`."""
        host, port = self.settings.place()
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._link, host, port)
        except OSError as error:
            raise ResourceError(f"{self.settings.listen}: {error.strerror or error}") from None

    def _link(self) -> _Link:
        kind = _Lmtp if self.settings.protocol == "lmtp" else _Link
        return kind(self)

    async def stop(self) -> None:
        """Take no more; what is being taken is said to be over. Idempotent."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        for link in list(self.links):
            link.end()
        if self._taking:
            await asyncio.wait(self._taking, timeout=_STOP_S)

    # -- what aiosmtpd asks ----------------------------------------------------------------------

    async def handle_RCPT(  # noqa: N802  # the name that aiosmtpd calls
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        """Take a recipient, if it is one of the channel's."""
        if not self.intake.takes(address):
            return "550 5.1.1 no such address here"
        if len(envelope.rcpt_tos) >= _RECIPIENTS:
            return "452 4.5.3 too many recipients"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802  # as above
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Take a mail; what its server is told."""
        content = envelope.content
        raw = content if isinstance(content, bytes) else (content or "").encode()
        envelope.content = envelope.original_content = None
        peer = helo = ""
        if self.settings.protocol == "smtp":
            # By LMTP it is one's own server that hands mails in.
            peer = str(session.peer[0]) if session.peer else ""
            helo = session.host_name or ""
        status = await self._taken(raw, envelope, peer, helo)
        if self.settings.protocol == "lmtp":
            # RFC 2033 section 4.2: one reply for each recipient that was taken.
            return "\r\n".join([status] * len(envelope.rcpt_tos))
        return status

    async def _taken(self, raw: bytes, envelope: Envelope, peer: str, helo: str) -> str:
        sender, recipients = envelope.mail_from or "", list(envelope.rcpt_tos)
        taking = asyncio.ensure_future(
            self.intake.take(raw, sender, recipients, peer=peer, helo=helo)
        )
        self._taking.add(taking)
        taking.add_done_callback(self._done)
        try:
            # Who hangs up does not stop it half-way: what is begun is known when it comes again.
            async with asyncio.timeout(_WAIT_S):
                await asyncio.shield(taking)
        except TooLarge as error:
            self.refused += 1
            return f"552 5.3.4 {refusal(error)}"
        except CommandError as error:
            self.refused += 1
            return f"550 5.7.1 {refusal(error)}"
        except (ResourceError, TimeoutError) as error:
            log.warning("mail_deferred", error=str(error) or "it took too long")
            return "451 4.3.0 it cannot be stored now, hand it in again"
        return "250 2.0.0 it is on disk"

    def _done(self, taking: asyncio.Future[None]) -> None:
        self._taking.discard(taking)
        if not taking.cancelled():
            taking.exception()  # told to who waits, if somebody does

    async def handle_exception(self, error: Exception) -> str:
        """A mistake of ours: the mail stays where it is."""
        log.error("mail_failed", exc_info=error)
        return "451 4.3.0 see the log of the switch"


class _Link(SMTP):
    """A connection."""

    line_length_limit = 1 << 20

    def __init__(self, receiver: Receiver) -> None:
        super().__init__(
            receiver,
            data_size_limit=receiver.most_bytes,
            enable_SMTPUTF8=True,
            hostname="cicswitch",
            ident="ready",
            timeout=_IDLE_S,
            loop=asyncio.get_running_loop(),
        )
        self._receiver = receiver
        self._refused = False

    def connection_made(self, transport: Any) -> None:
        """Let it in, if it may come and there is room."""
        peer = transport.get_extra_info("peername")
        address = ipaddress.ip_address(str(peer[0]).partition("%")[0]) if peer else None
        links = self._receiver.links
        if address is None or not any(address in each for each in self._receiver.networks):
            self._turn_away(transport, b"554 5.7.1 not from this address\r\n")
        elif len(links) >= self._receiver.settings.connections:
            self._turn_away(transport, b"421 4.3.2 too many connections\r\n")
        else:
            links.add(self)
            super().connection_made(transport)

    def _turn_away(self, transport: Any, told: bytes) -> None:
        self._refused = True
        transport.write(told)
        transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """It is over."""
        self._receiver.links.discard(self)
        if not self._refused:
            super().connection_lost(error)

    def data_received(self, data: bytes) -> None:
        """Bytes, but for one that was turned away."""
        if not self._refused:
            super().data_received(data)

    def eof_received(self) -> bool | None:
        """Its end."""
        return None if self._refused else super().eof_received()

    def end(self) -> None:
        """Close it."""
        if self.transport is not None:
            self.transport.close()


class _Lmtp(_Link):
    """The same, greeted with LHLO (RFC 2033 section 4.1)."""

    show_smtp_greeting = False

    @syntax("LHLO hostname")
    async def smtp_LHLO(self, arg: str) -> None:  # noqa: N802  # aiosmtpd's
        """The greeting."""
        await super().smtp_EHLO(arg)

    async def smtp_HELO(self, arg: str) -> None:  # noqa: N802  # aiosmtpd's
        """None of LMTP's."""
        await self.push("500 this is LMTP: LHLO")

    async def smtp_EHLO(self, arg: str) -> None:  # noqa: N802  # aiosmtpd's
        """None of LMTP's."""
        await self.push("500 this is LMTP: LHLO")
