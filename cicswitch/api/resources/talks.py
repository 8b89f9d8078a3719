"""Talks in progress: what their agents do with them, and supervisors who join.

Agents steer the calls of their own agent (`interactions:self`), who may `interactions:write` those
of all. To listen in takes `interactions:monitor`; to whisper, barge in and take over takes
`interactions:join`. Who sits in which mode, and who hears whom, is in docs/together.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cicswitch.api.endpoint import Ask, endpoint
from cicswitch.api.problems import FieldError, Problem
from cicswitch.api.resources.interactions import found, view_of
from cicswitch.api.shapes.interactions import InteractionView
from cicswitch.api.shapes.talks import (
    Announcement,
    Conference,
    Device,
    Help,
    Monitoring,
    Target,
)
from cicswitch.calls.call import Call
from cicswitch.calls.parties import Mode
from cicswitch.core.errors import Conflict

__all__ = ["Announcement", "Conference", "Device", "Help", "Monitoring", "Target"]

_STEER = ("interactions:write", "interactions:self")
_LISTEN = ("interactions:monitor", "interactions:join")
_JOIN = "interactions:join"
_ERRORS = (409, 412)
# -- the agent -----------------------------------------------------------------------------------


@endpoint("POST", "/interactions/{interaction}/hold", scopes=_STEER, errors=_ERRORS)
async def hold(ask: Ask, interaction: str) -> InteractionView:
    """Put the customer on hold: he hears the music of his queue."""
    c = ask.api.switch.conductor
    return await _steer(ask, interaction, "hold", lambda call: c.consulting.hold(call, True))


@endpoint("POST", "/interactions/{interaction}/resume", scopes=_STEER, errors=_ERRORS)
async def resume(ask: Ask, interaction: str) -> InteractionView:
    """Take the customer back."""
    c = ask.api.switch.conductor
    return await _steer(ask, interaction, "resume", lambda call: c.consulting.hold(call, False))


@endpoint("POST", "/interactions/{interaction}/transfer", scopes=_STEER, errors=_ERRORS)
async def transfer(ask: Ask, interaction: str, body: Target) -> InteractionView:
    """Hand the customer on without asking (blind).

    A call goes to a number, a contact in writing to `queue:NAME` or `agent:NAME`.
    """
    c = ask.api.switch.conductor
    if interaction in c.contacts.live:
        return await _hand_on(ask, interaction, body.to)
    return await _steer(
        ask, interaction, "transfer", lambda call: c.consulting.transfer(call, body.to), body.to
    )


@endpoint("POST", "/interactions/{interaction}/consult", scopes=_STEER, errors=_ERRORS)
async def consult(ask: Ask, interaction: str, body: Target) -> InteractionView:
    """Call a third party while the customer hears music."""
    c = ask.api.switch.conductor
    return await _steer(
        ask, interaction, "consult", lambda call: c.consulting.consult(call, body.to), body.to
    )


@endpoint("POST", "/interactions/{interaction}/consult/swap", scopes=_STEER, errors=_ERRORS)
async def swap(ask: Ask, interaction: str) -> InteractionView:
    """From the third party to the customer, or back; the other one hears music."""
    c = ask.api.switch.conductor
    return await _steer(ask, interaction, "swap", c.consulting.swap)


@endpoint("POST", "/interactions/{interaction}/consult/back", scopes=_STEER, errors=_ERRORS)
async def back(ask: Ask, interaction: str) -> InteractionView:
    """Let the third party go, and talk to the customer."""
    c = ask.api.switch.conductor
    return await _steer(ask, interaction, "back", c.consulting.back)


@endpoint("POST", "/interactions/{interaction}/consult/complete", scopes=_STEER, errors=_ERRORS)
async def complete(ask: Ask, interaction: str) -> InteractionView:
    """The third party has the customer from now on, and the agent is out."""
    c = ask.api.switch.conductor
    return await _steer(ask, interaction, "complete", c.consulting.complete)


@endpoint("POST", "/interactions/{interaction}/conference", scopes=_STEER, errors=_ERRORS)
async def conference(ask: Ask, interaction: str, body: Conference) -> InteractionView:
    """The third party comes into the talk; or, with `to`, somebody is called into it."""
    c = ask.api.switch.conductor
    return await _steer(
        ask, interaction, "conference", lambda call: c.consulting.conference(call, body.to), body.to
    )


@endpoint("DELETE", "/interactions/{interaction}/parties/{party}", scopes=_STEER, errors=_ERRORS)
async def remove(ask: Ask, interaction: str, party: str) -> InteractionView:
    """Let a colleague or the third party go."""
    c = ask.api.switch.conductor
    return await _steer(
        ask, interaction, "remove", lambda call: c.consulting.remove(call, party), party
    )


@endpoint("POST", "/interactions/{interaction}/leave", scopes=_STEER, errors=_ERRORS)
async def leave(ask: Ask, interaction: str) -> InteractionView:
    """The agent hangs up; in a conference the others go on."""
    c = ask.api.switch.conductor
    return await _steer(ask, interaction, "leave", c.consulting.leave)


@endpoint("POST", "/interactions/{interaction}/help", scopes=_STEER, errors=_ERRORS)
async def ask_for_help(ask: Ask, interaction: str, body: Help) -> InteractionView:
    """Ask a supervisor for help."""
    c = ask.api.switch.conductor
    return await _steer(
        ask, interaction, "help", lambda call: c.consulting.help(call, body.note), body.note
    )


@endpoint("DELETE", "/interactions/{interaction}/help", scopes=_STEER, errors=_ERRORS)
async def help_is_over(ask: Ask, interaction: str) -> InteractionView:
    """Ask for help no more."""
    c = ask.api.switch.conductor
    return await _steer(ask, interaction, "help-over", lambda call: c.consulting.help(call, None))


@endpoint("POST", "/interactions/{interaction}/announce", scopes=_STEER, errors=_ERRORS)
async def announce(ask: Ask, interaction: str, body: Announcement) -> InteractionView:
    """Play a prompt to one of the two over their talk; the other does not hear it."""
    if body.to not in ("agent", "customer"):
        error = FieldError(pointer="/to", found=f'"{body.to[:80]}"', expected="agent or customer")
        raise Problem(422, "nobody else hears announcements", errors=[error])
    c = ask.api.switch.conductor
    return await _steer(
        ask,
        interaction,
        "announce",
        lambda call: c.consulting.announce(call, body.prompt, customer=body.to == "customer"),
        f"{body.prompt} to {body.to}",
    )


# -- supervisors ---------------------------------------------------------------------------------


@endpoint("POST", "/interactions/{interaction}/monitor", scopes=_LISTEN, errors=_ERRORS)
async def monitor(ask: Ask, interaction: str, body: Monitoring) -> InteractionView:
    """Listen in, whisper or barge in by one's own phone; in the call, go from mode to mode."""
    found(ask, interaction)
    if body.mode is not Mode.MONITOR and not ask.may(_JOIN):
        raise Problem(403, f"to {body.mode} takes {_JOIN}")
    c, account = ask.api.switch.conductor, ask.account.name

    def join(call: Call) -> None:
        known = c.supervising.find(call, account) is not None
        device, own = _phone(ask, body.device, known=known)
        c.supervising.monitor(
            *(call, account, device, body.mode), may_speak=ask.may(_JOIN), auto_answer=own
        )

    return await _change(ask, interaction, f"interaction.{body.mode}", join, str(body.mode))


