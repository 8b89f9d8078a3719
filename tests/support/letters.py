"""A switch with an email channel whose servers nobody needs: mails are handed to it as bytes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx

from tests.api.served import EXTRA, Served, served
from tests.support.center import PLAN
from tests.support.ports import free_port

CHANNEL = """
[channel.mail]
type = "email"
queue = "{queue}"
[channel.mail.settings]
addresses = ["support@example.com"]
{more}
[channel.mail.settings.send]
server = "127.0.0.1"
port = {send}
security = "none"
[channel.mail.settings.receive]
listen = "127.0.0.1:{receive}"
"""


def letter(text: str = "Where is it?", subject: str = "Order 4711", **fields: str) -> bytes:
    """A mail; each has another Message-ID, if none is given."""
    letter.count += 1  # type: ignore[attr-defined]  # below
    message = EmailMessage()
    given = {
        "From": "Park <park@example.org>",
        "To": "support@example.com",
        "Subject": subject,
        "Message-ID": f"<{letter.count}@example.org>",  # type: ignore[attr-defined]  # below
        **{name.replace("_", "-"): value for name, value in fields.items()},
    }
    for name, value in given.items():
        message[name] = value
    message.set_content(text)
    return message.as_bytes()


letter.count = 0  # type: ignore[attr-defined]  # a number of its own


@contextlib.asynccontextmanager
async def letters(
    folder: Path,
    extra: str = "",
    *,
    queue: str = "support",
    settings: str = "",
    agent: bool = True,
    **more: Any,
) -> AsyncIterator[tuple[Served, httpx.AsyncClient]]:
    """The switch, and lee, who is there."""
    channel = CHANNEL.format(queue=queue, more=settings, send=free_port(), receive=free_port())
    async with served(folder, extra=channel + extra + EXTRA, plan=PLAN, **more) as api:
        await (await api.token("administrator")).post("/api/v1/agents/kim/sign-out")
        lee = await api.token("agent")
        if agent:
            await lee.post("/api/v1/agents/lee/sign-in")
        yield api, lee


async def come(api: Served, raw: bytes) -> None:
    """A mail comes in; it is on disk when this returns."""
    await api.switch.conductor.contacts.channels["mail"].intake.take(raw, "park@example.org")  # type: ignore[attr-defined]  # an Email
