"""Channels by their type: those of this package, and those of others by entry point.

A package of somebody else's names its factory in its `pyproject.toml`:

    [project.entry-points."cicswitch.channels"]
    pager = "pager_channel:Pager"

and `[channel.NAME] type = "pager"` calls `Pager(name, settings, host, archive)`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Final

from cicswitch.channels.chat import Chat
from cicswitch.channels.email.channel import Email
from cicswitch.channels.fax import Fax
from cicswitch.channels.sip import SipTexts
from cicswitch.channels.task import Task
from cicswitch.channels.webhook import Webhook
from cicswitch.config import ChannelConfig
from cicswitch.core.errors import ResourceError
from cicswitch.ports import Archive, Channel, ChannelHost

__all__ = ["GROUP", "OWN", "make", "types"]

GROUP: Final = "cicswitch.channels"
Factory = Callable[[str, ChannelConfig, ChannelHost, Archive], Channel]
OWN: Final[dict[str, Factory]] = {
    "chat": Chat,
    "email": Email,
    "fax": Fax,
    "sip": SipTexts,
    "task": Task,
    "webhook": Webhook,
}


def types() -> list[str]:
    """The types that there are."""
    return sorted({*OWN, *(each.name for each in entry_points(group=GROUP))})


def make(name: str, config: ChannelConfig, host: ChannelHost, archive: Archive) -> Channel:
    """A channel of the configuration. Raises `ResourceError` in one line."""
    factory = OWN.get(config.type)
    if factory is None:
        found = [each for each in entry_points(group=GROUP) if each.name == config.type]
        if not found:
            raise ResourceError(
                f'channel "{name}": there is no type "{config.type}"; known: {", ".join(types())}'
            )
        try:
            factory = found[0].load()
        except Exception as error:
            raise ResourceError(
                f'channel "{name}": {found[0].value} cannot be loaded: {error}'
            ) from error
    try:
        return factory(name, config, host, archive)
    except ResourceError:
        raise
    except Exception as error:
        if config.type in OWN:
            raise
        raise ResourceError(f'channel "{name}": {type(error).__name__}: {error}') from error
