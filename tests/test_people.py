"""Customers as persons: addresses, who is recognised, changes; and what a page proves."""

from __future__ import annotations

from typing import Any

import pytest

from cicswitch.core.errors import Conflict, NotFound
from cicswitch.identity import IDENTITY, proof, proven
from cicswitch.people import MOST_ADDRESSES, InvalidAddress, People, Person, normal
from cicswitch.records.rows import CustomerGone, CustomerRecord

SECRET = "of a page that knows who is signed in"


def person(name: str, *addresses: str, **more: Any) -> Person:
    return Person(
        id=name, name=name.title(), addresses=addresses, created_at=1, updated_at=1, **more
    )


def known(*people: Person) -> People:
    found = People()
    for each in people:
        found.make(each)
    return found


KIM = person("kim", "number:+82212345678", "email:Kim@example.com", "chat:line/U1", "id:4711")


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [
        ("number", " 02-1234 5678", "number:0212345678"),
        ("number", "+82 (2) 123", "number:+822123"),
        ("email", "Kim.Min@EXAMPLE.com ", "email:Kim.Min@example.com"),
        ("chat", "line/U4af/9", "chat:line/U4af/9"),
        ("id", " A 1 ", "id:A 1"),
    ],
)
def test_an_address_is_kept_in_one_form(kind: str, value: str, kept: str) -> None:
    assert normal(kind, value) == kept


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *(("number", each) for each in ("", "anonymous", "1" * 33, "+", "02 12a")),
        *(("email", each) for each in ("", "kim", "kim@", "@x", "a b@c", "a@b@c", "<a@b.c>")),
        *(("chat", each) for each in ("U1", "/U1", "line/", "a b/c")),
        *(("id", each) for each in ("", "a\nb", "x" * 321)),
        ("fax", "1"),
    ],
)
def test_what_is_no_address_is_refused_with_what_one_looks_like(kind: str, value: str) -> None:
    with pytest.raises(InvalidAddress, match="expected"):
        normal(kind, value)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (("voice", "pbx", "+82212345678"), "kim"),
        (("callback", "pbx", "+82212345678"), "kim"),
        (("fax", "fax", "+82212345678"), "kim"),
        (("sms", "texts", "+82212345678"), "kim"),
        (("email", "mail", "KIM@example.COM"), "kim"),
        (("chat", "line", "U1"), "kim"),
        (("chat", "web", "visitor:1", "id:4711"), "kim"),
        (("voice", "widget:shop", "guest", "id:4711"), "kim"),
        (("task", "crm", "4711"), "kim"),
        (("voice", "pbx", "0212345678"), None),
        (("chat", "kakao", "U1"), None),
        (("chat", "line", "+82212345678"), None),
        (("email", "mail", "4711"), None),
        (("voice", "widget:shop", "+82212345678"), None),
        (("voice", "pbx", "anonymous"), None),
    ],
)
def test_somebody_is_recognised_by_what_his_medium_proves(
    asked: tuple[str, ...], expected: str | None
) -> None:
    found = known(KIM).recognise(*asked)
    assert (found.person.id if found is not None else None) == expected


def test_an_address_has_one_owner_and_the_conflict_says_who() -> None:
    people = known(KIM, person("lee"))
    for address in ("number:+82212345678", "email:kim@EXAMPLE.com"):
        with pytest.raises(Conflict, match=r"is of customer kim \(Kim\)"):
            people.join("lee", address, 2.0)
        with pytest.raises(Conflict, match="kim"):
            people.make(person("choi", address))
    assert people.by_id.keys() == {"kim", "lee"}
    assert people.of("lee").addresses == ()
    assert people.join("kim", "email:KIM@example.com", 2.0) == []


def test_addresses_come_and_go() -> None:
    people = known(KIM, person("lee"))
    people.part("kim", "email:KIM@example.com", 2.0)
    assert people.recognise("email", "mail", "kim@example.com") is None
    (row,) = people.join("lee", "email:kim@example.com", 3.0)
    assert isinstance(row, CustomerRecord)
    assert (row.addresses, row.updated_at) == ('["email:kim@example.com"]', 3.0)
    found = people.recognise("email", "mail", "kim@example.com")
    assert found is not None
    assert found.person.id == "lee"
    with pytest.raises(NotFound):
        people.part("kim", "email:kim@example.com", 2.0)


