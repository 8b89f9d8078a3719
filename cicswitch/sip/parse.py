"""Bytes to messages (RFC 3261 sections 7, 18.3, 25).

The header block is split once, names are looked up in one dict, and only what every message needs
(branch, tags, CSeq) is cut out. Everything unusual (folding, odd white space, compact or unknown
names, broken lines) leaves the fast path where it shows. Where `_scan.c` is built, it takes what is
plain in all respects and leaves the rest to the code here. `validate` does the checks of syntax
that only a new request from outside needs.

Malformed: `ParseError`. Its status is 0 where no answer may be sent: to ACK, to responses, and
where no Via tells the way back.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cicswitch.sip.message import Message, ParseError, Request, Response
from cicswitch.sip.names import NAMES, SPELLED, canonical
from cicswitch.sip.uri import UriError, find_tag, parse_name_addr, parse_uri, split_outside

if TYPE_CHECKING:
    from cicswitch.sip._scan import Parts

__all__ = [
    "MAX_HEADERS",
    "MAX_MESSAGE",
    "Via",
    "parse",
    "parse_closely",
    "parse_via",
    "validate",
]

MAX_MESSAGE: Final = 65_536
"""Bytes of a whole message."""
MAX_HEADERS: Final = 256
"""Header lines of a message."""


def _built() -> Callable[[bytes, Set[str], Set[str]], Parts | None] | None:
    try:
        from cicswitch.sip import _scan
    except ImportError:
        return None
    return _scan.message


_scan_message: Final = _built()
_TOKEN: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.!%*_+`'~"
_SINGLE: Final = ("From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length")
_CODES: Final = {f"{code} ": code for code in range(100, 700)}
_FORWARDS: Final = frozenset(str(number) for number in range(256))
_METHODS: Final = frozenset(
    (
        *("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "INFO", "PRACK", "UPDATE"),
        *("REFER", "NOTIFY", "SUBSCRIBE", "PUBLISH", "MESSAGE"),
    )
)
_cseqs: Final[dict[str, tuple[int, str]]] = {}
"""CSeq values seen, up to a limit: nearly all are one of a few."""


def parse(data: bytes) -> Request | Response:
    """Parse one message: a datagram, or the exact bytes of one message of a stream."""
    plain = None if _scan_message is None else _scan_message(data, SPELLED, _METHODS)
    if plain is None:
        return parse_closely(data)
    parts = plain  # a tuple in any case, which native code takes apart once
    parsed: Request | Response
    if parts[0]:
        parsed = response = Response()
        response.status, response.reason = parts[0], parts[1]
    else:
        parsed = request = Request()
        request.uri, request.method = parts[1], parts[2]
        request.sent_by, request.from_tag = parts[5], parts[6]
    # Of one type, so that native code stores attributes without looking them up.
    message: Message = parsed
    message.cseq_method, message.cseq = parts[2], parts[3]
    message.branch, message.to_tag = parts[4], parts[7]
    message.via, message.from_, message.to, message.call_id = (
        parts[8], parts[9], parts[10], parts[11],
    )  # fmt: skip
    message.first, message.repeated = parts[12], None
    message.body, message.data = parts[13], data
    return parsed


def parse_closely(data: bytes) -> Request | Response:
    """`parse`, for any message."""
    end = data.find(b"\r\n\r\n")
    problem = ""
    if len(data) > MAX_MESSAGE:
        problem, data = "the message is too large", data[:MAX_MESSAGE]
        end = data.find(b"\r\n\r\n")
    if end < 0:
        problem = problem or "no empty line ends the header"
        end = len(data)
    try:
        lines = data[:end].decode().split("\r\n")
    except UnicodeDecodeError:
        problem = "the header is not UTF-8"
        lines = data[:end].decode("utf-8", "replace").split("\r\n")
    if data.count(b"\n", 0, end) != len(lines) - 1 or data.count(b"\r", 0, end) != len(lines) - 1:
        # RFC 3261 section 25.1: neither may stand alone, and whoever reads what we send on might
        # take it for the end of a line.
        problem = problem or "a CR or LF stands alone in the header"
    start_line = lines[0]
    first: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        first[name] = value.strip()
    first.pop(start_line, None)
    repeated: dict[str, list[str]] | None = None
    if len(first) != len(lines) - 1 or not first.keys() <= SPELLED:
        if b"\r\n " in data[:end] or b"\r\n\t" in data[:end]:
            return parse_closely(_unfolded(data, end))
        while not start_line and len(lines) > 1:
            # RFC 3261 section 7.5: CRLFs before the start line are ignored.
            lines = lines[1:]
            start_line = lines[0]
        first, repeated, malformed = _collect(lines)
        problem = problem or malformed
    parsed: Request | Response
    request: Request | None = None
    if start_line[:8] == "SIP/2.0 ":
        parsed = response = Response()
        status = _CODES.get(start_line[8:12])
        if status is not None:
            response.status, response.reason = status, start_line[12:]
        else:
            response.status, response.reason = _status(start_line)
    else:
        parsed = request = Request()
        parts = start_line.split(" ")
        if len(parts) == 3 and parts[2] == "SIP/2.0":
            request.method, request.uri, _ = parts
        else:
            problem = _request_line(request, start_line, problem)
    # Of one type, so that native code stores attributes without looking them up.
    message: Message = parsed
    message.data = data
    message.first = first
    message.repeated = repeated
    message.body = data[end + 4 :]
    try:
        via = message.via = first["Via"]
        message.call_id = first["Call-ID"]
        from_ = message.from_ = first["From"]
        to = message.to = first["To"]
        cseq = first["CSeq"]
    except KeyError as missing:
        raise _refusal(message, f"no {missing.args[0]} header") from None
    # The topmost branch and the tags; the slow ways only for what is unusual.
    start = via.find(";branch=")
    if start > 0 and via.startswith("SIP/2.0/") and "," not in via and '"' not in via:
        stop = via.find(";", start + 8)
        message.branch = via[start + 8 :] if stop < 0 else via[start + 8 : stop]
        if request is not None:
            request.sent_by = via[via.find(" ") + 1 : via.find(";")]
    else:
        try:
            top = parse_via(split_outside(via, ",")[0])
        except UriError as error:
            raise _refusal(message, str(error), way_back=False) from None
        message.branch = top.branch
        if request is not None:
            request.sent_by = top.sent_by
    if request is not None:
        _, plain, tag = from_.partition(">;tag=")
        request.from_tag = tag if plain and ";" not in tag and ">" not in tag else find_tag(from_)
    if to[-1:] == ">" and ";tag=" not in to:
        message.to_tag = ""
    else:
        _, plain, tag = to.partition(">;tag=")
        message.to_tag = tag if plain and ";" not in tag and ">" not in tag else find_tag(to)
    known = _cseqs.get(cseq)
    if known is not None:
        message.cseq, message.cseq_method = known
    else:
        number, _, method = cseq.partition(" ")
        message.cseq_method = method = method.strip()
        # RFC 3261 section 8.1.1.5: "The sequence number value MUST be expressible as a 32-bit
        # unsigned integer and MUST be less than 2**31."
        if _is_number(number) and len(number) < 12 and int(number) < 2_147_483_648:
            message.cseq = int(number)
            if len(_cseqs) < 4096:
                _cseqs[cseq] = (message.cseq, method)
        else:
            message.cseq = 0
            problem = problem or "a malformed CSeq number"
    if request is not None and message.cseq_method != request.method:
        problem = problem or "the method of CSeq is not that of the request"
    length = first.get("Content-Length")
    if length is not None and length != str(len(message.body)):
        if not length.isdigit() or not length.isascii() or len(length) > 9:
            problem = problem or "a malformed Content-Length"
        elif (size := int(length)) != len(message.body):
            # RFC 3261 section 18.3: "If there are additional bytes in the transport packet
            # beyond the end of the body, they MUST be discarded."
            if size > len(message.body):
                problem = problem or "the body is shorter than Content-Length says"
            message.body = message.body[:size]
    if repeated is not None:
        for name in _SINGLE:
            if name in repeated:
                problem = problem or f"more than one {name} header"
    if len(lines) > MAX_HEADERS:
        problem = problem or "too many headers"
    if problem:
        raise _refusal(message, problem)
    return parsed


def _is_number(text: str) -> bool:
    return text.isdigit() and text.isascii()


def _collect(
    lines: list[str],
) -> tuple[dict[str, str], dict[str, list[str]] | None, str]:
    """Header lines that are not plain: repeated, compact, unknown, untidy or broken."""
    first: dict[str, str] = {}
    repeated: dict[str, list[str]] | None = None
    problem = ""
    for line in lines[1:]:
        raw, colon, value = line.partition(":")
        raw = raw.rstrip(" \t")
        if not colon or not raw or raw.strip(_TOKEN):
            problem = "a malformed header line"
            continue
        name = NAMES.get(raw) or canonical(raw)
        value = value.strip()
        if name in first:
            if repeated is None:
                repeated = {}
            repeated.setdefault(name, [first[name]]).append(value)
        else:
            first[name] = value
    return first, repeated, problem


def _status(line: str) -> tuple[int, str]:
    code, _, reason = line[8:].partition(" ")
    if len(code) != 3 or not code.isdigit() or not code.isascii() or not "1" <= code[0] <= "6":
        raise ParseError("a malformed status code")
    return int(code), reason


def _request_line(request: Request, line: str, problem: str) -> str:
    """What can be had of an odd request line, and what is wrong with it."""
    parts = line.split()
    request.method = parts[0] if parts else ""
    request.uri = parts[1] if len(parts) > 1 else ""
    version = parts[-1] if len(parts) > 2 else ""
    if not request.method or request.method.strip(_TOKEN) or not version.upper()[:4] == "SIP/":
        raise ParseError("not a SIP message")
    if len(line.split(" ")) == 3 and version.upper() == "SIP/2.0":
        return problem
    if version.upper() != "SIP/2.0":
        return "an unknown SIP version"
    return problem or "a malformed request line"


def _refusal(message: Message, problem: str, way_back: bool = True) -> ParseError:
    """The error for a message: with 400 if the RFC lets us answer it and we know how."""
    if not isinstance(message, Request) or message.method == "ACK" or not way_back:
        return ParseError(problem)
    first = message.first
    if not all(name in first for name in ("Via", "From", "To", "Call-ID", "CSeq")):
        # RFC 3261 section 8.2.6.2: a response copies these; what lacks is left empty.
        if "Via" not in first:
            return ParseError(problem)
        try:
            top = parse_via(split_outside(first["Via"], ",")[0])
        except UriError:
            return ParseError(problem)
        message.via, message.branch, message.sent_by = first["Via"], top.branch, top.sent_by
        message.from_, message.to = first.get("From", ""), first.get("To", "")
        message.from_tag, message.to_tag = find_tag(message.from_), find_tag(message.to)
        message.call_id, message.cseq, message.cseq_method = first.get("Call-ID", ""), 0, ""
    status = 505 if problem == "an unknown SIP version" else 400
    if problem == "the message is too large":
        status = 513
    return ParseError(problem, status, message)


def _unfolded(data: bytes, end: int) -> bytes:
    """RFC 3261 section 7.3.1: a line that begins with white space continues the one before."""
    head = data[:end]
    if head[:1] in (b" ", b"\t"):
        raise ParseError("the message begins with white space")
    lines: list[bytes] = []
    for line in head.split(b"\r\n"):
        if line[:1] in (b" ", b"\t"):
            lines[-1] = lines[-1].rstrip(b" \t") + b" " + line.lstrip(b" \t")
        else:
            lines.append(line)
    return b"\r\n".join(lines) + data[end:]


class Via:
    """One Via value (RFC 3261 section 20.42). `params` keys are lower case."""

    __slots__ = ("host", "params", "port", "sent_by", "transport")

    def __init__(
        self, transport: str, host: str, port: int | None, sent_by: str, params: dict[str, str]
    ) -> None:
        self.transport = transport
        self.host = host
        self.port = port
        self.sent_by = sent_by
        self.params = params

    @property
    def branch(self) -> str:
        """The branch parameter, or empty."""
        return self.params.get("branch", "")


def parse_via(value: str) -> Via:
    """Parse one Via value. Raises `UriError`."""
    head, *tail = split_outside(value, ";")
    protocol, _, rest = head.partition("/")
    version, _, rest = rest.partition("/")
    pieces = rest.split(None, 1)
    if protocol.strip().upper() != "SIP" or version.strip() != "2.0" or len(pieces) != 2:
        raise UriError("a malformed Via", 400)
    transport, sent_by = pieces
    if transport.strip(_TOKEN):
        raise UriError("a malformed transport in Via", 400)
    sent_by = "".join(sent_by.split()) if ":" in sent_by else sent_by
    # Borrow the host rules of URIs.
    place = parse_uri(f"sip:{sent_by}")
    params: dict[str, str] = {}
    for part in tail:
        name, equals, param = part.partition("=")
        name = name.strip().lower()
        if not name or (equals and not param.strip()):
            raise UriError("an empty parameter in Via", 400)
        params[name] = param.strip()
    return Via(transport.upper(), place.host, place.port, sent_by, params)


def validate(request: Request) -> None:
    """The syntax that `parse` leaves for later: URIs, name-addrs, Via, scalars.

    Raises ParseError with 400, 414 or 416 and the request. Not for ACK, to which no error may be
    sent.
    """
    try:
        _check_request_uri(request.uri)
        # What comes before the tag is the same for all calls of a peer, so it is looked at once.
        from_ = request.from_
        if not _is_plain(from_.partition(";tag=")[0]) or '"' in request.from_tag:
            parse_name_addr(from_)
        if not _is_plain(request.to):
            parse_name_addr(request.to)
        if not request.from_tag and request.branch.startswith("z9hG4bK"):
            # RFC 3261 section 8.1.1.3: "The From field MUST contain a new 'tag' parameter".
            raise UriError("From has no tag", 400)
        if request.repeated is not None or "," in request.via:
            for via in request.vias:
                parse_via(via)
        first = request.first
        contact = first.get("Contact")
        if (
            contact is not None
            and contact != "*"
            and (request.repeated is not None or not _is_plain(contact))
        ):
            for item in request.get_list("Contact"):
                parse_name_addr(item)
        forwards = first.get("Max-Forwards")
        if forwards is not None and forwards not in _FORWARDS:
            _check_scalar("Max-Forwards", forwards, 255)
        expires = first.get("Expires")
        if expires is not None:
            _check_scalar("Expires", expires, 4_294_967_295)
    except UriError as error:
        raise ParseError(str(error), error.status, request) from None


@lru_cache(maxsize=4096)
def _check_request_uri(uri: str) -> None:
    if uri[:1] == "<":
        raise UriError("the Request-URI is enclosed in <>", 400)
    if parse_uri(uri).headers:
        # RFC 3261 section 19.1.1 table: headers are not allowed in a Request-URI.
        raise UriError("the Request-URI has headers", 400)


def _check_scalar(name: str, value: str, limit: int) -> None:
    if not _is_number(value) or len(value) > 10:
        raise UriError(f"a malformed {name}", 400)
    if int(value) > limit:
        raise UriError(f"{name} is too large", 400)


@lru_cache(maxsize=8192)
def _is_plain(value: str) -> bool:
    """Whether a name-addr is of the common kind that needs no closer look."""
    opening = value.find("<sip:")
    if opening < 0:
        return False
    if opening:
        display = value[:opening].rstrip()
        if display[0] == '"':
            plain = display[-1] == '"' and display.count('"') == 2 and "\\" not in display
        else:
            plain = display.isalnum()
        if not plain:
            return False
    closing = value.find(">", opening)
    if closing < 0 or value[closing + 1 : closing + 2] not in ("", ";"):
        return False
    return value.find(" ", opening) < 0 and value.count("<") == 1
