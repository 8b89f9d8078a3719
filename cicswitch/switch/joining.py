"""Two conversations made one, and one made two.

    merge   the older conversation stays, with the messages of both in the order of their times; the
            other points to it, and its contact is over as `merged`
    split   a message and what follows become a conversation with a contact of its own

Of two contacts the one stays that an agent has, else the one that waits, with the earlier question
and due date of both. Where an answer of the customer belongs is asked anew each time: `merged` and
`split` of the records say it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
from msgspec.structs import replace

from cicswitch.acd import commands as acd
from cicswitch.contacts import events as ce
from cicswitch.contacts.contact import Contact, Stage
from cicswitch.core.errors import CommandError, Conflict
from cicswitch.dialplan.actions import EnterQueue
from cicswitch.records.rows import DraftRecord, MergeRecord, Row, SplitRecord
from cicswitch.switch.aside import PATIENCE_S

if TYPE_CHECKING:
    from cicswitch.contacts.messages import Message
    from cicswitch.records.rows import ConversationRecord
    from cicswitch.switch.conductor import Conductor

__all__ = ["Joining"]

log = structlog.get_logger("switch")

_RANK: Final = {Stage.TALKING: 0, Stage.QUEUED: 1, Stage.DIALPLAN: 2, Stage.SNOOZED: 3}


class Joining:
    """What is done with whole conversations."""

    def __init__(self, conductor: Conductor) -> None:
        self._c = conductor

    def fit(self, one: Contact, other: Contact) -> str:
        """Why two contacts cannot become one; empty: they can."""
        contacts = self._c.contacts
        if one is other:
            return "it is the same conversation"
        if one.origin.channel != other.origin.channel:
            return "they are of different channels"
        if contacts.channels[one.origin.channel].live:
            return "its customer waits now"
        if one.origin.customer.lower() != other.origin.customer.lower():
            return "they are of different customers"
        stages = (one.stage, other.stage)
        if stages == (Stage.TALKING, Stage.TALKING) and one.agent != other.agent:
            return "different agents have them"
        return ""

    # -- merge -----------------------------------------------------------------------------------

    def merge(self, one: Contact, other: Contact, by: str) -> Contact:
        """Make them one; the contact that stays. Raises `Conflict`."""
        c, contacts = self._c, self._c.contacts
        reason = self.fit(one, other)
        if reason:
            raise Conflict(reason)
        first, second = sorted(
            (contacts.records[each.origin.conversation] for each in (one, other)),
            key=_opened,
        )
        contact, ended = sorted((one, other), key=_rank)
        drafts = [c.drafts.kept.get(each.id) for each in (first, second)]
        self._end(ended)
        contacts.moved_into(contact, first, second)
        first.seq += second.seq
        if second.updated_at > first.updated_at:
            first.data, first.updated_at = second.data, second.updated_at
        first.interaction, first.agent = contact.id, contact.agent or first.agent
        first.queue = contact.origin.queue
        second.merged = first.id
        rows: list[Row] = [MergeRecord(second.id, first.id), replace(first), replace(second)]
        rows += c.drafts.dropped(second.id)
        draft = drafts[0] or drafts[1]
        if draft is not None:
            kept = DraftRecord(
                *(first.id, draft.agent, draft.account, draft.at, draft.subject, draft.text)
            )
            c.drafts.kept[first.id] = kept
            rows.append(kept)
        c.behind(
            ce.ConversationMerged(
                *(c.now, contact.id, first.id, second.id, ended.id, contact.origin.queue),
                *(contact.agent, by),
            ),
            rows,
        )
        c.aside.joined(contact, ended)
        return contact

    def _end(self, contact: Contact) -> None:
        """Its contact is over; what its agent did with it is no after-call work."""
        c = self._c
        if contact.stage is Stage.TALKING:
            c.acd(acd.Finish(contact.id))
            try:
                c.acd(acd.WrapUp(contact.agent, "", interaction=contact.id))
            except CommandError as error:
                log.debug("no_wrap_up", interaction_id=contact.id, reason=str(error))
        elif contact.id in c.engine.interactions:
            contact.stage = Stage.DIALPLAN
            c.acd(acd.Leave(contact.id, "merged"))
        c.contacts.over(contact, "merged")

    # -- split -----------------------------------------------------------------------------------

    def split(
        self, contact: Contact, message: Message, said: list[Message], subject: str, by: str
    ) -> Contact:
        """A message and what follows become another conversation; its contact. `said` are the last
        messages, the one before it too. Raises `Conflict`."""
        c, contacts = self._c, self._c.contacts
        record = contacts.records[contact.origin.conversation]
        channel = contacts.channels[record.channel]
        if contact.stage is not Stage.TALKING:
            raise Conflict("no agent has it: it has to be taken first")
        if channel.live:
            raise Conflict("its customer waits now")
        if message.conversation != record.id:
            raise Conflict("the message is of another conversation")
        if message.author != "customer" or not 1 < message.seq <= record.seq:
            raise Conflict("a message of the customer begins it, and not the first one")
        if said[-1].seq != record.seq:
            raise Conflict("something was written at the same time: look again")
        origin, moved = contact.origin, record.seq - message.seq + 1
        new = replace(
            record,
            id=c.names.name(),
            subject=subject or record.subject,
            opened_at=message.at,
            updated_at=c.now,
            interaction=c.names.name(),
            agent=contact.agent,
            seq=moved,
            token="",
            merged="",
            split=record.id,
        )
        record.seq, record.updated_at = message.seq - 1, c.now
        rows: list[Row] = [SplitRecord(record.id, new.id, message.seq, c.now)]
        rows += [replace(record), replace(new)]
        begun = ce.ContactAccepted(
            at=c.now,
            interaction=new.interaction,
            conversation=new.id,
            channel=origin.channel,
            medium=origin.medium,
            customer=origin.customer,
            called=origin.called,
            name=origin.name,
            subject=new.subject,
            language=origin.language,
            context=origin.context,
            asked_at=_asked([each for each in said if each.seq >= message.seq]),
        )
        made = contacts.keep(begun, new)
        contacts.announce(made)
        c.emit(begun, rows)
        c.emit(
            ce.ConversationSplit(
                *(c.now, begun.interaction, record.id, new.id, message.id, origin.queue),
                *(contact.agent, by),
            )
        )
        c.aside.parted(contact, _asked([each for each in said if each.seq < message.seq]))
        asked = contact.asked or EnterQueue(origin.queue, origin.skills, origin.priority, 0.0)
        back = replace(
            asked,
            queue=origin.queue,
            timeout_s=0.0,
            prefer=(contact.agent,),
            patience_s=PATIENCE_S,
        )
        contacts.enqueue(made, back, origin.queued_at or origin.at)
        return made


def _opened(record: ConversationRecord) -> tuple[float, str]:
    return record.opened_at, record.id


def _rank(contact: Contact) -> tuple[int, float, str]:
    return _RANK.get(contact.stage, 9), contact.origin.at, contact.id


def _asked(said: list[Message]) -> float:
    """Since when the customer waits; 0: he does not."""
    since = 0.0
    for each in said:
        if each.author.startswith("agent:"):
            since = 0.0
        elif each.author == "customer" and not since:
            since = each.at
    return since
