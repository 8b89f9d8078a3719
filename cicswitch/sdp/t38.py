"""Offer and answer for a T.38 stream (ITU-T T.38 annex D, RFC 3264).

One `m=image PORT udptl t38` section takes the place of the audio; every other section of an offer
is answered with port 0. Numbers that make no sense are taken as the defaults of the annex, because
far ends write them in many ways; a stream over TCP or with a rate management that is not
`transferredTCF` is refused with 488.
"""

from __future__ import annotations

from typing import Final, Literal

from cicswitch.sdp.model import T38, Local
from cicswitch.sdp.offer_answer import write
from cicswitch.sdp.parse import Description, Media, SdpError, parse_sdp

__all__ = ["accept_t38_answer", "answer_t38", "make_t38_offer", "t38_of"]

OURS: Final = T38("", 0)
_Recovery = Literal["none", "redundancy", "fec"]
_RECOVERY: Final[dict[str, _Recovery]] = {
    "t38UDPNoEC": "none",
    "t38UDPRedundancy": "redundancy",
    "t38UDPFEC": "fec",
}
_NAMES: Final = {"none": "t38UDPNoEC", "redundancy": "t38UDPRedundancy", "fec": "t38UDPFEC"}
_LOWER: Final = {name.lower(): recovery for name, recovery in _RECOVERY.items()}


def _number(media: Media, name: str, otherwise: int, least: int, most: int) -> int:
    text = media.t38.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        return otherwise
    value = int(text)
    return value if least <= value <= most else otherwise


def _usable(media: Media) -> bool:
    return (
        media.kind == "image"
        and media.port != 0
        and media.profile.lower() == "udptl"
        and any(each.lower() == "t38" for each in media.formats)
        and media.t38.get("faxratemanagement", "transferredTCF").lower() != "localtcf"
    )


def _read(media: Media) -> T38:
    if not media.host:
        raise SdpError("no c= line says where the fax goes", 400)
    recovery: _Recovery = _LOWER.get(media.t38.get("faxudpec", "").lower(), "none")
    return T38(
        media.host,
        media.port,
        _number(media, "faxversion", 0, 0, 3),
        _number(media, "maxbitrate", 14400, 2400, 33600),
        "transferredTCF",
        recovery,
        _number(media, "faxmaxbuffer", OURS.max_buffer, 64, 100_000),
        _number(media, "faxmaxdatagram", OURS.max_datagram, 48, 65_535),
    )


def t38_of(description: Description | bytes) -> T38 | None:
    """What a description says of T.38; None: it has no such stream that can be used.

    Raises SdpError(400).
    """
    if isinstance(description, bytes):
        if b"udptl" not in description.lower():
            return None
        description = parse_sdp(description)
    for media in description.media:
        if _usable(media):
            return _read(media)
    return None


def _lines(port: int, this: T38) -> str:
    return (
        f"m=image {port} udptl t38\r\n"
        f"a=T38FaxVersion:{this.version}\r\n"
        f"a=T38MaxBitRate:{this.max_bit_rate}\r\n"
        f"a=T38FaxRateManagement:{this.rate_management}\r\n"
        f"a=T38FaxMaxBuffer:{this.max_buffer}\r\n"
        f"a=T38FaxMaxDatagram:{this.max_datagram}\r\n"
        f"a=T38FaxUdpEC:{_NAMES[this.recovery]}\r\n"
    )


def make_t38_offer(local: Local, ours: T38 = OURS) -> bytes:
    """Offer T.38 in place of the audio."""
    return write(local, _lines(local.port, ours))


def answer_t38(offer: Description | bytes, local: Local, ours: T38 = OURS) -> tuple[bytes, T38]:
    """Answer an offer of T.38; what the far end takes. Raises SdpError: 400, or 488 without any."""
    description = parse_sdp(offer) if isinstance(offer, bytes) else offer
    found: T38 | None = None
    text = ""
    for media in description.media:
        if found is not None or not _usable(media):
            formats = " ".join(media.formats)
            text += f"m={media.kind} 0 {media.profile} {formats}\r\n"
            continue
        found = _read(media)
        # The version of an answer is at most that of the offer (T.38 annex D.2.3); the error
        # recovery is the offerer's, who says by it what he can take.
        answered = T38(
            "",
            0,
            min(found.version, ours.version),
            min(found.max_bit_rate, ours.max_bit_rate),
            "transferredTCF",
            found.recovery,
            ours.max_buffer,
            ours.max_datagram,
        )
        text += _lines(local.port, answered)
        found = T38(
            found.host,
            found.port,
            answered.version,
            answered.max_bit_rate,
            "transferredTCF",
            found.recovery,
            found.max_buffer,
            found.max_datagram,
        )
    if found is None:
        raise SdpError("no T.38 stream over UDPTL that we speak", 488)
    return write(local, text), found


def accept_t38_answer(answer: Description | bytes, ours: T38 = OURS) -> T38:
    """Read the answer to our offer of T.38. Raises SdpError: 400, or 488 if it refuses."""
    description = parse_sdp(answer) if isinstance(answer, bytes) else answer
    found = t38_of(description)
    if found is None:
        raise SdpError("the answer accepts no T.38", 488)
    return T38(
        found.host,
        found.port,
        min(found.version, ours.version),
        min(found.max_bit_rate, ours.max_bit_rate),
        "transferredTCF",
        found.recovery,
        found.max_buffer,
        found.max_datagram,
    )
