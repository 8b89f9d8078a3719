"""What a browser needs to be an agent's phone."""

from __future__ import annotations

import base64
import hmac
from typing import TYPE_CHECKING

from cicswitch.api.endpoint import Ask, endpoint
from cicswitch.api.problems import Problem
from cicswitch.api.shapes.phone import IceServer, PhoneSettings

if TYPE_CHECKING:
    from cicswitch.config import WebrtcConfig

__all__ = ["ice_servers"]

_TURN_S = 86_400
"""How long the credentials for a TURN server are good: longer than a shift."""


def ice_servers(config: WebrtcConfig, account: str, now: float) -> list[IceServer]:
    """Servers with credentials for a day (draft-uberti-behave-turn-rest-00 section 2.2)."""
    found: list[IceServer] = []
    secret = config.turn_secret.reveal()
    for url in config.ice_servers:
        if url.startswith("turn") and secret:
            username = f"{int(now) + _TURN_S}:{account}"
            digest = hmac.new(secret.encode(), username.encode(), "sha1").digest()
            password = base64.b64encode(digest).decode()
            found.append(IceServer(urls=[url], username=username, credential=password))
        else:
            found.append(IceServer(urls=[url]))
    return found


@endpoint("GET", "/phone", scopes="agents:self", errors=(404,))
async def phone(ask: Ask) -> PhoneSettings:
    """How the browser becomes one's phone."""
    switch = ask.api.switch
    agent = ask.api.config.agent.get(ask.account.agent)
    if agent is None or ":" in agent.device:
        raise Problem(404, "the account has no agent with a device that registers here")
    if switch.sip.webrtc is None:
        raise Problem(404, "WebRTC is off: see [webrtc] in the configuration")
    config = ask.api.config.webrtc
    return PhoneSettings(
        device=agent.device,
        path="/sip",
        video=config.video,
        ice_servers=ice_servers(config, ask.account.name, ask.now),
    )
