"""Methods about talks in progress: what agents do with them, supervisors who join."""

from __future__ import annotations

from typing import Any, Literal

from cicswitch.api.shapes.interactions import InteractionView
from cicswitch.api.shapes.talks import Announcement, Conference, Device, Help, Monitoring, Target
from cicswitch.calls.parties import Mode
from cicswitch.client.wire import Wire

__all__ = ["TalkCalls"]

_AT = "/interactions/{interaction}"


class TalkCalls(Wire):
    """Hold, transfer, consultation, conference; listening in, whispering, barging in, taking over.

    Each answers the interaction as it is then. With `tag` nothing is done if it has changed.
    """

    async def _steer(
        self, what: str, interaction: str, body: Any = None, tag: Any = None, method: str = "POST"
    ) -> InteractionView:
        return await self.call(
            method, f"{_AT}/{what}", InteractionView, body=body, tag=tag, interaction=interaction
        )

    async def hold(self, interaction: str, *, tag: Any = None) -> InteractionView:
        """Put the customer on hold."""
        return await self._steer("hold", interaction, tag=tag)

    async def resume(self, interaction: str, *, tag: Any = None) -> InteractionView:
        """Take the customer back."""
        return await self._steer("resume", interaction, tag=tag)

    async def transfer(self, interaction: str, to: str, *, tag: Any = None) -> InteractionView:
        """Hand the customer on without asking (blind)."""
        return await self._steer("transfer", interaction, Target(to), tag)

    async def consult(self, interaction: str, to: str, *, tag: Any = None) -> InteractionView:
        """Call a third party while the customer hears music."""
        return await self._steer("consult", interaction, Target(to), tag)

    async def swap(self, interaction: str, *, tag: Any = None) -> InteractionView:
        """From the third party to the customer, or back."""
        return await self._steer("consult/swap", interaction, tag=tag)

    async def back(self, interaction: str, *, tag: Any = None) -> InteractionView:
        """Let the third party go, and talk to the customer."""
        return await self._steer("consult/back", interaction, tag=tag)

    async def complete(self, interaction: str, *, tag: Any = None) -> InteractionView:
        """The third party has the customer from now on."""
        return await self._steer("consult/complete", interaction, tag=tag)

    async def conference(
        self, interaction: str, to: str = "", *, tag: Any = None
    ) -> InteractionView:
        """The third party comes into the talk; or, with `to`, somebody is called into it."""
        return await self._steer("conference", interaction, Conference(to), tag)

    async def remove_party(
        self, interaction: str, party: str, *, tag: Any = None
    ) -> InteractionView:
        """Let a colleague or the third party go."""
        return await self.call(
            "DELETE",
            _AT + "/parties/{party}",
            InteractionView,
            tag=tag,
            interaction=interaction,
            party=party,
        )

    async def leave(self, interaction: str, *, tag: Any = None) -> InteractionView:
        """The agent hangs up; in a conference the others go on."""
        return await self._steer("leave", interaction, tag=tag)

    async def ask_for_help(
        self, interaction: str, note: str = "", *, tag: Any = None
    ) -> InteractionView:
        """Ask a supervisor for help."""
        return await self._steer("help", interaction, Help(note), tag)

    async def help_is_over(self, interaction: str, *, tag: Any = None) -> InteractionView:
        """Ask for help no more."""
        return await self._steer("help", interaction, tag=tag, method="DELETE")

    async def announce(
        self,
        interaction: str,
        prompt: str,
        to: Literal["agent", "customer"] = "agent",
        *,
        tag: Any = None,
    ) -> InteractionView:
        """Play a prompt to one of the two over their talk."""
        return await self._steer("announce", interaction, Announcement(prompt, to), tag)

    async def monitor(
        self,
        interaction: str,
        mode: Mode = Mode.MONITOR,
        *,
        device: str = "",
        tag: Any = None,
    ) -> InteractionView:
        """Listen in, whisper or barge in by a phone, by default that of the account's agent."""
        return await self._steer("monitor", interaction, Monitoring(mode, device), tag)

    async def stop_monitoring(self, interaction: str, *, tag: Any = None) -> InteractionView:
        """Leave the call."""
        return await self._steer("monitor", interaction, tag=tag, method="DELETE")

    async def take_over(
        self, interaction: str, *, device: str = "", tag: Any = None
    ) -> InteractionView:
        """Take the agent's place."""
        return await self._steer("take-over", interaction, Device(device), tag)
