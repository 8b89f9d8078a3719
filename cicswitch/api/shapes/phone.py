"""The browser as a phone: what it needs to know."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["IceServer", "PhoneSettings"]


class IceServer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A STUN or TURN server, as `RTCPeerConnection` takes it."""

    urls: list[str]
    username: str = ""
    credential: str = ""


class PhoneSettings(Struct, frozen=True, kw_only=True):
    """How the browser of who is signed in registers as his device."""

    device: str
    """The number, which is the user of its address."""
    path: str
    """The WebSocket beside this API; it takes the cookie in the place of a password."""
    video: bool
    ice_servers: list[IceServer]
