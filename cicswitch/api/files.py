"""Files of messages, as they are given out: to save them, never to show them as a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from cicswitch.api.endpoint import Answer
from cicswitch.api.problems import Problem
from cicswitch.api.ranges import wanted
from cicswitch.api.sending import Flow, room
from cicswitch.api.shapes.conversations import AttachmentView
from cicswitch.contacts.messages import Attachment
from cicswitch.core.errors import ResourceError

if TYPE_CHECKING:
    from cicswitch.attachments.files import Attachments

__all__ = ["attachment_view", "given_out"]

_AS_THEY_ARE: Final = ("image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf")
"""By their bytes. Whatever else it is, a browser is told that it does not know it."""


def attachment_view(file: Attachment, state: str = "") -> AttachmentView:
    """A file as the API shows it."""
    return AttachmentView(
        digest=file.digest,
        name=file.name,
        media_type=file.media_type,
        size=file.size,
        use=file.use,
        blocked=file.blocked,
        state=state,
    )


async def given_out(
    attachments: Attachments, file: Attachment, asked: Mapping[str, str]
) -> Answer[Flow]:
    """A file, or the part of it that the headers of a request ask for. Raises `Problem`."""
    tag = f'"{file.digest}"'
    kind = file.media_type if file.media_type in _AS_THEY_ARE else "application/octet-stream"
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": tag,
        # RFC 6266: what is not ASCII goes by `filename*`.
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name, safe='')}",
        "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
    }
    if tag in [each.strip() for each in asked.get("if-none-match", "").split(",")]:
        return Answer(None, 304, headers)  # type: ignore[arg-type]  # nothing is sent
    room()
    try:
        source = await attachments.open(file.digest)
    except ResourceError as error:
        raise Problem(503, str(error), headers={"Retry-After": "60"}) from None
    try:
        part = wanted(asked, source.size, tag)
    except BaseException:
        source.close()
        raise
    headers["Content-Type"] = kind
    begin, end = part or (0, source.size)
    if part is not None:
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{source.size}"
    return Answer(Flow(source, begin, end), 206 if part is not None else 200, headers)
