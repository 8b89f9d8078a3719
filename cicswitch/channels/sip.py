"""Texts by SIP (MESSAGE, RFC 3428): of phones, and by trunks that carry short messages.

A text to a number goes the way of a call: the channel's name is the route's `trunk`. One who writes
again is in the same conversation; the answer goes to the phone or by the trunk that he wrote by.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from typing import Final

from msgspec.structs import replace

from cicswitch.config import ChannelConfig
from cicswitch.contacts.messages import First, Incoming, Outgoing
from cicswitch.core.errors import CommandError, NotReached, ResourceError
from cicswitch.gateways.writing import parts
from cicswitch.ports import Archive, ChannelHost, News, ShortMessage, TextCarrier, Undeliverable

__all__ = ["SipTexts"]

_PIECE: Final = 300
"""Characters: in UTF-8 they are at most four times as many bytes, and Korean ones three times."""
_NUMBER: Final = re.compile(r"[A-Za-z0-9+*#._-]{1,64}")
_TURNS: Final = 64
_KEPT: Final = 10_000


class SipTexts:
    """`ports.Channel` of type `sip`."""

    talks = starts = True

    def __init__(
        self, name: str, config: ChannelConfig, host: ChannelHost, archive: Archive
    ) -> None:
        self.name = name
        self.medium, self.live, self.stored = "chat", False, False
        self.queue = config.queue
        self.silent_s, self.end_s = config.silent_s, config.end_s
        self.away_s = float(config.away_s)
        self.carrier: TextCarrier | None = None
        """Set by who builds the switch."""
        self._host, self._archive = host, archive
        self._turns = [asyncio.Lock() for _ in range(_TURNS)]
        """A customer's messages are taken one after the other."""
        self._sent: dict[str, int] = {}
        """Message -> how many of its pieces the far end has; a next attempt goes on from there."""
        self._problem = ""
        self._received = self._delivered = self._refused = 0

    async def start(self) -> None:
        """See `ports.Channel`."""
        if self.carrier is None:
            raise ResourceError(f'channel "{self.name}": there is no SIP')
        self.carrier.taker = self._take

    async def stop(self) -> None:
        """See `ports.Channel`."""
        if self.carrier is not None:
            self.carrier.taker = None

    def _token(self, called: str, target: str) -> str:
        """What a conversation of two numbers is found by."""
        return hashlib.sha256(f"{self.name}\n{called}\n{target}".encode()).hexdigest()

    async def opens(self, first: First) -> First:
        """See `ports.StartingChannel`: to `TRUNK:NUMBER`, `device:NUMBER`, or a device's number."""
        target = first.customer.strip()
        if ":" not in target:
            target = f"device:{target}"
        number = target.partition(":")[2]
        if not _NUMBER.fullmatch(number):
            raise CommandError("to: TRUNK:NUMBER, device:NUMBER, or the number of a device")
        if not _NUMBER.fullmatch(first.called):
            raise CommandError("called: the number that it comes from, and that is answered to")
        if self.carrier is None:
            raise ResourceError("the channel is stopped")
        if not self.carrier.knows(target):
            raise CommandError(f"to: there is no {target.partition(':')[0]} for {number}")
        if first.attachments:
            raise CommandError("attachments: no files go over this channel")
        if not first.text.strip():
            raise CommandError("text: a text is needed")
        token = self._token(first.called, target)
        known = await self._archive.by_token(self.name, token)
        return replace(
            first,
            customer=number,
            conversation=known.id if known is not None else "",
            token="" if known is not None else token,
            data={"target": target},
        )

    async def _take(self, message: ShortMessage) -> None:
        token = self._token(message.called, f"{message.peer}:{message.caller}")
        async with self._turns[int(token[:8], 16) % _TURNS]:
            known = await self._archive.by_token(self.name, token)
            if message.typing:
                if known is not None and message.text:
                    self._host.typing(known.id)
                return
            accepted = await self._host.accept(
                self,
                Incoming(
                    customer=message.caller,
                    called=message.called,
                    text=message.text,
                    name=message.name,
                    external=message.external,
                    conversation=known.id if known is not None else "",
                    token="" if known is not None else token,
                    data={"target": f"{message.peer}:{message.caller}"},
                ),
            )
        self._received += not accepted.again

    async def deliver(self, out: Outgoing) -> None:
        """See `ports.Channel`. A text too long for a datagram goes in several, between words."""
        message, carrier = out.message, self.carrier
        if message.attachments:
            raise Undeliverable("no files go over this channel")
        if carrier is None:
            raise ResourceError("the channel is stopped")
        target = out.data.get("target", "")
        try:
            whole = carrier.fits(target, message.text)
            pieces = [message.text] if whole else parts(message.text, _PIECE)
            while (at := self._sent.get(message.id, 0)) < len(pieces):
                name = f"{message.id}-{at}"
                await carrier.send(target, pieces[at], out.called, out.name, name)
                if len(self._sent) >= _KEPT:
                    del self._sent[next(iter(self._sent))]
                self._sent[message.id] = at + 1
        except NotReached as error:
            self._refused += 1
            raise Undeliverable(str(error)) from None
        except ResourceError as error:
            self._problem = str(error)
            raise
        self._sent.pop(message.id, None)
        self._delivered += 1
        self._problem = ""

    def told(self, conversation: str, news: News) -> None:
        """See `ports.Channel`: a phone is told nothing but messages."""

    def state(self) -> dict[str, str | int | float]:
        """See `ports.Channel`."""
        return {
            "problem": self._problem,
            "received": self._received,
            "delivered": self._delivered,
            "refused": self._refused,
        }

    async def test(self) -> str:
        """See `ports.Channel`."""
        if self.carrier is None or self.carrier.taker is None:
            raise ResourceError("the channel is stopped")
        return "texts are taken wherever SIP is listened for"
