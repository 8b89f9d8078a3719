"""Who would be left without a plan if its file were gone; and what a new one begins with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from cicswitch.dialplan.match import number_matcher
from cicswitch.dialplan.model import Callback, Dialplan, Plan, Queue, Route, Transfer

__all__ = ["template", "users"]

_FIRST, _LAST = 9000, 9999
_TEMPLATE = """\
# {name}: calls of {number} hear a prompt and are put through to nobody yet.
# Routes are tried in the order of the files and in it from the top: docs/dialplan.md has all steps.

[[route]]
called = "{number}"
flow = "main"

[[flow.main]]
do = "answer"

[[flow.main]]
do = "play"
prompt = "welcome"

[[flow.main]]
do = "hangup"
"""


def template(name: str, dialplan: Dialplan) -> str:
    """The text of a new plan: its route takes a number that no other one does."""
    numbers = [number for number in range(_FIRST, _LAST + 1) if not _taken(dialplan, str(number))]
    return _TEMPLATE.format(name=name, number=numbers[0] if numbers else _FIRST)


def users(
    plan: Plan,
    dialplan: Dialplan,
    *,
    trunks: Iterable[str] = (),
    widgets: Mapping[str, str] | None = None,
    queues: Mapping[str, Iterable[str]] | None = None,
) -> list[str]:
    """Who needs a plan, in words; empty if nobody does.

    `widgets` are their numbers, `queues` those that each hands over to. A trunk needs the plan that
    alone has routes for its calls; a widget and a step of another plan the one that alone takes the
    number that they call; a queue the one that alone puts calls into it.
    """
    widgets, queues = widgets or {}, queues or {}
    own = [route for route, of in dialplan.routes if of is plan]
    others = [route for route, of in dialplan.routes if of is not plan]
    found: list[str] = []

    def needs(who: str, takes: Callable[[Route], object]) -> None:
        if any(map(takes, own)) and not any(map(takes, others)):
            found.append(who)

    for name in sorted(trunks):
        needs(f"trunk.{name}: no other plan takes its calls", partial(_from, name))
    for name, number in sorted(widgets.items()):
        needs(
            f"widget.{name}: no other plan takes {number}",
            partial(_from_and_to, f"widget:{name}", number),
        )
    rest = [each for each in dialplan.plans if each is not plan]
    fed = {queue for each in rest for queue in _queues(each)}
    handed = {to for name, tos in queues.items() if name in fed for to in tos}
    found += [
        f"queue.{name}: no other plan puts calls into it"
        for name in sorted(set(_queues(plan)) & set(queues))
        if name not in fed | handed
    ]
    for each in rest:
        for number in sorted(set(_numbers(each))):
            needs(f"{each.name}: it transfers to {number}", partial(_to, number))
    return found


def _from(source: str, route: Route) -> bool:
    named = (route.trunk,) if isinstance(route.trunk, str) else route.trunk
    return not named or source in named


def _to(number: str, route: Route) -> bool:
    called = (route.called,) if isinstance(route.called, str) else route.called
    return not called or any(number_matcher(each)(number) for each in called)


def _from_and_to(source: str, number: str, route: Route) -> bool:
    return _from(source, route) and _to(number, route)


def _taken(dialplan: Dialplan, number: str) -> bool:
    return any(route.called and _to(number, route) for route, _ in dialplan.routes)


def _queues(plan: Plan) -> Iterator[str]:
    for step in plan.steps:
        if isinstance(step, Queue | Callback) and step.queue:
            yield step.queue


def _numbers(plan: Plan) -> Iterator[Any]:
    for step in plan.steps:
        if isinstance(step, Transfer) and not step.refer and "{" not in step.to:
            yield step.to
