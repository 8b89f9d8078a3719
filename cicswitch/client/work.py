"""Methods about the work: queues, agents, interactions, callbacks, calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from cicswitch.api.shapes.agents import (
    AgentCapacity,
    AgentSkills,
    AgentToday,
    AgentView,
    ExplainedAgent,
    PauseCode,
    Workplace,
    WrapUpCode,
)
from cicswitch.api.shapes.alerts import AlertView
from cicswitch.api.shapes.callbacks import Blocked, BlockedView, CallbackOrder, CallbackView
from cicswitch.api.shapes.calls import Trace
from cicswitch.api.shapes.customers import NoteText, NoteView
from cicswitch.api.shapes.interactions import (
    ExplainedInteraction,
    InteractionView,
    MoveTo,
    Placed,
    Priority,
)
from cicswitch.api.shapes.messages import Message
from cicswitch.api.shapes.queues import QueueView
from cicswitch.client.wire import Wire

__all__ = ["WorkCalls"]


class WorkCalls(Wire):
    """Queues, agents, interactions, callbacks, calls."""

    def queues(self) -> AsyncIterator[QueueView]:
        """All queues by name, with their figures."""
        return self.each("/queues", QueueView)

    async def queue(self, queue: str) -> QueueView:
        """A queue with its figures."""
        return await self.call("GET", "/queues/{queue}", QueueView, queue=queue)

    def alerts(self) -> AsyncIterator[AlertView]:
        """Alerts that are open, the newest first; then the last that have ended."""
        return self.each("/alerts", AlertView)

    async def acknowledge_alert(self, alert: str) -> AlertView:
        """Say that one looks after it."""
        return await self.call("POST", "/alerts/{alert}/acknowledge", AlertView, alert=alert)

    async def send_message(self, text: str) -> None:
        """Write to all who read events."""
        await self.call("POST", "/messages", type(None), body=Message(text))

    # -- agents ----------------------------------------------------------------------------------

    def agents(self, *, state: str = "") -> AsyncIterator[AgentView]:
        """All agents by name, or those in a state."""
        return self.each("/agents", AgentView, {"state": state})

    async def agent(self, agent: str) -> AgentView:
        """An agent as he is now."""
        return await self.call("GET", "/agents/{agent}", AgentView, agent=agent)

    async def agent_capacity(self, agent: str) -> AgentCapacity:
        """How many of each medium an agent may hold, and what may interrupt what."""
        return await self.call("GET", "/agents/{agent}/capacity", AgentCapacity, agent=agent)

    async def agent_today(self, agent: str) -> AgentToday:
        """An agent's figures since midnight."""
        return await self.call("GET", "/agents/{agent}/today", AgentToday, agent=agent)

    async def sign_in_agent(self, agent: str, *, tag: Any = None) -> AgentView:
        """The agent begins to work."""
        path = "/agents/{agent}/sign-in"
        return await self.call("POST", path, AgentView, tag=tag, agent=agent)

    async def agent_device(self, agent: str) -> Workplace:
        """The phone at which an agent works."""
        return await self.call("GET", "/agents/{agent}/device", Workplace, agent=agent)

    async def set_agent_device(self, agent: str, device: str, *, tag: Any = None) -> Workplace:
        """The agent works at another phone until he signs out; empty: at his own."""
        path, body = "/agents/{agent}/device", Workplace(device)
        return await self.call("PUT", path, Workplace, body=body, tag=tag, agent=agent)

    async def sign_out_agent(self, agent: str, *, tag: Any = None) -> AgentView:
        """The agent goes, after the interaction in hand."""
        path = "/agents/{agent}/sign-out"
        return await self.call("POST", path, AgentView, tag=tag, agent=agent)

    async def ready(self, agent: str, *, tag: Any = None) -> AgentView:
        """The agent is idle again, after a pause, wrap-up or not responding."""
        path = "/agents/{agent}/ready"
        return await self.call("POST", path, AgentView, tag=tag, agent=agent)

    async def pause(self, agent: str, code: str = "", *, tag: Any = None) -> AgentView:
        """The agent takes no interactions, now or after the one in hand."""
        path, body = "/agents/{agent}/pause", PauseCode(code)
        return await self.call("POST", path, AgentView, body=body, tag=tag, agent=agent)

    async def wrap_up(
        self,
        agent: str,
        code: str,
        *,
        interaction: str = "",
        done: bool = True,
        tag: Any = None,
    ) -> AgentView:
        """Give the wrap-up code; ends the wrap-up if `done`."""
        path, body = "/agents/{agent}/wrap-up", WrapUpCode(code, interaction, done)
        return await self.call("POST", path, AgentView, body=body, tag=tag, agent=agent)

    async def skills(self, agent: str) -> AgentSkills:
        """What an agent can do."""
        return await self.call("GET", "/agents/{agent}/skills", AgentSkills, agent=agent)

    async def set_skills(
        self,
        agent: str,
        skills: Mapping[str, int],
        desire: Mapping[str, int] | None = None,
        *,
        tag: Any = None,
    ) -> AgentSkills:
        """Change what an agent can do, live, until the switch stops."""
        path, body = "/agents/{agent}/skills", AgentSkills(dict(skills), dict(desire or {}))
        return await self.call("PUT", path, AgentSkills, body=body, tag=tag, agent=agent)

    async def explain_agent(self, agent: str, *, language: str = "") -> ExplainedAgent:
        """Why the agent gets what he gets."""
        path, query = "/agents/{agent}/explain", {"language": language}
        return await self.call("GET", path, ExplainedAgent, query=query, agent=agent)

    # -- interactions ----------------------------------------------------------------------------

    def interactions(
        self, *, queue: str = "", state: str = "", agent: str = ""
    ) -> AsyncIterator[InteractionView]:
        """Interactions in the order in which they began."""
        query = {"queue": queue, "state": state, "agent": agent}
        return self.each("/interactions", InteractionView, query)

    async def interaction(self, interaction: str) -> InteractionView:
        """An interaction as it is now."""
        path = "/interactions/{interaction}"
        return await self.call("GET", path, InteractionView, interaction=interaction)

    async def explain_interaction(
        self, interaction: str, *, language: str = ""
    ) -> ExplainedInteraction:
        """Why it waits, and who could take it."""
        path, query = "/interactions/{interaction}/explain", {"language": language}
        return await self.call(
            "GET", path, ExplainedInteraction, query=query, interaction=interaction
        )

    async def move(self, interaction: str, queue: str, *, tag: Any = None) -> Placed:
        """Put one that waits into another queue."""
        path, body = "/interactions/{interaction}/move", MoveTo(queue)
        return await self.call("POST", path, Placed, body=body, tag=tag, interaction=interaction)

    async def prioritise(self, interaction: str, priority: int, *, tag: Any = None) -> Placed:
        """Give one that waits another priority of its own."""
        path, body = "/interactions/{interaction}/prioritise", Priority(priority)
        return await self.call("POST", path, Placed, body=body, tag=tag, interaction=interaction)

    async def hang_up(self, interaction: str, *, tag: Any = None) -> None:
        """End a call."""
        path = "/interactions/{interaction}/hang-up"
        await self.call("POST", path, type(None), tag=tag, interaction=interaction)

    async def note(self, interaction: str) -> NoteView:
        """The note to an interaction."""
        path = "/interactions/{interaction}/note"
        return await self.call("GET", path, NoteView, interaction=interaction)

    async def write_note(self, interaction: str, text: str, *, tag: Any = None) -> NoteView:
        """Write the note, in the place of what was there."""
        path, body = "/interactions/{interaction}/note", NoteText(text)
        return await self.call("PUT", path, NoteView, body=body, tag=tag, interaction=interaction)

    # -- callbacks and calls ---------------------------------------------------------------------

    def callbacks(self) -> AsyncIterator[CallbackView]:
        """Who is to be called back, in the order in which they asked."""
        return self.each("/callbacks", CallbackView)

    async def callback(self, callback: str) -> CallbackView:
        """One of them, with its place in line."""
        return await self.call("GET", "/callbacks/{callback}", CallbackView, callback=callback)

    async def order_callback(self, order: CallbackOrder) -> CallbackView:
        """Have somebody called, now or at a time; on disk when this returns. Who is promised a
        call already is not called twice."""
        return await self.call("POST", "/callbacks", CallbackView, body=order)

    def do_not_call(self) -> AsyncIterator[BlockedView]:
        """Numbers that nobody is to call."""
        return self.each("/do-not-call", BlockedView)

    async def block_number(self, number: str, note: str = "") -> BlockedView:
        """Have a number called no more."""
        body = Blocked(number=number, note=note)
        return await self.call("POST", "/do-not-call", BlockedView, body=body)

    async def allow_number(self, number: str) -> None:
        """Take a number off the list."""
        await self.call("DELETE", "/do-not-call/{number}", type(None), number=number)

    async def cancel_callback(self, callback: str, *, tag: Any = None) -> None:
        """Call this customer no more."""
        path = "/callbacks/{callback}"
        await self.call("DELETE", path, type(None), tag=tag, callback=callback)

    async def trace(self, call: str) -> Trace:
        """The SIP messages of a call, by interaction, leg or Call-ID."""
        return await self.call("GET", "/calls/{call}/trace", Trace, call=call)
