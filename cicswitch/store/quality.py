"""How the legs of a call sounded, as their CDRs keep it."""

from __future__ import annotations

from typing import Any

from cicswitch.ports import Reader
from cicswitch.records.scores import FIELDS

__all__ = ["kept"]


def kept(db: Reader, call: str) -> list[dict[str, Any]]:
    """The figures of an interaction's legs, of a leg, or of the legs of a Call-ID."""
    rows = db.execute(
        f"SELECT leg, peer, {', '.join(FIELDS)} FROM leg"
        " WHERE interaction = ? OR leg = ? OR sip_call_id = ? ORDER BY started_at LIMIT 100",
        (call, call, call),
    )
    names = ("leg", "peer", *FIELDS)
    return [{"live": False, **dict(zip(names, row, strict=True))} for row in rows]
