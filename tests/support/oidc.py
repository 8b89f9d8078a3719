"""OpenID providers: one that is not ours, and one that says what a test tells it to."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import socket
import sys
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import uvicorn
from joserfc import jws
from joserfc.jwk import RSAKey
from litestar import Litestar, Request, Response, route

from tests.support.ports import free_port

__all__ = ["Liar", "asked", "liar", "provider", "section"]

CLIENT = "cicswitch"


def section(issuer: str, more: str = "") -> str:
    """The provider in a configuration."""
    return f'[oidc.company]\nissuer = "{issuer}"\nclient_id = "{CLIENT}"\n{more}\n'


def asked(url: str) -> dict[str, str]:
    """The parameters of a URL."""
    return {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}


@contextlib.asynccontextmanager
async def provider(*people: dict[str, Any]) -> AsyncIterator[str]:
    """oidc-provider-mock, a process of its own; its issuer."""
    port = free_port()
    arguments = [each for one in people for each in ("--user-claims", json.dumps(one))]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "-p", str(port)),
        *("--require-nonce", "true", *arguments),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    issuer = f"http://127.0.0.1:{port}"
    try:
        async with asyncio.timeout(30), httpx.AsyncClient(trust_env=False) as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    found = await client.get(f"{issuer}/.well-known/openid-configuration")
                    assert found.json()["issuer"] == issuer
                    break
                await asyncio.sleep(0.1)
        yield issuer
    finally:
        process.terminate()
        await process.wait()


def _coded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Liar:
    """A provider whose every answer can be bent."""

    def __init__(self) -> None:
        self.issuer = ""
        self.key = RSAKey.generate_key(2048, {"kid": "1", "use": "sig"})
        self.other = RSAKey.generate_key(2048, {"kid": "1", "use": "sig"})
        self.claims: dict[str, Any] = {}
        """Beside, or in place of, those that are right; None: without."""
        self.more: dict[str, Any] = {}
        """What userinfo says."""
        self.document: dict[str, Any] = {}
        self.kind = "RS256"
        self.answer: tuple[int, bytes] | None = None
        """Of the token endpoint, in place of a token."""
        self.begun: dict[str, str] = {}
        """The parameters of the page."""
        self.requests: list[tuple[dict[str, str], str]] = []
        """Those for a token: form and `Authorization`."""

    def token(self) -> str:
        """An ID token."""
        now = int(time.time())
        right = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "42",
            "iat": now,
            "exp": now + 60,
            "nonce": self.begun.get("nonce", ""),
            "preferred_username": "Kim",
            **self.claims,
        }
        claims = {key: value for key, value in right.items() if value is not None}
        if self.kind in ("none", "HS256"):  # "signed" by nobody, or with what everybody knows
            parts = [{"alg": self.kind, "kid": "1"}, claims]
            text = ".".join(_coded(json.dumps(each).encode()) for each in parts)
            secret = self.key.as_pem(private=False)
            mac = b"" if self.kind == "none" else hmac.digest(secret, text.encode(), "sha256")
            return f"{text}.{_coded(mac)}"
        key = self.other if self.kind == "forged" else self.key
        return jws.serialize_compact({"alg": "RS256", "kid": "1"}, json.dumps(claims), key)

    async def take(self, request: Request[Any, Any, Any]) -> Response[Any]:
        """A request."""
        path = request.url.path
        if path == "/.well-known/openid-configuration":
            return Response(
                {
                    "issuer": self.issuer,
                    "authorization_endpoint": f"{self.issuer}/authorize?tenant=1",
                    "token_endpoint": f"{self.issuer}/token",
                    "userinfo_endpoint": f"{self.issuer}/userinfo",
                    "jwks_uri": f"{self.issuer}/jwks",
                    **self.document,
                }
            )
        if path == "/jwks":
            odd = {"kty": "XYZ", "kid": "0"}
            return Response({"keys": [odd, self.key.as_dict(private=False)]})
        if path == "/userinfo":
            assert request.headers["authorization"] == "Bearer opaque"
            return Response({"sub": "42", **self.more})
        assert path == "/token"
        form = {key: values[0] for key, values in parse_qs((await request.body()).decode()).items()}
        self.requests.append((form, request.headers.get("authorization", "")))
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if (
            _coded(digest) != self.begun["code_challenge"]
            or self.begun["code_challenge_method"] != "S256"
        ):
            return Response({"error": "invalid_grant"}, status_code=400)
        if self.answer is not None:
            return Response(self.answer[1], status_code=self.answer[0], media_type="text/plain")
        return Response({"id_token": self.token(), "access_token": "opaque"})


@contextlib.asynccontextmanager
async def liar() -> AsyncIterator[Liar]:
    """Such a provider, on a socket."""
    made = Liar()
    take = route(["/", "/{rest:path}"], http_method=["GET", "POST"], status_code=200)(made.take)
    app = Litestar([take], openapi_config=None, logging_config=None)
    config = uvicorn.Config(app, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        made.issuer = f"http://127.0.0.1:{listening.getsockname()[1]}"
        await server.startup(sockets=[listening])
        serving = asyncio.create_task(server.main_loop())
        try:
            yield made
        finally:
            server.should_exit = server.force_exit = True
            await serving
            await server.shutdown(sockets=[listening])
