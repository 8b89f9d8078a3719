"""`ports.Channel` of type `email`."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from cicswitch.channels.email.imap import Mailbox
from cicswitch.channels.email.intake import Intake
from cicswitch.channels.email.receive import Receiver
from cicswitch.channels.email.send import Post
from cicswitch.config import ChannelConfig
from cicswitch.contacts.messages import First, Outgoing
from cicswitch.core.errors import CommandError, ResourceError
from cicswitch.core.toml import Secret
from cicswitch.mail.compose import ascii_address
from cicswitch.mail.headers import address_of
from cicswitch.mail.settings import MailSettings, SendSettings
from cicswitch.ports import Archive, ChannelHost, News

__all__ = ["Email"]


class Email:
    """Mails in, answers out."""

    starts = True

    def __init__(
        self, name: str, config: ChannelConfig, host: ChannelHost, archive: Archive
    ) -> None:
        self.name = name
        self.medium, self.live, self.stored = "email", False, False
        self.queue = config.queue
        self.silent_s = self.end_s = 0.0
        self.away_s = float(config.away_s)
        settings = _settings(config.settings)
        key = settings.secret.reveal().encode() or archive.key(name)
        most_bytes = settings.most_mb << 20
        self.settings = settings
        self.own = [address_of(each) for each in settings.addresses]
        """What mails may come from."""
        self.intake = Intake(self, settings, host, archive, key)
        self.post = Post(settings, archive, key)
        self.receiver = (
            Receiver(settings.receive, most_bytes, self.intake) if settings.receive else None
        )
        self.mailbox = (
            Mailbox(settings.imap, most_bytes, self.intake.take) if settings.imap else None
        )
        self.post.check()

    async def start(self) -> None:
        """See `ports.Channel`."""
        if self.receiver is not None:
            await self.receiver.start()
        if self.mailbox is not None:
            self.mailbox.start()

    async def stop(self) -> None:
        """See `ports.Channel`."""
        if self.receiver is not None:
            await self.receiver.stop()
        if self.mailbox is not None:
            await self.mailbox.stop()
        self.intake.close()

    async def deliver(self, out: Outgoing) -> None:
        """See `ports.Channel`."""
        await self.post.deliver(out)

    async def opens(self, first: First) -> First:
        """See `ports.StartingChannel`."""
        own, text = self.intake.own, first.customer.strip()
        try:
            if any(each in text for each in ",;\r\n"):
                raise ValueError("one address is meant")
            to = ascii_address(text)
        except ValueError as error:
            raise CommandError(f"to: {error}") from None
        if own(to):
            raise CommandError("to: that is an address of this channel")
        called = own(first.called) if first.called else self.settings.addresses[0]
        if not called:
            known = ", ".join(self.settings.addresses)
            raise CommandError(f"called: none of this channel's addresses ({known})")
        if not first.subject.strip():
            raise CommandError("subject: a mail needs one")
        made = address_of(text)
        return replace(
            first, customer=made, called=address_of(called), data={**first.data, "first": "yes"}
        )

    def told(self, conversation: str, news: News) -> None:
        """Nobody reads along."""

    def state(self) -> dict[str, str | int | float]:
        """See `ports.Channel`."""
        found: dict[str, str | int | float] = {**self.intake.counts, **self.post.counts}
        problems = [self.post.problem]
        refused = 0
        if self.receiver is not None:
            found["connections"] = len(self.receiver.links)
            refused += self.receiver.refused
        if self.mailbox is not None:
            found["connected"] = int(self.mailbox.connected)
            found["reconnections"] = self.mailbox.reconnections
            refused += self.mailbox.refused
            problems.append(self.mailbox.problem)
        found["refused"] = refused
        found.update(self.intake.verifying())
        if self.intake.faxing is not None:
            found.update(self.intake.faxing.counts)
        found["problem"] = "; ".join(each for each in problems if each)
        return found

    async def test(self) -> str:
        """See `ports.Channel`."""
        told = [await self.post.test()]
        if self.mailbox is not None:
            told.append(await self.mailbox.test())
        if self.receiver is not None:
            told.append(f"mails are taken at {self.receiver.settings.listen}")
        return "; ".join(told)


def _settings(given: dict[str, Any]) -> MailSettings:
    """As the configuration has decoded them, or as a program has written them."""
    if isinstance(given.get("send"), SendSettings):
        return MailSettings(**given)
    try:
        return msgspec.convert(given, MailSettings, dec_hook=lambda _, value: Secret(value))
    except msgspec.ValidationError as error:
        raise ResourceError(f"settings: {error}") from None
