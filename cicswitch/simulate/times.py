"""How long something takes: a distribution of seconds, drawn in blocks."""

from __future__ import annotations

from math import inf, log, sqrt
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

__all__ = ["NEVER", "NONE", "Kind", "Times", "exponential"]

NEVER = inf
"""The patience of one who does not abandon."""
Kind = Literal["exponential", "lognormal", "constant", "empirical", "none"]


class Times(Struct, frozen=True, kw_only=True):
    """A distribution of durations in seconds.

    `exponential` and `constant` have a mean, `lognormal` mean and standard deviation of the
    durations themselves (call times are close to lognormal: Brown et al., JASA 100, 2005, 36-50),
    `empirical` draws from what was measured, `none` is forever.
    """

    kind: Kind = "none"
    mean_s: float = 0.0
    sd_s: float = 0.0
    measured: tuple[float, ...] = ()

    def draw(self, random: np.random.Generator, count: int) -> NDArray[np.float64]:
        """So many durations: shape (count,), float64, seconds."""
        match self.kind:
            case "exponential":
                return random.exponential(self.mean_s, count)
            case "constant":
                return np.full(count, self.mean_s)
            case "lognormal":
                variance = log(1.0 + (self.sd_s / self.mean_s) ** 2)
                return random.lognormal(log(self.mean_s) - variance / 2, sqrt(variance), count)
            case "empirical":
                return random.choice(np.array(self.measured), count)
        return np.full(count, NEVER)


NONE = Times()


def exponential(mean_s: float) -> Times:
    """Exponential durations."""
    return Times(kind="exponential", mean_s=mean_s)
