"""Signing in at an OpenID provider: what is asked and answered."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Begun", "Provider", "Providers", "Returned"]


class Provider(Struct, frozen=True):
    """An OpenID provider of the configuration."""

    name: str
    label: str
    """What the button says."""


class Providers(Struct, frozen=True):
    """All of them."""

    items: list[Provider]


class Begun(Struct, frozen=True):
    """A sign-in that has begun."""

    url: str
    """Where the browser goes: the provider's page."""
    proof: str
    """To be kept by the page, and sent when the browser is back."""


class Returned(Struct, frozen=True, forbid_unknown_fields=True):
    """What the browser is back with from a provider."""

    state: str
    code: str
    proof: str
    """What the page was given when it began."""
