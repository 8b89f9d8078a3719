"""Messages to all: who has the console open sees them at once."""

from __future__ import annotations

from cicswitch.api.endpoint import Ask, endpoint
from cicswitch.api.shapes.messages import Message
from cicswitch.calls.events import MessageSent

__all__ = ["Message"]


@endpoint("POST", "/messages", scopes="agents:write")
async def send(ask: Ask, body: Message) -> None:
    """Write to all who read events: every agent at his desk, every supervisor."""
    conductor = ask.api.switch.conductor
    event = MessageSent(ask.api.switch.clock.now(), ask.account.name, body.text)
    conductor.do(lambda: conductor.emit(event))
    await ask.note("message.send", "all", None, {"text": body.text})
