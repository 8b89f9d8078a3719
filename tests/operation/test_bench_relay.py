"""What `bench relay` says of a run."""

from __future__ import annotations

import pytest

from bench.relay import figures
from bench.result import Result
from bench.sound import Heard


@pytest.mark.parametrize(("got", "met"), [(1000, True), (999, False), (0, False)])
def test_a_run_that_loses_packets_has_missed_its_targets(got: int, met: bool) -> None:
    result = Result("relay")
    seen = Heard(sent=1000, got=got, other=0, p50_ms=0.5, p99_ms=1.0, max_ms=2.0)
    assert figures(result, "", 10, 10.0, 0.05, seen) == pytest.approx(0.5)
    told = {figure.name: figure.met for figure in result.figures}
    assert told == {"cpu_ms_per_call_s": met, "added_ms_p99": met, "loss": met, "core": None}


def test_a_run_in_which_nothing_was_sent_has_missed_them() -> None:
    result = Result("relay")
    figures(result, "", 10, 10.0, 0.0, Heard(0, 0, 0, 0.0, 0.0, 0.0))
    assert not any(figure.met for figure in result.figures)
