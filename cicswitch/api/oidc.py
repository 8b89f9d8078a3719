"""Signing in at an OpenID provider: the authorization code flow of OpenID Connect Core 1.0, 3.1.

With PKCE (RFC 7636, S256), `state` and `nonce`. Nothing is kept of a sign-in that has begun: what
belongs to it is worked out again from its `state` and a key that dies with the process.

    url, proof = await providers.begin(name, config, redirect, now)    # the browser goes there …
    claims = await providers.end(name, config, redirect, returned, now)  # … and is back
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import ssl
from collections.abc import Callable
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import httpx
import msgspec
from msgspec import Struct

from cicswitch.api.shapes.oidc import Returned
from cicswitch.config import OidcConfig
from cicswitch.core.errors import CommandError, ResourceError

__all__ = ["Claims", "Providers"]

Claims = dict[str, Any]
T = TypeVar("T")

ALGORITHMS: Final = [
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "Ed25519", "EdDSA"),
]
_TAKES_S: Final = 600
"""So long somebody may take to sign in at the provider."""
_KNOWN_S: Final = 3600
"""So long the provider's document and keys are good."""
_FRESH_S: Final = 60
"""An unknown key is looked for again after so long."""
_LEEWAY_S: Final = 120
_BODY: Final = 1 << 20
_AT_ONCE: Final = 8
"""Requests to providers at the same time."""
_LONG: Final = 4096


