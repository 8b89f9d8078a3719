"""Digest authentication, both sides (RFC 3261 section 22, RFC 7616, RFC 8760).

The server side keeps no state for a challenge: a nonce carries its time and a signature. What it
keeps is the highest nonce-count of each nonce that was used, in a bounded table; a nonce that is
older than one pushed out of the table is stale, so nothing can be replayed through the bound.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from cicswitch.core.ids import Tokens
from cicswitch.sip.message import Request, Response
from cicswitch.sip.transaction.client import ClientTransaction
from cicswitch.sip.uri import UriError, parse_params, parse_uri, split_commas, unquote

if TYPE_CHECKING:
    from cicswitch.sip.dialog import Dialog

__all__ = ["Authenticator", "Credentials", "Ha1", "Verdict", "again", "digest", "parse_digest"]

_ALGORITHMS: dict[str, Callable[[bytes], hashlib._Hash]] = {
    "SHA-256": hashlib.sha256,
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False),
}
"""Strongest first: RFC 8760 section 2.4, "the UAC MUST [...] use the topmost header field that it
supports"; we choose by strength, which is the order that servers must use."""


class Ha1(msgspec.Struct, frozen=True):
    """H(username:realm:password), hexadecimal, instead of a password; empty where unknown."""

    md5: str = ""
    sha256: str = ""


class Credentials:
    """What we answer challenges with. One instance may serve many calls of one trunk."""

    __slots__ = ("_counts", "ha1", "password", "username")

    def __init__(self, username: str, password: str = "", ha1: Ha1 | None = None) -> None:
        self.username = username
        self.password = password
        self.ha1 = ha1
        self._counts: tuple[str, int] = ("", 0)

    def next_count(self, nonce: str) -> int:
        """RFC 7616 section 3.4: how often this nonce was used, this time included."""
        last, count = self._counts
        count = count + 1 if last == nonce else 1
        self._counts = (nonce, count)
        return count

    def __repr__(self) -> str:
        return f"Credentials({self.username!r})"


def _hash(algorithm: str, text: str) -> str:
    return _ALGORITHMS[algorithm](text.encode()).hexdigest()


def digest(
    algorithm: str,
    ha1: str,
    method: str,
    uri: str,
    nonce: str,
    nc: str = "",
    cnonce: str = "",
    qop: str = "",
) -> str:
    """The response value (RFC 7616 section 3.4.1), with qop auth or none."""
    ha2 = _hash(algorithm, f"{method}:{uri}")
    middle = f"{nonce}:{nc}:{cnonce}:{qop}" if qop else nonce
    return _hash(algorithm, f"{ha1}:{middle}:{ha2}")


def _ha1(algorithm: str, username: str, realm: str, secret: str | Ha1) -> str:
    if isinstance(secret, Ha1):
        return secret.sha256 if algorithm == "SHA-256" else secret.md5
    return _hash(algorithm, f"{username}:{realm}:{secret}")


def parse_digest(value: str) -> dict[str, str] | None:
    """The parameters of a Digest challenge or of credentials, unquoted; None if it is neither."""
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() != "digest":
        return None
    params: dict[str, str] = {}
    try:
        for part in split_commas(rest):
            for name, raw in parse_params(part).items():
                params[name] = unquote(raw)
    except UriError:
        return None
    return params


def _choose(response: Response, header: str, credentials: Credentials) -> dict[str, str] | None:
    """The strongest challenge that we can answer."""
    found: dict[str, dict[str, str]] = {}
    for value in response.get_all(header):
        params = parse_digest(value)
        if params is None or "nonce" not in params:
            continue
        algorithm = params.get("algorithm", "MD5").upper()
        offered = [item.strip() for item in params.get("qop", "").split(",")]
        known = not isinstance(credentials.ha1, Ha1) or _ha1(algorithm, "", "", credentials.ha1)
        if algorithm in _ALGORITHMS and known and ("auth" in offered or offered == [""]):
            found.setdefault(algorithm, params)
    return next((found[name] for name in _ALGORITHMS if name in found), None)


