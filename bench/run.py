"""The benches by name, and the way to run one: `cicswitch bench NAME`."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import msgspec

from bench.result import Options, Result, machine, plot, table
from cicswitch.core.errors import NotFound

__all__ = ["NAMES", "main"]

NAMES = ("dial", "queue", "relay", "memory", "overload", "leak")


def main(name: str, options: Options, *, json: bool) -> list[Result]:
    """Run a bench or all of them; prints the table or the object."""
    if name not in (*NAMES, "all"):
        raise NotFound(f'there is no bench "{name}" (known: {", ".join((*NAMES, "all"))})')
    results: list[Result] = []
    for bench in NAMES if name == "all" else (name,):
        print(f"bench {bench}", file=sys.stderr, flush=True)
        done: list[Result] = importlib.import_module(f"bench.{bench}").run(options)
        results += done
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
    return results
