"""A switch with its API on a real socket, accounts of every role, and clients for them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from cicswitch.api.accounts.model import Account, Actor
from cicswitch.api.accounts.passwords import Passwords
from cicswitch.api.accounts.roles import ROLES
from cicswitch.web import Web
from tests.support.center import PLAN, Center, center

PASSWORD = "correct horse battery"
ROOT = Actor("root", "command-line")
CHEAP = Passwords(time_cost=1, memory_kib=64)
EXTRA = """
[http]
requests_per_minute = 100000
"""


class Served:
    """The API under test."""

    def __init__(self, center: Center, web: Web) -> None:
        self.center = center
        self.web = web
        self.switch = center.switch
        self.directory = web.directory
        self.url = f"{web.server.scheme}://127.0.0.1:{web.server.port}"
        self._clients: list[httpx.AsyncClient] = []

    def client(self, **more: Any) -> httpx.AsyncClient:
        """A client that is nobody yet; it is closed at the end."""
        made = httpx.AsyncClient(base_url=self.url, timeout=20, trust_env=False, **more)
        self._clients.append(made)
        return made

    async def token(self, account: str, *scopes: str) -> httpx.AsyncClient:
        """A client with a token of an account, with all that it may do or with these scopes."""
        file = self.directory.file
        owner = await self.directory.run(file.people.find, account)
        wanted = scopes or tuple(owner.scopes)
        add = file.tokens.add
        _, secret = await self.directory.run(add, ROOT, 1.0, account, "test", wanted, None)
        return self.client(headers={"Authorization": f"Bearer {secret}"})

    async def session(self, account: str) -> httpx.AsyncClient:
        """A client that has signed in by password."""
        made = self.client()
        reply = await made.post("/api/v1/session", json={"name": account, "password": PASSWORD})
        assert reply.status_code == 201, reply.text
        made.headers["X-CSRF-Token"] = reply.json()["csrf"]
        return made

    async def audit(self) -> list[Any]:
        """All entries of the audit log."""
        return await self.directory.run(self.directory.file.audit.page, 0, 1000)

    async def close(self) -> None:
        """Close the clients."""
        for each in self._clients:
            await each.aclose()


@contextlib.asynccontextmanager
async def served(
    folder: Path,
    *,
    extra: str = EXTRA,
    plan: str = PLAN,
    people: bool = True,
    **more: Any,
) -> AsyncIterator[Served]:
    """A switch with its API. Accounts are called as their roles; `agent` acts for lee."""
    async with center(folder, extra=extra, plan=plan, **more) as c:
        web = Web(c.switch)
        web.directory.passwords = CHEAP
        if people:
            web.directory.file.open()
            kept = CHEAP.hash(PASSWORD)
            for role in ROLES:
                agent = "lee" if role == "agent" else ""
                account = Account(name=role, role=role, agent=agent)
                web.directory.file.people.add(ROOT, 1.0, account, kept)
        await web.start()
        found = Served(c, web)
        try:
            yield found
        finally:
            await found.close()
            await web.stop()


def problem(reply: httpx.Response, status: int) -> dict[str, Any]:
    """The problem document of an answer that has to be one."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = reply.json()
    assert body["status"] == status
    assert body["type"].startswith("urn:cicswitch:problem:")
    assert body["title"]
    return body
