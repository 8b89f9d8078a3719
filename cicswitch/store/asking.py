"""What both sides of PostgreSQL have in common: connecting, what goes wrong, and answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import asyncpg

from cicswitch.core.errors import ResourceError
from cicswitch.runtime.place import Postgres

__all__ = [
    "CONNECT_S",
    "ERRORS",
    "LARGEST",
    "Answer",
    "connect",
    "given",
    "in_words",
    "refused",
    "settings",
]

ERRORS: Final = (
    *(asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError),
    *(OSError, TimeoutError, ValueError),
)
CONNECT_S: Final = 5.0
LARGEST: Final = 2**63 - 1
LOCK_S = 5.0
"""So long a table may be held by somebody else."""


class Answer:
    """The rows of an answer, as a cursor of `sqlite3` gives them."""

    def __init__(self, rows: Iterable[Any]) -> None:
        self._rows: Iterator[tuple[Any, ...]] = map(tuple, rows)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self._rows

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next one."""
        return next(self._rows, None)

    def fetchall(self) -> list[Any]:
        """Those that are left."""
        return [*self._rows]


def given(values: Sequence[Any]) -> list[Any]:
    """Values of a question as PostgreSQL takes them: whatever somebody asks for, it is an answer
    that there is none of it."""
    return [_taken(value) for value in values]


def _taken(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "�").encode("utf-8", "replace").decode()
    if type(value) is int:
        return max(-LARGEST, min(LARGEST, value))
    return value


def settings(statement_s: float) -> dict[str, str]:
    """Of a session: nothing waits for ever, and who is gone is noticed."""
    return {
        "application_name": "cicswitch",
        "statement_timeout": f"{statement_s:.0f}s",
        "lock_timeout": f"{LOCK_S * 1000:.0f}ms",
        "idle_in_transaction_session_timeout": "60s",
        "idle_session_timeout": "0",
        "tcp_keepalives_idle": "15",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
    }


async def connect(place: Postgres, statement_s: float) -> asyncpg.Connection:
    """A session. Raises `ERRORS`."""
    return await asyncpg.connect(
        place.reveal(),
        timeout=CONNECT_S,
        command_timeout=statement_s + 5,
        server_settings=settings(statement_s),
    )


def in_words(error: BaseException) -> str:
    """What has gone wrong, in a line. It says nothing of where: `/health` shows it to everybody."""
    if isinstance(error, TimeoutError):
        return "the server does not answer"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens at the server's address"
    return str(error).split("\n")[0].strip() or type(error).__name__


def refused(error: BaseException, place: Postgres) -> ResourceError:
    """The error that goes on from here to who has asked."""
    return ResourceError(f"the store {place} cannot be read: {in_words(error)}")
