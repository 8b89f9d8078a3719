"""What the messages of a gateway look like, and the settings of a channel that speaks with one.

A field of a message is found by a path: `from`, `text.body`; `contacts[].name` is the first of a
list that has one, `^` the object in which the list of messages is, `^^` the one around it. Behind
`|` stands what is looked at if there is nothing, and `=photo` is the word itself.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from cicswitch.core.signature import secret_key
from cicswitch.core.toml import Decoder, KeyPath, Secret

__all__ = ["SHAPES", "GatewaySettings", "Proof", "Shape"]

Proof = Literal["standard", "hmac-hex", "hmac-base64", "token"]
_STEPS: Final = r"\^*\.?([\w-]+(\[\])?(\.[\w-]+(\[\])?)*)?"
_PATH: Final = re.compile(rf"({_STEPS}|=\w+)(\|({_STEPS}|=\w+))*")
_FIELDS: Final = ("customer", "text", "external", "called", "name", "kind", "language")


class Shape(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A gateway's."""

    proof: Proof
    """`standard`: Standard Webhooks; `hmac-…`: HMAC-SHA256 of the body; `token`: the secret itself,
    in a header or, where none is named, as `?token=`."""
    header: str = ""
    prefix: str = ""
    """What stands before the signature."""
    messages: str = ""
    """The list of messages; empty: the body is one."""
    customer: str = "customer"
    text: str = "text"
    external: str = "id"
    called: str = ""
    name: str = ""
    kind: str = ""
    """Of a message without a text: it is shown as `[KIND]`."""
    language: str = ""
    where: dict[str, str] = {}
    """Fields and the values that they have to have: what is otherwise is none of a customer's."""
    write: dict[str, Any] = {}
    """The body of an answer; `{text}`, `{customer}`, `{called}`, `{id}`, `{uuid}`, `{name}` in it
    are filled in."""
    once: str = ""
    """The header that says which answer it is, so that it is not given out twice."""
    longest: int = 0
    """Characters of an answer; a longer one is cut into several. 0: no limit."""
    reply: dict[str, Any] = {}
    """What the gateway is answered with."""


SHAPES: Final[dict[str, Shape]] = {
    # {"id": "m1", "customer": "kim", "text": "Hello", "name": "Kim"}
    "plain": Shape(
        proof="standard",
        called="called",
        name="name",
        language="language",
        write={
            "id": "{id}",
            "customer": "{customer}",
            "called": "{called}",
            "text": "{text}",
            "name": "{name}",
        },
    ),
    # WhatsApp Cloud API
    "whatsapp": Shape(
        proof="hmac-hex",
        header="x-hub-signature-256",
        prefix="sha256=",
        messages="entry[].changes[].value.messages[]",
        customer="from",
        text="text.body",
        called="^.metadata.display_phone_number",
        name="^.contacts[].profile.name",
        kind="type",
        write={
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": "{customer}",
            "type": "text",
            "text": {"body": "{text}"},
        },
        longest=4096,
    ),
    # Telegram Bot API: an Update
    "telegram": Shape(
        proof="token",
        header="x-telegram-bot-api-secret-token",
        customer="message.chat.id",
        text="message.text|message.caption",
        kind="=message",
        external="update_id",
        name="message.from.first_name",
        language="message.from.language_code",
        where={"message.chat.type": "private"},
        write={"chat_id": "{customer}", "text": "{text}"},
        longest=4096,
    ),
    # LINE Messaging API
    "line": Shape(
        proof="hmac-base64",
        header="x-line-signature",
        messages="events[]",
        customer="source.userId",
        text="message.text",
        external="message.id",
        called="^.destination",
        kind="message.type",
        where={"type": "message", "source.type": "user"},
        write={"to": "{customer}", "messages": [{"type": "text", "text": "{text}"}]},
        once="x-line-retry-key",
        longest=5000,
    ),
    # Gateways of KakaoTalk's counselling talk
    "kakao": Shape(
        proof="token",
        customer="user_key",
        text="contents",
        external="serial_number",
        called="sender_key",
        kind="type",
        write={
            "user_key": "{customer}",
            "sender_key": "{called}",
            "serial_number": "{id}",
            "message_type": "TX",
            "message": "{text}",
        },
        longest=1000,
        reply={"code": "0"},
    ),
}


class GatewaySettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[channel.NAME.settings]` of a channel of type `webhook`."""

    url: str
    """Where answers go."""
    secret: Secret
    """What the gateway proves itself with; with `plain` answers are signed by it too."""
    shape: Literal["plain", "whatsapp", "telegram", "line", "kakao"] = "plain"
    token: Secret = Secret()
    """Sent along as `Authorization: Bearer …`."""
    headers: dict[str, Secret] = {}
    """Sent along."""
    verify: Secret = Secret()
    """What WhatsApp asks with before it sends anything (`hub.verify_token`)."""
    medium: Literal["chat", "sms", "email"] = "chat"
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 10.0
    ca_file: str = ""
    proof: Proof | None = None
    header: str | None = None
    prefix: str | None = None
    read: dict[str, str] = {}
    """Paths in place of the shape's: messages, customer, text …"""
    where: dict[str, str] | None = None
    write: dict[str, Any] | None = None
    longest: Annotated[int, Meta(ge=0)] | None = None

    def form(self) -> Shape:
        """The shape with what these settings say otherwise."""
        own: dict[str, Any] = dict(self.read)
        for name in ("proof", "header", "prefix", "where", "write", "longest"):
            value = getattr(self, name)
            if value is not None:
                own[name] = value.lower() if name == "header" else value
        return msgspec.structs.replace(SHAPES[self.shape], **own)

    def check(self, path: KeyPath, decoder: Decoder) -> None:
        """Report what only looks right."""
        try:
            split = urlsplit(self.url)
            fine = split.scheme in ("http", "https") and bool(split.hostname) and split.port != 0
        except ValueError:
            fine = False
        if not fine:
            expected = 'http or https and a host, like "https://example.com/messages"'
            decoder.add((*path, "url"), f'"{self.url}"', expected)
        known = ("messages", *_FIELDS)
        for name, where in self.read.items():
            if name not in known:
                decoder.unknown((*path, "read", name), "a field", name, known)
            elif not _PATH.fullmatch(where):
                decoder.add((*path, "read", name), f'"{where}"', 'a path like "^.contacts[].name"')
        for where in self.where or {}:
            if not _PATH.fullmatch(where):
                decoder.add((*path, "where", where), f'"{where}"', 'a path like "source.type"')
        if self.write is not None and "{text}" not in str(self.write):
            decoder.add((*path, "write"), "no {text}", 'the body of an answer with "{text}" in it')
        if not self.secret:
            decoder.add((*path, "secret"), "an empty one", "what the gateway proves itself with")
        elif (self.proof or SHAPES[self.shape].proof) == "standard":
            try:
                secret_key(self.secret.reveal())
            except ValueError as error:
                decoder.add((*path, "secret"), "another", str(error))
