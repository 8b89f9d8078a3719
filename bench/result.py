"""What a bench hands back, as a table, as JSON, as a plot."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from cicswitch.core.version import BUILD

__all__ = ["Figure", "Options", "Result", "Series", "machine", "plot", "table"]

OUT = Path(__file__).parent / "out"


class Options(msgspec.Struct, frozen=True):
    """What the command line says."""

    quick: bool = False
    target: str = ""
    pid: int = 0
    calls: int = 0
    agents: int = 0
    waiting: int | None = None
    rate: float = 0.0
    record: bool = False
    profile: str = ""

    def words(self) -> list[str]:
        """The options that were given, as on the command line."""
        words = []
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value:
                words.append(f"--{name}" if value is True else f"--{name} {value}")
        return words


class Figure(msgspec.Struct):
    """A number with its unit; `target` in words, `met` where there is one."""

    name: str
    value: float
    unit: str = ""
    target: str = ""
    met: bool | None = None


class Series(msgspec.Struct):
    """A line of a plot."""

    name: str
    x: list[float]
    y: list[float]


class Result(msgspec.Struct):
    """A bench's figures."""

    bench: str
    figures: list[Figure] = []
    series: list[Series] = []
    x_label: str = ""
    y_label: str = ""
    notes: list[str] = []

    def add(
        self,
        name: str,
        value: float,
        unit: str = "",
        *,
        least: float | None = None,
        most: float | None = None,
        done: bool = True,
    ) -> None:
        """Add a figure, with its target if it has one: missed if the work was not `done`."""
        target, met = "", None
        if least is not None:
            target, met = f"≥ {least:g}", done and value >= least
        elif most is not None:
            target, met = f"≤ {most:g}", done and value <= most
        self.figures.append(Figure(name, round(value, 4), unit, target, met))


def machine() -> dict[str, Any]:
    """Processor, cores, kernel, Python."""
    import os

    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "kernel": platform.release().partition("-")[0],
        "python": platform.python_version(),
        "build": BUILD,
    }


def table(results: list[Result]) -> None:
    """Print the figures."""
    shown = Table(title="cicswitch bench", title_justify="left")
    for column in ("bench", "figure"):
        shown.add_column(column)
    shown.add_column("value", justify="right")
    for column in ("unit", "target", ""):
        shown.add_column(column)
    for result in results:
        for figure in result.figures:
            mark = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[figure.met]
            value = f"{figure.value:,.4g}" if abs(figure.value) < 1000 else f"{figure.value:,.0f}"
            shown.add_row(result.bench, figure.name, value, figure.unit, figure.target, mark)
        shown.add_section()
    console = Console()
    console.print(shown)
    for result in results:
        for note in result.notes:
            console.print(f"{result.bench}: {note}")


def plot(result: Result) -> Path | None:
    """Draw a result's lines into `bench/out/NAME.png`; None if it has none."""
    if not result.series:
        return None
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    OUT.mkdir(exist_ok=True)
    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    for series in result.series:
        axes.plot(series.x, series.y, marker="o", markersize=3, label=series.name)
    axes.set_xlabel(result.x_label)
    axes.set_ylabel(result.y_label)
    axes.set_title(f"cicswitch bench {result.bench}")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    path = OUT / f"{result.bench.replace(' ', '-')}.png"
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return path
