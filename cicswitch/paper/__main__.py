"""The process that makes pages: a `Task` on its standard input, `Pages` on its standard output.

What is wrong with a document is the last line of its standard error, behind `no: `.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import tempfile
import textwrap
import unicodedata
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from PIL import Image, ImageDraw, ImageFont, ImageOps, ImageSequence, UnidentifiedImageError

from cicswitch.paper import Cover, Document, Pages, Task

MEMORY: Final = 1 << 30
FILE: Final = 256 << 20
CPU_S: Final = 60
GS_S: Final = 60.0
WIDTH: Final = 1728
LENGTH: Final = 2292
"""A4 at 196 dpi."""
DPI: Final = (204, 196)
MOST_PIXELS: Final = 50_000_000
MOST_PT: Final = 1700.0
"""60 cm."""
MOST_TEXT: Final = 500_000
_FORMATS: Final = ("PNG", "JPEG", "TIFF", "GIF")
_MARGIN: Final = 100
_TURNS: Final = {
    90: Image.Transpose.ROTATE_270,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}
"""Clockwise; Pillow counts the other way."""
_BOX: Final = re.compile(rb"MediaBox: \[\s*([-\d.]+)\s+([-\d.]+)\s+([-\d.]+)\s+([-\d.]+)\s*\]")
_COUNT: Final = re.compile(rb"has (\d+) pages?")
_UNIT: Final = re.compile(rb"UserUnit[ :=]+([\d.]+)")


class Refused(Exception):
    """A document that is not made into pages; the text is for its sender."""


def main() -> int:
    """Do one task."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    made = _made(Path(task.out))
    try:
        with tempfile.TemporaryDirectory(prefix="cicswitch-paper-") as folder:
            if task.do == "fax":
                pages = _fax(task, Path(folder), made)
            elif task.do == "pdf":
                pages = _pdf(task, made)
            else:
                pages = _picture(task, made)
        made.replace(task.out)
    except Refused as error:
        print(f"no: {error}", file=sys.stderr)
        return 1
    except MemoryError:
        print("no: a document needs too much memory", file=sys.stderr)
        return 1
    finally:
        made.unlink(missing_ok=True)
    sys.stdout.buffer.write(msgspec.json.encode(Pages(pages)))
    return 0


def _made(out: Path) -> Path:
    return out.with_name(f"{out.name}.{os.getpid()}")


# -- documents to a fax ---------------------------------------------------------------------------


def _fax(task: Task, folder: Path, out: Path) -> int:
    pages: list[Path] = []
    for document in task.documents:
        for page in _pages_of(document, folder, task.most_pages):
            if len(pages) >= task.most_pages:
                raise Refused(f"a fax has at most {task.most_pages} pages")
            path = folder / f"page{len(pages)}.tif"
            page.save(path, compression="group4", dpi=DPI)
            pages.append(path)
    if task.cover is not None:
        count = len(pages) + 1
        path = folder / "cover.tif"
        _cover(task.cover, count).save(path, compression="group4", dpi=DPI)
        pages.insert(0, path)
    if not pages:
        raise Refused("there is no page to send")
    _join(pages, out)
    return len(pages)


def _join(pages: list[Path], out: Path) -> None:
    def others() -> Iterator[Image.Image]:
        for path in pages[1:]:
            with Image.open(path) as page:
                page.load()
                yield page

    with Image.open(pages[0]) as first:
        first.save(
            out,
            format="TIFF",
            save_all=True,
            append_images=others(),
            compression="group4",
            dpi=DPI,
        )


def _pages_of(document: Document, folder: Path, most: int) -> Iterator[Image.Image]:
    path = Path(document.path)
    with path.open("rb") as file:
        head = file.read(5)
    if head == b"%PDF-":  # what begins otherwise may be a program
        yield from _of_pdf(path, document.name, folder, most)
        return
    try:
        with Image.open(path, formats=_FORMATS) as image:
            frames = getattr(image, "n_frames", 1)
            if frames > most:
                raise Refused(f"{document.name} has {frames} pages, a fax has at most {most}")
            for frame in ImageSequence.Iterator(image):
                yield _fitted(frame)
        return
    except UnidentifiedImageError:
        pass
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Refused(f"{document.name} has more than {MOST_PIXELS:,} pixels") from None
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, OverflowError) as error:
        raise Refused(f"{document.name} is no picture that can be read: {error}"[:200]) from None
    yield from _of_text(path, document.name, most)


