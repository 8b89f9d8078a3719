"""Who it is: a person for each interaction, by number, mail address, or what a page has proven.

It is looked up when it is asked for, so that an address which an agent gives a customer tells at
once who is on the line. A mail that fails SPF or DMARC may be anybody's: people are shown whose
address it bears, the dialplan is told of nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from cicswitch.calls.events import CustomerRemoved, CustomerSaved
from cicswitch.identity import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cicswitch.acd.interaction import Interaction
    from cicswitch.calls.call import Call
    from cicswitch.contacts.contact import Contact
    from cicswitch.people import Known
    from cicswitch.records.rows import ConversationRecord, Row
    from cicswitch.switch.conductor import Conductor

__all__ = ["Recognising"]

_KEPT: Final = 10_000
_facts: Final = msgspec.json.Decoder(dict[str, str]).decode


class Recognising:
    """Looks persons up for interactions."""

    def __init__(self, conductor: Conductor) -> None:
        self._c = conductor
        self._kept: dict[str, list[str]] = {}
        """Of interactions that were over last: what their customers are known by."""

    # -- who it is -------------------------------------------------------------------------------

    def call(self, call: Call) -> Known | None:
        """Who calls, or is called back."""
        return self._c.people.recognise("voice", call.peer, call.caller, self.of_call(call))

    def of_call(self, call: Call) -> str:
        """What he is found by beside his number."""
        identity = call.context.get(IDENTITY, "") if call.peer.startswith("widget:") else ""
        return f"id:{identity}" if identity else ""

    def number(self, number: str) -> Known | None:
        """Whose number it is."""
        return self._c.people.recognise("callback", "", number)

    def contact(self, contact: Contact) -> Known | None:
        """Who writes."""
        record = self._c.contacts.records.get(contact.origin.conversation)
        return self.conversation(record) if record is not None else None

    def conversation(self, record: ConversationRecord) -> Known | None:
        """With whom it is."""
        return self.written(record.medium, record.channel, record.customer, record.data)

    def written(self, medium: str, channel: str, customer: str, data: str) -> Known | None:
        """Who writes by a channel; `data` is the conversation's."""
        facts = _facts(data) if data else {}
        address = self.address(medium, channel, customer, facts.get(IDENTITY, ""))
        doubtful = medium == "email" and _doubtful(facts.get("authentication", ""))
        return self._c.people.recognise(medium, channel, customer, address, doubtful=doubtful)

    def address(self, medium: str, channel: str, customer: str, identity: str) -> str:
        """What he is found by where that is not as the medium names him."""
        settings = self._c.env.config.channel.get(channel)
        if settings is not None and settings.type == "sip":
            return f"number:{customer}"
        if medium == "chat" and identity:
            return f"id:{identity}"
        if medium == "email" and customer != customer.lower():
            return f"email:{customer.lower()}"
        return ""

    def of_contact(self, contact: Contact) -> tuple[str, str]:
        """For the record that it begins: what he is found by, and who he is."""
        origin = contact.origin
        record = self._c.contacts.records.get(origin.conversation)
        data = record.data if record is not None else ""
        facts = _facts(data) if data else {}
        identity = facts.get(IDENTITY, "")
        address = self.address(origin.medium, origin.channel, origin.customer, identity)
        return address, sure(self.contact(contact))

    def waiting(self, found: Interaction) -> Known | None:
        """Who is to be called back."""
        return self.number(found.customer) if found.medium == "callback" else None

    def addresses(self, found: Interaction) -> list[str]:
        """The addresses of whom an agent has in hand, the surest first."""
        c = self._c
        call, contact = c.calls.get(found.id), c.contacts.live.get(found.id)
        if call is not None:
            return self.addresses_of_call(call)
        if contact is not None:
            return self.addresses_of_contact(contact)
        kept = self._kept.get(found.id)
        if kept is not None:
            return kept
        return c.people.addresses(found.medium, "", found.customer)

    def addresses_of_call(self, call: Call) -> list[str]:
        """Of who calls, or is called back."""
        return self._c.people.addresses("voice", call.peer, call.caller, self.of_call(call))

    def addresses_of_contact(self, contact: Contact) -> list[str]:
        """Of who writes."""
        origin = contact.origin
        address, _ = self.of_contact(contact)
        return self._c.people.addresses(origin.medium, origin.channel, origin.customer, address)

    def keep(self, name: str, addresses: list[str]) -> None:
        """It is over, and its agent may still be busy with who it was."""
        if len(self._kept) >= _KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[name] = addresses

    # -- for the dialplan ------------------------------------------------------------------------

    def segment(self, known: Known | None, caller: str) -> str:
        """The person's own, else the one of the number."""
        c = self._c
        if known is not None and known.sure and known.person.segment in c.env.config.segment:
            return known.person.segment
        return c.segments.of(caller)

    def variables(self, known: Known | None, caller: str) -> dict[str, str]:
        """What a dialplan may ask for; of somebody who is not sure nothing."""
        person = known.person if known is not None and known.sure else None
        return {
            "customer_id": person.id if person is not None else "",
            "customer_name": person.name if person is not None else "",
            "customer_language": person.language if person is not None else "",
            "segment": self.segment(known, caller),
        }

    # -- changes ---------------------------------------------------------------------------------

    def saved(self, name: str, by: str, rows: Sequence[Row]) -> None:
        """A person is another, or new: it is written, and told."""
        if rows:
            self._c.emit(CustomerSaved(self._c.now, name, by), rows)

    def removed(self, name: str, by: str, rows: Sequence[Row], into: str = "") -> None:
        """A person is no more."""
        self._c.emit(CustomerRemoved(self._c.now, name, by, into), rows)


def sure(known: Known | None) -> str:
    """The person's key, if it is sure who it is."""
    return known.person.id if known is not None and known.sure else ""


def _doubtful(authentication: str) -> bool:
    """Whether a mail server says that it is not from who it says: `dkim=… dmarc=… spf=…`."""
    found = dict(each.partition("=")[::2] for each in authentication.split())
    dmarc = found.get("dmarc", "")
    return dmarc == "fail" or (dmarc != "pass" and found.get("spf", "") in ("fail", "softfail"))
