"""Customers by the list: each by itself, so that a bad one holds up no other.

Who is known by one of his addresses is changed: what is given goes in the place of what was there,
fields and addresses beside it. Who is known by none is new. A list that is given again changes
nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

from cicswitch.api.shapes.customers import Imported, ImportFinding, ImportItem
from cicswitch.core.errors import CommandError
from cicswitch.core.toml import near_miss
from cicswitch.people import (
    MOST_ADDRESSES,
    InvalidAddress,
    People,
    Person,
    key_of,
    normal,
    packed,
)
from cicswitch.records.rows import Row

if TYPE_CHECKING:
    from cicswitch.switch.conductor import Conductor

__all__ = ["take"]

_KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_LANGUAGE: Final = re.compile(r"[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*")
_MOST_FIELDS: Final = 30


def take(conductor: Conductor, items: Sequence[ImportItem], by: str, *, dry_run: bool) -> Imported:
    """Take a list; on disk once the store has committed."""
    made = changed = unchanged = 0
    findings: list[ImportFinding] = []
    people, segments = conductor.people, conductor.env.config.segment
    for number, item in enumerate(items):
        addresses, wrong = _checked(number, item, segments)
        if wrong:
            findings += wrong
            continue
        owners = sorted({found for each in addresses if (found := _owner(people, each))})
        if len(owners) > 1:
            found = ", ".join(f"{each} ({people.of(each).name})" for each in owners)
            wanted = "addresses of one customer: merge them first"
            findings.append(_finding(number, "addresses", found, wanted))
            continue
        name = owners[0] if owners else ""
        try:
            rows = _put(conductor, name, item, addresses, dry_run=dry_run)
        except CommandError as error:
            findings.append(_finding(number, "addresses", str(len(addresses)), str(error)))
            continue
        if not name:
            made += 1
        elif rows is None:
            unchanged += 1
        else:
            changed += 1
        if rows:
            conductor.recognising.saved(rows[0].id, by, rows)  # type: ignore[union-attr]  # of a person
    return Imported(made=made, changed=changed, unchanged=unchanged, findings=findings)


def _put(
    conductor: Conductor, name: str, item: ImportItem, addresses: Sequence[str], *, dry_run: bool
) -> list[Row] | None:
    """What is to be written; None: nothing changes. Raises `CommandError`."""
    people, now = conductor.people, conductor.now
    if not name:
        person = Person(
            id=f"c-{conductor.names.name()}",
            name=item.name,
            language=item.language,
            segment=item.segment,
            fields=packed(item.fields),
            addresses=tuple(addresses),
            created_at=now,
            updated_at=now,
        )
        people.check(person)
        return [] if dry_run else people.make(person)
    person = people.of(name)
    changes = {
        key: value
        for key in ("name", "language", "segment")
        if (value := getattr(item, key)) and value != getattr(person, key)
    }
    fields = {**person.own, **item.fields}
    if len(fields) > _MOST_FIELDS:
        raise CommandError(f"at most {_MOST_FIELDS} fields, with those that he has")
    own = {key_of(each) for each in person.addresses}
    added = [each for each in addresses if key_of(each) not in own]
    if not changes and fields == person.own and not added:
        return None
    together = (*person.addresses, *added)
    people.check_addresses(name, together)
    return [] if dry_run else people.change(name, now, changes, fields, together)


def _owner(people: People, address: str) -> str:
    return people.by_address.get(key_of(address), "")


def _finding(number: int, key: str, found: str, expected: str) -> ImportFinding:
    return ImportFinding(item=number, key=key, found=found[:120], expected=expected)


def _checked(
    number: int, item: ImportItem, segments: Collection[str]
) -> tuple[list[str], list[ImportFinding]]:
    """The addresses as they are kept, each once; and all that is wrong."""
    wrong: list[ImportFinding] = []
    kept: dict[str, str] = {}
    if len(item.addresses) > MOST_ADDRESSES:
        many = f"at most {MOST_ADDRESSES}"
        return [], [_finding(number, "addresses", str(len(item.addresses)), many)]
    for address in item.addresses:
        kind, _, value = address.partition(":")
        try:
            made = normal(kind, value)
        except InvalidAddress as error:
            wrong.append(
                _finding(number, kind if value else "addresses", error.found, error.expected)
            )
            continue
        kept.setdefault(key_of(made), made)
    if not kept and not wrong:
        wrong.append(_finding(number, "addresses", "none", "one address at least"))
    if len(item.name) > 200:
        wrong.append(_finding(number, "name", item.name, "at most 200 characters"))
    if item.language and not _LANGUAGE.fullmatch(item.language):
        wrong.append(_finding(number, "language", item.language, "a language, like ko"))
    if item.segment and item.segment not in segments:
        near = near_miss(item.segment, segments)
        known = f"a segment ({', '.join(sorted(segments)[:8]) or 'none is configured'})"
        wrong.append(
            _finding(number, "segment", item.segment, f"{known}; {near}" if near else known)
        )
    if len(item.fields) > _MOST_FIELDS:
        wrong.append(_finding(number, "fields", str(len(item.fields)), f"at most {_MOST_FIELDS}"))
    for key, value in item.fields.items():
        if not _KEY.fullmatch(key):
            wanted = "a name of small letters, digits and _, at most 32"
            wrong.append(_finding(number, "fields", key, wanted))
        elif len(value) > 500:
            wrong.append(_finding(number, key, value, "at most 500 characters"))
    return [*kept.values()], wrong
