"""State machines as data.

A machine is an `Enum` of states, an `Enum` of inputs and one table from (state, input) to the next
state. A pair that the table lacks is an error, never a silent no-op, and the diagrams of the docs
are drawn from the same table.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Generic, TypeVar

from cicswitch.core.errors import Conflict

__all__ = ["Table"]

S = TypeVar("S", bound=Enum)
E = TypeVar("E", bound=Enum)


class Table(Generic[S, E]):
    """Transitions of one machine, `{state: {input: next state}}`."""

    __slots__ = ("_rows", "name")

    def __init__(self, name: str, rows: Mapping[S, Mapping[E, S]]) -> None:
        self.name = name
        self._rows = {state: dict(row) for state, row in rows.items()}

    def next(self, state: S, event: E) -> S:
        """The state after `event`; raises `Conflict` where the table has no such pair."""
        row = self._rows.get(state)
        if row is None or event not in row:
            raise Conflict(f"{self.name}: {event.name} is not possible in state {state.name}")
        return row[event]

    def allows(self, state: S, event: E) -> bool:
        """Whether the table has the pair."""
        return event in self._rows.get(state, ())

    def mermaid(self) -> str:
        """The table as a Mermaid state diagram."""
        lines = ["stateDiagram-v2"]
        lines += [
            f"    {state.name} --> {after.name}: {event.name}"
            for state, row in self._rows.items()
            for event, after in row.items()
        ]
        return "\n".join(lines)
