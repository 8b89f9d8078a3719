"""Talks in progress: what is sent."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from cicswitch.calls.parties import Mode

__all__ = ["Announcement", "Conference", "Device", "Help", "Monitoring", "Target"]

Number = Annotated[str, Meta(min_length=1, max_length=80)]


class Target(Struct, frozen=True, forbid_unknown_fields=True):
    """Whom: a device's number or an agent; for a transfer whatever the dialplan has behind it."""

    to: Number


class Conference(Struct, frozen=True, forbid_unknown_fields=True):
    """Who comes in; empty: the third party that is consulted."""

    to: Annotated[str, Meta(max_length=80)] = ""


class Monitoring(Struct, frozen=True, forbid_unknown_fields=True):
    """What to do, and by which phone."""

    mode: Mode = Mode.MONITOR
    device: Annotated[str, Meta(max_length=80)] = ""
    """Empty: that of the account's agent. It answers by itself only if it is that one."""


class Device(Struct, frozen=True, forbid_unknown_fields=True):
    """By which phone: empty, that of the account's agent."""

    device: Annotated[str, Meta(max_length=80)] = ""


class Help(Struct, frozen=True, forbid_unknown_fields=True):
    """What it is about."""

    note: Annotated[str, Meta(max_length=200)] = ""


class Announcement(Struct, frozen=True, forbid_unknown_fields=True):
    """What is played over the talk, and who of the two hears it."""

    prompt: Number
    """The name of a prompt."""
    to: str = "agent"
    """`agent` or `customer`."""
