"""What a browser sees that is shown nobody: a picture of why, once a second, each a key frame.

    waiting     two bars: it waits, or is on hold
    no_camera   a camera that is crossed out: whoever it talks to sends no video

They are drawn and encoded when the first is needed; without words they need no language.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Final, Literal

import av
import numpy as np
from aiortc.codecs.vpx import Vp8Encoder
from numpy.typing import NDArray

__all__ = ["EVERY_S", "Why", "draw", "still"]

EVERY_S: Final = 1.0
WIDTH: Final = 320
HEIGHT: Final = 180
_DARK: Final = (29, 33, 40)
_LIGHT: Final = (164, 173, 186)
_RED: Final = (230, 110, 104)
Why = Literal["waiting", "no_camera"]


def draw(why: Why) -> NDArray[np.uint8]:
    """The picture, (HEIGHT, WIDTH, 3) of RGB."""
    picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    picture[:] = _DARK
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    middle_y, middle_x = HEIGHT // 2, WIDTH // 2
    if why == "waiting":
        bar = (abs(abs(x - middle_x) - 18) < 9) & (abs(y - middle_y) < 34)
        picture[bar] = _LIGHT
        return picture
    body = (abs(x - middle_x + 14) < 36) & (abs(y - middle_y) < 26)
    lens = (x >= middle_x + 28) & (x < middle_x + 54)
    lens &= abs(y - middle_y) < 4 + (x - middle_x - 28) * 0.75
    picture[body | lens] = _LIGHT
    line = (abs((x - middle_x) * 0.8 - (y - middle_y)) < 6) & (abs(y - middle_y) < 48)
    picture[line] = _RED
    return picture


@lru_cache
def still(why: Why) -> tuple[bytes, ...]:
    """The payloads of one VP8 key frame (RFC 7741), in order; the last has the marker."""
    frame = av.VideoFrame.from_ndarray(draw(why), format="rgb24")
    frame.pts, frame.time_base = 0, Fraction(1, 90_000)
    payloads, _ = Vp8Encoder().encode(frame, force_keyframe=True)
    return tuple(payloads)
