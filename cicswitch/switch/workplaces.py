"""The phone at which each agent works: his own of the configuration, or one that he has taken until
he signs out, be it another desk's or an extension of a PBX.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cicswitch.acd import events as acd_events
from cicswitch.acd.agent import AgentState
from cicswitch.core.errors import Conflict, NotFound

if TYPE_CHECKING:
    from cicswitch.config import Config
    from cicswitch.records.journal import Event
    from cicswitch.switch.conductor import Conductor

__all__ = ["Workplaces"]


class Workplaces:
    """Who is where."""

    def __init__(self, conductor: Conductor) -> None:
        self._c = conductor
        self._taken: dict[str, str] = {}
        """Agent -> the device that is not his own."""
        self._listens = False

    def of(self, agent: str) -> str:
        """The device of an agent: `1001`, or `pbx:4001`; empty if there is no such agent."""
        own = self._c.env.config.agent.get(agent)
        return self._taken.get(agent) or (own.device if own is not None else "")

    def configure(self, config: Config) -> None:
        """Other agents, other devices. A device that is gone is nobody's."""
        for agent, device in list(self._taken.items()):
            if agent not in config.agent or not self._known(device):
                del self._taken[agent]
        self._settle()

    def take(self, agent: str, device: str) -> None:
        """Let an agent work at a device until he signs out; empty: at his own again.

        Raises `NotFound`, and `Conflict` while he or another is at work there.
        """
        c = self._c
        found = c.engine.agents.get(agent)
        own = c.env.config.agent.get(agent)
        if found is None or own is None:
            raise NotFound(f'there is no agent "{agent[:80]}"')
        device = device or own.device
        if not self._known(device):
            raise NotFound(f'"{device[:80]}" is no device, and no TRUNK:EXTENSION of a trunk')
        if device == self.of(agent):
            return
        if found.work:
            raise Conflict(f"{agent} has an interaction in hand")
        other = c.agent_of.get(device, "")
        if other and other != agent and c.engine.agents[other].state is not AgentState.OFFLINE:
            raise Conflict(f"{other} works at {device}")
        for name in [name for name, each in self._taken.items() if each == device]:
            del self._taken[name]
        if device == own.device:
            self._taken.pop(agent, None)
        else:
            self._taken[agent] = device
            if not self._listens:  # who takes none costs nothing
                self._listens = True
                c.subscribers.append(self._heard)
        self._settle()

    def check(self, agent: str) -> None:
        """Whether his device is free, before he signs in. Raises `Conflict`."""
        device = self.of(agent)
        other = self._c.agent_of.get(device, agent)
        if other != agent and self._c.engine.agents[other].state is not AgentState.OFFLINE:
            raise Conflict(f"{other} works at {device}")

    def _heard(self, event: Event) -> None:
        """Who signs out leaves the desk that is not his."""
        if not self._taken or not isinstance(event, acd_events.AgentChanged):
            return
        if event.state == "offline" and self._taken.pop(event.agent, ""):
            self._settle()

    def _known(self, device: str) -> bool:
        trunk, colon, extension = device.partition(":")
        if colon:
            return bool(extension) and trunk in self._c.env.config.trunk
        return device in self._c.env.config.device

    def _settle(self) -> None:
        """Whose device is whose."""
        found = self._c.agent_of
        found.clear()
        for name, agent in self._c.env.config.agent.items():
            if name not in self._taken:
                found[agent.device] = name
        for name, device in self._taken.items():
            found[device] = name
