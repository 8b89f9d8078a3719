"""Nothing grows with the number of calls: memory, descriptors, timers, tables."""

from __future__ import annotations

import shutil

import pytest

from bench.leak import Leak, measure

has_sipp = pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp is not installed")


def run_with(memory_kib: list[int], blocks_after: int = 300_000) -> Leak:
    """100,000 calls with these samples of memory, in equal steps."""
    calls = [round(100_000 * at / (len(memory_kib) - 1)) for at in range(len(memory_kib))]
    return Leak(
        offered=100_000,
        answered=100_000,
        failed=0,
        memory_kib=memory_kib,
        calls=calls,
        blocks_before=300_000,
        blocks_after=blocks_after,
        fds_before=0,
        fds_after=0,
        timers_before=0,
        timers_after=0,
        left={},
        errors=[],
    )


def test_a_leak_is_seen_though_memory_grows_by_whole_arenas() -> None:
    # 50 KiB per 1,000 calls, taken from the system by the MiB.
    arenas = [150_000 + at * 125 // 1024 * 1024 for at in range(41)]
    assert 35 < run_with(arenas).growth_kib_per_1000 < 65


def test_one_step_is_no_growth() -> None:
    assert run_with([150_000] * 30 + [154_000] * 11).growth_kib_per_1000 < 1


def test_one_object_left_behind_by_a_call_in_five_is_seen() -> None:
    assert run_with([150_000] * 41, blocks_after=320_000).blocks_more_per_1000 == 200


@pytest.mark.interop
@has_sipp
def test_a_thousand_calls_leave_no_call_behind() -> None:
    seen = measure(1000, 200, warm=300, settle_s=0)
    # Other tests run beside it: on a busy processor some calls are refused, and leave nothing.
    assert seen.answered >= 0.9 * seen.offered
    assert seen.failed == 0
    assert seen.left == {}
    assert seen.errors == []
    # Finished transactions and ladders linger for up to 32 s by the RFC; they bound the growth.
    assert seen.memory_kib[-1] - seen.memory_kib[0] < 64 * 1024
    assert seen.fds_after <= seen.fds_before + 300


@pytest.mark.soak
@pytest.mark.interop
@has_sipp
def test_a_hundred_thousand_calls_leave_nothing_behind() -> None:
    seen = measure(100_000, 400, warm=18_000, settle_s=60)
    assert seen.answered >= 0.999 * seen.offered
    assert seen.left == {}
    assert seen.errors == []
    assert seen.growth_kib_per_1000 < 20
    assert seen.blocks_more_per_1000 < 100
    assert seen.fds_after <= seen.fds_before
    assert seen.timers_after <= seen.timers_before + 5
