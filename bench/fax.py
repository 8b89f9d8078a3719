"""`bench fax`: how many fax terminals a core carries, by sound and by T.38.

Pairs of terminals send pages to one another in one thread as fast as it goes, with all that a
media worker does for them but the sockets: G.711 and UDPTL with redundancy. What a terminal costs
in a second of its own time says how many there may be.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from bench.harness import progress
from bench.result import Options, Result
from cicswitch.contacts.faxes import FaxJob
from cicswitch.fax.udptl import Receiver, Sender
from cicswitch.media.spandsp import AudioTerminal, T38Terminal, missing
from cicswitch.rtp import g711

__all__ = ["run"]

ULAW = g711.LAWS["PCMU"]


def run(options: Options) -> list[Result]:
    """CPU of a terminal, sending and receiving alike, over whole faxes."""
    result = Result("fax")
    lacking = missing()
    if lacking:
        progress(lacking)
        return [result]
    faxes = 4 if options.quick else 16
    with tempfile.TemporaryDirectory() as name:
        sent = Path(name) / "sent.tif"
        _draw(sent, 3)
        for kind, work in (("sound", _sound), ("t38", _t38)):
            cpu_s = fax_s = 0.0
            for number in range(faxes):
                begun = time.process_time()
                fax_s += work(sent, Path(name) / f"{kind}-{number}.tif")
                cpu_s += time.process_time() - begun
            share = cpu_s / (2 * fax_s)
            each_s = fax_s / faxes
            progress(f"{kind}: {faxes} faxes of {each_s:.0f} s, {share * 1e6:.0f} µs a second")
            result.add(f"{kind}: CPU of a terminal", round(share * 1e6), "µs/s")
            result.add(f"{kind}: terminals a core", int(1 / share), "")
    return [result]


def _draw(path: Path, count: int) -> None:
    pages: list[Image.Image] = []
    for number in range(count):
        page = Image.new("1", (1728, 2292), 1)
        pen = ImageDraw.Draw(page)
        for y in range(60, 2200, 40):
            pen.text((80, y), f"page {number + 1}: {y * 7919 % 100_003} " * 12, fill=0)
        pages.append(page)
    pages[0].save(
        path, save_all=True, append_images=pages[1:], compression="group4", dpi=(204, 196)
    )


def _law(said: bytes) -> bytes:
    """To G.711 and back, as each side of a call does it."""
    coded = g711.encode(np.frombuffer(said, np.int16), ULAW)
    return ULAW.decoder[np.frombuffer(coded, np.uint8)].tobytes()


def _sound(sent: Path, came: Path) -> float:
    one = AudioTerminal(FaxJob(send=str(sent), calling=True))
    two = AudioTerminal(FaxJob(receive=str(came)))
    said = bytes(320)
    while not (one.result and two.result):
        said = _law(one.exchange(_law(two.exchange(said))))
    assert two.result.ok, two.result
    one.close()
    two.close()
    return one.seconds


def _t38(sent: Path, came: Path) -> float:
    one = T38Terminal(FaxJob(send=str(sent), calling=True))
    two = T38Terminal(FaxJob(receive=str(came)))
    ways = [(one, two, Sender(), Receiver()), (two, one, Sender(), Receiver())]
    while not (one.result and two.result):
        now = one.seconds
        for near, far, sender, receiver in ways:
            for ifp, copies in near.tick():
                data = sender.send(ifp)
                for _ in range(copies):
                    for number, packet in receiver.receive(data, now):
                        far.receive(packet, number)
    assert two.result.ok, two.result
    one.close()
    two.close()
    return one.seconds
