"""Which route takes a call: number patterns, compiled once, and opening hours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from cicswitch.dialplan.model import Dialplan, Plan, Route

__all__ = ["Matcher", "PatternError", "number_matcher"]


class PatternError(ValueError):
    """A number pattern that says nothing; the text is what was expected."""


@lru_cache(maxsize=4096)
def number_matcher(pattern: str) -> Callable[[str], object]:
    """A function that is truthy for the numbers that match. Raises `PatternError`.

    The patterns are Asterisk's: `_1XXX`, `_0[2-5]N.`, `_9!`; without `_` the number itself.
    """
    if not pattern.startswith("_"):
        return pattern.__eq__
    if len(pattern) == 1:
        raise PatternError('a pattern after "_"')
    out, at = "", 1
    classes = {"X": "[0-9]", "Z": "[1-9]", "N": "[2-9]", ".": ".+", "!": ".*"}
    while at < len(pattern):
        char = pattern[at]
        if char == "[":
            end = pattern.find("]", at)
            inside = pattern[at + 1 : end] if end > 0 else ""
            if not inside or not re.fullmatch(r"(?:[0-9*#+](?:-[0-9])?)+", inside):
                raise PatternError("digits between [ and ], like [125-7]")
            for span in re.findall(r"([0-9])-([0-9])", inside):
                if span[0] > span[1]:
                    raise PatternError("a range that goes up, like [2-5]")
            out += f"[{re.escape(inside).replace(chr(92) + '-', '-')}]"
            at = end + 1
            continue
        if char in ".!" and at != len(pattern) - 1:
            raise PatternError(f'"{char}" only at the end')
        out += classes.get(char) or re.escape(char)
        at += 1
    return re.compile(out, re.DOTALL).fullmatch


def _several(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _passes(tests: tuple[Callable[[str], object], ...], number: str) -> bool:
    """Whether one of them is true."""
    for test in tests:  # noqa: SIM110  # `any` makes a generator
        if test(number):
            return True
    return False


class Matcher:
    """The routes of a dialplan. Exact numbers cost one dict look-up however many there are."""

    def __init__(self, dialplan: Dialplan) -> None:
        self._exact: dict[str, list[int]] = {}
        self._patterns: list[int] = []
        self._routes = dialplan.routes
        self._called: list[tuple[Callable[[str], object], ...]] = []
        self._caller: list[tuple[Callable[[str], object], ...]] = []
        for index, (route, _) in enumerate(dialplan.routes):
            called = _several(route.called)
            if called and not any(number.startswith("_") for number in called):
                for number in called:
                    self._exact.setdefault(number, []).append(index)
            else:
                self._patterns.append(index)
            self._called.append(tuple(number_matcher(number) for number in called))
            self._caller.append(tuple(number_matcher(n) for n in _several(route.caller)))

    def match(
        self, trunk: str, called: str, caller: str, now: float, *, named: bool = False
    ) -> tuple[Route, Plan] | None:
        """The first route, in the order of the files, that takes the call; None: no such number.

        `trunk` is the trunk's name, or `device` for a registered phone. `named`: only a route that
        names it takes it, as it is with what comes in writing.
        """
        exact = self._exact.get(called)
        if exact is None:
            candidates: Iterable[int] = self._patterns
        elif not self._patterns:
            candidates = exact
        else:
            candidates = sorted([*exact, *self._patterns])
        for index in candidates:
            route, plan = self._routes[index]
            if route.trunk and trunk not in _several(route.trunk):
                continue
            if named and not route.trunk:
                continue
            tests = self._called[index]
            if tests and not _passes(tests, called):
                continue
            tests = self._caller[index]
            if tests and not _passes(tests, caller):
                continue
            if route.hours:
                name = route.hours.removeprefix("!")
                if plan.hours[name].is_open(now) is route.hours.startswith("!"):
                    continue
            return route, plan
        return None
