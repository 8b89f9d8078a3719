"""The codes that agents dial: sign in and out, pause, ready, wrap-up; joining somebody's call; and
the echo test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cicswitch.acd import commands as acd
from cicswitch.calls.call import Call, Phase
from cicswitch.calls.reason import Reason
from cicswitch.core.errors import CommandError

if TYPE_CHECKING:
    from cicswitch.switch.conductor import Conductor

__all__ = ["FeatureCodes"]


class FeatureCodes:
    """Finds and runs feature codes. What comes of one is announced, and the call ends."""

    def __init__(self, conductor: Conductor) -> None:
        self._c = conductor

    def find(self, called: str, *, known: bool) -> tuple[str, str] | None:
        """(feature, digits after the code) if `called` is a feature code; only for devices."""
        if not known or not called.startswith(("*", "#")):
            return None
        features = self._c.env.config.features
        best: tuple[str, str] | None = None
        length = 0
        for feature in features.__struct_fields__:
            code = getattr(features, feature)
            if code and called.startswith(code) and len(code) > length:
                best, length = (feature, called[len(code) :]), len(code)
        return best

    def run(self, call: Call, feature: str, digits: str, device: str) -> None:
        """Carry a feature code out for the agent of `device`."""
        c = self._c
        call.phase = Phase.ANNOUNCING
        agent = c.agent_of.get(device)
        if feature == "echo":
            call.voicemail = None
            call.music = "echo"
        elif agent is None:
            call.music = "agent-unknown"
        elif feature == "supervise":
            call.joins = self._talk_of(agent, digits)
            call.music = "" if call.joins else "agent-not-possible"
        else:
            call.music = self._command(agent, feature, digits)
        call.customer.answer(c.now)

    def _talk_of(self, agent: str, number: str) -> str:
        """The interaction in which that phone's user talks, if this agent may join it."""
        c = self._c
        if not c.env.config.agent[agent].supervisor:
            return ""
        for call in c.calls.values():
            if call.phase is Phase.TALKING and call.other is not None:
                peer: str = call.other.peer
                if peer.removeprefix("device:") == number:
                    return call.id
        return ""

    def _command(self, agent: str, feature: str, digits: str) -> str:
        """Do it; the name of the prompt that says so."""
        codes = self._c.env.config.codes
        command: acd.Command
        match feature:
            case "sign_in":
                command, prompt = acd.SignIn(agent), "agent-signed-in"
            case "sign_out":
                command, prompt = acd.SignOut(agent), "agent-signed-out"
            case "ready":
                command, prompt = acd.Ready(agent), "agent-ready"
            case "pause":
                if digits and digits not in codes.pause:
                    return "agent-unknown-code"
                command, prompt = acd.Pause(agent, codes.pause.get(digits, "")), "agent-paused"
            case _:
                if digits not in codes.wrap_up:
                    return "agent-unknown-code"
                command, prompt = acd.WrapUp(agent, codes.wrap_up[digits]), "agent-wrapped-up"
        try:
            self._c.acd(command)
        except CommandError:
            return "agent-not-possible"
        return prompt

    def answered(self, call: Call) -> None:
        """The caller hears what came of it."""
        c = self._c
        if call.joins:
            c.supervising.dialled(call, call.joins)
            return
        if call.music == "echo":
            c.env.media.bridge(call.customer.id, call.customer.id)
            return
        if not c.listening.prompts(call, (call.music,), c.env.config.media.language):
            c.end(call, Reason.NORMAL)
