"""`bench/RESULTS.md`, from the figures that the benches left in `bench/out`."""

from __future__ import annotations

from typing import Any

import msgspec

from bench.result import OUT, Result
from cicswitch.core.errors import ResourceError

__all__ = ["write"]


class _Saved(msgspec.Struct):
    command: str
    machine: dict[str, Any]
    results: list[Result]


_HEAD = """# Results

Written by `cicswitch bench all` (or `bench results`, from the last run of each bench). CPU is
utime + stime of all processes of the switch, less what they use when idle. SIPp and the RTP driver
run on the same machine and take their share of it.
"""

_MARKS = {True: "met", False: "missed", None: ""}


def write() -> str:
    """Write the file; its path in the checkout. Raises `ResourceError` without any figures."""
    found = sorted(OUT.glob("*.json"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise ResourceError("no bench has run yet")
    lines = [_HEAD]
    saved = [msgspec.json.decode(path.read_bytes(), type=_Saved) for path in found]
    machine = saved[-1].machine
    lines.append(
        f"Machine: {machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']},"
        f" Python {machine['python']}, cicswitch: {machine.get('build', 'sources')}.\n"
    )
    lines += ["| bench | figure | value | unit | target | |", "|---|---|---:|---|---|---|"]
    for each in saved:
        for result in each.results:
            for figure in result.figures:
                number = f"{figure.value:,.0f}" if figure.value >= 1000 else f"{figure.value:.4g}"
                lines.append(
                    f"| {result.bench} | {figure.name} | {number} | {figure.unit} |"
                    f" {figure.target} | {_MARKS[figure.met]} |"
                )
    lines.append("\nCommands:\n")
    lines += [f"    {each.command}" for each in saved]
    notes = [
        f"- {result.bench}: {note}"
        for each in saved
        for result in each.results
        for note in result.notes
    ]
    if notes:
        lines += ["", *notes]
    path = OUT.parent / "RESULTS.md"
    path.write_text("\n".join(lines) + "\n")
    return f"bench/{path.name}"
