"""For programs that receive webhooks: is it from the switch, and what happened.

@app.post("/cic")
async def received(request):
    message = verify(SECRET, request.headers, await request.body())
    if message.id not in seen: ...
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from cicswitch.client.errors import ApiError
from cicswitch.client.events import UnknownEvent
from cicswitch.core.signature import TOLERANCE_S, matches, secret_key
from cicswitch.records.journal import Event

__all__ = ["BadMessage", "WebhookMessage", "verify"]

_event: Any = msgspec.json.Decoder(Event)


class BadMessage(ApiError):
    """A message that is not from the switch, or is an old one: answer 400 and do nothing."""


class WebhookMessage(Struct, frozen=True):
    """What a switch has sent."""

    id: str
    """The same each time that an event is sent: keep it to know what was done already."""
    sent_at: int
    """When this attempt was made, in seconds of the epoch."""
    type: str
    event: Any
    """A Struct of `acd.events` or `calls.events`; `UnknownEvent` for a test message, or of a switch
    that is newer."""


class _Body(Struct):
    type: str
    data: msgspec.Raw


def verify(
    secret: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float | None = None,
    tolerance_s: float = TOLERANCE_S,
) -> WebhookMessage:
    """Check a message and give what it says. `body` is what came, byte by byte.

    Raises `BadMessage` where a header is missing, the signature is wrong or the time is further
    away than `tolerance_s` seconds; `ValueError` where the secret is none.
    """
    given = {key.lower(): value for key, value in headers.items()}
    try:
        message_id, stamp = given["webhook-id"], given["webhook-timestamp"]
        signatures = given["webhook-signature"]
    except KeyError as error:
        raise BadMessage(f"no header {error.args[0]}") from None
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 16):
        raise BadMessage("webhook-timestamp is no number")
    sent_at = int(stamp)
    if not matches(secret_key(secret), message_id, sent_at, body, signatures):
        raise BadMessage("the signature is wrong")
    if abs((time.time() if now is None else now) - sent_at) > tolerance_s:
        raise BadMessage(f"it was sent more than {tolerance_s:g} s away from now")
    try:
        found = msgspec.json.decode(body, type=_Body)
    except msgspec.MsgspecError as error:
        raise BadMessage(f"the body is no message: {error}") from None
    try:
        event = _event.decode(found.data)
    except msgspec.ValidationError:
        event = UnknownEvent(found.type, msgspec.json.decode(found.data))
    return WebhookMessage(message_id, sent_at, found.type, event)
