"""Who hears whom, as a pure function."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicswitch.calls.bridge_plan import RINGING, Hears, Party, plan, talk
from cicswitch.calls.parties import CONSULT_TABLE, Consult, ConsultInput, Mode, Role
from cicswitch.core.errors import Conflict

CUSTOMER = Party(leg="c", role=Role.CUSTOMER)
AGENT = Party(leg="a", role=Role.AGENT)


def supervisor(mode: Mode, leg: str = "s") -> Party:
    return Party(leg=leg, role=Role.SUPERVISOR, mode=mode)


def hears(*parties: Party, calling: bool = False) -> dict[str, str]:
    """What each hears in a word: legs, `music`, `waiting`, or nothing at all."""
    found = plan(parties, "music", "waiting", calling=calling)
    return {leg: each.music or "".join(each.legs) for leg, each in found.items()}


def test_two_hear_each_other() -> None:
    assert hears(CUSTOMER, AGENT) == {"c": "a", "a": "c"}


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (Mode.MONITOR, {"c": "a", "a": "c", "s": "ca"}),
        (Mode.WHISPER, {"c": "a", "a": "cs", "s": "ca"}),
        (Mode.BARGE, {"c": "as", "a": "cs", "s": "ca"}),
    ],
)
def test_a_supervisor(mode: Mode, expected: dict[str, str]) -> None:
    assert hears(CUSTOMER, AGENT, supervisor(mode)) == expected


def test_who_listens_hears_who_barges_and_not_who_whispers() -> None:
    found = hears(
        CUSTOMER, AGENT, *(supervisor(mode, leg) for mode, leg in zip(Mode, "mwb", strict=True))
    )
    assert found == {"c": "ab", "a": "cbw", "m": "cab", "w": "cab", "b": "ca"}


@pytest.mark.parametrize(
    ("customer", "agent", "expected"),
    [
        ({"up": False}, {}, {}),
        ({}, {"up": False}, {"c": "waiting"}),
        ({}, {"held": True}, {"c": "music"}),
        ({"held": True}, {}, {"a": "music"}),
        ({"held": True}, {"held": True}, {}),
        ({"apart": True}, {}, {"c": "music"}),
        ({"held": True}, {"up": False}, {"c": "waiting"}),
    ],
)
def test_holds(customer: dict[str, Any], agent: dict[str, Any], expected: dict[str, str]) -> None:
    one = Party(leg="c", role=Role.CUSTOMER, **customer)
    assert hears(one, Party(leg="a", role=Role.AGENT, **agent)) == expected


def test_alone_a_caller_hears_what_waits_for_him() -> None:
    assert hears(CUSTOMER) == {"c": "waiting"}


def test_a_consultation() -> None:
    away = Party(leg="c", role=Role.CUSTOMER, apart=True)
    third = Party(leg="t", role=Role.CONSULTED)
    assert hears(away, AGENT, calling=True) == {"c": "music", "a": RINGING}
    assert hears(away, AGENT, third) == {"c": "music", "a": "t", "t": "a"}
    aside = Party(leg="t", role=Role.CONSULTED, apart=True)
    assert hears(CUSTOMER, AGENT, aside) == {"c": "a", "a": "c", "t": "music"}
    monitor = supervisor(Mode.MONITOR)
    assert hears(away, AGENT, third, monitor)["s"] == "at"


def test_a_conference_goes_on_while_its_agent_consults() -> None:
    away = Party(leg="c", role=Role.CUSTOMER, apart=True)
    colleague = Party(leg="x", role=Role.COLLEAGUE, apart=True)
    third = Party(leg="t", role=Role.CONSULTED)
    assert hears(away, AGENT, colleague, third) == {"c": "x", "a": "t", "x": "c", "t": "a"}


def test_the_talk_of_a_plan_names_who_is_heard_too() -> None:
    found = talk({"s": Hears(legs=("a",)), "c": Hears(music="music")})
    assert found == {"s": ("a",), "a": ()}


parties = st.lists(
    st.builds(
        Party,
        leg=st.uuids().map(str),
        role=st.sampled_from([role for role in Role if role not in (Role.CUSTOMER, Role.AGENT)]),
        up=st.booleans(),
        held=st.booleans(),
        apart=st.booleans(),
        mode=st.sampled_from(Mode),
    ),
    max_size=6,
)


@given(parties, st.booleans(), st.booleans(), st.booleans(), st.booleans())
def test_nobody_hears_himself_the_absent_or_a_whisper_that_is_not_for_him(
    others: list[Party], customer_held: bool, apart: bool, agent_held: bool, calling: bool
) -> None:
    everybody = [
        Party(leg="c", role=Role.CUSTOMER, held=customer_held, apart=apart),
        Party(leg="a", role=Role.AGENT, held=agent_held),
        *others,
    ]
    by_leg = {party.leg: party for party in everybody}
    for leg, each in plan(everybody, "music", "waiting", calling=calling).items():
        me = by_leg[leg]
        assert bool(each.legs) is not bool(each.music)
        assert me.up
        assert leg not in each.legs
        assert len(set(each.legs)) == len(each.legs)
        for other in (by_leg[name] for name in each.legs):
            assert other.up
            assert not other.held
            silent = other.role is Role.SUPERVISOR and other.mode is not Mode.BARGE
            if silent:
                assert me.role is Role.AGENT
                assert other.mode is Mode.WHISPER
            else:
                assert me.apart is other.apart


@given(st.sampled_from(Consult), st.sampled_from(ConsultInput))
def test_a_consultation_goes_on_or_is_refused(state: Consult, event: ConsultInput) -> None:
    try:
        CONSULT_TABLE.next(state, event)
    except Conflict:
        assert not CONSULT_TABLE.allows(state, event)
    # From anywhere it can end.
    assert state is Consult.NONE or CONSULT_TABLE.next(state, ConsultInput.END) is Consult.NONE
