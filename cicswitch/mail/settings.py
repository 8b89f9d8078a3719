"""What `[channel.NAME.settings]` of a channel of type `email` says, and what is wrong with it."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from msgspec import Meta, Struct

from cicswitch.core.toml import Decoder, KeyPath, Secret
from cicswitch.mail.compose import ascii_address
from cicswitch.mail.headers import address_of

__all__ = [
    "DkimSettings",
    "FaxOrders",
    "ImapSettings",
    "MailSettings",
    "ReceiveSettings",
    "SendSettings",
]

Text = Annotated[str, Meta(min_length=1)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Security = Literal["tls", "starttls", "none"]


class ImapSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A mailbox that mails are read from."""

    server: Text
    user: Text
    password: Secret
    port: Port = 993
    security: Security = "tls"
    ca: str = ""
    folder: Text = "INBOX"
    move_to: str = ""
    idle_s: Annotated[int, Meta(ge=1, le=1700)] = 300


class ReceiveSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where one's own mail server hands mails in."""

    listen: Text
    protocol: Literal["lmtp", "smtp"] = "lmtp"
    accept: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    connections: Annotated[int, Meta(ge=1, le=1000)] = 20

    def place(self) -> tuple[str, int]:
        """Host and port. Raises `ValueError`."""
        return _place(self.listen)


class SendSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The server that mails are given to."""

    server: Text
    port: Port = 587
    security: Security = "starttls"
    user: str = ""
    password: Secret = Secret()
    ca: str = ""
    timeout_s: Annotated[int, Meta(ge=1, le=600)] = 60


class DkimSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How what is sent is signed."""

    domain: Text
    selector: Text
    key: Secret


class FaxOrders(Struct, frozen=True, forbid_unknown_fields=True):
    """Who orders faxes by mails to NUMBER@DOMAIN."""

    channel: Text
    """Of type `fax`."""
    domain: Text
    senders: Annotated[tuple[Text, ...], Meta(min_length=1)]
    """Addresses of From; `*` stands for anything."""
    cover: bool = True
    """What is written in a mail stands on a page before its files."""
    unverified: bool = False
    """Mails of which neither `trusted` nor `verify` says anything may order too."""


class MailSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A channel of type `email`."""

    addresses: tuple[Text, ...]
    send: SendSettings
    imap: ImapSettings | None = None
    receive: ReceiveSettings | None = None
    dkim: DkimSettings | None = None
    fax: FaxOrders | None = None
    name: str = ""
    signature: str = ""
    quote: bool = True
    subject_token: bool = False
    reply_token: bool = False
    automatic: Literal["keep", "queue"] = "keep"
    trusted: str = ""
    verify: bool = False
    own_servers: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    most_mb: Annotated[int, Meta(ge=1, le=100)] = 40
    per_hour: Annotated[int, Meta(ge=1)] = 60
    secret: Secret = Secret()

    def check(self, path: KeyPath, decoder: Decoder) -> None:
        """Report what the types cannot tell."""
        if not self.addresses:
            decoder.add((*path, "addresses"), "an empty list", "at least one address")
        seen: set[str] = set()
        for index, text in enumerate(self.addresses):
            place = (*path, "addresses", index)
            try:
                ascii_address(text)
            except ValueError as error:
                decoder.add(place, f'"{text}"', f'an address like "support@example.com": {error}')
            if address_of(text).lower() in seen:
                decoder.add(place, f'"{text}" twice', "each address once")
            seen.add(address_of(text).lower())
        if self.imap is None and self.receive is None:
            decoder.add(path, "neither imap nor receive", "one of them: mails have to come in")
        if self.receive is not None:
            self._check_receive(self.receive, (*path, "receive"), decoder)
        for index, text in enumerate(self.own_servers):
            try:
                ipaddress.ip_network(text, strict=False)
            except ValueError:
                decoder.add((*path, "own_servers", index), f'"{text}"', "an IP network")
        for index, text in enumerate(self.dns):
            if not _is_place(text):
                decoder.add((*path, "dns", index), f'"{text}"', 'like "127.0.0.1:53"')
        if self.fax is not None:
            self._check_fax(self.fax, (*path, "fax"), decoder)
        if self.send.user and not self.send.password:
            decoder.add((*path, "send", "user"), "no password", "password beside it")
        if "\n" in self.name or "\r" in self.name:
            decoder.add((*path, "name"), "more than one line", "one line")

    def _check_fax(self, fax: FaxOrders, path: KeyPath, decoder: Decoder) -> None:
        try:
            ascii_address(f"1@{fax.domain}")
        except ValueError as error:
            decoder.add((*path, "domain"), f'"{fax.domain}"', f"a domain: {error}")
        for index, text in enumerate(fax.senders):
            if not 0 < text.find("@") < len(text) - 1:
                found = 'like "kim@example.com" or "*@example.com"'
                decoder.add((*path, "senders", index), f'"{text}"', found)
        if not (self.trusted or self.verify or fax.unverified):
            expected = "trusted or verify beside it: a From can be forged"
            decoder.add(path, "nobody who verifies mails", expected)

    def _check_receive(self, receive: ReceiveSettings, path: KeyPath, decoder: Decoder) -> None:
        try:
            receive.place()
        except ValueError:
            decoder.add((*path, "listen"), f'"{receive.listen}"', 'like "127.0.0.1:2525"')
        for index, text in enumerate(receive.accept):
            try:
                ipaddress.ip_network(text, strict=False)
            except ValueError:
                decoder.add((*path, "accept", index), f'"{text}"', "an IP network")


def _place(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError("ADDRESS:PORT")
    return str(ipaddress.ip_address(host.strip("[]"))), int(port)


def _is_place(text: str) -> bool:
    try:
        _place(text)
    except ValueError:
        return False
    return True
