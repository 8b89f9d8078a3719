"""Customers: who they are, whatever medium they come by, and what they called or wrote for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import UNSET

from cicswitch.api.endpoint import Ask, endpoint
from cicswitch.api.importing import take
from cicswitch.api.paging import Page, Paging, cursor_of, key_of
from cicswitch.api.paging import place_of as time_of
from cicswitch.api.problems import FieldError, Problem
from cicswitch.api.shapes.customers import (
    AddressBody,
    AddressQuery,
    AddressView,
    ContactView,
    CustomerBody,
    CustomerChange,
    CustomerQuery,
    CustomerView,
    ImportBody,
    Imported,
    ImportFinding,
    ImportItem,
    Joining,
)
from cicswitch.api.views import customer_view
from cicswitch.people import InvalidAddress, Person, normal, packed
from cicswitch.people import key_of as known_by
from cicswitch.records.rows import Row

__all__ = [
    "AddressBody",
    "AddressQuery",
    "AddressView",
    "ContactView",
    "CustomerBody",
    "CustomerChange",
    "CustomerQuery",
    "CustomerView",
    "ImportBody",
    "ImportFinding",
    "ImportItem",
    "Imported",
    "Joining",
]

_NOBODY: Final = frozenset(("", "anonymous", "unknown", "unavailable", "restricted", "private"))
_LINK: Final = ("customers:write", "customers:link")


# -- looking ---------------------------------------------------------------------------------------


@endpoint("GET", "/customers", scopes="customers:read")
async def customers(ask: Ask, query: CustomerQuery) -> Page[CustomerView]:
    """Customers by name: all, those with a text in what is known of them, or an address's."""
    people = ask.api.switch.conductor.people
    if query.address:
        owner = people.owner(query.address)
        return Page([] if owner is None else [customer_view(owner)])
    after = None
    if query.cursor:
        name, _, sort = key_of(query.cursor).partition(" ")
        after = sort, name
    found = await ask.api.sources.customers.found(query.q.strip(), query.limit + 1, after)
    shown = found[: query.limit]
    items = [
        customer_view(person) for _, name in shown if (person := people.by_id.get(name)) is not None
    ]
    more = len(found) > query.limit
    return Page(items, cursor_of(f"{shown[-1][1]} {shown[-1][0]}") if more else None)


@endpoint("GET", "/customers/{customer}", scopes="customers:read", tagged=True)
async def customer(ask: Ask, customer: str) -> CustomerView:
    """A customer, by his key or one of his addresses."""
    return customer_view(_found(ask, customer))


@endpoint("GET", "/customers/{customer}/history", scopes=("interactions:read", "interactions:self"))
async def history(ask: Ask, customer: str, query: Paging) -> Page[ContactView]:
    """The contacts of a customer that are over, on all media by all his addresses, newest first.

    By his key or an address; an address that is nobody's has the contacts that came from it. With
    interactions:self only while one's own agent is offered, handles or wraps up an interaction of
    this customer. Who hides his number has no history.
    """
    people = ask.api.switch.conductor.people
    person = people.by_id.get(customer) or people.owner(customer)
    if not ask.may("interactions:read") and not _has(ask, customer, person):
        raise Problem(
            403, "of a customer whom one's own agent does not have this takes interactions:read"
        )
    if person is not None:
        addresses: Sequence[str] = person.addresses
    elif customer.lower() in _NOBODY:
        return Page([])
    else:
        addresses = [_asked(customer)]
    found, after = await ask.api.sources.customers.contacts(
        addresses, query.limit, time_of(query.cursor)
    )
    items = [
        ContactView(
            interaction=past.interaction,
            medium=past.medium,
            peer=past.peer,
            caller=past.caller,
            called=past.called,
            started_at=round(past.started_at, 3),
            ended_at=None if past.ended_at is None else round(past.ended_at, 3),
            queue=past.queue,
            agent=past.agent,
            wait_s=round(past.wait_s, 1),
            talk_s=round(past.talk_s, 1),
            outcome=past.outcome,
            reason=past.reason,
            code=past.code,
            recorded=recorded,
            note=past.note,
            note_agent=past.note_agent,
        )
        for past, recorded in found
    ]
    return Page(items, None if after is None else cursor_of(f"{after[0]!r} {after[1]}"))


def _asked(address: str) -> str:
    """An address that is nobody's, for the store: of a kind, or as a medium names somebody."""
    kind, _, value = address.partition(":")
    try:
        return normal(kind, value)
    except InvalidAddress:
        return f":{address}"


