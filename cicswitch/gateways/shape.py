"""What the messages of a gateway look like, and the settings of a channel that speaks with one.

A field of a message is found by a path: `from`, `text.body`; `contacts[].name` is the first of a
list that has one, `photo[-1]` the last one, `^` the object in which the list of messages is, `^^`
the one around it. Behind `|` stands what is looked at if there is nothing, and `=photo` is the word
itself.

A file that a customer sends comes as a link, or as a name (`media`) under which the gateway gives
it out. Addresses are written with `{origin}` and `{path}`, which are those of the channel's `url`
without its last part, and `{up}`, without the last two.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from cicswitch.core.signature import secret_key
from cicswitch.core.toml import Decoder, KeyPath, Secret
from cicswitch.gateways.files import place_of

__all__ = ["SHAPES", "GatewaySettings", "Proof", "Shape"]

Proof = Literal["standard", "hmac-hex", "hmac-base64", "token"]
_STEP: Final = r"[\w-]+(\[(-1)?\])?"
_STEPS: Final = rf"\^*\.?({_STEP}(\.{_STEP})*)?"
_ADDRESS: Final = re.compile(r"\{origin\}|https?://[^/{}?#@]+([/?#]|$)")
"""Nothing of a message is in the host."""
_PUBLIC: Final = re.compile(r"https?://[^/{}?#@\s]+(/[^{}?#\s]*)?")
_HOST: Final = re.compile(r"([\w.-]+|\[[0-9A-Fa-f:.]+\])(:[1-9][0-9]{0,4})?")
_PATH: Final = re.compile(rf"({_STEPS}|=\w+)(\|({_STEPS}|=\w+))*")
_FIELDS: Final = ("customer", "text", "external", "called", "name", "kind", "language")
_FILE_FIELDS: Final = ("files", "media", "link", "file_name")


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

    files: str = ""
    """The list of a message's files; empty: the message tells of one at most. The three below are
    looked for in each."""
    media: str = ""
    link: str = ""
    file_name: str = ""
    file_kinds: tuple[str, ...] = ()
    """Kinds of messages that have files; empty: any."""
    look_up: str = ""
    """The address that says where a file is; `{media}` is its name."""
    found: str = ""
    """The path in its answer to what `{found}` is."""
    fetch: str = ""
    """Where a file is got by `{media}` or `{found}`; empty: `found` is a whole address."""
    upload: str = ""
    """Where a file for a customer is posted as a form."""
    upload_part: str = "file"
    upload_fields: dict[str, str] = {}
    uploaded: str = ""
    """The path in its answer to what `{media}` is in `write_file`; empty: the form sends it."""
    write_file: dict[str, Any] = {}
    """The body that sends a file, with `{media}`, or its bytes as `{data}` in base64; `{file_name}`
    and `{media_type}` are filled in too. Empty, and no `upload`: no files go out."""
    write_picture: dict[str, Any] = {}
    """The same for a PNG or a JPEG of at most `picture_mb`; empty: as any file."""
    write_link: dict[str, Any] = {}
    """The body that sends a picture by `{link}`, where the switch has a public address; all else
    goes as a text with the link in it."""
    picture_mb: int = 5
    file_mb: int = 10
    """The most that the gateway takes of a file."""


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
        # "files": [{"url": "https://example.com/1.jpg", "name": "1.jpg"}]
        files="files[]",
        link="url",
        file_name="name",
        write_file={
            "id": "{id}",
            "customer": "{customer}",
            "called": "{called}",
            "text": "",
            "name": "{name}",
            "files": [{"name": "{file_name}", "type": "{media_type}", "data": "{data}"}],
        },
    ),
    # WhatsApp Cloud API
    "whatsapp": Shape(
        proof="hmac-hex",
        header="x-hub-signature-256",
        prefix="sha256=",
        messages="entry[].changes[].value.messages[]",
        customer="from",
        text="text.body|image.caption|document.caption|video.caption",
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
        media="image.id|document.id|video.id|audio.id|voice.id|sticker.id",
        file_name="document.filename",
        look_up="{origin}{up}/{media}",
        found="url",
        upload="{origin}{path}/media",
        upload_fields={"messaging_product": "whatsapp", "type": "{media_type}"},
        uploaded="id",
        write_file={
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": "{customer}",
            "type": "document",
            "document": {"id": "{media}", "filename": "{file_name}"},
        },
        write_picture={
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": "{customer}",
            "type": "image",
            "image": {"id": "{media}"},
        },
        file_mb=100,
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
        media="message.document.file_id|message.photo[-1].file_id|message.video.file_id"
        "|message.voice.file_id|message.audio.file_id|message.video_note.file_id"
        "|message.sticker.file_id",
        file_name="message.document.file_name|message.video.file_name|message.audio.file_name",
        look_up="{origin}{path}/getFile?file_id={media}",
        found="result.file_path",
        fetch="{origin}/file{path}/{found}",
        upload="{origin}{path}/sendDocument",
        upload_part="document",
        upload_fields={"chat_id": "{customer}"},
        file_mb=50,
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
        media="message.id",
        link="message.contentProvider.originalContentUrl",
        file_name="message.fileName",
        file_kinds=("image", "video", "audio", "file"),
        fetch="https://api-data.line.me/v2/bot/message/{media}/content",
        write_link={
            "to": "{customer}",
            "messages": [
                {"type": "image", "originalContentUrl": "{link}", "previewImageUrl": "{link}"}
            ],
        },
        picture_mb=1,
        file_mb=100,
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
        link="image.url|attachment.url|image_url|file_url|contents",
        file_name="attachment.name|file_name",
        file_kinds=("IM", "FI", "VI", "AU", "photo", "image", "video", "audio", "file"),
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
    public: str = ""
    """Where customers reach this switch, like "https://cic.example.com": files go to them as links
    where the gateway takes none."""
    hosts: list[str] = []
    """Whose links are followed into one's own network, and without TLS."""
    look_up: str | None = None
    fetch: str | None = None
    upload: str | None = None
    upload_part: str | None = None
    uploaded: str | None = None
    write_file: dict[str, Any] | None = None
    file_mb: Annotated[int, Meta(ge=1, le=100)] | None = None
    where: dict[str, str] | None = None
    write: dict[str, Any] | None = None
    longest: Annotated[int, Meta(ge=0)] | None = None

    def form(self) -> Shape:
        """The shape with what these settings say otherwise."""
        own: dict[str, Any] = dict(self.read)
        names: tuple[str, ...] = ("proof", "header", "prefix", "where", "write", "longest")
        names += ("look_up", "fetch", "upload", "upload_part", "uploaded", "write_file", "file_mb")
        for name in names:
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
        for name in ("look_up", "fetch", "upload"):
            where = getattr(self, name)
            if where and not _ADDRESS.match(where):
                expected = 'an address like "https://example.com/files/{media}"'
                decoder.add((*path, name), f'"{where}"', expected)
        if self.public and not _PUBLIC.fullmatch(self.public):
            expected = 'an address like "https://cic.example.com"'
            decoder.add((*path, "public"), f'"{self.public}"', expected)
        for number, host in enumerate(self.hosts):
            if not _is_host(host):
                decoder.add(
                    (*path, "hosts", number), f'"{host}"', 'a host, like "files.internal:8080"'
                )
        known = ("messages", *_FIELDS, *_FILE_FIELDS)
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


def _is_host(text: str) -> bool:
    try:
        place_of(f"https://{text}")
    except ValueError:
        return False
    return _HOST.fullmatch(text) is not None
