"""Customers as persons: who has which address, found in one step.

A person has a key, a name and addresses: `number:`, `email:`, `chat:` (`CHANNEL/ID`, as a medium in
writing names him) and `id:` (what the center's own systems call him). An address has one owner. All
of it is in memory, so that a call is not held up by a question to the store: `recognise` looks into
one table, and `restore` fills it at the start.

    make, change, join, part, merge, remove      give back what is to be written, and raise
                                                 `Conflict`, `NotFound`
    normal                                       raises `InvalidAddress`

They change the tables at once: who tells that it is done waits for the store first.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from cicswitch.core.errors import CommandError, Conflict, NotFound
from cicswitch.reach import plain
from cicswitch.records.rows import CustomerGone, CustomerRecord, Row

__all__ = [
    "KINDS",
    "MOST_ADDRESSES",
    "MOST_CUSTOMERS",
    "InvalidAddress",
    "Kind",
    "Known",
    "People",
    "Person",
    "key_of",
    "normal",
]

Kind = Literal["number", "email", "chat", "id"]
KINDS: Final[tuple[Kind, ...]] = ("number", "email", "chat", "id")
MOST_CUSTOMERS: Final = 500_000
MOST_ADDRESSES: Final = 50
"""Of one person: each is a question to the store when his history is asked for."""
_LONGEST: Final = 320
_DIALLED: Final = re.compile(r"\+?[0-9*#]{1,32}")
_MAIL: Final = re.compile(r"[^\s@<>,;\"]{1,64}@[^\s@<>,;\"]{1,255}")
_CHAT: Final = re.compile(r"[\w.-]{1,64}/\S.*")
_BY_NUMBER: Final = frozenset(("voice", "callback", "fax", "sms", "video"))
_decode: Final = msgspec.json.Decoder(dict[str, str]).decode
_decode_keys: Final = msgspec.json.Decoder(tuple[str, ...]).decode
_encode: Final = msgspec.json.Encoder().encode


class InvalidAddress(CommandError):
    """An address that is none; `expected` says what one looks like."""

    def __init__(self, found: str, expected: str) -> None:
        self.found = found
        self.expected = expected
        super().__init__(f'"{found[:80]}": expected {expected}')


class Person(Struct, frozen=True, kw_only=True):
    """A customer. `addresses` are `KIND:VALUE`, as they were given and normalised."""

    id: str
    name: str
    language: str = ""
    segment: str = ""
    fields: str = ""
    """JSON; empty: there are none."""
    addresses: tuple[str, ...] = ()
    created_at: float
    updated_at: float

    @property
    def own(self) -> dict[str, str]:
        """The center's own fields."""
        return _decode(self.fields) if self.fields else {}


class Known(Struct, frozen=True):
    """Who somebody is. `sure`: nothing speaks against it, as a failed DMARC of a mail does."""

    person: Person
    sure: bool


def normal(kind: str, value: str) -> str:
    """An address as it is kept: `KIND:VALUE`. Raises `InvalidAddress`."""
    text = value.strip()
    if kind == "number":
        text = plain(text)
        if not _DIALLED.fullmatch(text):
            raise InvalidAddress(value, "a number of at most 32 digits, with + in front or without")
    elif kind == "email":
        local, _, domain = text.rpartition("@")
        text = f"{local}@{domain.lower()}"
        if not _MAIL.fullmatch(text):
            raise InvalidAddress(value, "a mail address, like park@example.com")
    elif kind == "chat":
        if not _CHAT.fullmatch(text):
            raise InvalidAddress(value, "a channel and an id, like line/U4af4980629")
    elif kind != "id":
        raise InvalidAddress(kind, f"a kind: {', '.join(KINDS)}")
    if not text or len(text) > _LONGEST or not text.isprintable():
        raise InvalidAddress(value, f"1 to {_LONGEST} characters that can be printed")
    return f"{kind}:{text}"


def key_of(address: str) -> str:
    """What an address is found by: mail addresses in lower case."""
    return address.lower() if address.startswith("email:") else address


def _keys(medium: str, peer: str, caller: str, address: str) -> Iterable[str]:
    """What somebody may be known by, the surest first."""
    if address:
        yield address
    if peer.startswith("widget:"):
        return  # what a visitor calls himself is no proof
    if medium == "email":
        yield f"email:{caller.lower()}"
        return
    if medium == "task":
        yield f"id:{caller}"
    if medium in _BY_NUMBER or medium == "task":
        yield f"number:{caller}"
    if medium == "task":
        yield f"email:{caller.lower()}"
    elif medium not in ("voice", "callback"):
        yield f"chat:{peer}/{caller}"


