"""A million random commands and deadlines, with the invariants after every one (ten minutes)."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.acd.test_invariants import AnyCommands


@pytest.mark.soak
def test_a_million_random_steps() -> None:
    run_state_machine_as_test(
        AnyCommands,
        settings=settings(
            max_examples=20_000,
            stateful_step_count=50,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
