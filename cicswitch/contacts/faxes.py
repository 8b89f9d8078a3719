"""What is known of a fax that came or went: its pages, and how it ended (ITU-T T.30)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

__all__ = ["FaxJob", "FaxPage", "FaxResult", "FaxSettings", "Modem"]

Modem = Literal["v17", "v29", "v27ter"]


class FaxPage(Struct, frozen=True, gc=False):
    """One page, as it went over the line."""

    number: int
    width: int
    """Pixels."""
    length: int
    """Pixel rows."""
    x_dpi: float
    y_dpi: float
    bad_rows: int
    """Rows that could not be decoded; without error correction they are copies of those above."""
    bit_rate: int
    encoding: str
    """`T.4 1D`, `T.4 2D`, `T.6` …"""
    ecm: bool
    """Error correction mode."""


class FaxResult(Struct, frozen=True):
    """How a fax ended. `ok`: every page is confirmed, by us or by the far end."""

    ok: bool
    code: int
    """The T.30 cause of libspandsp; 0 is success, -1 is ours."""
    cause: str
    pages: tuple[FaxPage, ...] = ()
    ident: str = ""
    """The far end's CSI or TSI."""
    t38: bool = False
    seconds: float = 0.0


class FaxJob(Struct, frozen=True, kw_only=True):
    """What a terminal is to do: exactly one of `send` and `receive`, the path of a TIFF file."""

    send: str = ""
    receive: str = ""
    calling: bool = False
    """We called: CNG is sent, and the far end's CED awaited."""
    ident: str = ""
    """Our CSI or TSI, 20 characters at most."""
    header: str = ""
    """What stands on top of each page that is sent, beside date, ident and page; 50 characters."""
    ecm: bool = True
    modems: tuple[Modem, ...] = ("v17", "v29", "v27ter")
    most_pages: Annotated[int, Meta(ge=1, le=1000)] = 200
    most_s: Annotated[float, Meta(gt=0)] = 3600.0
    t38: bool = True
    """Whether T.38 may be spoken."""
    done: str = ""
    """The path of a file into which a result is written before anybody is told of it."""


class FaxSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[channel.NAME.settings]` of a fax channel."""

    trunk: str = ""
    """Where faxes go out; empty: none can be sent."""
    caller: str = ""
    """The number that calls out show."""
    ident: Annotated[str, Meta(max_length=20)] = ""
    """What our terminal calls itself (CSI, TSI); empty: `caller`."""
    header: Annotated[str, Meta(max_length=50)] = ""
    """On top of each page that is sent."""
    ecm: bool = True
    modems: Annotated[tuple[Modem, ...], Meta(min_length=1)] = ("v17", "v29", "v27ter")
    most_pages: Annotated[int, Meta(ge=1, le=1000)] = 200
    most_s: Annotated[float, Meta(gt=0)] = 3600.0
    attempts: Annotated[int, Meta(ge=1, le=50)] = 5
    retry_s: Annotated[float, Meta(gt=0)] = 120.0
    """Until the second attempt; then twice as long, and so on, up to an hour."""
    ring_s: Annotated[float, Meta(gt=0)] = 60.0
    lines: Annotated[int, Meta(ge=1, le=200)] = 4
    """Faxes that are sent at the same time."""
    directory: str = "var/fax"
    email: str = ""
    """A channel of type `email`, by which each fax that came goes to `email_to` as a PDF."""
    email_to: tuple[str, ...] = ()
