from __future__ import annotations

import os

from cicswitch.core.ids import Names, Tokens


def test_names_sort_in_the_order_of_time_also_after_a_restart() -> None:
    tokens = Tokens(os.urandom)
    first, second = Names(1_790_000_000.9, tokens), Names(1_790_000_001.0, tokens)
    made = [first.name() for _ in range(300)] + [second.name() for _ in range(300)]
    assert made == sorted(made)
    assert len(set(made)) == 600
    assert {len(name) for name in made} == {20}


def test_two_processes_of_one_second_share_no_name() -> None:
    draws = iter([bytes([1]) * 2048, bytes([2]) * 2048])
    tokens = [Tokens(lambda size: next(draws)) for _ in range(2)]
    one, other = (Names(1_790_000_000.0, each) for each in tokens)
    assert one.name() != other.name()
