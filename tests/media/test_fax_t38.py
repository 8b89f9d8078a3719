"""Faxes by T.38 over UDPTL between two terminals of libspandsp, faster than time, with loss."""

from __future__ import annotations

from pathlib import Path

import pytest

from cicswitch.contacts.faxes import FaxJob
from cicswitch.fax.udptl import Recovery
from cicswitch.media.spandsp import T38Terminal
from tests.support.fax import draw_pages, needs_spandsp, over_t38, read_pages, same


@needs_spandsp
@pytest.mark.parametrize("ecm", [True, False])
@pytest.mark.parametrize("loss", [0.0, 0.01, 0.05])
@pytest.mark.parametrize("recovery", ["redundancy", "fec"])
def test_five_pages_come_pixel_by_pixel(
    tmp_path: Path, recovery: Recovery, loss: float, ecm: bool
) -> None:
    sent = draw_pages(tmp_path / "sent.tif", 5)
    one = T38Terminal(FaxJob(send=str(tmp_path / "sent.tif"), calling=True, ident="one", ecm=ecm))
    two = T38Terminal(FaxJob(receive=str(tmp_path / "came.tif"), ident="two", ecm=ecm))
    out, came, dropped = over_t38(one, two, recovery=recovery, loss=loss)
    one.close()
    two.close()
    assert out is not None
    assert came is not None
    assert out.ok, out
    assert came.ok, came
    assert (out.ident, came.ident, out.t38, came.t38) == ("two", "one", True, True)
    assert len(came.pages) == 5
    assert {page.ecm for page in came.pages} == {ecm}
    assert (dropped > 0) is (loss > 0)
    assert same(sent, read_pages(tmp_path / "came.tif"))


@needs_spandsp
def test_slower_modems_over_t38(tmp_path: Path) -> None:
    sent = draw_pages(tmp_path / "sent.tif", 1, rows=500)
    path = str(tmp_path / "sent.tif")
    one = T38Terminal(FaxJob(send=path, calling=True), max_bit_rate=9600)
    two = T38Terminal(FaxJob(receive=str(tmp_path / "came.tif"), modems=("v29", "v27ter")))
    out, came, _ = over_t38(one, two)
    one.close()
    two.close()
    assert out is not None
    assert came is not None
    assert (out.ok, came.ok, came.pages[0].bit_rate) == (True, True, 9600)
    assert same(sent, read_pages(tmp_path / "came.tif"))


@needs_spandsp
def test_without_recovery_lost_packets_are_seen(tmp_path: Path) -> None:
    sent = draw_pages(tmp_path / "sent.tif", 2)
    one = T38Terminal(FaxJob(send=str(tmp_path / "sent.tif"), calling=True, ecm=False))
    two = T38Terminal(FaxJob(receive=str(tmp_path / "came.tif"), ecm=False))
    _, came, _ = over_t38(one, two, recovery="none", loss=0.05)
    one.close()
    two.close()
    assert came is not None
    assert not (came.ok and same(sent, read_pages(tmp_path / "came.tif")))