def authorization(
    challenge: dict[str, str], credentials: Credentials, method: str, uri: str, tokens: Tokens
) -> str:
    """The value of an Authorization or Proxy-Authorization header."""
    algorithm = challenge.get("algorithm", "MD5").upper()
    realm, nonce = challenge.get("realm", ""), challenge["nonce"]
    ha1 = _ha1(algorithm, credentials.username, realm, credentials.ha1 or credentials.password)
    qop = "auth" if challenge.get("qop") else ""
    nc = cnonce = ""
    tail = ""
    if qop:
        nc, cnonce = f"{credentials.next_count(nonce):08x}", tokens.token(16)
        tail = f', qop=auth, nc={nc}, cnonce="{cnonce}"'
    if "opaque" in challenge:
        tail += f", opaque={_quoted(challenge['opaque'])}"
    answer = digest(algorithm, ha1, method, uri, nonce, nc, cnonce, qop)
    return (
        f"Digest username={_quoted(credentials.username)}, realm={_quoted(realm)}, "
        f"nonce={_quoted(nonce)}, "
        f'uri="{uri}", response="{answer}", algorithm={algorithm}{tail}'
    )


def _quoted(text: str) -> str:
    """A quoted string (RFC 3261 section 25.1)."""
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def again(
    transaction: ClientTransaction,
    response: Response,
    credentials: Credentials,
    dialog: Dialog | None,
) -> tuple[ClientTransaction, str] | None:
    """The request of `transaction` once more with credentials, and their header lines.

    None if they cannot help: no challenge that we know, or they were refused already. A challenge
    with stale=true is answered once more. The new transaction is not started.
    """
    header, answer = (
        ("WWW-Authenticate", "Authorization")
        if response.status == 401
        else ("Proxy-Authenticate", "Proxy-Authorization")
    )
    challenge = _choose(response, header, credentials)
    if challenge is None or transaction.attempts >= 3:
        return None
    head, _, body = transaction.data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    stale = challenge.get("stale", "").lower() == "true"
    if any(line.startswith(answer + ":") for line in lines) and not (
        stale and transaction.attempts < 2
    ):
        return None
    agent = transaction.agent
    branch = "z9hG4bK" + agent.tokens.token(16)
    uri = lines[0].split(" ")[1]
    value = authorization(challenge, credentials, transaction.method, uri, agent.tokens)
    out = []
    auth_lines = f"{answer}: {value}\r\n"
    via_done = False
    for line in lines:
        name = line.partition(":")[0]
        if name == "Via" and not via_done:
            via_done = True
            out.append(f"Via: {transaction.flow.listener.via_prefix}{branch}")
        elif name == "CSeq":
            number = int(line[5:].split()[0]) + 1
            if dialog is not None:
                dialog.local_cseq = number = max(dialog.local_cseq + 1, number)
            # RFC 3261 section 22.2: "it MUST increment the CSeq header field value".
            out.append(f"CSeq: {number} {transaction.method}")
        elif name == answer:
            continue
        elif name == "Content-Length":
            out.append(auth_lines[:-2])
            out.append(line)
        else:
            if name in ("Authorization", "Proxy-Authorization"):
                auth_lines += f"{line}\r\n"
            out.append(line)
    data = "\r\n".join(out).encode() + b"\r\n\r\n" + body
    retry = ClientTransaction(agent, transaction.method, branch, transaction.flow, data, None)
    retry.attempts = transaction.attempts + 1
    return retry, auth_lines


class Verdict(msgspec.Struct, frozen=True):
    """Status 200 with the username, or the failure to answer with: 400 or 401 with challenges."""

    status: int
    username: str = ""
    headers: tuple[tuple[str, str], ...] = ()


