"""Any bytes to a `Mail`. Never an error.

The parser of the standard library (policy compat32, which takes everything) makes the tree; what
could make it large or deep is counted in the bytes before. A mail that passes a bound is read for
its header and its first text, and goes along whole as a file: nothing is lost.
"""

from __future__ import annotations

import re
from email import policy
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from typing import Final

from cicswitch.mail import html as markup
from cicswitch.mail.automatic import bounce_of, why_automatic, why_silent
from cicswitch.mail.headers import addresses, decoded, fields, ids, parts_of, when
from cicswitch.mail.model import Mail, Piece

__all__ = ["MOST_TEXT", "header_of", "parse"]

MOST_TEXT: Final = 500_000
"""Characters of the text; what is longer goes along as a file."""
_MOST_BYTES: Final = 100 << 20
_MOST_HEADER: Final = 256 << 10
_MOST_BOUNDARIES: Final = 50
"""Each may be a level: the parser calls itself for it."""
_MOST_DASHES: Final = 20_000
_MOST_PIECES: Final = 500
_BOUNDARY: Final = re.compile(
    rb"boundary\s{0,20}(?:\*\d{0,4}\*?)?\s{0,20}=|message/(?:rfc822|global)", re.IGNORECASE
)
_HEADER_END: Final = re.compile(rb"\r?\n\r?\n|\r\r")


def parse(raw: bytes, *, envelope_from: str | None = None) -> Mail:
    """A mail as it came. `envelope_from`: empty for the null sender, None where nobody knows."""
    problems: list[str] = []
    if len(raw) > _MOST_BYTES:
        problems.append("it is longer than 100 MiB and was cut")
        raw = raw[:_MOST_BYTES]
    bounded = _bounded(raw, problems)
    message = _tree(raw, problems) if bounded else None
    if message is None:
        message = _header_only(raw)
    null = envelope_from == "" or "".join(fields(message, "Return-Path", 1)) == "<>"
    reading = _Reading(problems)
    if bounded:
        try:
            reading.walk(message, 0)
        except Exception as error:
            # The standard library before bytes of strangers.
            problems.append(f"parts could not be read: {type(error).__name__}")
            reading.pieces.append(Piece("message.eml", raw))
    else:
        head = _HEADER_END.search(raw)
        reading.plain = _decoded(raw[head.end() if head else 0 :][: 2 * MOST_TEXT], "utf-8")
        reading.pieces.append(Piece("message.eml", raw))
    return _made(message, reading, null, problems)


def _bounded(raw: bytes, problems: list[str]) -> bool:
    head = _HEADER_END.search(raw)
    if (head.start() if head else len(raw)) > _MOST_HEADER:
        problems.append("its header is too long")
    elif sum(1 for _ in _BOUNDARY.finditer(raw)) > _MOST_BOUNDARIES:
        problems.append("its parts are nested too deeply")
    elif raw.count(b"\n--") + raw.count(b"\r--") > _MOST_DASHES:
        problems.append("it has too many parts")
    else:
        return True
    return False


def _tree(raw: bytes, problems: list[str]) -> Message | None:
    try:
        return BytesParser(policy=policy.compat32).parsebytes(raw)
    except Exception as error:
        problems.append(f"it could not be read: {type(error).__name__}")
        return None


def header_of(raw: bytes) -> Message:
    """The header of a mail, up to a length."""
    return _header_only(raw)


def _header_only(raw: bytes) -> Message:
    head = _HEADER_END.search(raw[:_MOST_HEADER])
    raw = raw[: head.start() if head else _MOST_HEADER]
    try:
        return BytesHeaderParser(policy=policy.compat32).parsebytes(raw)
    except Exception:
        return Message()


