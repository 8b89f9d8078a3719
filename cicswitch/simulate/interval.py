"""A mean and how far it may be from the truth: Student's t, 99 % on both sides."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import inf, sqrt

__all__ = ["interval", "t_99"]

# Quantiles 0.995 of Student's t by degrees of freedom (Abramowitz and Stegun, table 26.10).
_T = (
    *(63.657, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.250, 3.169),
    *(3.106, 3.055, 3.012, 2.977, 2.947, 2.921, 2.898, 2.878, 2.861, 2.845),
    *(2.831, 2.819, 2.807, 2.797, 2.787, 2.779, 2.771, 2.763, 2.756, 2.750),
)
_BEYOND = ((30.0, 2.750), (40.0, 2.704), (60.0, 2.660), (120.0, 2.617), (inf, 2.576))


def t_99(degrees: int) -> float:
    """The t of a 99 % interval; past 30 degrees of freedom by harmonic interpolation."""
    if degrees <= len(_T):
        return _T[degrees - 1]
    for (low, t_low), (high, t_high) in pairwise(_BEYOND):
        if degrees <= high:
            share = (1 / low - 1 / degrees) / (1 / low - 1 / high)
            return t_low + share * (t_high - t_low)
    return _BEYOND[-1][1]


def interval(values: Sequence[float]) -> tuple[float, float]:
    """(mean, half width of its 99 % confidence interval); the half of a single value is NaN."""
    count = len(values)
    mean = sum(values) / count
    if count < 2:
        return mean, float("nan")
    variance = sum((value - mean) ** 2 for value in values) / (count - 1)
    return mean, t_99(count - 1) * sqrt(variance / count)
