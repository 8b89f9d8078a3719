"""The overload gate in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from cicswitch.runtime.overload import PROBE_S, OverloadGate


class Loop:
    """What the gate needs of a loop, with a time that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self._due = 0.0
        self._callback: Callable[[], None] | None = None

    def call_later(self, delay: float, callback: Callable[[], None]) -> Any:
        self._due, self._callback = self.now + delay, callback
        return self

    def cancel(self) -> None:
        self._callback = None

    def probe(self, lag_s: float = 0.0) -> None:
        """The loop comes round to the probe, so much too late."""
        assert self._callback is not None
        self.now = self._due + lag_s
        callback, self._callback = self._callback, None
        callback()


class Gate:
    """A gate, and calls offered to it at a rate."""

    def __init__(self, max_calls: int = 10_000) -> None:
        self.loop = Loop()
        self.calls = 0
        self.behind = 0.0
        self.gate = OverloadGate(
            lambda: self.calls,
            lambda: self.loop.now,
            max_calls=max_calls,
            max_lag_s=0.5,
            retry_after_s=2,
            behind=lambda _now: self.behind,
        )
        self.gate.start(cast(Any, self.loop))

    def offer(self, seconds: float, per_s: float, lag_s: float = 0.0) -> tuple[int, int]:
        """(let in, refused) while the loop is always so late."""
        let_in = refused = 0
        end = self.loop.now + seconds
        while self.loop.now < end:
            before = self.loop.now
            self.loop.probe(lag_s)
            for _ in range(round((self.loop.now - before) * per_s)):
                if self.gate() is None:
                    let_in += 1
                else:
                    refused += 1
        return let_in, refused


def test_a_loop_that_is_on_time_refuses_nobody() -> None:
    let_in, refused = Gate().offer(5.0, 2000)
    assert refused == 0
    assert let_in == pytest.approx(10_000, rel=0.02)


@pytest.mark.parametrize("lag_s", [0.04, 0.1, 0.3, 1.0])
def test_one_late_probe_refuses_nobody(lag_s: float) -> None:
    g = Gate()
    g.offer(1.0, 1000)
    g.loop.probe(lag_s)
    assert g.offer(1.0, 1000)[1] == 0


def test_a_late_probe_now_and_then_refuses_nobody() -> None:
    g = Gate()
    for _ in range(10):
        assert g.offer(1.0, 1000)[1] == 0
        g.loop.probe(0.05)


def test_sustained_lag_cuts_what_is_let_in_step_by_step_and_never_to_nothing() -> None:
    g = Gate()
    g.offer(1.0, 2000)
    rates = [g.offer(0.5, 2000, 0.04)[0] / 0.5 for _ in range(8)]
    assert rates[0] > rates[1] > rates[2]
    assert g.gate.refused > 0
    # What is left is five from one probe to the next: 200 a second if they were on time.
    assert rates[-1] == pytest.approx(5 / (PROBE_S + 0.04), rel=0.1)


def test_a_loop_that_is_late_every_other_time_is_loaded_too() -> None:
    g = Gate()
    g.offer(1.0, 2000)
    for _ in range(50):
        g.loop.probe(0.12)
        g.loop.probe()
    assert g.offer(0.2, 2000, 0.0)[1] > 0


def test_what_waits_to_be_read_is_load_though_the_loop_is_on_time() -> None:
    g = Gate()
    g.offer(1.0, 2000)
    g.behind = 0.05
    let_in, refused = g.offer(1.0, 2000)
    assert refused > let_in > 0
    g.behind = 0.0
    assert [g.offer(1.0, 2000)[1] for _ in range(6)][-1] == 0


def test_who_is_refused_is_told_when_to_come_back() -> None:
    g = Gate(max_calls=3)
    g.calls = 2
    assert g.gate() is None
    g.calls = 3
    assert g.gate() == 2
    assert g.gate.refused == 1
    g.calls = 2
    assert g.gate() is None


def test_past_the_greatest_lag_everybody_is_refused() -> None:
    g = Gate()
    g.offer(0.5, 100)
    for _ in range(20):
        g.loop.probe(0.8)
    assert g.gate.lag_s > 0.5
    assert [g.gate() for _ in range(5)] == [2] * 5


def test_a_gate_recovers_once_the_loop_is_on_time_again() -> None:
    g = Gate()
    g.offer(1.0, 2000)
    g.offer(5.0, 2000, 0.06)
    recovered = [g.offer(1.0, 2000) for _ in range(6)]
    assert recovered[0][1] > 0
    assert recovered[0][0] < recovered[1][0]  # it grows back, not at once
    assert recovered[-1][1] == 0
    assert g.gate.lag_s < 0.001


def test_a_gate_that_drains_lets_nobody_in() -> None:
    g = Gate()
    g.gate.closed = True
    assert g.gate() == 2


def test_the_greatest_lag_is_told_once() -> None:
    g = Gate()
    g.loop.probe(0.25)
    g.loop.probe(0.01)
    assert g.gate.take_max() == pytest.approx(0.25)
    assert g.gate.take_max() == 0.0


def test_a_gate_that_is_stopped_probes_no_more() -> None:
    g = Gate()
    g.gate.stop()
    g.gate.stop()
    with pytest.raises(AssertionError):
        g.loop.probe()
