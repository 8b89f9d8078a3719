"""What the audit log says of a changed configuration, and that no secret is in it."""

from __future__ import annotations

from typing import Any

import msgspec.inspect as mi
import pytest

from cicswitch.changes import SECRET, STORE, changes
from cicswitch.config import Config
from cicswitch.core.toml import Secret

BEFORE = """
[device.1001]
name = "Kim"
password = "phone-1001"
[queue.support]
ring_s = 20  # seconds
agents = ["kim"]
[[webhooks]]
name = "crm"
url = "https://kim:pin@crm.example/cic?key=hidden"
secret = "a very long secret of ours"
"""


def test_only_what_differs_is_told_key_by_key() -> None:
    after = BEFORE.replace("20", "30").replace('["kim"]', '["kim", "lee"]') + "timeout_s = 3\n"
    assert changes(BEFORE, after) == (
        {"queue.support.ring_s": 20, "queue.support.agents": "['kim']"},
        {
            "queue.support.ring_s": 30,
            "queue.support.agents": "['kim', 'lee']",
            "webhooks.0.timeout_s": 3,
        },
    )


def test_a_secret_is_never_told_neither_the_old_one_nor_the_new() -> None:
    after = BEFORE.replace("phone-1001", "other").replace("a very long", "another long")
    after = after.replace("key=hidden", "key=other").replace("pin", "nip")
    was, is_now = changes(BEFORE, after)
    assert was == {
        "device.1001.password": "…",
        "webhooks.0.url": "https://crm.example/cic?…",
        "webhooks.0.secret": "…",
    }
    assert is_now == was


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (BEFORE, "the same values"),
        (BEFORE + "# a comment\n", "other comments or order"),
    ],
)
def test_a_text_with_the_same_values_says_so(after: str, told: str) -> None:
    assert changes(BEFORE, after) == ({}, {"text": told})


def test_a_text_that_was_broken_says_so() -> None:
    assert changes("[queue", BEFORE)[0] == {"text": "no TOML"}


def test_many_and_long_values_are_cut() -> None:
    after = "\n".join(f'k{n} = "{"x" * 500}"' for n in range(300))
    was, is_now = changes("", after)
    assert was == {}
    assert len(is_now) == 201
    assert is_now["…"] == "100 more"
    assert all(len(str(value)) <= 200 for value in is_now.values())


def secrets_of(kind: Any, name: str = "") -> list[str]:
    if isinstance(kind, mi.CustomType) and kind.cls is Secret:
        return [name]
    found: list[str] = []
    if isinstance(kind, mi.StructType):
        for field in kind.fields:
            found += secrets_of(field.type, field.encode_name)
    for part in ("value_type", "item_type"):
        if hasattr(kind, part):
            found += secrets_of(getattr(kind, part), name)
    for each in getattr(kind, "types", ()):
        found += secrets_of(each, name)
    return found


def test_all_secrets_of_the_configuration_are_known_by_their_names() -> None:
    found = secrets_of(mi.type_info(Config))
    assert {"password", "secret"} <= set(found)
    assert {name for name in found if not SECRET.search(name)} == {STORE[1][-1]}
    for text in ('store = "postgresql://cic:p/w@db/cic"', '[store]\nurl = "postgresql://u:p@db/c"'):
        (shown,) = changes("", text)[1].values()
        assert shown == "…"
