"""The benches by name, and the way to run one: `cicswitch bench NAME`.

Each leaves its figures in `bench/out/NAME.json`; `all` and `results` write `bench/RESULTS.md`.
"""

from __future__ import annotations

import importlib
import signal
import sys
from typing import Any

import msgspec

from bench.result import OUT, Options, Result, machine, plot, table
from bench.results import write
from cicswitch.core.errors import NotFound

__all__ = ["NAMES", "main"]

NAMES = (
    *("dial", "queue", "acd", "relay", "memory", "overload", "leak", "webrtc", "api"),
    *("channels", "fax"),
)


def main(name: str, options: Options, *, json: bool) -> list[Result]:
    """Run a bench or all of them; prints the table or the object."""
    if name not in (*NAMES, "all", "results"):
        raise NotFound(
            f'there is no bench "{name}" (known: {", ".join((*NAMES, "all", "results"))})'
        )
    if name == "results":
        print(f"wrote {write()}")
        return []
    # Ended from outside, the switch and SIPp are ended too: through the finally blocks.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results: list[Result] = []
    for bench in NAMES if name == "all" else (name,):
        command = " ".join(["cicswitch bench", bench, *options.words()])
        print(f"bench {bench}", file=sys.stderr, flush=True)
        done: list[Result] = importlib.import_module(f"bench.{bench}").run(options)
        results += done
        if not options.target:
            OUT.mkdir(exist_ok=True)
            saved = {"command": command, "machine": machine(), "results": done}
            (OUT / f"{bench}.json").write_bytes(msgspec.json.encode(saved))
        for result in done:
            path = plot(result)
            if path is not None:
                print(f"  plot: {path.relative_to(path.parents[2])}", file=sys.stderr)
    if json:
        figures: dict[str, Any] = {
            result.bench: {figure.name: figure.value for figure in result.figures}
            for result in results
        }
        print(msgspec.json.encode({"machine": machine(), "benches": figures}).decode())
    else:
        table(results)
    if name == "all" and not options.target:
        print(f"wrote {write()}", file=sys.stderr)
    return results
