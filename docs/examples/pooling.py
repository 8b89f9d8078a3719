"""How many skills an agent has to have: two do nearly what six do.

90 agents, six types of calls, a load of 84 erlangs, 30 waiting places; each agent knows one to six
of the types. After Wallace and Whitt, "A staffing algorithm for call centers with skill-based
routing", Manufacturing & Service Operations Management 7 (2005), 276-294.

    python docs/examples/pooling.py [HOURS [SEEDS]]

prints a line for each number of skills and draws pooling.png beside this file (with matplotlib).
"""

import sys
from pathlib import Path

from cicswitch.acd.commands import DefineAgent, DefineQueue
from cicswitch.simulate.model import Model, constant_rate
from cicswitch.simulate.results import Estimate, Report, simulate
from cicswitch.simulate.times import exponential

AGENTS, TYPES, LOAD, PLACES, CALL_S = 90, 6, 84.0, 30, 600.0
WARM_UP_H = 2.0
IMAGE = Path(__file__).with_suffix(".png")


def skills(agent: int, count: int) -> dict[str, int]:
    """The types that an agent knows: every combination about equally often."""
    own = agent % TYPES
    others = [(own + step) % TYPES for step in range(1, TYPES)]
    turn = agent // TYPES % len(others)
    known = [own, *others[turn:], *others[:turn]]
    return {f"type-{number}": 1 for number in known[:count]}


def center(count: int, hours: float) -> Model:
    """Everybody knows so many types. One queue, in which each call asks for its own."""
    end = (hours + WARM_UP_H) * 3600
    return Model(
        queues=(DefineQueue(queue="calls", max_waiting=PLACES),),
        agents=tuple(
            DefineAgent(agent=f"agent-{number}", skills=skills(number, count))
            for number in range(AGENTS)
        ),
        streams=tuple(
            constant_rate(
                "calls",
                LOAD / TYPES / CALL_S,
                exponential(CALL_S),
                end=end,
                skills={f"type-{number}": 1},
            )
            for number in range(TYPES)
        ),
        end=end,
        warm_up_s=WARM_UP_H * 3600,
    )


def figure(report: Report, name: str) -> Estimate:
    """A figure of the queue; seconds and shares."""
    return report.queues[0].figures[name]


def blocked(report: Report) -> float:
    """The share of calls that found no waiting place, in percent."""
    return 100 * (figure(report, "blocked").mean or 0) / (figure(report, "offered").mean or 1)


def draw(reports: list[Report]) -> None:
    """Waits and service level by skills, with 99 % confidence."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    known = list(range(1, TYPES + 1))
    image, panels = pyplot.subplots(1, 3, figsize=(12, 4), layout="constrained")
    for axes, name, scale, label in (
        (panels[0], "asa_s", 1, "mean wait, s"),
        (panels[1], "service_level", 100, "answered within 20 s, %"),
    ):
        found = [figure(report, name) for report in reports]
        middle = [scale * (estimate.mean or 0) for estimate in found]
        half = [scale * (estimate.half or 0) for estimate in found]
        axes.errorbar(known, middle, yerr=half, marker="o", capsize=3)
        axes.set_ylabel(label)
    panels[2].plot(known, [blocked(report) for report in reports], marker="o")
    panels[2].set_ylabel("blocked, %")
    for axes in panels:
        axes.set_xlabel("types that each agent knows")
        axes.set_xticks(known)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    image.suptitle(f"{AGENTS} agents, {TYPES} types of calls, load {LOAD:g}, {PLACES} places")
    image.savefig(IMAGE, dpi=110)
    print(f"drew {IMAGE.name}")


def main(hours: float = 200, seeds: int = 5, *, image: bool = True) -> list[Report]:
    """One simulation for each number of skills; the reports, one skill first."""
    reports = []
    for count in range(1, TYPES + 1):
        report = simulate(center(count, hours), seeds=seeds)
        wait, level = figure(report, "asa_s"), figure(report, "service_level")
        print(
            f"{count} of {TYPES} types: mean wait {wait.mean:5.1f} ± {wait.half or 0:4.1f} s,"
            f" within 20 s {level.mean:6.1%} ± {level.half or 0:.1%},"
            f" blocked {blocked(report):.2f} %",
            flush=True,
        )
        reports.append(report)
    if image:
        draw(reports)
    return reports


if __name__ == "__main__":
    main(*[kind(text) for kind, text in zip((float, int), sys.argv[1:], strict=False)])