def _fitted(frame: Image.Image) -> Image.Image:
    """A picture on a page: as it is where it is one of a fax, else as large as the page takes."""
    if frame.mode == "1" and frame.width == WIDTH and frame.height <= 2 * LENGTH:
        return frame.copy()
    if frame.width * frame.height > MOST_PIXELS:
        raise Image.DecompressionBombError("too large")
    picture = ImageOps.exif_transpose(frame)
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        ground = Image.new("RGBA", picture.size, "white")
        ground.alpha_composite(picture)
        picture = ground
    picture = picture.convert("L")
    most_width, most_length = WIDTH - 2 * _MARGIN, LENGTH - 2 * _MARGIN
    if picture.width > picture.height:
        picture = picture.transpose(Image.Transpose.ROTATE_90)
    ratio = DPI[1] / DPI[0]
    factor = min(most_width / picture.width, most_length / (picture.height * ratio))
    size = (
        max(1, round(picture.width * factor)),
        max(1, round(picture.height * factor * ratio)),
    )
    page = Image.new("L", (WIDTH, LENGTH), 255)
    page.paste(picture.resize(size), ((WIDTH - size[0]) // 2, _MARGIN))
    return page.convert("1")


def _gs(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = ["gs", "-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", "-dNOPROMPT", *arguments]
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=GS_S,
            check=False,
            env={"PATH": os.environ.get("PATH", ""), "TMPDIR": tempfile.gettempdir()},
        )
    except FileNotFoundError:
        raise Refused("a PDF cannot be sent here: ghostscript is not installed") from None
    except subprocess.TimeoutExpired:
        raise Refused(f"a PDF took more than {GS_S:.0f} s") from None


def _of_pdf(path: Path, name: str, folder: Path, most: int) -> Iterator[Image.Image]:
    # A copy under a name of ours: what the sender calls his file is no argument of a program.
    given = folder / "given.pdf"
    given.unlink(missing_ok=True)
    given.symlink_to(path.absolute())
    said = _gs("-dNODISPLAY", "-dPDFINFO", f"-dLastPage={most + 1}", str(given)).stdout
    count = _COUNT.search(said)
    pages = int(count[1]) if count else 0
    if not pages:
        raise Refused(f"{name} is no PDF that can be read")
    if pages > most:
        raise Refused(f"{name} has {pages} pages, a fax has at most {most}")
    unit = max((float(each) for each in _UNIT.findall(said)), default=1.0)
    for box in _BOX.findall(said):
        left, bottom, right, top = map(float, box)
        if max(abs(right - left), abs(top - bottom)) * unit > MOST_PT:
            raise Refused(f"{name} has a page that is longer or wider than 60 cm")
    for each in folder.glob("pdf*.tif"):
        each.unlink()
    ran = _gs(
        *("-sDEVICE=tiffg4", f"-r{DPI[0]}x{DPI[1]}", f"-dAdjustWidth={WIDTH}"),
        *("-sPAPERSIZE=a4", "-dFIXEDMEDIA", "-dPDFFitPage", "-dMaxBitmap=100000000"),
        *(f"-sOutputFile={folder / 'pdf%04d.tif'}", str(given)),
    )
    made = sorted(folder.glob("pdf*.tif"))
    if ran.returncode or len(made) != pages:
        raise Refused(f"{name} cannot be made into pages")
    for each in made:
        with Image.open(each) as image:
            yield _fitted(image)


# -- text ----------------------------------------------------------------------------------------


def _font(text: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """A font that has the letters, where the system knows one."""
    rare = next((ord(each) for each in text if ord(each) > 0x24F and each.isalpha()), 0)
    if rare:
        try:
            found = subprocess.run(
                ["fc-match", "-f", "%{file}", f":charset={rare:x}"],
                capture_output=True,
                timeout=10,
                check=False,
            ).stdout.decode()
            if found:
                return ImageFont.truetype(found, size)
        except (OSError, subprocess.SubprocessError):
            pass
    return ImageFont.load_default(size)


def _wide(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def _lines(text: str, most: int) -> Iterator[str]:
    for line in text.expandtabs(4).replace("\f", "\n").splitlines():
        plain = "".join(each for each in line if each.isprintable())
        if _wide(plain) <= most:
            yield plain
        else:
            share = max(10, most * len(plain) // _wide(plain))
            yield from textwrap.wrap(plain, share, drop_whitespace=False) or [""]


def _of_text(path: Path, name: str, most: int) -> Iterator[Image.Image]:
    data = path.read_bytes()
    try:
        if b"\0" in data:
            raise UnicodeDecodeError("utf-8", data, 0, 1, "a zero")
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refused(
            f"{name} is neither PDF nor picture nor text: it cannot be sent as a fax"
        ) from None
    if len(text) > MOST_TEXT:
        raise Refused(f"{name} has more than {MOST_TEXT:,} characters")
    font = _font(text, 30)
    step, on_page = 42, (LENGTH - 2 * _MARGIN) // 42
    lines = list(_lines(text, 90))
    if len(lines) > on_page * most:
        raise Refused(f"{name} has more than {most} pages")
    for at in range(0, max(1, len(lines)), on_page):
        page = Image.new("L", (WIDTH, LENGTH), 255)
        pen = ImageDraw.Draw(page)
        for row, line in enumerate(lines[at : at + on_page]):
            pen.text((_MARGIN, _MARGIN + row * step), line, fill=0, font=font)
        yield page.point(lambda value: 255 if value > 127 else 0).convert("1")


def _cover(cover: Cover, pages: int) -> Image.Image:
    page = Image.new("L", (WIDTH, LENGTH), 255)
    pen = ImageDraw.Draw(page)
    everything = " ".join((cover.to, cover.sender, cover.subject, cover.text))
    large, small = _font(everything, 90), _font(everything, 36)
    pen.text((_MARGIN, _MARGIN), "FAX", fill=0, font=large)
    pen.line((_MARGIN, 240, WIDTH - _MARGIN, 240), fill=0, width=4)
    y = 280
    rows = (
        ("To", cover.to),
        ("From", cover.sender),
        ("Date", cover.date),
        ("Pages", str(pages)),
        ("Subject", cover.subject),
    )
    for label, value in rows:
        if value:
            pen.text((_MARGIN, y), f"{label}:", fill=0, font=small)
            pen.text((_MARGIN + 220, y), next(_lines(value, 60), ""), fill=0, font=small)
            y += 56
    y += 40
    for line in _lines(cover.text, 74):
        if y > LENGTH - _MARGIN:
            break
        pen.text((_MARGIN, y), line, fill=0, font=small)
        y += 48
    return page.point(lambda value: 255 if value > 127 else 0).convert("1")


# -- a fax to others -----------------------------------------------------------------------------


def _opened(task: Task) -> Image.Image:
    try:
        return Image.open(task.documents[0].path, formats=("TIFF",))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombWarning) as error:
        raise Refused(f"there is no page that can be read: {error}"[:200]) from None


def _dpi(frame: Image.Image) -> tuple[float, float]:
    across, down = frame.info.get("dpi", DPI)
    return (float(across) or 204.0, float(down) or 196.0)


def _pdf(task: Task, out: Path) -> int:
    """Pages of one size and resolution are the rule; each keeps its own."""
    with _opened(task) as image:
        count = int(getattr(image, "n_frames", 1))
        if count > task.most_pages:
            raise Refused(f"a fax has at most {task.most_pages} pages")
        for number in range(count):
            image.seek(number)
            page = image.convert("1")
            page.save(out, format="PDF", append=number > 0, dpi=_dpi(image))
        return count


def _picture(task: Task, out: Path) -> int:
    with _opened(task) as image:
        count = int(getattr(image, "n_frames", 1))
        if not 1 <= task.page <= count:
            raise Refused(f"there is no page {task.page}, there are {count}")
        image.seek(task.page - 1)
        across, down = _dpi(image)
        width = max(100, min(task.width, WIDTH))
        length = max(1, round(image.height * width / image.width * across / down))
        made = image.convert("L").resize((width, length))
        if task.turn in _TURNS:
            made = made.transpose(_TURNS[task.turn])
        made.save(out, format="PNG", optimize=True)
        return count


if __name__ == "__main__":
    sys.exit(main())