# -- changing --------------------------------------------------------------------------------------


@endpoint("POST", "/customers", scopes=_LINK, status=201, tagged=True, errors=(409,))
async def make(ask: Ask, body: CustomerBody) -> CustomerView:
    """Have somebody known; on disk when this is answered.

    An address of another customer is a 409, which says whose it is. With customers:link only
    addresses of who one's own agent has in hand.
    """
    addresses = [_address(each, f"/addresses/{at}") for at, each in enumerate(body.addresses)]
    _segment(ask, body.segment)
    _in_hand(ask, addresses)
    conductor = ask.api.switch.conductor
    now = ask.api.switch.clock.now()
    person = Person(
        id=f"c-{conductor.names.name()}",
        name=body.name,
        language=body.language,
        segment=body.segment,
        fields=packed(body.fields),
        addresses=tuple({known_by(each): each for each in addresses}.values()),
        created_at=now,
        updated_at=now,
    )
    await _saved(ask, person.id, lambda: conductor.people.make(person))
    await ask.note("customer.add", person.id, None, _told(person))
    return customer_view(person)


@endpoint("POST", "/customers/import", scopes="customers:write")
async def bring(ask: Ask, body: ImportBody) -> Imported:
    """Have a list of customers known: who has one of the addresses already is changed.

    Each by itself: what is wrong with one is told, and the others are on disk when this is
    answered.
    """
    conductor, by = ask.api.switch.conductor, f"account:{ask.account.name}"
    found = conductor.do(lambda: take(conductor, body.items, by, dry_run=body.dry_run))
    if found.made or found.changed:
        await conductor.contacts.stored()
    if not body.dry_run:
        told = {"made": found.made, "changed": found.changed, "refused": len(found.findings)}
        await ask.note("customer.import", "", None, told)
    return found


@endpoint(
    *("PATCH", "/customers/{customer}"), scopes="customers:write", tagged=True, errors=(409, 412)
)
async def change(ask: Ask, customer: str, body: CustomerChange) -> CustomerView:
    """Change what is known of a customer."""
    before = _found(ask, customer)
    ask.match(customer_view(before))
    changes = {
        name: value
        for name in ("name", "language", "segment")
        if (value := getattr(body, name)) is not UNSET
    }
    if "segment" in changes:
        _segment(ask, changes["segment"])
    people, now = ask.api.switch.conductor.people, ask.api.switch.clock.now()
    fields = None if body.fields is UNSET else body.fields
    await _saved(ask, before.id, lambda: people.change(before.id, now, changes, fields))
    changed = sorted([*changes, *(["fields"] if fields is not None else [])])
    await ask.note("customer.change", before.id, None, {"changed": changed})
    return customer_view(people.of(before.id))


@endpoint("DELETE", "/customers/{customer}", scopes="customers:write", errors=(412,))
async def remove(ask: Ask, customer: str) -> None:
    """Know a customer no more.

    Name, fields and addresses go. His contacts, messages, recordings and faxes stay as they are, by
    the addresses that they came from.
    """
    before = _found(ask, customer)
    ask.match(customer_view(before))
    conductor, by = ask.api.switch.conductor, f"account:{ask.account.name}"
    recognising = conductor.recognising
    conductor.do(lambda: recognising.removed(before.id, by, conductor.people.remove(before.id)))
    await conductor.contacts.stored()
    await ask.note("customer.remove", before.id, _told(before), None)


@endpoint(
    *("POST", "/customers/{customer}/addresses"), scopes=_LINK, tagged=True, errors=(409, 412)
)
async def join(ask: Ask, customer: str, body: AddressBody) -> CustomerView:
    """Give a customer an address, and with it all contacts that came from it.

    One of another customer is a 409, which says whose it is. With customers:link only one of who
    one's own agent has in hand.
    """
    before, address = _found(ask, customer), _address(body, "")
    ask.match(customer_view(before))
    _in_hand(ask, [address])
    people, now = ask.api.switch.conductor.people, ask.api.switch.clock.now()
    await _saved(ask, before.id, lambda: people.join(before.id, address, now))
    await ask.note("customer.address", before.id, None, {"kind": body.kind})
    return customer_view(people.of(before.id))