@endpoint("DELETE", "/interactions/{interaction}/monitor", scopes=_LISTEN, errors=_ERRORS)
async def stop(ask: Ask, interaction: str) -> InteractionView:
    """Leave the call."""
    c, account = ask.api.switch.conductor, ask.account.name
    return await _change(
        ask, interaction, "interaction.stop", lambda call: c.supervising.stop(call, account), None
    )


@endpoint("POST", "/interactions/{interaction}/take-over", scopes=_JOIN, errors=_ERRORS)
async def take_over(ask: Ask, interaction: str, body: Device) -> InteractionView:
    """Take the agent's place, whose wrap-up begins: at once, or when one's phone is answered."""
    c, account = ask.api.switch.conductor, ask.account.name

    def take(call: Call) -> None:
        known = c.supervising.find(call, account) is not None
        device, own = _phone(ask, body.device, known=known)
        c.supervising.take_over(call, account, device, auto_answer=own)

    return await _change(ask, interaction, "interaction.take-over", take, "take-over")


def _phone(ask: Ask, device: str, *, known: bool) -> tuple[str, bool]:
    """The phone to call, and whether it is the account's own. Nobody's else is made to answer."""
    agent = ask.api.config.agent.get(ask.account.agent)
    own = agent.device if agent is not None else ""
    device = device or own
    if not device and not known:
        error = FieldError(pointer="/device", expected="the number of a phone")
        raise Problem(422, "the account has no agent, so no phone of its own", errors=[error])
    return device, device == own


async def _steer(
    ask: Ask, name: str, verb: str, work: Callable[[Call], Any], what: str | None = None
) -> InteractionView:
    ask.only_own(found(ask, name).agent, "interactions:write")
    return await _change(ask, name, f"interaction.{verb}", work, what)


async def _hand_on(ask: Ask, name: str, to: str) -> InteractionView:
    before = found(ask, name)
    ask.only_own(before.agent, "interactions:write")
    ask.match(before)
    kind, _, target = to.partition(":")
    if kind not in ("queue", "agent") or not target:
        error = FieldError(pointer="/to", expected="queue:NAME or agent:NAME")
        raise Problem(422, "a contact in writing has no number to go to", errors=[error])
    contacts = ask.api.switch.conductor.contacts
    ask.api.switch.conductor.do(lambda: contacts.transfer(name, **{kind: target}))
    await ask.note("interaction.transfer", name, {"agent": before.agent}, {"what": to})
    return view_of(ask, name) or before


async def _change(
    ask: Ask, name: str, action: str, work: Callable[[Call], Any], what: str | None
) -> InteractionView:
    """Do it and note it; how the interaction is then."""
    conductor = ask.api.switch.conductor
    before = found(ask, name)
    ask.match(before)
    call = conductor.calls.get(name)
    if call is None:
        raise Conflict("it is no call, or not yet")
    conductor.do(lambda: work(call))
    await ask.note(action, name, {"agent": before.agent}, {"what": what} if what else None)
    return view_of(ask, name) or before
