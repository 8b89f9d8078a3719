"""What an interaction asks of an agent: skills with least levels, joined by `and`, `or` and `not`.

    need = parse('ko >= 50 and (billing or sales >= 30) and not trainee')
    need.meets({"ko": 60, "sales": 40})     True
    need.relax({"ko": 20})                  the same with another level; level 0 drops the skill

A `Need` is a value: equal needs have equal keys, whatever the order of their parts, so that
interactions that ask for the same can stand in one line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["ANYBODY", "Need", "SkillsError", "all_of", "levels", "parse"]

_TOKEN = re.compile(r"\s*(?:(\(|\)|>=)|([^\s()>=]+))")
_KINDS = ("all", "any")


class SkillsError(ValueError):
    """An expression that cannot be read; `at` is the offset of the mistake."""

    def __init__(self, expected: str, at: int) -> None:
        super().__init__(expected)
        self.expected = expected
        self.at = at


class Need:
    """One node of an expression: `has` a skill, `all` or `any` of parts, or `not` the only part."""

    __slots__ = ("key", "kind", "least", "parts", "skill")

    def __init__(self, kind: str, skill: str, least: int, parts: tuple[Need, ...]) -> None:
        self.kind = kind
        self.skill = skill
        self.least = least
        self.parts = parts
        self.key: str = self.text()
        """What the need is known by: its text, parts in order."""

    def meets(self, skills: dict[str, int]) -> bool:
        """Whether these skills are enough."""
        kind = self.kind
        if kind == "has":
            return skills.get(self.skill, 0) >= self.least
        if kind == "all":
            return all(part.meets(skills) for part in self.parts)
        if kind == "any":
            return any(part.meets(skills) for part in self.parts)
        return not self.parts[0].meets(skills)

    def score(self, skills: dict[str, int]) -> int:
        """The proficiency brought to what is asked for: summed over `all`, the best of `any`."""
        kind = self.kind
        if kind == "has":
            level = skills.get(self.skill, 0)
            return level if level >= self.least else 0
        if kind == "all":
            return sum([part.score(skills) for part in self.parts])
        if kind == "any":
            return max([part.score(skills) for part in self.parts], default=0)
        return 0

    def missing(self, skills: dict[str, int]) -> list[tuple[str, str, int]]:
        """What is not met: (kind of the need, its text, the level that is there)."""
        if self.meets(skills):
            return []
        if self.kind == "all":
            return [each for part in self.parts for each in part.missing(skills)]
        if self.kind == "has":
            return [("has", self.text(), skills.get(self.skill, 0))]
        if self.kind == "any":
            return [("any", ", ".join([part.text() for part in self.parts]), 0)]
        return [("not", self.parts[0].text(), 0)]

    def relax(self, to: Mapping[str, int]) -> Need:
        """The same with other least levels where `to` names the skill; 0 asks for it no more."""
        if self.kind == "has":
            least = to.get(self.skill, self.least)
            if least == self.least:
                return self
            return has(self.skill, least) if least > 0 else ANYBODY
        parts = [part.relax(to) for part in self.parts]
        if self.kind == "not":
            # Dropping a skill that must not be there means that it may be.
            return ANYBODY if parts[0] is ANYBODY else _not(parts[0])
        return _join(self.kind, parts)

    def necessary(self) -> list[str]:
        """Skills without which nobody meets it; there may be others."""
        if self.kind == "has":
            return [self.skill]
        if self.kind == "all":
            return [part.skill for part in self.parts if part.kind == "has"]
        return []

    def skills(self) -> set[str]:
        """All skills that it names."""
        if self.kind == "has":
            return {self.skill}
        return {skill for part in self.parts for skill in part.skills()}

    def text(self) -> str:
        """The expression, as `parse` reads it; empty for `ANYBODY`."""
        if self.kind == "has":
            return self.skill if self.least <= 1 else f"{self.skill} >= {self.least}"
        inner = [
            f"({part.text()})" if part.kind in _KINDS and len(part.parts) > 1 else part.text()
            for part in self.parts
        ]
        if self.kind == "not":
            return f"not {inner[0]}"
        return (" and " if self.kind == "all" else " or ").join(inner)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Need) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"Need({self.key!r})"


ANYBODY = Need("all", "", 0, ())
"""Asks for nothing."""


def has(skill: str, least: int) -> Need:
    """One skill with its least level."""
    return Need("has", skill, max(1, least), ())


def _not(part: Need) -> Need:
    return part.parts[0] if part.kind == "not" else Need("not", "", 0, (part,))


def _join(kind: str, parts: Iterable[Need]) -> Need:
    flat: dict[str, Need] = {}
    for part in parts:
        if part.kind == "all" and not part.parts:
            if kind == "any":
                return ANYBODY  # one way is open to everybody
            continue
        for each in part.parts if part.kind == kind else (part,):
            flat[each.key] = each
    if kind == "all":
        # Of two levels of one skill the greater is what counts.
        greatest: dict[str, Need] = {}
        for each in flat.values():
            if each.kind == "has":
                known = greatest.get(each.skill)
                if known is None or known.least < each.least:
                    greatest[each.skill] = each
        flat = {
            key: each
            for key, each in flat.items()
            if each.kind != "has" or greatest[each.skill] is each
        }
    ordered = tuple([flat[key] for key in sorted(flat)])
    if len(ordered) == 1:
        return ordered[0]
    return Need(kind, "", 0, ordered) if ordered else ANYBODY


def all_of(*needs: Need) -> Need:
    """All of these together; of two levels of one skill the greater."""
    return _join("all", needs)


def levels(skills: Mapping[str, int]) -> Need:
    """The need of a table `{skill: least level}`."""
    return _join("all", [has(skill, least) for skill, least in skills.items()])


def parse(text: str) -> Need:
    """Read an expression; `not` binds tighter than `and`, that tighter than `or`.

    A skill alone asks for level 1. Raises `SkillsError`.
    """
    tokens: list[tuple[str, int]] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise SkillsError("a skill, and, or, not, >=, ( or )", at)
        tokens.append((match.group(1) or match.group(2), match.start(1 if match.group(1) else 2)))
        at = match.end()
    if not tokens:
        return ANYBODY
    reader = _Reader(tokens, len(text))
    need = reader.alternatives()
    if reader.peek():
        raise SkillsError("and, or, or the end", reader.at())
    return need


class _Reader:
    """Recursive descent over the tokens."""

    __slots__ = ("_end", "_next", "_tokens")

    def __init__(self, tokens: list[tuple[str, int]], end: int) -> None:
        self._tokens = tokens
        self._end = end
        self._next = 0

    def peek(self) -> str:
        return self._tokens[self._next][0] if self._next < len(self._tokens) else ""

    def at(self) -> int:
        return self._tokens[self._next][1] if self._next < len(self._tokens) else self._end

    def take(self) -> str:
        token = self.peek()
        self._next += 1
        return token

    def alternatives(self) -> Need:
        parts = [self.joint()]
        while self.peek() == "or":
            self.take()
            parts.append(self.joint())
        return _join("any", parts)

    def joint(self) -> Need:
        parts = [self.single()]
        while self.peek() == "and":
            self.take()
            parts.append(self.single())
        return _join("all", parts)

    def single(self) -> Need:
        at, token = self.at(), self.take()
        if token == "not":
            return _not(self.single())
        if token == "(":
            need = self.alternatives()
            if self.peek() != ")":
                raise SkillsError(")", self.at())
            self.take()
            return need
        if token in ("", ")", ">=", "and", "or"):
            raise SkillsError("a skill, not or (", at)
        if self.peek() != ">=":
            return has(token, 1)
        self.take()
        at, least = self.at(), self.take()
        if not least.isdigit() or not 1 <= int(least) <= 100:
            raise SkillsError("a level from 1 to 100", at)
        return has(token, int(least))