class _Reading:
    """What the parts say, on the way through them."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        self.plain = ""
        self.html = ""
        self.pieces: list[Piece] = []

    def walk(self, part: Message, depth: int) -> None:
        """Take up a part with what is in it."""
        kind = part.get_content_type()
        payload = parts_of(part)
        if depth > 2 * _MOST_BOUNDARIES:
            return
        if kind.startswith("message/") and payload is not None:
            if kind not in ("message/delivery-status", "message/global-delivery-status"):
                self._file(part, b"".join(_flat(each) for each in payload[:1]), "message.eml")
            return
        if payload is not None:
            for each in payload[:_MOST_PIECES]:
                self.walk(each, depth + 1)
            return
        if len(self.pieces) >= _MOST_PIECES:
            if "it has too many files" not in self.problems:
                self.problems.append("it has too many files")
            return
        data = _body(part)
        name = _name(part)
        attached = (part.get_content_disposition() or "") == "attachment" or bool(name)
        if kind == "text/plain" and not attached:
            text = _decoded(data, _charset(part))
            self.plain = f"{self.plain.rstrip()}\n\n{text}" if self.plain.strip() else text
        elif kind == "text/html" and not attached and not self.html:
            self.html = _decoded(data, _charset(part))
        elif data or attached:
            self._file(part, data, "" if kind != "text/html" else "message.html")

    def _file(self, part: Message, data: bytes, name: str) -> None:
        cid = "".join(fields(part, "Content-ID", 1)).strip().strip("<>")[:300]
        self.pieces.append(Piece(_name(part) or name, data, cid))


def _flat(message: Message) -> bytes:
    try:
        return message.as_bytes()
    except Exception:
        # Charsets that are none, and surrogates: its header at least, and what is text.
        head = "".join(f"{name}: {value}\n" for name, value in message.items())
        body = message.get_payload()
        text = head + "\n" + (body if isinstance(body, str) else "")
        return text.encode("utf-8", "surrogateescape" if text.isascii() else "replace")


def _body(part: Message) -> bytes:
    try:
        data = part.get_payload(decode=True)
        if isinstance(data, bytes):
            return data
    except Exception:
        pass  # a transfer encoding that is none: what stands there
    text = part.get_payload()
    return text.encode("utf-8", "replace") if isinstance(text, str) else b""


def _name(part: Message) -> str:
    try:
        name = part.get_filename() or ""
    except Exception:
        return ""
    return decoded(str(name))[:500]


def _charset(part: Message) -> str:
    try:
        charset = part.get_content_charset() or ""
    except Exception:
        charset = ""
    return charset if re.fullmatch(r"[\w.:-]{1,40}", charset, re.ASCII) else ""


_UNREAL: Final = (
    "idna",
    "punycode",
    "undefined",
    "unicode_escape",
    "raw_unicode_escape",
    "mbcs",
    "oem",
)
"""Codecs of Python that are no charset of a mail."""
_OTHERS: Final = {
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "gb2312": "gb18030",
    "iso-8859-1": "cp1252",
}
"""What senders say, and what they mean by it."""


def _decoded(data: bytes, charset: str) -> str:
    """A text in whatever charset it is; broken bytes are shown as such."""
    charset = _OTHERS.get(charset.lower(), charset) or "utf-8"
    text: str | None = None
    if charset.lower().replace("-", "_") not in _UNREAL:
        try:
            text = str(data, charset)
        except (LookupError, UnicodeError, ValueError):
            text = None
    if text is None:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            try:
                text = str(data, charset, "replace")
            except (LookupError, UnicodeError, ValueError):
                text = data.decode("utf-8", "replace")
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    return text.encode("utf-8", "replace").decode()


def _made(message: Message, reading: _Reading, null: bool, problems: list[str]) -> Mail:
    safe = ""
    if reading.html:
        if len(reading.html) > markup.LONGEST:
            problems.append("its HTML is too long and was cut")
            reading.pieces.append(Piece("message.html", reading.html.encode("utf-8", "replace")))
        safe = markup.safe(reading.html)
    own = bool(reading.plain.strip())
    text = reading.plain if own else markup.text_of(safe)
    text = text.strip("\n").rstrip()
    if len(text) > MOST_TEXT:
        problems.append("its text is too long and was cut")
        reading.pieces.append(Piece("text.txt", text.encode("utf-8", "replace")))
        text = text[:MOST_TEXT]
    senders = addresses(fields(message, "From", 1))
    answers = addresses(fields(message, "Reply-To", 1))
    others = [*fields(message, "To", 5), *fields(message, "Cc", 5)]
    sent_to = [*fields(message, "Delivered-To"), *fields(message, "X-Original-To")]
    try:
        bounce = bounce_of(message)
    except Exception:
        bounce = None  # a report that is none
        problems.append("its delivery report could not be read")
    return Mail(
        message_id="".join(ids(fields(message, "Message-ID", 1))[:1]),
        in_reply_to=ids(fields(message, "In-Reply-To", 3)),
        references=ids(fields(message, "References", 3)),
        sender=senders[0][1] if senders else "",
        sender_name=senders[0][0][:200] if senders else "",
        reply_to=answers[0][1] if answers else "",
        recipients=tuple(address for _, address in addresses(others)),
        delivered_to=tuple(address for _, address in addresses(sent_to)),
        subject=decoded("".join(fields(message, "Subject", 1)))[:500],
        date=when(fields(message, "Date", 1)),
        text=text,
        html=safe,
        plain=own,
        pieces=tuple(reading.pieces),
        automatic=why_automatic(message, null),
        silent=why_silent(message, null),
        bounce=bounce,
        hops=len(fields(message, "Received", 1000)),
        results=tuple(fields(message, "Authentication-Results", 10)),
        problems=tuple(problems),
    )
