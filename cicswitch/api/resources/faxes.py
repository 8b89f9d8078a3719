"""Faxes: what came, what goes, page by page."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Final, Literal, cast

import msgspec

from cicswitch.api.endpoint import Answer, Ask, Raw, endpoint
from cicswitch.api.files import attachment_view
from cicswitch.api.paging import Page, cursor_of, place_of
from cicswitch.api.problems import FieldError, Problem
from cicswitch.api.resources.conversations import readable
from cicswitch.api.shapes.conversations import AttachmentView
from cicswitch.api.shapes.faxes import (
    DocumentQuery,
    FaxBody,
    FaxPageView,
    FaxQuery,
    FaxView,
    PictureQuery,
)
from cicswitch.contacts.faxes import FaxResult
from cicswitch.core.errors import CommandError, NotFound
from cicswitch.paper import picture_of
from cicswitch.ports import FaxChannel
from cicswitch.records.rows import FaxRecord

__all__ = ["DocumentQuery", "FaxBody", "FaxPageView", "FaxQuery", "FaxView", "PictureQuery"]

_SEE: Final = ("interactions:read", "interactions:self")
_result: Final = msgspec.json.Decoder(FaxResult).decode


@endpoint("GET", "/faxes", scopes=_SEE, errors=(404,))
async def faxes(ask: Ask, query: FaxQuery) -> Page[FaxView]:
    """Faxes, the latest first. With interactions:self those of a conversation that is one's own."""
    if query.conversation:
        await readable(ask, query.conversation)
    elif not ask.may("interactions:read"):
        expected = "a conversation of one's own; for all of them this takes interactions:read"
        raise Problem(422, errors=[FieldError(pointer="/conversation", expected=expected)])
    names = ("conversation", "channel", "direction", "state")
    wanted = {name: value for name in names if (value := getattr(query, name))}
    read = await ask.api.switch.archive.faxes(query.limit + 1, place_of(query.cursor), **wanted)
    items = [await _view(ask, each) for _, each in read[: query.limit]]
    after = None
    if len(read) > query.limit:
        row, last = read[query.limit - 1]
        after = cursor_of(f"{last.at!r} {row}")
    return Page(items, after)


@endpoint("GET", "/faxes/{fax}", scopes=_SEE)
async def fax(ask: Ask, fax: str) -> FaxView:
    """A fax: what it is known by is the call that brought it, or the message that is sent."""
    return await _view(ask, await _found(ask, fax))


@endpoint(
    *("GET", "/faxes/{fax}/pages/{page}"),
    scopes=_SEE,
    errors=(409,),
    media_type="image/png",
)
async def page(ask: Ask, fax: str, page: str, query: PictureQuery) -> Answer[bytes]:
    """A page as a picture, a PNG with square pixels; the first page is 1."""
    record = await _found(ask, fax)
    number = int(page) if page.isascii() and page.isdigit() and len(page) < 5 else 0
    if not record.tiff or not 1 <= number <= max(1, record.pages):
        raise NotFound("there is no picture of such a page")
    data = await ask.api.switch.attachments.read(record.tiff)
    with tempfile.TemporaryDirectory(prefix="cicswitch-fax-") as folder:
        tiff, png = Path(folder) / "fax.tif", Path(folder) / "page.png"
        await asyncio.to_thread(tiff.write_bytes, data)
        try:
            await picture_of(tiff, number, png, width=query.width, turn=query.turn)
        except CommandError as error:
            raise NotFound(str(error)) from None
        made = await asyncio.to_thread(png.read_bytes)
    headers = {"content-type": "image/png", "Cache-Control": "private, max-age=3600"}
    return Answer(made, headers=headers)


@endpoint(
    *("POST", "/faxes/documents"),
    scopes="contacts:write",
    status=201,
    errors=(409, 413, 422),
    repeatable=False,
)
async def document(ask: Ask, query: DocumentQuery, body: Raw) -> AttachmentView:
    """Upload a document for a fax; one that is ordered within a day names the digest."""
    attachments = ask.api.switch.attachments
    made = await attachments.keep(aiter(body), query.name, clean=True)
    if not made.size:
        raise CommandError("the file is empty")
    await attachments.offer(_owner(ask), made)
    return attachment_view(made)


@endpoint("POST", "/faxes", scopes="contacts:write", status=201, errors=(404, 409))
async def send(ask: Ask, body: FaxBody) -> FaxView:
    """Send a fax; it is on disk when this is answered, and goes out then."""
    conductor, attachments = ask.api.switch.conductor, ask.api.switch.attachments
    channel = _channel(ask, body.channel)
    if not (body.documents or body.cover or body.text.strip()):
        raise Problem(422, errors=[FieldError(pointer="/documents", expected="something to send")])
    files = await attachments.offered(_owner(ask), body.documents)
    data = {
        "cover": "yes" if body.cover else "no",
        "to": body.name,
        "from": body.sender,
        "header": body.header,
    }
    author = f"agent:{ask.account.agent}" if ask.account.agent else "system"
    message = conductor.do(
        lambda: conductor.faxes.order(
            channel, body.to, body.text, files, author, data, body.subject
        )
    )
    await conductor.contacts.stored()
    await attachments.sent(_owner(ask), files)
    await ask.note("fax.send", message.id, None, {"channel": channel.name})
    record = await ask.api.switch.archive.fax(message.id)
    if record is None:
        raise NotFound("the fax is not there any more")
    return await _view(ask, record)


def _owner(ask: Ask) -> str:
    return f"fax-{ask.account.name}"


def _channel(ask: Ask, name: str) -> FaxChannel:
    channels = ask.api.switch.conductor.faxes.channels
    if not name and len(channels) == 1:
        return next(iter(channels.values()))
    found = channels.get(name)
    if found is None:
        expected = f"a channel of type fax: {', '.join(channels) or 'none is configured'}"
        raise Problem(422, errors=[FieldError(pointer="/channel", expected=expected)])
    return found


async def _found(ask: Ask, name: str) -> FaxRecord:
    record = await ask.api.switch.archive.fax(name)
    if record is None:
        raise NotFound(f'there is no fax "{name[:80]}"')
    await readable(ask, record.conversation)
    return record


async def _view(ask: Ask, record: FaxRecord) -> FaxView:
    result = _result(record.result) if record.result else None
    pdf = None
    if record.pdf:
        pdf = await ask.api.switch.archive.attachment(record.conversation, record.pdf)
    return FaxView(
        fax=record.id,
        direction=cast(Literal["in", "out"], record.direction),
        channel=record.channel,
        conversation=record.conversation,
        number=record.number,
        called=record.called,
        at=round(record.at, 3),
        updated_at=round(record.updated_at, 3),
        state=record.state,
        attempts=record.attempts,
        pages=record.pages,
        cause=record.cause,
        ident=result.ident if result is not None else "",
        t38=result.t38 if result is not None else False,
        code=result.code if result is not None else 0,
        lines=[
            FaxPageView(
                page=each.number,
                width=each.width,
                length=each.length,
                x_dpi=each.x_dpi,
                y_dpi=each.y_dpi,
                bad_rows=each.bad_rows,
                bit_rate=each.bit_rate,
                encoding=each.encoding,
                ecm=each.ecm,
            )
            for each in (result.pages if result is not None else ())
        ],
        pictures=bool(record.tiff),
        pdf=attachment_view(pdf) if pdf is not None else None,
    )
