"""What an email looks like: a document that can do nothing and ask for nothing."""

from __future__ import annotations

import asyncio
from typing import Final

from cicswitch.api.endpoint import Answer, Ask, endpoint
from cicswitch.api.resources.conversations import readable
from cicswitch.api.sending import Flow, room
from cicswitch.attachments.kinds import PICTURES
from cicswitch.core.errors import NotFound, TooLarge
from cicswitch.mail import html as markup

_SEE = ("interactions:read", "interactions:self")
_MOST: Final = 4 * markup.LONGEST
_MOST_PICTURES: Final = 8 << 20
"""Bytes of all that are put into a page."""


class _Held:
    """Bytes in memory, as a source of pieces."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def read(self, count: int, at: int) -> bytes:
        """See `sending.Bytes`."""
        return self._data[at : at + count]

    def close(self) -> None:
        """See `sending.Bytes`."""


@endpoint(
    *("GET", "/conversations/{conversation}/messages/{message}/html"),
    scopes=_SEE,
    errors=(409, 413),
    media_type="text/html",
)
async def html(ask: Ask, conversation: str, message: str) -> Answer[Flow]:
    """What a message of an email looks like, to be shown in a frame: no script, no request.

    Pictures in the mail are inside it; those on other servers are left out.
    """
    await readable(ask, conversation)
    archive, attachments = ask.api.switch.archive, ask.api.switch.attachments
    found = await archive.message(message)
    files = {each.digest: each for each in found.attachments} if found is not None else {}
    letter = next((each for each in files.values() if each.use == "html"), None)
    if found is None or found.conversation != conversation or letter is None:
        raise NotFound("there is no HTML of it")
    if letter.size > _MOST:
        raise TooLarge("it is too large to be shown")
    room()
    text = (await attachments.read(letter.digest)).decode("utf-8", "replace")
    inside: dict[str, tuple[str, bytes]] = {}
    left = _MOST_PICTURES
    for digest in markup.pictures(text):
        file = files.get(digest)
        if file is not None and file.media_type in PICTURES and file.size <= left:
            left -= file.size
            inside[digest] = (file.media_type, await attachments.read(digest))
    made = await asyncio.to_thread(markup.page, text, "", inside)
    data = made.encode()
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": markup.POLICY,
        "X-Frame-Options": "SAMEORIGIN",
    }
    return Answer(Flow(_Held(data), 0, len(data)), 200, headers)
