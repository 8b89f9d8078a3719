"""Trunks and devices, and whether they can be reached."""

from __future__ import annotations

from cicswitch.api.endpoint import Ask, endpoint
from cicswitch.api.paging import Page, Paging, page_of
from cicswitch.api.shapes.trunks import DeviceView, TrunkView
from cicswitch.core.errors import NotFound

__all__ = ["DeviceView", "TrunkView"]


@endpoint("GET", "/trunks", scopes="trunks:read")
async def trunks(ask: Ask, query: Paging) -> Page[TrunkView]:
    """All trunks by name."""
    by_name = ask.api.switch.sip.trunks.by_name
    return page_of(sorted(by_name), query, lambda name: _trunk(ask, name))


@endpoint("GET", "/trunks/{trunk}", scopes="trunks:read")
async def trunk(ask: Ask, trunk: str) -> TrunkView:
    """A trunk."""
    if trunk not in ask.api.switch.sip.trunks.by_name:
        raise NotFound(f'there is no trunk "{trunk[:80]}"')
    return _trunk(ask, trunk)


@endpoint("GET", "/devices", scopes="trunks:read")
async def devices(ask: Ask, query: Paging) -> Page[DeviceView]:
    """All devices by number."""
    keys = ask.api.devices.of(ask.api.config.device)
    registered = frozenset(ask.api.switch.sip.devices.registered())
    return page_of(keys, query, lambda name: _device(ask, name, name in registered))


def _trunk(ask: Ask, name: str) -> TrunkView:
    trunk = ask.api.switch.sip.trunks.by_name[name]
    return TrunkView(
        trunk=name,
        up=trunk.up,
        calls=trunk.calls,
        address=trunk.config.address,
        at="" if trunk.remote is None else trunk.remote[0],
        problem=trunk.problem,
    )


def _device(ask: Ask, name: str, registered: bool) -> DeviceView:
    return DeviceView(
        device=name,
        name=ask.api.config.device[name].name,
        registered=registered,
        agent=ask.api.switch.conductor.agent_of.get(name, ""),
    )
