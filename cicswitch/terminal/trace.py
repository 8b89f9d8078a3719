"""`cicswitch trace`: the SIP ladder of a call, live or ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cicswitch.core.errors import NotFound, ResourceError
from cicswitch.legs.sip.ladder import Step, parse_ladder
from cicswitch.runtime.place import Place
from cicswitch.store.quality import kept
from cicswitch.store.reader import reading
from cicswitch.store.traces import find

__all__ = ["draw", "draw_quality", "from_api", "from_store", "from_switch", "rows", "with_kept"]

_WIDTH = 34


def from_store(place: Place, call: str) -> list[tuple[str, list[Step]]]:
    """Ladders of an interaction or a leg by leg. Raises `NotFound`, `ResourceError`."""
    with reading(place) as db:
        legs = [
            *db.execute(
                "SELECT leg, ended_at FROM leg WHERE interaction = ? OR leg = ? OR sip_call_id = ?"
                " ORDER BY started_at",
                (call, call, call),
            )
        ]
        found = [
            (leg, parse_ladder(steps))
            for leg, ended_at in legs or [(call, None)]
            for steps in find(db, leg, ended_at)
        ]
    if not found:
        raise NotFound(
            f'no call "{call}": it is an interaction, a leg or a Call-ID, as `cicswitch calls` and'
            " the log show them; ladders are kept for store.trace_hours"
        )
    return found


def from_switch(reply: Mapping[str, Any]) -> list[tuple[str, list[Step]]]:
    """Ladders as the control socket gives them."""
    return [(leg["leg"], parse_ladder(bytes.fromhex(leg["ladder"]))) for leg in reply["legs"]]


def from_api(steps: Iterable[Mapping[str, Any]]) -> list[tuple[str, list[Step]]]:
    """Ladders out of the messages as the API and `rows` give them."""
    legs: dict[str, list[Step]] = {}
    for row in steps:
        step = Step(row["at"], row["direction"], row["peer"], row["line"], row["cseq"], row["sdp"])
        legs.setdefault(row["leg"], []).append(step)
    return list(legs.items())


def rows(ladders: Iterable[tuple[str, list[Step]]]) -> list[dict[str, Any]]:
    """The messages of all legs for programs, in the order of time."""
    # By name: the native build's classes do not list their attributes.
    fields = ("at", "cseq", "direction", "line", "peer", "sdp")
    found = [
        {"leg": leg, **{name: getattr(step, name) for name in fields}}
        for leg, steps in ladders
        for step in steps
    ]
    return sorted(found, key=lambda row: float(row["at"]))


def draw(ladders: Iterable[tuple[str, list[Step]]]) -> str:
    """All legs in one drawing, the switch in the middle, in the order of time.

    +0.000  127.0.0.2:5070 ───── INVITE sip:5000@… (sdp) ────▶ │
    """
    steps = sorted(
        ((step, number) for number, (_, steps) in enumerate(ladders) for step in steps),
        key=lambda item: item[0].at,
    )
    if not steps:
        return "no message was seen"
    peers: list[tuple[int, str]] = []
    for step, number in steps:
        if (number, step.peer) not in peers:
            peers.append((number, step.peer))
    # The first leg's far end stands on the left, all others on the right of the switch.
    left = [peer for peer in peers if peer[0] == peers[0][0]]
    columns = [*left, (-1, "cicswitch"), *(peer for peer in peers if peer not in left)]
    centre = len(left)
    start = steps[0][0].at
    head = " " * 10 + "".join(name.center(_WIDTH) for _, name in columns)
    lines = [head]
    for step, number in steps:
        column = columns.index((number, step.peer))
        text = _label(step)
        low, high = sorted((column, centre))
        to_right = (step.direction == "in") == (column < centre)
        span = (high - low) * _WIDTH - 1
        body = text[: span - 4].center(span - 2, "─")
        arrow = f"─{body}▶" if to_right else f"◀{body}─"
        row = [" "] * (_WIDTH * len(columns))
        for index in range(len(columns)):
            row[index * _WIDTH + _WIDTH // 2] = "│"
        at = low * _WIDTH + _WIDTH // 2 + 1
        row[at : at + len(arrow)] = arrow
        lines.append(f"{step.at - start:+9.3f} " + "".join(row).rstrip())
    return "\n".join(lines)


def with_kept(place: Place, call: str, live: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """How the legs of a call sound: those that are over, by their CDRs, and the live ones."""
    names = {each["leg"] for each in live}
    try:
        with reading(place) as db:
            ended = kept(db, call)
    except ResourceError:
        ended = []
    return [*(each for each in ended if each["leg"] not in names), *live]


def draw_quality(legs: Iterable[Mapping[str, Any]]) -> str:
    """A line a leg: what came, what went, and in brackets what the far end reports."""
    lines = []
    for leg in legs:
        far = "" if leg["far_lost"] is None else f" ({leg['far_lost']})"
        spread = "" if leg["far_jitter_ms"] is None else f" ({leg['far_jitter_ms']:.1f})"
        trip = "-" if leg["rtt_ms"] is None else f"{leg['rtt_ms']:.0f}"
        score = "-" if leg["mos"] is None else f"{leg['mos']:.2f}"
        far_score = "" if leg["far_mos"] is None else f" ({leg['far_mos']:.2f})"
        lines.append(
            f"{leg['peer']} {leg['codec'] or '-'}: received {leg['packets_received']},"
            f" sent {leg['packets_sent']}, lost {leg['packets_lost']}{far},"
            f" jitter {leg['jitter_ms'] or 0:.1f}{spread} ms, round trip {trip} ms,"
            f" MOS {score}{far_score}{', live' if leg['live'] else ''}"
        )
    return "\n".join(lines)


def _label(step: Step) -> str:
    line = step.line
    if line.startswith("SIP/2.0 "):
        text = line[8:]
        method = step.cseq.partition(" ")[2]
        text = f"{text} ({method})" if method else text
    else:
        text = line.partition(" SIP/2.0")[0]
    return f" {text}{' +sdp' if step.sdp else ''} "
