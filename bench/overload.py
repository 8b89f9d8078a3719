"""`bench overload`: three times what is clean, and what becomes of it.

A machine that others share may carry less in the next minute, so the clean rate is looked for once
more afterwards, downwards; the lower one counts.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.dial import clean_rate
from bench.harness import Switch, progress, switch_under_test
from bench.result import Options, Result, Series
from bench.sipp import call, far_end

__all__ = ["run"]


def run(options: Options) -> list[Result]:
    """Answered calls stay near the clean rate, the rest get 503 at once, nothing is left."""
    result = Result("overload", x_label="second", y_label="calls/s")
    seconds = 10.0 if options.quick else 20.0
    with switch_under_test(profile=options.profile) as switch, tempfile.TemporaryDirectory() as d:
        folder = Path(d)
        with far_end(switch, folder):
            call(switch, folder, "4711", rate=100, seconds=2)
            rate = round(options.rate)
            if not rate:
                rate = _clean(switch, folder, start=1200, most=3000)
            progress(f"clean at {rate}/s; offering {3 * rate}/s for {seconds:.0f} s")
            load = call(switch, folder, "4711", rate=3 * rate, seconds=seconds)
            left = switch.settle(60)
            after = rate if options.rate else _clean(switch, folder, start=rate, most=rate)
    series = load.series
    # The first seconds, until the limit is found, and the last, when the offer has ended.
    steady = [row for row in series if 3.0 < row[0] <= load.seconds - 1.0] or series
    answered = sum(row[1] for row in steady) / len(steady)
    result.add("clean_rate", rate, "calls/s")
    result.add("clean_rate_after", after, "calls/s")
    result.add("offered_rate", load.offered / seconds, "calls/s")
    result.add("answered_rate", answered, "calls/s", least=0.9 * min(rate, after), done=after > 0)
    result.add("refused_share", load.refused / max(1, load.offered))
    result.add("refuse_ms", load.refuse_ms, "ms", most=200)
    result.add("failed", load.failed, "calls", most=load.offered // 1000)
    result.add("left_in_tables", sum(left.values()), "entries", most=0)
    if left:
        result.notes.append(f"left behind: {left}")
    result.x_label = "second"
    result.series = [
        Series("answered", [row[0] for row in series], [float(row[1]) for row in series]),
        Series("refused (503)", [row[0] for row in series], [float(row[2]) for row in series]),
    ]
    return [result]


def _clean(switch: Switch, folder: Path, *, start: int, most: int) -> int:
    return clean_rate(
        switch,
        folder,
        "4711",
        start=start,
        step=100,
        seconds=8,
        idle_share=0.0,
        most=most,
    )[0]
