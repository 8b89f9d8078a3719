"""Pages: what people send becomes a fax, a fax becomes a PDF or a picture.

Documents come from strangers. All of it is done by a process that has limits of time, memory and
file sizes, runs ghostscript with `-dSAFER`, and is not this one (`python -m cicswitch.paper`).
Refused with a reason: too many pages, a page longer or wider than 60 cm, pictures of too many
pixels, what is no PDF, PNG, JPEG, TIFF, GIF or text.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from cicswitch.core.errors import CommandError, ResourceError
from cicswitch.runtime.aside import aside

__all__ = ["Cover", "Document", "Pages", "Task", "missing", "pdf_of", "picture_of", "to_fax"]

LIMIT_S: Final = 90.0
_AT_ONCE: Final = 2
_gate: Final = asyncio.Semaphore(_AT_ONCE)


class Document(Struct, frozen=True):
    """A file that is to be sent."""

    path: str
    name: str


class Cover(Struct, frozen=True, kw_only=True):
    """What stands on a cover page. Empty lines are left out."""

    to: str = ""
    sender: str = ""
    subject: str = ""
    date: str = ""
    text: str = ""


class Task(Struct, frozen=True, kw_only=True):
    """What the process is to do."""

    do: Literal["fax", "pdf", "picture"]
    out: str
    documents: list[Document]
    cover: Cover | None = None
    most_pages: int = 100
    page: int = 1
    width: int = 864
    turn: int = 0
    """Degrees, clockwise: 0, 90, 180 or 270."""


class Pages(Struct, frozen=True):
    """What was made."""

    pages: int


async def _work(task: Task) -> Pages:
    """Raises `CommandError` with what is wrong with a document, `ResourceError`."""
    async with _gate:
        made, wrong = await aside(
            "cicswitch.paper", msgspec.json.encode(task), "a fax's pages", LIMIT_S
        )
    if wrong.startswith("no: "):
        raise CommandError(wrong[4:])
    if wrong:
        raise ResourceError(f"pages cannot be made: {wrong}"[:300])
    return msgspec.json.decode(made, type=Pages)


def missing() -> str:
    """What has to be installed before PDF can be sent; empty: nothing."""
    if shutil.which("gs") is None:
        return "a PDF cannot be faxed without ghostscript: on Debian apt-get install ghostscript"
    return ""


async def to_fax(
    documents: list[Document], out: Path, *, cover: Cover | None = None, most_pages: int = 100
) -> int:
    """Write documents as pages of a TIFF that a fax terminal sends; how many there are.

    1728 pixels wide, 204 x 196 dpi, T.6. Raises `CommandError`, `ResourceError`.
    """
    task = Task(do="fax", out=str(out), documents=documents, cover=cover, most_pages=most_pages)
    return (await _work(task)).pages


async def pdf_of(tiff: Path, out: Path) -> int:
    """Write the pages of a fax as a PDF. Raises `CommandError` where it has none."""
    documents = [Document(str(tiff), tiff.name)]
    return (await _work(Task(do="pdf", out=str(out), documents=documents, most_pages=1000))).pages


async def picture_of(tiff: Path, page: int, out: Path, *, width: int = 864, turn: int = 0) -> int:
    """Write a page of a fax as a PNG with square pixels; how many pages there are."""
    documents = [Document(str(tiff), tiff.name)]
    task = Task(do="picture", out=str(out), documents=documents, page=page, width=width, turn=turn)
    return (await _work(task)).pages
