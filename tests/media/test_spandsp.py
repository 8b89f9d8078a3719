"""libspandsp by cffi: faxes between two terminals, faster than time."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from cicswitch.contacts.faxes import FaxJob, FaxResult, Modem
from cicswitch.core.errors import ResourceError
from cicswitch.media import spandsp
from cicswitch.media.spandsp import AudioTerminal, T38Terminal
from tests.support.fax import draw_pages, needs_spandsp, over_audio, read_pages, same


@needs_spandsp
@pytest.mark.parametrize(
    ("modems", "ecm", "rate", "encoding"),
    [
        (("v17", "v29", "v27ter"), True, 14400, "T.6"),
        (("v17", "v29", "v27ter"), False, 14400, "T.4 2D"),
        (("v29", "v27ter"), True, 9600, "T.6"),
        (("v29",), False, 9600, "T.4 2D"),
        (("v27ter",), True, 4800, "T.6"),
    ],
)
def test_pages_come_as_they_were_sent(
    tmp_path: Path, modems: tuple[Modem, ...], ecm: bool, rate: int, encoding: str
) -> None:
    count = 5 if ecm and rate == 14400 else 2
    sent = draw_pages(tmp_path / "sent.tif", count)
    done = tmp_path / "done.json"
    one = AudioTerminal(
        FaxJob(
            send=str(tmp_path / "sent.tif"),
            calling=True,
            ident="+82 2 555 0100",
            ecm=ecm,
            modems=modems,
            done=str(done),
        )
    )
    two = AudioTerminal(FaxJob(receive=str(tmp_path / "came.tif"), ident="+82 2 555 0200", ecm=ecm))
    out, came = over_audio(one, two)
    one.close()
    two.close()
    assert out is not None
    assert came is not None
    assert (out.ok, out.code, out.cause, out.ident) == (True, 0, "OK", "+82 2 555 0200")
    assert (came.ok, came.ident, came.t38) == (True, "+82 2 555 0100", False)
    assert len(out.pages) == len(came.pages) == count
    page = came.pages[-1]
    assert (page.number, page.width, page.length, page.bad_rows) == (count, 1728, 1100, 0)
    assert (page.bit_rate, page.encoding, page.ecm) == (rate, encoding, ecm)
    assert (round(page.x_dpi), round(page.y_dpi)) == (204, 196)
    assert same(sent, read_pages(tmp_path / "came.tif"))
    kept = msgspec.json.decode(done.read_bytes(), type=FaxResult)
    assert kept.ok
    assert len(kept.pages) == count


@needs_spandsp
def test_half_a_fax_is_a_failure_with_what_came(tmp_path: Path) -> None:
    draw_pages(tmp_path / "sent.tif", 3)
    done = tmp_path / "done.json"
    path = str(tmp_path / "sent.tif")
    one = AudioTerminal(FaxJob(send=path, calling=True, ecm=False, done=str(done)))
    two = AudioTerminal(FaxJob(receive=str(tmp_path / "came.tif")))
    over_audio(one, two, until=lambda: len(two.pages) == 1)
    first_s = two.seconds
    over_audio(one, two, until=lambda: two.seconds > first_s + 4)
    out, came = one.hang_up(), two.hang_up("the caller has hung up")
    one.close()
    two.close()
    assert not out.ok
    assert not came.ok
    assert (came.code, came.cause, len(came.pages)) == (-1, "the caller has hung up", 1)
    assert len(read_pages(tmp_path / "came.tif")) >= 1
    assert not done.exists()
    assert two.exchange(b"") == bytes(320)
    with pytest.raises(ResourceError, match="either sends or receives"):
        AudioTerminal(FaxJob())


@needs_spandsp
def test_what_costs_too_much_is_ended(tmp_path: Path) -> None:
    draw_pages(tmp_path / "sent.tif", 3, rows=400)
    one = AudioTerminal(FaxJob(send=str(tmp_path / "sent.tif"), calling=True))
    two = AudioTerminal(FaxJob(receive=str(tmp_path / "came.tif"), most_pages=1))
    out, came = over_audio(one, two)
    assert out is not None
    assert came is not None
    assert (out.ok, came.ok, came.cause) == (False, False, "it has more than 1 pages")
    late = AudioTerminal(FaxJob(receive=str(tmp_path / "late.tif"), most_s=4.0))
    while late.result is None and late.seconds < 60:
        late.exchange(b"")
    assert late.result is not None
    assert late.result.cause == "it took longer than 4 s"
    draw_pages(tmp_path / "long.tif", 1, rows=spandsp.MOST_ROWS + 12_000)
    one = AudioTerminal(FaxJob(send=str(tmp_path / "long.tif"), calling=True, ecm=False))
    two = AudioTerminal(FaxJob(receive=str(tmp_path / "came.tif")))
    _, came = over_audio(one, two, until=lambda: two.result is not None, most_s=3000)
    assert came is not None
    assert "rows" in came.cause
    for terminal in (one, two, late):
        terminal.close()
        terminal.close()


@needs_spandsp
def test_nobody_there_is_said_in_words(tmp_path: Path) -> None:
    draw_pages(tmp_path / "sent.tif", 1)
    one = AudioTerminal(FaxJob(send=str(tmp_path / "sent.tif"), calling=True))
    while one.result is None and one.seconds < 120:
        one.exchange(b"")
    assert one.result is not None
    assert not one.result.ok
    assert one.result.code > 0
    assert "imed out" in one.result.cause
    one.close()
    missing = AudioTerminal(FaxJob(send=str(tmp_path / "none.tif"), calling=True))
    other = AudioTerminal(FaxJob(receive=str(tmp_path / "x.tif")))
    out, _ = over_audio(missing, other, most_s=60)
    assert out is not None
    assert not out.ok
    missing.close()
    other.close()


@needs_spandsp
def test_packets_that_make_no_sense_do_no_harm(tmp_path: Path) -> None:
    terminal = T38Terminal(FaxJob(receive=str(tmp_path / "x.tif")))
    for index in range(2000):
        noise = bytes((index * 7 + at * at * 31) & 0xFF for at in range(1 + index % 90))
        terminal.receive(noise, index * 3)
        if index % 4 == 0:
            terminal.tick()
    terminal.close()


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spandsp, "LIBRARY", "libnowhere.so.2")
    monkeypatch.setattr(spandsp, "_loaded", [])
    assert "apt-get install libspandsp2" in spandsp.missing()
    with pytest.raises(ResourceError, match="libspandsp2"):
        AudioTerminal(FaxJob(receive="x"))
