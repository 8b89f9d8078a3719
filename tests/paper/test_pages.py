"""What people send becomes pages of a fax, and back; what is hostile is refused with a reason."""

from __future__ import annotations

import asyncio
import io
import shutil
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from cicswitch.core.errors import CommandError
from cicswitch.paper import Cover, Document, pdf_of, picture_of, to_fax
from tests.support.fax import draw_pages, pdf_file, read_pages, same

needs_gs = pytest.mark.skipif(shutil.which("gs") is None, reason="ghostscript is not installed")


def put(path: Path, data: bytes) -> Document:
    path.write_bytes(data)
    return Document(str(path), path.name)


def picture(size: tuple[int, int], kind: str = "PNG", mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    image = Image.new(mode, size, "white" if mode != "RGBA" else (0, 0, 0, 0))
    image.paste((0, 0, 0) if mode == "RGB" else (0, 0, 0, 255), (0, 0, size[0] // 2, size[1] // 2))
    image.save(out, kind)
    return out.getvalue()


def ink(page: Image.Image) -> int:
    return page.size[0] * page.size[1] - page.histogram()[-1]


@needs_gs
async def test_documents_of_every_kind_become_one_fax(tmp_path: Path) -> None:
    documents = [
        put(tmp_path / "-dNOSAFER %x.pdf", pdf_file(2)),
        put(tmp_path / "a.png", picture((400, 300), mode="RGBA")),
        put(tmp_path / "a.jpg", picture((300, 400), "JPEG")),
        put(tmp_path / "a.txt", ("안녕하세요, wörld\n" + "long " * 60 + "\n\x07\n").encode()),
    ]
    cover = Cover(to="+8225550100", sender="Center", subject="Order 4711", text="Two\nlines")
    out = tmp_path / "out.tif"
    assert await to_fax(documents, out, cover=cover) == 6
    pages = read_pages(out)
    assert len(pages) == 6
    assert {page.size[0] for page in pages} == {1728}
    assert all(ink(page) > 100 for page in pages)
    with Image.open(out) as image:
        assert image.info["compression"] == "group4"
        assert tuple(map(round, image.info["dpi"])) == (204, 196)
    pdf = tmp_path / "out.pdf"
    assert await pdf_of(out, pdf) == 6
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert b"CCITTFaxDecode" in pdf.read_bytes()
    again = tmp_path / "again.tif"
    assert await to_fax([Document(str(pdf), "out.pdf")], again) == 6
    png = tmp_path / "page.png"
    assert await picture_of(out, 2, png, width=432) == 6
    with Image.open(png) as shown:
        assert shown.size[0] == 432
        assert abs(shown.size[1] - 432 * 297 / 216) < 20  # A4 at 1728 pixels, square again
    assert not list(tmp_path.glob("*.tif.*"))


async def test_a_fax_is_sent_on_as_it_is(tmp_path: Path) -> None:
    sent = draw_pages(tmp_path / "a.tif", 3)
    document = Document(str(tmp_path / "a.tif"), "a.tif")
    assert await to_fax([document], tmp_path / "b.tif") == 3
    assert same(sent, read_pages(tmp_path / "b.tif"))


def bomb() -> bytes:
    """A PNG of 30,000 times 30,000 pixels in a few hundred kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))
        )

    head = struct.pack("!IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    body = zlib.compress(bytes(3751 * 30_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@needs_gs
@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("metre.pdf", pdf_file(1, 2900, 2900), "longer or wider than 60 cm"),
        ("unit.pdf", pdf_file(1, unit=20), "longer or wider than 60 cm"),
        ("many.pdf", pdf_file(10_000), "has 10000 pages, a fax has at most 100"),
        ("none.pdf", b"%PDF-1.7\nnothing", "no PDF that can be read"),
        ("bomb.png", bomb(), "more than 50,000,000 pixels"),
        ("cut.png", picture((900, 900))[:200], "cannot be sent as a fax|no picture"),
        ("run.exe", b"MZ\0\0" + bytes(100), "neither PDF nor picture nor text"),
        ("long.txt", b"a\n" * 60_000, "more than 100 pages"),
        ("longer.txt", b"a" * 600_000, "500,000 characters"),
    ],
)
async def test_hostile_documents_are_refused_with_a_reason(
    tmp_path: Path, name: str, data: bytes, reason: str
) -> None:
    with pytest.raises(CommandError, match=reason):
        await to_fax([put(tmp_path / name, data)], tmp_path / "out.tif")
    assert [each.name for each in tmp_path.iterdir()] == [name]


@needs_gs
async def test_a_program_is_no_pdf_but_a_text(tmp_path: Path) -> None:
    made = tmp_path / "made"
    program = f"({made}) (w) file closefile showpage\n"
    with pytest.raises(CommandError, match="no PDF that can be read"):
        await to_fax([put(tmp_path / "a.pdf", b"%PDF-1.4\n" + program.encode())], tmp_path / "o")
    text = put(tmp_path / "b.pdf", b"%!PS\n%PDF-1.4\n" + program.encode())
    assert await to_fax([text], tmp_path / "out.tif") == 1
    assert not made.exists()


async def test_what_is_no_fax_has_no_pages(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"II*\0" + bytes(20))
    for work in (pdf_of(path, tmp_path / "b"), picture_of(path, 1, tmp_path / "b")):
        with pytest.raises(CommandError, match="no page that can be read"):
            await work
    draw_pages(path, 2)
    with pytest.raises(CommandError, match="there is no page 3, there are 2"):
        await picture_of(path, 3, tmp_path / "b")
    both = await asyncio.gather(*(picture_of(path, n, tmp_path / f"{n}.png") for n in (1, 2)))
    assert both == [2, 2]
