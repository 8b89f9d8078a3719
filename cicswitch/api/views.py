"""Parts of the switch as they are shown, for endpoints and for the control socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from cicswitch.acd.interaction import Interaction
from cicswitch.api.shapes.conversations import ChannelTested, ChannelView
from cicswitch.api.shapes.customers import AddressView, CustomerView
from cicswitch.api.shapes.interactions import InteractionView, PartyView
from cicswitch.calls.call import Call
from cicswitch.calls.parties import Mode, Role
from cicswitch.contacts.contact import Contact
from cicswitch.core.errors import NotFound

if TYPE_CHECKING:
    from cicswitch.daemon import Switch
    from cicswitch.people import Kind, Known, Person

__all__ = ["channel_views", "customer_view", "interaction_view", "tested"]


def channel_views(switch: Switch) -> list[ChannelView]:
    """The channels in writing, and how each does."""
    contacts, outbox = switch.conductor.contacts, switch.conductor.outbox
    views = []
    for name, channel in contacts.channels.items():
        state = channel.state()
        mine = [each for each in outbox.waiting.values() if each.channel == name]
        views.append(
            ChannelView(
                channel=name,
                medium=channel.medium,
                type=switch.config.channel[name].type,
                contacts=sum(each.origin.channel == name for each in contacts.live.values()),
                undelivered=len(mine),
                dead=sum(each.dead for each in mine),
                problem=str(state.pop("problem", "")) or switch.degraded.get(f"channel {name}", ""),
                figures=dict(state),
            )
        )
    return views


async def tested(switch: Switch, name: str) -> ChannelTested:
    """What a channel has found out about itself. Raises `NotFound`, `ResourceError`."""
    channel = switch.conductor.contacts.channels.get(name)
    if channel is None:
        known = ", ".join(sorted(switch.conductor.contacts.channels)) or "none"
        raise NotFound(f'there is no channel "{name[:80]}" (known: {known})')
    return ChannelTested(name, await channel.test())


def customer_view(person: Person) -> CustomerView:
    """A customer as he is shown."""
    addresses = [each.partition(":")[::2] for each in person.addresses]
    return CustomerView(
        customer=person.id,
        name=person.name,
        language=person.language,
        segment=person.segment,
        fields=person.own,
        addresses=[AddressView(kind=cast("Kind", kind), value=value) for kind, value in addresses],
        created_at=round(person.created_at, 3),
        updated_at=round(person.updated_at, 3),
    )


def interaction_view(switch: Switch, name: str, *, hidden: bool = False) -> InteractionView | None:
    """An interaction or a call as it is now; None: there is none of this name.

    `hidden`: who listens in without a word is not told.
    """
    call: Call | None = switch.conductor.calls.get(name)
    found: Interaction | None = switch.engine.interactions.get(name)
    contact = switch.conductor.contacts.live.get(name)
    recognising = switch.conductor.recognising
    if contact is not None:
        given = recognising.addresses_of_contact(contact)
        return _written(contact, found, recognising.contact(contact), given)
    if call is None and found is None:
        return None
    phase = state = call.phase.name.lower().replace("_", "-") if call is not None else ""
    known: Known | None = None
    addresses: list[str] = []
    if found is not None:
        state = found.state.name.lower().replace("_", "-")
        known, addresses = recognising.waiting(found), recognising.addresses(found)
    if call is not None:
        known, addresses = recognising.call(call), recognising.addresses_of_call(call)
    return InteractionView(
        interaction=name,
        medium=found.medium if found is not None else "voice",
        state=state,
        phase=phase,
        queue=found.queue.name if found is not None else "",
        agent=(found.agent if found is not None else "")
        or (_agent_of(switch, call) if call is not None else ""),
        priority=found.own_priority if found is not None else 0,
        segment=found.segment if found is not None else "",
        caller=call.caller if call is not None else "",
        caller_name=call.caller_name if call is not None else "",
        customer_id=known.person.id if known is not None else "",
        customer_name=known.person.name if known is not None else "",
        address=next(iter(addresses), ""),
        context=dict(call.context) if call is not None else {},
        called=call.called if call is not None else "",
        peer=call.peer if call is not None else "",
        started_at=round(call.started_at, 3) if call is not None else None,
        queued_at=round(found.queued_at, 3) if found is not None else None,
        connected_at=(
            round(found.connected_at, 3) if found is not None and found.connected_at else None
        ),
        deadline=_deadline(found) if found is not None else None,
        on_hold=call is not None and (call.on_hold or call.other_held),
        consult=call.consult.name.lower() if call is not None and call.consult else "",
        help=call.help if call is not None else None,
        parties=_parties(call, hidden=hidden) if call is not None and call.guests else [],
    )


def _written(
    contact: Contact, found: Interaction | None, known: Known | None, addresses: list[str]
) -> InteractionView:
    """A contact in writing."""
    origin, stage = contact.origin, contact.stage.name.lower()
    return InteractionView(
        interaction=contact.id,
        medium=origin.medium,
        state=found.state.name.lower() if found is not None else stage,
        phase=stage,
        queue=found.queue.name if found is not None else origin.queue,
        agent=(found.agent if found is not None else "") or contact.agent or origin.snoozed_for,
        priority=found.own_priority if found is not None else origin.priority,
        segment=origin.segment,
        caller=origin.customer,
        caller_name=origin.name,
        customer_id=known.person.id if known is not None else "",
        customer_name=known.person.name if known is not None else "",
        customer_sure=known is None or known.sure,
        address=next(iter(addresses), ""),
        context=dict(origin.context),
        called=origin.called,
        peer=origin.channel,
        started_at=round(origin.at, 3),
        queued_at=round(found.queued_at, 3) if found is not None else None,
        connected_at=(
            round(found.connected_at, 3) if found is not None and found.connected_at else None
        ),
        deadline=_deadline(found) if found is not None else None,
        conversation=origin.conversation,
        subject=origin.subject,
        due_at=round(origin.due_at, 3) if origin.due_at else None,
        overdue=origin.overdue,
        snoozed_until=round(origin.snoozed_until, 3) if origin.snoozed_until else None,
    )


def _deadline(found: Interaction) -> float | None:
    timers = [offer.timer for offer in found.offers if offer.timer is not None]
    return round(max(timer.due for timer in timers), 3) if timers else None


def _agent_of(switch: Switch, call: Call) -> str:
    """The agent of a call; of one that came through no queue, whose phone it is."""
    if call.agent or call.other is None:
        return call.agent
    device: str = call.other.peer
    return switch.conductor.agent_of.get(device.removeprefix("device:"), "")


def _parties(call: Call, *, hidden: bool) -> list[PartyView]:
    return [
        PartyView(
            party=guest.name,
            role=str(guest.role),
            number=guest.number,
            agent=guest.agent,
            account=guest.account,
            mode=str(guest.mode) if guest.role is Role.SUPERVISOR else "",
            state="ringing" if not guest.up else "held" if guest.held else "up",
        )
        for guest in call.guests
        if not (hidden and guest.role is Role.SUPERVISOR and guest.mode is Mode.MONITOR)
    ]
