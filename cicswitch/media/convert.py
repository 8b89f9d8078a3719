"""A WAV file of any kind to what the media library has: 8 kHz, mono, PCM16.

`python -m cicswitch.media.convert` reads one and writes the other: a process of its own, because
the file comes from outside and resampling would hold up calls. What is wrong with it is a line on
standard error, with exit status 1.
"""

from __future__ import annotations

import sys

from cicswitch.core.errors import ResourceError
from cicswitch.media.wav import RATE_HZ, decode, header

__all__ = ["LONGEST_S", "main"]

LONGEST_S = 300


def main() -> int:
    """Standard input to standard output. The exit status."""
    try:
        samples = decode(sys.stdin.buffer.read(), "the file")
    except ResourceError as error:
        print(error, file=sys.stderr)
        return 1
    seconds = len(samples) / RATE_HZ
    if not len(samples) or seconds > LONGEST_S:
        found = f"{seconds:.0f} s long, {LONGEST_S} s are the most" if seconds else "without sound"
        print(f"the file: {found}", file=sys.stderr)
        return 1
    body = samples.astype("<i2").tobytes()
    sys.stdout.buffer.write(header(len(body), channels=1) + body)
    return 0


if __name__ == "__main__":
    sys.exit(main())
