"""Answers that are being written, by conversation: kept until they are sent or the contact is over.

keep     what an agent has written so far; on disk after `stored`
dropped  the rows that remove one
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cicswitch.contacts import events as ce
from cicswitch.contacts.contact import Contact, Stage
from cicswitch.core.errors import Conflict
from cicswitch.records.rows import DraftRecord, Row

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cicswitch.switch.conductor import Conductor

__all__ = ["Drafts"]


class Drafts:
    """Of conversations with a contact that is not over."""

    def __init__(self, conductor: Conductor) -> None:
        self._c = conductor
        self.kept: dict[str, DraftRecord] = {}

    def restore(self, records: Iterable[DraftRecord]) -> None:
        """What was there when the switch stopped; what belongs to nothing is forgotten."""
        for record in records:
            if record.conversation in self._c.contacts.by_conversation:
                self.kept[record.conversation] = record

    def keep(self, contact: Contact, agent: str, account: str, subject: str, text: str) -> None:
        """Keep it in the place of what was kept; without any text, nothing. Raises `Conflict`."""
        c, conversation = self._c, contact.origin.conversation
        if contact.stage not in (Stage.TALKING, Stage.SNOOZED):
            raise Conflict("no agent has it: it has to be taken first")
        rows: list[Row]
        if text or subject:
            record = DraftRecord(conversation, agent, account, c.now, subject, text)
            self.kept[conversation] = record
            rows = [record]
        else:
            rows = self.dropped(conversation)
        told = ce.DraftKept(c.now, contact.id, conversation, agent, len(text))
        c.emit(told, rows)

    def dropped(self, conversation: str) -> list[Row]:
        """Forget one: what is to be written for that."""
        if self.kept.pop(conversation, None) is None:
            return []
        return [DraftRecord(conversation, "", "", self._c.now, "", "")]
