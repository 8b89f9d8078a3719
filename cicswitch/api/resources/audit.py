"""Who changed what."""

from __future__ import annotations

from cicswitch.api.accounts.model import AuditEntry
from cicswitch.api.endpoint import Ask, endpoint
from cicswitch.api.paging import Page, key_of, whole
from cicswitch.api.problems import FieldError, Problem
from cicswitch.api.shapes.audit import AuditQuery

__all__ = ["AuditQuery"]


@endpoint("GET", "/audit", scopes="audit:read")
async def audit(ask: Ask, query: AuditQuery) -> Page[AuditEntry]:
    """The audit log. Oldest first, its last cursor may be kept to go on from later."""
    directory = ask.api.directory
    key = key_of(query.cursor) if query.cursor else "0"
    if not (key.isascii() and key.isdigit() and len(key) < 19):
        error = FieldError(parameter="cursor", expected="`next` of a page of this list")
        raise Problem(422, "the cursor is none", errors=[error])
    found = await directory.run(
        directory.file.audit.page,
        int(key),
        query.limit + 1,
        who=query.who,
        action=query.action,
        target=query.target,
        newest=query.order == "newest",
    )
    return whole(found, query.limit, lambda entry: str(entry.id))
