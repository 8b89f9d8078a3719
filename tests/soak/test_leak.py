"""Nothing grows with the number of calls: memory, descriptors, timers, tables."""

from __future__ import annotations

import shutil

import pytest

from bench.leak import measure

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp is not installed"),
]


def test_two_thousand_calls_leave_no_call_behind() -> None:
    seen = measure(2000, 300, warm=300, settle_s=0)
    assert seen.answered >= 0.999 * seen.offered
    assert seen.left == {}
    assert seen.errors == []
    # Finished transactions and ladders linger for up to 32 s by the RFC; they bound the growth.
    assert seen.rss_kib[-1] - seen.rss_kib[0] < 64 * 1024
    assert seen.fds_after <= seen.fds_before + 300


@pytest.mark.soak
def test_a_hundred_thousand_calls_leave_nothing_behind() -> None:
    seen = measure(100_000, 400, warm=5000, settle_s=60)
    assert seen.answered >= 0.999 * seen.offered
    assert seen.left == {}
    assert seen.errors == []
    assert seen.growth_kib_per_1000 < 20
    assert seen.fds_after <= seen.fds_before
    assert seen.timers_after <= seen.timers_before + 5
