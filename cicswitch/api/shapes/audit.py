"""The audit log: what is asked."""

from __future__ import annotations

from typing import Literal

from cicswitch.api.shapes.common import Paging

__all__ = ["AuditQuery"]


class AuditQuery(Paging, frozen=True, kw_only=True):
    """Which entries."""

    order: Literal["oldest", "newest"] = "oldest"
    """What comes first."""
    who: str = ""
    action: str = ""
    target: str = ""
