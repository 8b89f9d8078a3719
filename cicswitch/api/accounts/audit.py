"""The audit log in the file: appended to, read, never changed. Everything here blocks."""

from __future__ import annotations

from typing import Any

import msgspec

from cicswitch.api.accounts.database import Database
from cicswitch.api.accounts.model import Actor, AuditEntry

__all__ = ["Audit"]


class Audit:
    """Who changed what. A trigger of the file refuses to change or delete an entry."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def note(
        self, actor: Actor, now: float, action: str, target: str, before: Any, after: Any
    ) -> None:
        """Add an entry; it is on disk when this returns."""
        with self._db.changing():
            self._db.note(actor, now, action, target, before, after)

    def page(
        self,
        after: int,
        limit: int,
        *,
        who: str = "",
        action: str = "",
        target: str = "",
        newest: bool = False,
    ) -> list[AuditEntry]:
        """So many entries behind number `after`, oldest first; with `newest` those before it (0:
        the last), newest first."""
        behind = "(? = 0 OR id < ?)" if newest else "id > max(?, ?)"
        order = "DESC" if newest else "ASC"
        rows = self._db.rows(
            "SELECT id, at, who, via, address, action, target, before, after FROM audit"
            f" WHERE {behind} AND (? = '' OR who = ?) AND (? = '' OR action = ?)"
            f" AND (? = '' OR target = ?) ORDER BY id {order} LIMIT ?",
            (after, after, who, who, action, action, target, target, limit),
        )
        return [
            AuditEntry(
                id=number,
                at=at,
                who=by,
                via=via,
                address=address,
                action=what,
                target=of,
                before=msgspec.json.decode(before),
                after=msgspec.json.decode(now),
            )
            for number, at, by, via, address, what, of, before, now in rows
        ]
