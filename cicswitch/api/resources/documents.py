"""The files of the configuration as texts: for an editor, and to be carried elsewhere.

A text has secrets in it, so reading one takes config:edit too.
"""

from __future__ import annotations

from cicswitch.api.endpoint import Ask, endpoint
from cicswitch.api.paging import Page, Paging, page_of
from cicswitch.api.shapes.configuration import Findings
from cicswitch.api.shapes.documents import (
    DocumentSaved,
    DocumentText,
    DocumentView,
    NamedDocument,
    NewDocument,
)
from cicswitch.changes import changes
from cicswitch.documents import Document

__all__ = ["DocumentSaved", "DocumentText", "DocumentView", "NamedDocument", "NewDocument"]

_PATH = "/configuration/documents/{document}"


@endpoint("GET", "/configuration/documents", scopes="config:read")
async def documents(ask: Ask, query: Paging) -> Page[NamedDocument]:
    """`cicswitch.toml` and the dialplans that it names, by name."""
    found = await ask.api.sources.documents.all()

    def item(name: str) -> NamedDocument:
        each = found[name]
        return NamedDocument(document=name, kind=each.kind, file=str(each.path))

    return page_of(sorted(found), query, item)


@endpoint("GET", _PATH, scopes="config:edit", tagged=True)
async def document(ask: Ask, document: str) -> DocumentView:
    """A file as it is on the disk, with its comments and its secrets."""
    return _view(*await ask.api.sources.documents.read(document))


@endpoint("POST", "/configuration/documents", scopes="config:edit", status=201, errors=(409,))
async def create(ask: Ask, body: NewDocument) -> DocumentView:
    """Make a dialplan and take it over, from a text or from a template that passes the check."""
    made = await ask.api.sources.documents.create(body.document, body.text)
    view = _view(*await ask.api.sources.documents.read(made.name))
    _, after = changes("", view.text)
    await ask.note("configuration.create", made.name, None, after)
    return view


@endpoint("POST", _PATH + "/check", scopes="config:edit", repeatable=False)
async def check(ask: Ask, document: str, body: DocumentText) -> Findings:
    """What would be wrong with the whole configuration if this text stood there."""
    return Findings(await ask.api.sources.documents.check(document, body.text))


@endpoint("PUT", _PATH, scopes="config:edit", errors=(409, 412))
async def save(ask: Ask, document: str, body: DocumentText) -> DocumentSaved:
    """Put a text there and take it over. With a mistake in it nothing changes.

    What was there is kept beside it as NAME.~N~.
    """

    def match(found: Document, text: str) -> None:
        ask.match(_view(found, text))

    written = await ask.api.sources.documents.write(document, body.text, match)
    before, after = changes(written.before, body.text)
    if written.backup:
        after = {**after, "backup": written.backup}
    await ask.note("configuration.save", document, before, after)
    return DocumentSaved(document=document, backup=written.backup, notes=written.notes)


@endpoint("DELETE", _PATH, scopes="config:edit", errors=(409, 412))
async def delete(ask: Ask, document: str) -> DocumentSaved:
    """Remove a dialplan that nobody needs; 409 says who does.

    What it held is kept beside it as NAME.~N~. Calls that are in it go on in it.
    """

    def match(found: Document, text: str) -> None:
        ask.match(_view(found, text))

    gone = await ask.api.sources.documents.delete(document, match)
    before, _ = changes(gone.before, "")
    await ask.note("configuration.delete", document, before, {"backup": gone.backup})
    return DocumentSaved(document=document, backup=gone.backup, notes=gone.notes)


def _view(found: Document, text: str) -> DocumentView:
    return DocumentView(document=found.name, kind=found.kind, file=str(found.path), text=text)