class _Document(Struct, frozen=True):
    """What of a provider's configuration is used (OpenID Connect Discovery 1.0, 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class _Tokens(Struct, frozen=True):
    id_token: str
    access_token: str = ""


class _Keys(Struct, frozen=True):
    keys: list[dict[str, Any]]


class _Known(Struct):
    document: _Document
    at: float
    keys: list[Any] = []
    keys_at: float = -1e9


class Providers:
    """What is known of the providers of a configuration."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._known: dict[tuple[str, str], _Known] = {}
        self._at_once = asyncio.Semaphore(_AT_ONCE)

    async def begin(
        self, name: str, config: OidcConfig, redirect: str, now: float
    ) -> tuple[str, str]:
        """Where the browser is to go, and what it has to show when it is back.

        Raises `ResourceError` for a provider that cannot be asked.
        """
        known = await self._look(config, now)
        state = secrets.token_urlsafe(16)
        until = int(now) + _TAKES_S
        challenge = hashlib.sha256(self._of(state, "verifier").encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": config.client_id,
            "redirect_uri": redirect,
            "scope": " ".join(config.scopes),
            "state": state,
            "nonce": self._of(state, "nonce"),
            "code_challenge": _text(challenge),
            "code_challenge_method": "S256",
        }
        where = known.document.authorization_endpoint
        joint = "&" if urlsplit(where).query else "?"
        proof = f"{until:x}.{self._proof(name, redirect, state, until)}"
        return f"{where}{joint}{urlencode(asked)}", proof

    async def end(
        self, name: str, config: OidcConfig, redirect: str, back: Returned, now: float
    ) -> Claims:
        """What the provider says of who has signed in.

        Raises `CommandError` for what is not to be believed, `ResourceError` for a provider that
        cannot be asked.
        """
        state, code = back.state, back.code
        until, _, mac = back.proof.partition(".")
        try:
            end = int(until[:16], 16)
        except ValueError:
            end = 0
        meant = self._proof(name, redirect, state, end)
        if not hmac.compare_digest(mac.encode(), meant.encode()):
            raise CommandError("this sign-in was not begun here, or before a restart: begin again")
        if now > end:
            raise CommandError(f"the sign-in took longer than {_TAKES_S} s: begin again")
        if not 0 < len(code) <= _LONG:
            raise CommandError("the provider has given no code")
        known = await self._look(config, now)
        tokens = await self._redeem(config, known.document, redirect, state, code)
        claims = await self._verified(config, known, tokens.id_token, now)
        nonce = claims.get("nonce")
        if not isinstance(nonce, str) or not hmac.compare_digest(
            nonce.encode(), self._of(state, "nonce").encode()
        ):
            raise CommandError("the provider's answer is to another sign-in (nonce)")
        wanted = {config.name_claim, config.role_claim, config.agent_claim} - {"", *claims}
        if wanted and known.document.userinfo_endpoint and tokens.access_token:
            more = await self._userinfo(config, known.document, tokens.access_token)
            if more.get("sub") != claims["sub"]:
                raise CommandError("the provider speaks of two people (sub)")
            claims = {**more, **claims}
        return claims

    # -- a sign-in, from its state ---------------------------------------------------------------

    def _of(self, state: str, what: str) -> str:
        return _text(hmac.digest(self._key, f"{what}\n{state}".encode(), "sha256"))

    def _proof(self, name: str, redirect: str, state: str, until: int) -> str:
        text = f"proof\n{name}\n{redirect}\n{state}\n{until}"
        return _text(hmac.digest(self._key, text.encode(), "sha256"))

    # -- the provider ----------------------------------------------------------------------------

    async def _look(self, config: OidcConfig, now: float) -> _Known:
        key = (config.issuer, config.ca_file)
        known = self._known.get(key)
        if known is None or not 0 <= now - known.at < _KNOWN_S:
            url = config.issuer.rstrip("/") + "/.well-known/openid-configuration"
            document = await self._ask(config, _Document, "GET", url)
            if document.issuer != config.issuer:
                raise ResourceError(
                    f'{url} says that it is "{document.issuer[:200]}",'
                    f' not the issuer "{config.issuer}"'
                )
            for field in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                _guarded(config, getattr(document, field))
            known = self._known[key] = _Known(document, now)
        return known

    async def _redeem(
        self, config: OidcConfig, document: _Document, redirect: str, state: str, code: str
    ) -> _Tokens:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect,
            "client_id": config.client_id,
            "code_verifier": self._of(state, "verifier"),
        }
        headers = {}
        secret = config.client_secret.reveal()
        if secret and "client_secret_basic" in document.token_endpoint_auth_methods_supported:
            # RFC 6749, 2.3.1: both are encoded before they are put together.
            pair = f"{quote(config.client_id, safe='')}:{quote(secret, safe='')}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
            del form["client_id"]
        elif secret:
            form["client_secret"] = secret
        return await self._ask(
            config, _Tokens, "POST", document.token_endpoint, data=form, headers=headers
        )

    async def _userinfo(self, config: OidcConfig, document: _Document, token: str) -> Claims:
        where = document.userinfo_endpoint
        _guarded(config, where)
        headers = {"Authorization": f"Bearer {token}"}
        return await self._ask(config, Claims, "GET", where, headers=headers)

    async def _ask(
        self, config: OidcConfig, kind: type[T], method: str, url: str, **more: Any
    ) -> T:
        """A document of the provider's. Raises `CommandError` for what it refuses (4xx)."""
        _guarded(config, url)
        body = bytearray()
        try:
            verify = await asyncio.to_thread(_context, config.ca_file)
            async with (
                asyncio.timeout(config.timeout_s),
                self._at_once,
                httpx.AsyncClient(verify=verify, trust_env=False) as http,
                http.stream(method, url, **more) as reply,
            ):
                async for part in reply.aiter_bytes():
                    body += part
                    if len(body) > _BODY:
                        raise ResourceError(f"{url} answers more than {_BODY} bytes")
        except TimeoutError:
            raise ResourceError(f"{url} has not answered in {config.timeout_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise ResourceError(f"{url}: {str(error) or type(error).__name__}") from None
        if reply.status_code == 400 and method == "POST":
            raise CommandError(f"the provider refuses: {_refusal(bytes(body))}")
        if reply.status_code != 200:
            raise ResourceError(f"{url} answers {reply.status_code}: {_refusal(bytes(body))}")
        try:
            return msgspec.json.decode(bytes(body), type=kind)
        except msgspec.MsgspecError as error:
            raise ResourceError(f"{url} answers what is not understood: {error}") from None

    # -- the ID token ----------------------------------------------------------------------------

    async def _verified(self, config: OidcConfig, known: _Known, token: str, now: float) -> Claims:
        """The claims of an ID token (3.1.3.7). Raises `CommandError`."""
        if not 0 <= now - known.keys_at < _KNOWN_S:
            await self._keys(config, known, now)
        claims = _opened(token, known.keys)
        if claims is None and now - known.keys_at > _FRESH_S:
            await self._keys(config, known, now)
            claims = _opened(token, known.keys)
        if claims is None:
            raise CommandError("the provider's ID token has no valid signature")
        audience = claims.get("aud")
        audience = [audience] if isinstance(audience, str) else audience
        fine: dict[str, Callable[[], bool]] = {
            "iss": lambda: claims.get("iss") == config.issuer,
            "aud": lambda: isinstance(audience, list) and config.client_id in audience,
            "azp": lambda: (
                claims.get("azp") == config.client_id
                if "azp" in claims or (isinstance(audience, list) and len(audience) > 1)
                else True
            ),
            "exp": lambda: now < _seconds(claims.get("exp")) + _LEEWAY_S,
            "iat": lambda: abs(now - _seconds(claims.get("iat"))) < _TAKES_S + _LEEWAY_S,
            "nbf": lambda: "nbf" not in claims or _seconds(claims["nbf"]) - _LEEWAY_S < now,
            "sub": lambda: isinstance(claims.get("sub"), str) and bool(claims["sub"]),
        }
        for name, holds in fine.items():
            if not holds():
                raise CommandError(f"the provider's ID token is not for this sign-in ({name})")
        return claims

    async def _keys(self, config: OidcConfig, known: _Known, now: float) -> None:
        from joserfc.errors import JoseError
        from joserfc.jwk import import_key  # 0.1 s of imports that most switches never need

        found = await self._ask(config, _Keys, "GET", known.document.jwks_uri)
        known.keys = []
        for each in found.keys[:100]:
            if each.get("use", "sig") != "sig" or each.get("kty") == "oct":
                continue
            try:
                known.keys.append(import_key(each))
            except (ValueError, TypeError, KeyError, JoseError):
                continue  # of a kind that is not known here: others may be
        known.keys_at = now


def _opened(token: str, keys: list[Any]) -> Claims | None:
    """The claims, if one of these keys has signed them."""
    from joserfc import jws, jwt
    from joserfc.errors import JoseError

    try:
        kid = jws.extract_compact(token.encode()).headers().get("kid")
    except (ValueError, JoseError):
        return None
    for key in keys:
        if kid is not None and key.kid not in (None, kid):
            continue
        try:
            return dict(jwt.decode(token, key, algorithms=ALGORITHMS).claims)
        except (ValueError, TypeError, JoseError):
            continue
    return None


def _seconds(value: Any) -> float:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if known else float("nan")


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _context(ca_file: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file or None)


def _guarded(config: OidcConfig, url: str) -> None:
    """Where the issuer is asked over TLS, so is everything that it names."""
    if not isinstance(url, str) or urlsplit(url).scheme not in (
        ("https",) if config.issuer.startswith("https:") else ("https", "http")
    ):
        raise ResourceError(f'the provider names "{str(url)[:200]}", which is not https')


def _refusal(body: bytes) -> str:
    """Why, in the provider's words (RFC 6749, 5.2), on one line."""
    try:
        told = msgspec.json.decode(body)
        words = f"{told.get('error', '')} {told.get('error_description', '')}"
    except (msgspec.MsgspecError, AttributeError):
        words = body[:200].decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in words[:300]).split())
