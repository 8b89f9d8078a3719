"""The E-model: figures of the Recommendation, and what may never be better."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cicswitch.rtp.quality import mos, rating

SHARE = st.floats(0, 1)
MS = st.floats(0, 100_000)
CODEC = st.sampled_from(["PCMU", "PCMA", "opus", "", "x"])


def test_a_line_without_faults_has_the_default_rating() -> None:
    assert rating("PCMU", 0.0, 0.0, None) == 93.2
    assert mos(93.2) == pytest.approx(4.41, abs=0.005)


@pytest.mark.parametrize(
    ("r", "score"), [(0, 1.0), (50, 2.58), (60, 3.10), (70, 3.60), (80, 4.03), (90, 4.34)]
)
def test_scores_of_annex_b(r: float, score: float) -> None:
    assert mos(r) == pytest.approx(score, abs=0.01)


def test_by_hand() -> None:
    # 2 % of loss: 95 * 2 / 27.1; 300 ms one way: X = log2 3.
    assert rating("PCMA", 0.02, 0.0, None) == pytest.approx(93.2 - 7.011, abs=0.001)
    x = 1.58496
    idd = 25 * ((1 + x**6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2)
    assert rating("PCMU", 0.0, 0.0, 560.0) == pytest.approx(93.2 - idd, abs=0.01)
    assert 10 < idd < 20


@given(CODEC, SHARE, SHARE, MS, MS, st.none() | MS, MS)
def test_more_loss_jitter_or_delay_is_never_better(
    codec: str, loss: float, more: float, jitter: float, wider: float, rtt: float | None, far: float
) -> None:
    before = rating(codec, loss, jitter, rtt)
    assert rating(codec, min(1.0, loss + more), jitter, rtt) <= before + 1e-9
    assert rating(codec, loss, jitter + wider, rtt) <= before + 1e-9
    assert rating(codec, loss, jitter, (rtt or 0.0) + far) <= before + 1e-9


@given(st.floats(-200, 200), st.floats(0, 200))
def test_a_better_rating_is_never_a_worse_score(r: float, more: float) -> None:
    assert 1.0 <= mos(r) <= mos(r + more) + 1e-9
    assert mos(r) <= 4.5
