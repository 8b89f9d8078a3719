"""Faxes for tests: pages of black and white, and two terminals on a line that loses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from PIL import Image, ImageDraw, ImageSequence

from cicswitch.contacts.faxes import FaxResult
from cicswitch.fax.udptl import Receiver, Recovery, Sender
from cicswitch.media import spandsp

needs_spandsp = pytest.mark.skipif(
    bool(spandsp.missing()), reason=spandsp.missing() or "it is there"
)
WIDTH = 1728


def draw_pages(path: Path, count: int, rows: int = 1100, seed: int = 1) -> list[Image.Image]:
    """A TIFF of so many pages, none like another; its pages."""
    random = Random(seed)
    pages = []
    for number in range(count):
        page = Image.new("1", (WIDTH, rows), 1)
        pen = ImageDraw.Draw(page)
        for y in range(20, rows - 20, 40):
            pen.text((60, y), f"page {number + 1}, {random.random():.9f} " * 6, fill=0)
        pen.ellipse((300, 50, 1500, rows - 50), outline=0, width=3)
        pages.append(page)
    pages[0].save(
        path, save_all=True, append_images=pages[1:], compression="group4", dpi=(204, 196)
    )
    return pages


def read_pages(path: Path) -> list[Image.Image]:
    """The pages of a TIFF."""
    with Image.open(path) as image:
        return [each.convert("1").copy() for each in ImageSequence.Iterator(image)]


def same(one: list[Image.Image], two: list[Image.Image]) -> bool:
    """Pixel by pixel."""
    return len(one) == len(two) and all(
        a.size == b.size and a.tobytes() == b.tobytes() for a, b in zip(one, two, strict=True)
    )


def over_audio(
    one: spandsp.AudioTerminal,
    two: spandsp.AudioTerminal,
    *,
    until: Callable[[], bool] = lambda: False,
    most_s: float = 600.0,
) -> tuple[FaxResult | None, FaxResult | None]:
    """Join two terminals, faster than time; their results."""
    said = bytes(2 * spandsp.FRAME)
    while not (one.result and two.result) and one.seconds < most_s and not until():
        said = one.exchange(two.exchange(said))
    return one.result, two.result


class _Way:
    """One way of a line: UDPTL over what loses, delays and lets overtake."""

    def __init__(self, recovery: Recovery, loss: float, random: Random) -> None:
        self.sender, self.receiver = Sender(recovery), Receiver()
        self._loss, self._random = loss, random
        self._flying: list[tuple[float, int, bytes]] = []
        self.dropped = 0

    def send(self, packets: list[tuple[bytes, int]], now: float) -> None:
        for ifp, copies in packets:
            data = self.sender.send(ifp)
            for _ in range(copies):
                if self._random.random() < self._loss:
                    self.dropped += 1
                    continue
                late_s = 0.03 + self._random.random() * 0.03
                self._flying.append((now + late_s, len(self._flying), data))

    def come(self, to: spandsp.T38Terminal, now: float) -> None:
        there = sorted(each for each in self._flying if each[0] <= now)
        self._flying = [each for each in self._flying if each[0] > now]
        for _, _, data in there:
            for number, ifp in self.receiver.receive(data, now):
                to.receive(ifp, number)
        for number, ifp in self.receiver.due(now):
            to.receive(ifp, number)


def over_t38(
    one: spandsp.T38Terminal,
    two: spandsp.T38Terminal,
    *,
    recovery: Recovery = "redundancy",
    loss: float = 0.0,
    seed: int = 5,
    most_s: float = 600.0,
) -> tuple[FaxResult | None, FaxResult | None, int]:
    """Join two terminals, faster than time; their results, and how many datagrams were lost."""
    random = Random(seed)
    there, back = _Way(recovery, loss, random), _Way(recovery, loss, random)
    while not (one.result and two.result) and one.seconds < most_s:
        now = one.seconds
        there.send(one.tick(), now)
        back.send(two.tick(), now)
        there.come(two, now)
        back.come(one, now)
    return one.result, two.result, there.dropped + back.dropped


def pdf_file(pages: int, width: int = 595, length: int = 842, unit: int = 1) -> bytes:
    """A PDF of so many pages, each with its number on it."""
    kids = " ".join(f"{3 + at} 0 R" for at in range(pages))
    font = "<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>"
    objects = ["<</Type/Catalog/Pages 2 0 R>>", f"<</Type/Pages/Count {pages}/Kids[{kids}]>>"]
    page = f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {width} {length}]/UserUnit {unit}/Resources"
    objects += [f"{page}{font}/Contents {3 + pages + at} 0 R>>" for at in range(pages)]
    for at in range(pages):
        text = f"BT /F 48 Tf 72 700 Td (Page {at + 1}) Tj ET"
        objects.append(f"<</Length {len(text)}>>stream\n{text}\nendstream")
    out = bytearray(b"%PDF-1.6\n")
    places = []
    for number, each in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj{each}endobj\n".encode()
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += f"trailer<</Size {len(objects) + 1}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF".encode()
    return bytes(out)