class Authenticator:
    """Challenges requests and checks what comes back.

    `credentials(username, realm)` gives the password or Ha1, None for an unknown user. `secret`
    signs nonces; a new one at each start of the process is fine.
    """

    __slots__ = (
        "_algorithms",
        "_counts",
        "_credentials",
        "_floor",
        "_limit",
        "_secret",
        "_tokens",
        "nonce_life_s",
        "realm",
    )

    def __init__(
        self,
        realm: str,
        secret: bytes,
        tokens: Tokens,
        credentials: Callable[[str, str], str | Ha1 | None],
        *,
        algorithms: tuple[str, ...] = ("SHA-256", "MD5"),
        nonce_life_s: float = 300.0,
        limit: int = 10_000,
    ) -> None:
        self._algorithms = algorithms
        self.realm = realm
        self.nonce_life_s = nonce_life_s
        self._secret = secret
        self._tokens = tokens
        self._credentials = credentials
        self._limit = limit
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._floor = -1.0

    def challenge(self, now: float, stale: bool = False) -> tuple[tuple[str, str], ...]:
        """WWW-Authenticate headers for a 401, in our order of preference (RFC 8760)."""
        nonce = self._nonce(now)
        tail = ", stale=true" if stale else ""
        return tuple(
            (
                "WWW-Authenticate",
                f'Digest realm="{self.realm}", nonce="{nonce}", algorithm={name}, qop="auth"{tail}',
            )
            for name in self._algorithms
        )

    def check(self, request: Request, now: float) -> Verdict:
        """Whether the request carries good credentials for our realm."""
        for value in request.get_all("Authorization"):
            params = parse_digest(value)
            if params is not None and params.get("realm") == self.realm:
                return self._check(request, params, now)
        return Verdict(401, headers=self.challenge(now))

    def _check(self, request: Request, params: dict[str, str], now: float) -> Verdict:
        try:
            username, nonce = params["username"], params["nonce"]
            uri, answer = params["uri"], params["response"]
        except KeyError as missing:
            return Verdict(400, headers=(("Warning", f'399 - "no {missing.args[0]}"'),))
        algorithm = params.get("algorithm", "MD5").upper()
        qop, nc, cnonce = params.get("qop", ""), params.get("nc", ""), params.get("cnonce", "")
        if (
            algorithm not in self._algorithms
            or qop not in ("", "auth")
            or not _same(uri, request.uri)
        ):
            return Verdict(400)
        if qop and (len(nc) != 8 or nc.strip("0123456789abcdefABCDEF") or not cnonce):
            return Verdict(400)
        issued = self._issued(nonce)
        if issued is None:
            return Verdict(401, headers=self.challenge(now))
        secret = self._credentials(username, self.realm)
        # An unknown user costs as much time as a wrong password.
        ha1 = _ha1(algorithm, username, self.realm, "" if secret is None else secret)
        wanted = digest(algorithm, ha1, request.method, uri, nonce, nc, cnonce, qop)
        good = hmac.compare_digest(wanted.encode(), answer.lower().encode("utf-8", "replace"))
        if not good or secret is None or not ha1:
            return Verdict(401, headers=self.challenge(now))
        if now - issued > self.nonce_life_s or issued <= self._floor:
            return Verdict(401, headers=self.challenge(now, stale=True))
        count = int(nc, 16) if qop else 1
        if count <= self._counts.get(nonce, 0):
            return Verdict(401, headers=self.challenge(now, stale=True))
        self._counts[nonce] = count
        if len(self._counts) > self._limit:
            oldest, _ = self._counts.popitem(last=False)
            self._floor = max(self._floor, self._issued(oldest) or 0.0)
        return Verdict(200, username)

    def _nonce(self, now: float) -> str:
        text = f"{int(now * 1000):x}.{self._tokens.token(16)}"
        return f"{text}.{self._sign(text)}"

    def _sign(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()[:32]

    def _issued(self, nonce: str) -> float | None:
        """When we made the nonce; None if it is not ours."""
        text, _, signature = nonce.rpartition(".")
        if not hmac.compare_digest(self._sign(text).encode(), signature.encode("utf-8", "replace")):
            return None
        return int(text.partition(".")[0], 16) / 1000


def _same(mine: str, theirs: str) -> bool:
    if mine == theirs:
        return True
    try:
        return parse_uri(mine) == parse_uri(theirs)
    except UriError:
        return False