@endpoint(
    *("DELETE", "/customers/{customer}/addresses"),
    scopes="customers:write",
    tagged=True,
    errors=(412,),
)
async def part(ask: Ask, customer: str, query: AddressQuery) -> CustomerView:
    """Take an address from a customer: its contacts are his no more."""
    before = _found(ask, customer)
    ask.match(customer_view(before))
    people, now = ask.api.switch.conductor.people, ask.api.switch.clock.now()
    try:
        address = normal(query.kind, query.value)
    except InvalidAddress as error:
        wrong = FieldError(parameter="value", found=error.found[:80], expected=error.expected)
        raise Problem(422, errors=[wrong]) from None
    await _saved(ask, before.id, lambda: people.part(before.id, address, now))
    await ask.note("customer.address", before.id, {"kind": query.kind}, None)
    return customer_view(people.of(before.id))


@endpoint(
    *("POST", "/customers/{customer}/merge"),
    scopes="customers:write",
    tagged=True,
    errors=(409, 412),
)
async def merge(ask: Ask, customer: str, body: Joining) -> CustomerView:
    """Make one customer of two.

    This one stays, with the addresses and the history of both, and of name, language, segment and
    fields what he has himself.
    """
    before, other = _found(ask, customer), _found(ask, body.customer)
    ask.match(customer_view(before))
    conductor, by = ask.api.switch.conductor, f"account:{ask.account.name}"
    people, recognising, now = conductor.people, conductor.recognising, ask.api.switch.clock.now()

    def work() -> None:
        saved, gone = people.merge(before.id, other.id, now)
        recognising.saved(before.id, by, [saved])
        recognising.removed(other.id, by, [gone], before.id)

    conductor.do(work)
    await conductor.contacts.stored()
    await ask.note("customer.merge", before.id, {"customer": other.id}, None)
    return customer_view(people.of(before.id))


async def _saved(ask: Ask, name: str, work: Callable[[], list[Row]]) -> None:
    """Change the table, and wait for the disk. Raises `CommandError`, `ResourceError`."""
    conductor, by = ask.api.switch.conductor, f"account:{ask.account.name}"
    conductor.do(lambda: conductor.recognising.saved(name, by, work()))
    await conductor.contacts.stored()


# -- what is asked, and shown ----------------------------------------------------------------------


def _told(person: Person) -> dict[str, Any]:
    """For the audit log, which is kept longer than a customer may be: nothing of who he is."""
    return {"addresses": len(person.addresses), "segment": person.segment}


def _found(ask: Ask, customer: str) -> Person:
    people = ask.api.switch.conductor.people
    return people.by_id.get(customer) or people.owner(customer) or people.of(customer)


def _segment(ask: Ask, segment: str) -> None:
    known = ask.api.config.segment
    if segment and segment not in known:
        expected = f"a segment ({', '.join(sorted(known)[:8]) or 'none is configured'})"
        raise Problem(422, errors=[FieldError(pointer="/segment", expected=expected)])


def _address(body: AddressBody, at: str) -> str:
    try:
        return normal(body.kind, body.value)
    except InvalidAddress as error:
        pointer = f"{at}/value"
        wrong = FieldError(pointer=pointer, found=error.found[:80], expected=error.expected)
        raise Problem(422, errors=[wrong]) from None


def _in_hand(ask: Ask, addresses: Sequence[str]) -> None:
    """Who may only link gives an address away that his agent has in hand. Raises `Problem` 403."""
    if ask.may("customers:write") or not addresses:
        return
    own = {known_by(each) for each in _own(ask)}
    for address in addresses:
        if known_by(address) not in own:
            told = "of a customer whom one's own agent does not have this takes customers:write"
            raise Problem(403, told)


def _own(ask: Ask) -> list[str]:
    """The addresses of whom the asker's agent has in hand."""
    agent = ask.api.switch.engine.agents.get(ask.account.agent) if ask.account.agent else None
    work = agent.work.values() if agent is not None else ()
    addresses = ask.api.switch.conductor.recognising.addresses
    return [address for each in work for address in addresses(each.interaction)]


def _has(ask: Ask, asked: str, person: Person | None) -> bool:
    """Whether the asker's agent has an interaction of this customer in hand."""
    conductor = ask.api.switch.conductor
    agent = ask.api.switch.engine.agents.get(ask.account.agent) if ask.account.agent else None
    for assignment in agent.work.values() if agent is not None else ():
        found = assignment.interaction
        call = conductor.calls.get(found.id)
        if asked == (call.caller if call is not None else found.customer):
            return True
    if person is None:
        return False
    return not {known_by(each) for each in person.addresses}.isdisjoint(map(known_by, _own(ask)))