class People:
    """All persons, and who has which address."""

    def __init__(self) -> None:
        self.by_id: dict[str, Person] = {}
        self.by_address: dict[str, str] = {}
        """What an address is found by -> whose it is."""

    def restore(self, records: Iterable[CustomerRecord]) -> None:
        """Take up what the store has; of two who have an address it is the later one's."""
        for record in records:
            self._put(
                Person(
                    id=record.id,
                    name=record.name,
                    language=record.language,
                    segment=record.segment,
                    fields=record.fields,
                    addresses=_decode_keys(record.addresses),
                    created_at=record.created_at,
                    updated_at=record.updated_at,
                )
            )

    # -- looking ---------------------------------------------------------------------------------

    def recognise(
        self, medium: str, peer: str, caller: str, address: str = "", *, doubtful: bool = False
    ) -> Known | None:
        """Who has an interaction of this medium, from this trunk or channel, by this address."""
        if not self.by_address:
            return None
        for key in _keys(medium, peer, caller, address):
            name = self.by_address.get(key)
            if name is not None:
                return Known(self.by_id[name], not doubtful)
        return None

    def of(self, name: str) -> Person:
        """A person by his key. Raises `NotFound`."""
        person = self.by_id.get(name)
        if person is None:
            raise NotFound(f'there is no customer "{name[:80]}"')
        return person

    def owner(self, address: str) -> Person | None:
        """Whose address it is: `KIND:VALUE`, or a number, a mail address or `CHANNEL/ID` alone.

        An id alone is none: it may be somebody else's number.
        """
        kind, _, value = address.partition(":")
        if kind in KINDS:
            try:
                name = self.by_address.get(key_of(normal(kind, value)))
            except InvalidAddress:
                name = None
            return self.by_id[name] if name is not None else None
        for each in KINDS[:-1]:
            try:
                name = self.by_address.get(key_of(normal(each, address)))
            except InvalidAddress:
                continue
            if name is not None:
                return self.by_id[name]
        return None

    def addresses(self, medium: str, peer: str, caller: str, address: str = "") -> list[str]:
        """What such an interaction shows of its customer's addresses, the surest first: what may be
        given to somebody."""
        found: list[str] = []
        for key in _keys(medium, peer, caller, address):
            kind, _, value = key.partition(":")
            with contextlib.suppress(InvalidAddress):
                found.append(normal(kind, value))
        return found

    # -- changing --------------------------------------------------------------------------------

    def make(self, person: Person) -> list[Row]:
        """A new person. Raises `Conflict`."""
        self.check(person)
        return self._save(person)

    def check(self, person: Person) -> None:
        """Whether somebody can be made. Raises `Conflict`."""
        if len(self.by_id) >= MOST_CUSTOMERS:
            raise Conflict(f"there are {MOST_CUSTOMERS} customers, and that is the most")
        self.check_addresses(person.id, person.addresses)

    def change(
        self,
        name: str,
        now: float,
        changes: Mapping[str, str],
        fields: Mapping[str, str] | None = None,
        addresses: Sequence[str] | None = None,
    ) -> list[Row]:
        """Change what is known of a person. Raises `NotFound`, `Conflict`."""
        person = self.of(name)
        return self._save(
            replace(
                person,
                **changes,
                fields=person.fields if fields is None else packed(fields),
                addresses=person.addresses if addresses is None else tuple(addresses),
                updated_at=now,
            )
        )

    def join(self, name: str, address: str, now: float) -> list[Row]:
        """An address is a person's. Raises `NotFound`, `Conflict`."""
        person = self.of(name)
        if key_of(address) in {key_of(each) for each in person.addresses}:
            return []
        return self._save(replace(person, addresses=(*person.addresses, address), updated_at=now))

    def part(self, name: str, address: str, now: float) -> list[Row]:
        """It is his no more. Raises `NotFound`."""
        person, key = self.of(name), key_of(address)
        left = tuple(each for each in person.addresses if key_of(each) != key)
        if len(left) == len(person.addresses):
            raise NotFound(f'"{address[:80]}" is no address of his')
        return self._save(replace(person, addresses=left, updated_at=now))

    def merge(self, name: str, other: str, now: float) -> list[Row]:
        """One person of two: the first stays, with the addresses of both, and of name, language,
        segment and fields what he has himself. Raises `NotFound`, `Conflict`."""
        one, two = self.of(name), self.of(other)
        if one is two:
            raise Conflict("they are the same customer")
        together = (*one.addresses, *two.addresses)
        if len(together) > MOST_ADDRESSES:
            raise Conflict(f"together they have more than {MOST_ADDRESSES} addresses")
        own = {**two.own, **one.own}
        self._drop(two)
        made = replace(
            one,
            name=one.name or two.name,
            language=one.language or two.language,
            segment=one.segment or two.segment,
            fields=packed(own),
            addresses=together,
            updated_at=now,
        )
        return [*self._save(made), CustomerGone(two.id)]

    def remove(self, name: str) -> list[Row]:
        """He is known no more. Raises `NotFound`."""
        self._drop(self.of(name))
        return [CustomerGone(name)]

    def check_addresses(self, name: str, addresses: Sequence[str]) -> None:
        """Whether a person can have these, and no others. Raises `Conflict`."""
        if len(addresses) > MOST_ADDRESSES:
            raise Conflict(f"a customer has at most {MOST_ADDRESSES} addresses")
        for address in addresses:
            owner = self.by_address.get(key_of(address), name)
            if owner != name:
                whose = self.by_id[owner]
                raise Conflict(f'"{address}" is of customer {owner} ({whose.name or "no name"})')

    def _save(self, person: Person) -> list[Row]:
        self.check_addresses(person.id, person.addresses)
        self._put(person)
        return [_row(person)]

    def _put(self, person: Person) -> None:
        old = self.by_id.get(person.id)
        if old is not None:
            self._drop(old)
        self.by_id[person.id] = person
        for address in person.addresses:
            self.by_address[key_of(address)] = person.id

    def _drop(self, person: Person) -> None:
        del self.by_id[person.id]
        for address in person.addresses:
            if self.by_address.get(key_of(address)) == person.id:
                del self.by_address[key_of(address)]


def packed(fields: Mapping[str, str]) -> str:
    """Fields as they are kept."""
    return _encode(fields).decode() if fields else ""


def _row(person: Person) -> CustomerRecord:
    values = [each.partition(":")[2] for each in person.addresses]
    return CustomerRecord(
        id=person.id,
        name=person.name,
        language=person.language,
        segment=person.segment,
        fields=person.fields,
        addresses=_encode(person.addresses).decode(),
        created_at=person.created_at,
        updated_at=person.updated_at,
        sort=person.name.lower()[:100],
        search="\n".join([person.name, *values, *person.own.values()]).lower(),
    )
