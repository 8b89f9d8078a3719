"""What an agent does with the call that he has: hold, consult, confer, pass on, ask for help.

Each verb raises `Conflict` where the state does not allow it, and changes nothing then. A verb is
carried out like an event; its doing is over when it returns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cicswitch.calls import events as ev
from cicswitch.calls.call import Call, Phase
from cicswitch.calls.parties import CONSULT_TABLE, Consult, ConsultInput, Guest, Role
from cicswitch.calls.reason import Reason
from cicswitch.core.errors import Conflict, NotFound
from cicswitch.ports import MediaSource

if TYPE_CHECKING:
    from cicswitch.switch.conductor import Conductor

__all__ = ["Consulting"]


class Consulting:
    """The agent's verbs."""

    def __init__(self, conductor: Conductor) -> None:
        self._c = conductor

    def hold(self, call: Call, held: bool) -> None:
        """The customer hears the queue's music, or the agent again."""
        self._talking(call)
        if call.consult is not Consult.NONE:
            raise Conflict("the customer is on hold while somebody is consulted")
        if call.on_hold is held:
            raise Conflict("the customer is on hold already" if held else "he is not on hold")
        call.on_hold = held
        self._c.together.refresh(call)

    def consult(self, call: Call, to: str) -> Guest:
        """Call a third party while the customer hears music. `to` is a device or an agent."""
        c = self._c
        self._talking(call)
        after = CONSULT_TABLE.next(call.consult, ConsultInput.START)
        caller, name = self._myself(call)
        guest = c.together.invite(call, Role.CONSULTED, to, caller=caller, caller_name=name)
        call.consult = after
        call.on_hold = False
        c.emit(ev.ConsultStarted(c.now, call.id, guest.name, guest.number, call.agent))
        c.together.refresh(call)
        return guest

    def swap(self, call: Call) -> None:
        """From the third party to the customer, or back; the other one hears music."""
        c = self._c
        guest = self._third(call)
        call.consult = CONSULT_TABLE.next(call.consult, ConsultInput.SWAP)
        c.emit(
            ev.ConsultSwapped(
                *(c.now, call.id, guest.name, call.consult is Consult.ASIDE, call.agent)
            )
        )
        c.together.refresh(call)

    def back(self, call: Call) -> None:
        """Let the third party go, and talk to the customer."""
        self._c.together.remove(call, self._third(call), Reason.NORMAL, "back")

    def complete(self, call: Call) -> None:
        """The third party has the customer, the agent is out."""
        guest = self._third(call)
        CONSULT_TABLE.next(call.consult, ConsultInput.COMPLETE)
        self.completed(call, guest)

    def completed(self, call: Call, guest: Guest) -> None:
        """The third party takes the agent's place, who is out or about to be."""
        c = self._c
        leaver = call.other.id if call.other is not None else ""
        call.consult = CONSULT_TABLE.next(call.consult, ConsultInput.COMPLETE)
        c.emit(ev.ConsultEnded(c.now, call.id, guest.name, "completed", "", call.agent))
        c.emit(ev.Transferred(c.now, call.id, leaver, guest.number, "attended"))
        c.together.succeed(call, guest, Reason.TRANSFERRED)

    def conference(self, call: Call, to: str = "") -> Guest:
        """The third party comes in; or, with `to`, somebody is called into the talk as it is."""
        c = self._c
        self._talking(call)
        if to:
            if call.consult is not Consult.NONE:
                raise Conflict("somebody is consulted: that one comes in first")
            caller, name = self._myself(call)
            return c.together.invite(call, Role.COLLEAGUE, to, caller=caller, caller_name=name)
        guest = self._third(call)
        call.consult = CONSULT_TABLE.next(call.consult, ConsultInput.JOIN)
        guest.role = Role.COLLEAGUE
        c.emit(ev.ConsultEnded(c.now, call.id, guest.name, "joined", "", call.agent))
        c.emit(ev.PartyJoined(c.now, call.id, guest.name, guest.number, call.agent))
        c.together.refresh(call)
        return guest

    def remove(self, call: Call, name: str) -> None:
        """Let a colleague or the third party go."""
        for guest in call.guests:
            if guest.name == name and guest.role is not Role.SUPERVISOR:
                self._c.together.remove(call, guest, Reason.NORMAL)
                return
        raise NotFound(f'there is no party "{name[:80]}" that could be let go')

    def transfer(self, call: Call, to: str) -> None:
        """Hand the customer on without asking: to whatever the dialplan has behind a number."""
        self._talking(call)
        device = self._c.workplaces.of(to.removeprefix("agent:"))
        self._c.transfers.blind(call, call.other, device or to)

    def leave(self, call: Call) -> None:
        """As if the agent hung up his phone."""
        self._talking(call)
        leg = call.other
        c = self._c
        leg.end(c.now, Reason.NORMAL)
        # As the far end's BYE: what he leaves behind is decided by that.
        c.agent_left(call, ev.LegEnded(c.now, leg.id, Reason.NORMAL, remote=True))

    def help(self, call: Call, note: str | None) -> None:
        """Ask a supervisor for help, with a word to it or an empty one; None: no more."""
        c = self._c
        self._talking(call)
        if note is None:
            if call.help is None:
                raise Conflict("nobody asks for help")
            call.help = None
            c.emit(ev.HelpEnded(c.now, call.id, call.agent))
            return
        call.help = note
        c.emit(ev.HelpAsked(c.now, call.id, call.agent, note))

    def announce(self, call: Call, prompt: str, *, customer: bool) -> None:
        """Play a prompt to one of the two over their talk, which goes on."""
        c = self._c
        self._talking(call)
        path = c.env.prompt(prompt, c.waiting.language(call))
        if path is None:
            raise NotFound(f'there is no prompt "{prompt[:80]}"')
        leg = call.customer if customer else call.other
        hears = call.hears.get(leg.id)
        if hears is None or not hears.legs:
            raise Conflict("he is on hold, or talks to nobody: there is nothing to play it over")
        c.env.media.play(leg.id, "", [MediaSource(path=str(path))], over=True)

    def _talking(self, call: Call) -> None:
        if call.phase is not Phase.TALKING or call.other is None:
            raise Conflict(f"nobody talks in interaction {call.id}")

    def _third(self, call: Call) -> Guest:
        guest = call.consulted
        if guest is None:
            raise Conflict("nobody is consulted")
        return guest

    def _myself(self, call: Call) -> tuple[str, str]:
        """The agent's number and name, for the phone of whom he calls."""
        peer: str = call.other.peer
        agent = self._c.env.config.agent.get(call.agent)
        if agent is not None:
            return self._c.workplaces.of(call.agent).rpartition(":")[2], agent.name
        return peer.removeprefix("device:"), ""
