"""Trunks and devices: what is answered."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["DeviceView", "TrunkView"]


class TrunkView(Struct, frozen=True, kw_only=True):
    """A trunk."""

    trunk: str
    up: bool
    calls: int
    address: str
    at: str
    """The address that its name stands for now."""
    problem: str


class DeviceView(Struct, frozen=True, kw_only=True):
    """A phone that registers here."""

    device: str
    name: str
    registered: bool
    agent: str
    """Who works at it."""
