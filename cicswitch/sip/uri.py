"""URIs and name-addrs (RFC 3261 sections 19.1, 20.10, 25.1; tel: RFC 3966).

Nothing here raises anything but `UriError`, whose status is 400 or, for a scheme that we do not
speak, 416.
"""

from __future__ import annotations

from typing import Final

from cicswitch.core.errors import ProtocolError

__all__ = [
    "NameAddr",
    "Uri",
    "UriError",
    "escape_user",
    "find_tag",
    "parse_name_addr",
    "parse_params",
    "parse_uri",
    "split_commas",
    "split_outside",
    "unescape",
    "unquote",
    "uri_of",
]

_UNRESERVED: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()"
_USER_CHARS: Final = _UNRESERVED + "&=+$,;?/"
_HOST_CHARS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._"
_TOKEN_CHARS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.!%*_+`'~"
_DISPLAY_CHARS: Final = _TOKEN_CHARS + " \t"
_TEL_CHARS: Final = "0123456789abcdefABCDEF*#+-.()"


class UriError(ProtocolError):
    """A malformed URI or name-addr."""


class Uri:
    """A sip:, sips: or tel: URI. For tel: the number is `user` and `host` is empty.

    `user` is unescaped, `params` keys are lower case, `headers` is the raw text after `?`.
    `host` of an IPv6 literal has no brackets.
    """

    __slots__ = ("headers", "host", "params", "password", "port", "scheme", "user")

    def __init__(
        self,
        scheme: str,
        user: str,
        host: str,
        port: int | None = None,
        params: dict[str, str] | None = None,
        headers: str = "",
        password: str = "",
    ) -> None:
        self.scheme = scheme
        self.user = user
        self.host = host
        self.port = port
        self.params = {} if params is None else params
        self.headers = headers
        self.password = password

    def __str__(self) -> str:
        text = f"{self.scheme}:"
        if self.user:
            text += escape_user(self.user) if self.scheme != "tel" else self.user
            if self.password:
                text += f":{self.password}"
            if self.host:
                text += "@"
        if self.host:
            text += f"[{self.host}]" if ":" in self.host else self.host
            if self.port is not None:
                text += f":{self.port}"
        for name, value in self.params.items():
            text += f";{name}={value}" if value else f";{name}"
        return f"{text}?{self.headers}" if self.headers else text

    def __repr__(self) -> str:
        return f"Uri({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        """Equivalence of RFC 3261 section 19.1.4, without the comparison of URI headers."""
        if not isinstance(other, Uri):
            return NotImplemented
        if (self.scheme, self.user, self.password, self.host.lower(), self.port) != (
            other.scheme,
            other.user,
            other.password,
            other.host.lower(),
            other.port,
        ):
            return False
        mine, theirs = self.params, other.params
        for name in ("user", "ttl", "method", "maddr", "transport"):
            # "a URI that includes them will not match one that does not"
            if (name in mine) != (name in theirs) and name != "transport":
                return False
            if mine.get(name, "").lower() != theirs.get(name, "").lower():
                return False
        return all(mine[name].lower() == theirs[name].lower() for name in mine if name in theirs)

    def __hash__(self) -> int:
        return hash((self.scheme, self.user, self.host.lower(), self.port))


class NameAddr:
    """A display name, a URI as raw text, and header parameters (keys lower case)."""

    __slots__ = ("display", "params", "uri")

    def __init__(self, display: str, uri: str, params: dict[str, str]) -> None:
        self.display = display
        self.uri = uri
        self.params = params

    def __str__(self) -> str:
        text = f"<{self.uri}>"
        if self.display:
            escaped = self.display.replace("\\", "\\\\").replace('"', '\\"')
            text = f'"{escaped}" {text}'
        for name, value in self.params.items():
            text += f";{name}={value}" if value else f";{name}"
        return text

    def __repr__(self) -> str:
        return f"NameAddr({str(self)!r})"


def unescape(text: str) -> str:
    """Undo %HH escapes. A percent sign that starts none stays as it is."""
    if "%" not in text:
        return text
    raw = text.encode("utf-8", "surrogateescape")
    out = bytearray()
    position = 0
    while position < len(raw):
        byte = raw[position]
        pair = raw[position + 1 : position + 3]
        if byte == 0x25 and len(pair) == 2 and all(c in b"0123456789abcdefABCDEF" for c in pair):
            out.append(int(pair, 16))
            position += 3
        else:
            out.append(byte)
            position += 1
    return out.decode("utf-8", "replace")


def escape_user(user: str) -> str:
    """Escape what the user part of a SIP URI may not hold bare."""
    if not user.strip(_USER_CHARS):
        return user
    return "".join(
        char if char in _USER_CHARS else "".join(f"%{byte:02X}" for byte in char.encode())
        for char in user
    )


def parse_uri(text: str) -> Uri:
    """Parse a URI. Raises `UriError`: 416 for a foreign scheme, 400 for a malformed URI."""
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if scheme not in ("sip", "sips"):
        if scheme == "tel" and colon:
            return _parse_tel(rest)
        if not colon or not scheme or scheme.strip(_HOST_CHARS + "+"):
            raise UriError(f"not a URI: {text[:80]!r}", 400)
        raise UriError(f"unsupported URI scheme {scheme[:20]!r}", 416)
    if " " in rest or "<" in rest or ">" in rest or '"' in rest or "\t" in rest:
        raise UriError("a URI holds a character that must be escaped", 400)
    user = password = ""
    at = rest.rfind("@")
    if at >= 0:
        # A bare "@" has no place in parameters or headers, so the last one ends the user part.
        user, rest = rest[:at], rest[at + 1 :]
        if "@" in user or not user:
            raise UriError("a URI has an empty user part or a second @", 400)
        if ":" in user:
            user, _, password = user.partition(":")
        if user.strip(_USER_CHARS):
            user = unescape(user)
    headers = ""
    if "?" in rest:
        rest, _, headers = rest.partition("?")
    params: dict[str, str] = {}
    if ";" in rest:
        rest, _, tail = rest.partition(";")
        for part in tail.split(";"):
            name, _, value = part.partition("=")
            params[name.lower()] = value
    port = None
    if rest.startswith("["):
        host, bracket, after = rest[1:].partition("]")
        if not bracket or ":" not in host or host.strip("0123456789abcdefABCDEF:."):
            raise UriError("a malformed IPv6 literal in a URI", 400)
        if after:
            if after[0] != ":":
                raise UriError("text after an IPv6 literal in a URI", 400)
            port = _port(after[1:])
    else:
        host, colon, digits = rest.partition(":")
        if colon:
            port = _port(digits)
    if not host or (":" not in host and host.strip(_HOST_CHARS)):
        raise UriError("a URI without a valid host", 400)
    return Uri(scheme, user, host, port, params, headers, password)


def _port(digits: str) -> int:
    if not digits.isascii() or not digits.isdigit() or len(digits) > 5 or int(digits) > 65535:
        raise UriError("a malformed port in a URI", 400)
    return int(digits)


def _parse_tel(rest: str) -> Uri:
    number, _, tail = rest.partition(";")
    if not number or number.strip(_TEL_CHARS):
        raise UriError("a malformed tel: URI", 400)
    params: dict[str, str] = {}
    for part in tail.split(";") if tail else ():
        name, _, value = part.partition("=")
        params[name.lower()] = value
    return Uri("tel", number, "", None, params)


def split_outside(text: str, separator: str) -> list[str]:
    """Split at a character, but not inside quoted strings or angle brackets; parts stripped."""
    if '"' not in text and "<" not in text:
        return [part.strip() for part in text.split(separator)]
    parts: list[str] = []
    start = position = 0
    quoted = angled = False
    while position < len(text):
        char = text[position]
        if quoted:
            if char == "\\":
                position += 1
            elif char == '"':
                quoted = False
        elif char == '"':
            quoted = True
        elif char == "<":
            angled = True
        elif char == ">":
            angled = False
        elif char == separator and not angled:
            parts.append(text[start:position].strip())
            start = position + 1
        position += 1
    if quoted:
        raise UriError("an unterminated quoted string", 400)
    parts.append(text[start:].strip())
    return parts


def split_commas(text: str) -> list[str]:
    """Split a comma list; empty members are dropped."""
    return [part for part in split_outside(text, ",") if part]


def unquote(value: str) -> str:
    """The content of a quoted string; anything else as it is."""
    if len(value) >= 2 and value[0] == '"' == value[-1]:
        value = value[1:-1]
        if "\\" in value:
            out = []
            escaped = False
            for char in value:
                if escaped or char != "\\":
                    out.append(char)
                    escaped = False
                else:
                    escaped = True
            value = "".join(out)
    return value


def parse_params(text: str) -> dict[str, str]:
    """Header parameters, `;a=b;c`, keys lower case, values still quoted if they were."""
    params: dict[str, str] = {}
    for part in split_outside(text, ";") if text else ():
        if part:
            name, _, value = part.partition("=")
            params[name.strip().lower()] = value.strip()
    return params


def parse_name_addr(text: str) -> NameAddr:
    """Parse a name-addr or addr-spec with header parameters (From, To, Contact, Route, ...)."""
    display = ""
    text = text.strip()
    if text.startswith('"'):
        end = 1
        while True:
            end = text.find('"', end)
            if end < 0:
                raise UriError("an unterminated quoted display name", 400)
            backslashes = end - len(text[:end].rstrip("\\"))
            if backslashes % 2 == 0:
                break
            end += 1
        display = unquote(text[: end + 1])
        text = text[end + 1 :].lstrip()
        if not text.startswith("<"):
            raise UriError("a display name without <URI>", 400)
    opening = text.find("<")
    if opening < 0:
        # RFC 3261 section 20.10: "If the URI is not enclosed in angle brackets, any
        # semicolon-delimited parameters are header-parameters, not URI parameters." And "MUST be
        # enclosed in angle brackets" if the URI holds a comma, question mark or semicolon.
        uri, _, tail = text.partition(";")
        uri = uri.strip()
        if "," in uri or "?" in uri or not uri:
            raise UriError("a URI that must be enclosed in <>", 400)
        return NameAddr(display, _checked(uri), parse_params(tail))
    if opening:
        name = text[:opening].strip()
        if name.strip(_DISPLAY_CHARS) and name.isascii():
            raise UriError("a display name that must be quoted", 400)
        display = name
    closing = text.find(">", opening)
    if closing < 0:
        raise UriError("an unclosed < in a name-addr", 400)
    tail = text[closing + 1 :].strip()
    if tail and tail[0] != ";":
        raise UriError("text after the > of a name-addr", 400)
    return NameAddr(display, _checked(text[opening + 1 : closing]), parse_params(tail[1:]))


def _checked(uri: str) -> str:
    if " " in uri or "\t" in uri or "<" in uri or '"' in uri or ":" not in uri:
        raise UriError("a malformed URI in a name-addr", 400)
    return uri


def uri_of(value: str) -> str:
    """The raw URI inside a name-addr value, the fast way, for values that were checked before."""
    opening = value.find("<")
    if opening >= 0:
        if opening and value[0] == '"':
            return parse_name_addr(value).uri
        return value[opening + 1 : value.find(">", opening)]
    return value.partition(";")[0].strip()


def find_tag(value: str) -> str:
    """The tag parameter of a From or To value, empty if there is none."""
    start = value.find(";tag=", value.rfind(">") + 1)
    if start >= 0:
        end = value.find(";", start + 5)
        return (value[start + 5 :] if end < 0 else value[start + 5 : end]).strip()
    tail = value[value.rfind(">") + 1 :]
    if "tag" not in tail.lower() and '"' not in value:
        return ""
    try:
        return parse_name_addr(value).params.get("tag", "")
    except UriError:
        return ""