def test_a_person_has_so_many_addresses_and_no_more() -> None:
    people = known(KIM)
    many = tuple(f"number:{number}" for number in range(10_000))
    with pytest.raises(Conflict, match=f"at most {MOST_ADDRESSES}"):
        people.make(person("many", *many))
    with pytest.raises(Conflict, match=f"at most {MOST_ADDRESSES}"):
        people.change("kim", 2.0, {}, addresses=many)
    assert len(people.by_address) == 4


def test_of_two_one_is_made_and_the_first_counts() -> None:
    two = person("lee", "number:010", language="ko", fields='{"plan":"b","since":"1"}')
    people = known(person("kim", "id:1", fields='{"plan":"a"}'), two)
    kept, gone = people.merge("kim", "lee", 2.0)
    assert isinstance(kept, CustomerRecord)
    assert gone == CustomerGone("lee")
    made = people.of("kim")
    assert made.addresses == ("id:1", "number:010")
    assert (made.name, made.language, made.own) == ("Kim", "ko", {"plan": "a", "since": "1"})
    assert people.by_address == {"id:1": "kim", "number:010": "kim"}
    with pytest.raises(Conflict, match="the same"):
        people.merge("kim", "kim", 3.0)
    with pytest.raises(NotFound):
        people.merge("kim", "lee", 3.0)


def test_two_with_too_many_addresses_stay_two() -> None:
    half = MOST_ADDRESSES // 2 + 1
    one = person("kim", *(f"number:1{number}" for number in range(half)))
    two = person("lee", *(f"number:2{number}" for number in range(half)))
    people = known(one, two)
    with pytest.raises(Conflict, match="together"):
        people.merge("kim", "lee", 2.0)
    assert len(people.by_address) == 2 * half


def test_who_is_removed_is_recognised_no_more() -> None:
    people = known(KIM)
    assert people.remove("kim") == [CustomerGone("kim")]
    assert (people.by_id, people.by_address) == ({}, {})


def test_what_was_written_is_taken_up_again() -> None:
    rows = known().make(KIM)
    people = People()
    people.restore([row for row in rows if isinstance(row, CustomerRecord)])
    assert people.of("kim") == KIM
    assert people.by_address.keys() == {
        *("number:+82212345678", "email:kim@example.com", "chat:line/U1", "id:4711")
    }


@pytest.mark.parametrize(
    "asked", ["number:+82 2 12345678", "+82212345678", "kim@Example.com", "line/U1", "id:4711"]
)
def test_an_owner_is_found_by_an_address(asked: str) -> None:
    owner = known(KIM).owner(asked)
    assert owner is not None
    assert owner.id == "kim"
    assert known(KIM).owner(f"{asked}0") is None


def test_an_id_alone_is_nobodys_number() -> None:
    """Who has 4711 in hand, a caller, sees nothing of whom the center calls 4711."""
    assert known(KIM).owner("4711") is None
    found = known(KIM, person("lee", "number:4711")).owner("4711")
    assert found is not None
    assert found.id == "lee"


def test_what_a_page_proves_is_the_id_and_nothing_else_is() -> None:
    given = proof(SECRET, "47.11", 200)
    assert proven({IDENTITY: given, "order": "1"}, SECRET, 100.0) == {
        IDENTITY: "47.11",
        "order": "1",
    }
    other = given[:-1] + ("0" if given[-1] != "0" else "1")
    for bad, secret, now in (
        *(("4711", SECRET, 100.0), (given, SECRET, 201.0), (given, "", 100.0)),
        *((other, SECRET, 100.0), (given, SECRET[1:], 100.0)),
        (given.replace("47.11", "4712"), SECRET, 100.0),
        (given.replace(".200.", ".900."), SECRET, 100.0),
    ):
        assert proven({IDENTITY: bad, "order": "1"}, secret, now) == {"order": "1"}, bad
