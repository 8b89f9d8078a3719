"""Work is done for a page, not for the list."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cicswitch.acd import commands as c
from cicswitch.acd.engine import Engine
from cicswitch.api.paging import Paging, Sorted, cursor_of, key_of, page_of
from cicswitch.api.problems import Problem


def test_a_page_makes_what_it_shows_and_looks_at_a_bounded_part() -> None:
    keys = [f"{number:06}" for number in range(100_000)]
    made: list[str] = []

    def item(key: str) -> str:
        made.append(key)
        return key

    page = page_of(keys, Paging(cursor=cursor_of("050000"), limit=10), item)
    assert made == list(page.items) == keys[50_001:50_011]
    looked: list[str] = []
    page = page_of(keys, Paging(limit=10), lambda key: looked.append(key))
    assert (len(looked), page.items) == (2000, [])
    assert page.next is not None
    assert key_of(page.next) == "001999"


@settings(deadline=None)
@given(st.lists(st.text(min_size=1, max_size=8), unique=True), st.integers(1, 7), st.data())
def test_pages_put_together_are_the_list(keys: list[str], limit: int, data: st.DataObject) -> None:
    keys = sorted(keys)
    hidden = data.draw(st.sets(st.sampled_from(keys))) if keys else set()
    seen: list[str] = []
    cursor = ""
    for _ in range(len(keys) + 1):
        page = page_of(
            keys, Paging(cursor=cursor, limit=limit), lambda key: None if key in hidden else key
        )
        seen += page.items
        if page.next is None:
            break
        cursor = page.next
    assert seen == [key for key in keys if key not in hidden]


@settings(deadline=None)
@given(st.text(max_size=40))
def test_a_cursor_is_a_key_or_an_error(text: str) -> None:
    assert key_of(cursor_of(text)) == text
    try:
        key_of(text)
    except Problem as problem:
        assert problem.status == 422


def test_keys_are_sorted_anew_only_when_there_are_others() -> None:
    table = {"b": 1, "a": 2}
    keys = Sorted()
    first = keys.of(table)
    assert first == ["a", "b"]
    assert keys.of(table) is first
    del table["a"]
    table["c"] = 3
    assert keys.of(table) == ["b", "c"]


def test_a_page_of_ten_thousand_agents_takes_a_few_milliseconds() -> None:
    engine = Engine()
    for number in range(10_000):
        engine.handle(c.DefineAgent(agent=f"agent{number:05}"), 1.0)
    keys = Sorted()
    keys.of(engine.agents)
    best = min(_took(engine, keys) for _ in range(20))
    assert best < 0.005, best


def _took(engine: Engine, keys: Sorted) -> float:
    begun = time.perf_counter()
    page = page_of(
        keys.of(engine.agents),
        Paging(cursor=cursor_of("agent05000"), limit=500),
        lambda name: engine.agents[name].state.word,
    )
    assert len(page.items) == 500
    return time.perf_counter() - begun


def test_a_cursor_that_is_none_is_refused() -> None:
    for cursor in ("***", "a", "ü", "//8"):
        with pytest.raises(Problem):
            key_of(cursor)
