"""Where trunks are: from which of our listeners, and at which address of their name.

A trunk with an IP address is started there at once. A name is looked up first, again every
`resolve_s`, and when ping or registration say that the trunk is down; what is found may move it. A
name that does not resolve leaves the trunk where it was, or down if it never was anywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from cicswitch.config import Endpoint
from cicswitch.core.timers import TimerWheel
from cicswitch.legs.sip.trunks import Trunk, Trunks
from cicswitch.runtime.clock import Clock
from cicswitch.sip.flow import Flow, Listener
from cicswitch.sip.user_agent import UserAgent

__all__ = ["Places"]

log = structlog.get_logger("trunk")

_RETRY_S = 10.0
"""How often the name of a trunk that is down is looked up, at least."""


class Places:
    """Starts and moves the trunks of one stack. `listeners` are set once they are bound."""

    def __init__(
        self,
        agent: UserAgent,
        trunks: Trunks,
        wheel: TimerWheel,
        clock: Clock,
        *,
        resolve: Callable[[str], Awaitable[list[str]]],
        touch: Callable[[], None],
    ) -> None:
        self.listeners: Sequence[tuple[Endpoint, Listener]] = ()
        self._agent = agent
        self._trunks = trunks
        self._wheel = wheel
        self._clock = clock
        self._resolve = resolve
        self._touch = touch
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, trunk: Trunk) -> None:
        """Bring a trunk to its place, once its name is resolved if it has one."""
        if trunk.endpoint.named:
            self._look_up(trunk)
        else:
            self._place(trunk, [trunk.endpoint.host])

    def _place(self, trunk: Trunk, addresses: Sequence[str]) -> None:
        """Start a trunk at one of these addresses, or move it there from where it was."""
        usable = [address for address in addresses if self._listener(trunk, address) is not None]
        address = trunk.next_address(usable)
        listener = self._listener(trunk, address)
        if listener is None:
            trunk.problem = (
                f"no listener of its kind: listen.sip has none for {trunk.config.address}"
                + (f" ({', '.join(addresses)})" if trunk.endpoint.named else "")
            )
            log.error("trunk_unreachable", trunk=trunk.name, error=trunk.problem)
            return
        flow = Flow(listener, (address, trunk.endpoint.port))
        if flow != trunk.flow:
            if trunk.endpoint.named:
                log.info("trunk_resolved", trunk=trunk.name, address=address)
            trunk.start(self._agent, flow, self._clock.now(), lambda: self._trunk_changed(trunk))

    def _listener(self, trunk: Trunk, address: str) -> Listener | None:
        for endpoint, listener in self.listeners:
            fits = endpoint.transport == trunk.endpoint.transport
            if fits and address and endpoint.ipv6 == (":" in address):
                return listener
        return None

    def _trunk_changed(self, trunk: Trunk) -> None:
        if trunk.endpoint.named and not trunk.up:
            self._look_up(trunk)  # it may have moved, or have another address
        self._touch()

    def _look_up(self, trunk: Trunk) -> None:
        """Resolve a trunk's name, now and again."""
        if trunk.resolver is not None:
            trunk.resolver.cancel()
        every = trunk.config.resolve_s
        due = self._clock.now() + (every if trunk.up else min(every, _RETRY_S))
        trunk.resolver = self._wheel.at(due, lambda _now: self._look_up(trunk))
        task = asyncio.get_running_loop().create_task(
            self._resolved(trunk), name=f"resolve {trunk.name}"
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _resolved(self, trunk: Trunk) -> None:
        addresses, error = [], ""
        try:
            addresses = await self._resolve(trunk.endpoint.host)
        except Exception as reason:
            # The resolver may be an embedding program's: whatever it raises is no address.
            error = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        if self._trunks.by_name.get(trunk.name) is not trunk:
            return  # taken out of the configuration meanwhile
        if not addresses:
            problem = f"{trunk.endpoint.host} does not resolve: {error or 'it has no address'}"
            if problem != trunk.problem:
                log.warning("trunk_unresolved", trunk=trunk.name, error=problem)
            trunk.problem = problem  # and what was known of it stays in use
            return
        trunk.problem = ""
        if set(addresses) != set(trunk.addresses):
            trunk.addresses = tuple(addresses)
            self._trunks.index()
        self._place(trunk, addresses)
        self._touch()

    def stop(self) -> None:
        """Wait for no resolver any more. Idempotent."""
        for task in list(self._tasks):
            task.cancel()
