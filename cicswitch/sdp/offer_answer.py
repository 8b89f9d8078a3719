"""Offer and answer for one audio stream (RFC 3264).

We speak RTP/AVP audio. Other m= lines of an offer keep their place and get port 0. An answer
names one codec, so that nobody changes it on the way, and telephone-event if it was offered.
"""

from __future__ import annotations

from typing import Final

from cicswitch.sdp.codecs import STATIC, codec_lines
from cicswitch.sdp.model import Local, Negotiated, direction_of
from cicswitch.sdp.parse import Description, Media, SdpError, parse_sdp

__all__ = ["accept_answer", "answer", "make_offer", "write"]

_SENDS: Final = {"sendrecv": True, "sendonly": True, "recvonly": False, "inactive": False}
_RECEIVES: Final = {"sendrecv": True, "sendonly": False, "recvonly": True, "inactive": False}
_NO_ADDRESS: Final = ("0.0.0.0", "::")
_UPPER: Final = {name: name for name in ("PCMU", "PCMA", "G722", "G729", "OPUS", "GSM")}


def write(local: Local, media: str) -> bytes:
    """A description of ours around its m= sections."""
    host, origin = local.host, local.origin
    net = "IN IP6" if ":" in host else "IN IP4"
    rest = f"s=-\r\nc={net} {host}\r\nt=0 0\r\n{media}"
    version = origin.stamp(rest)
    return f"v=0\r\no=- {origin.id} {version} {net} {host}\r\n{rest}".encode()


def make_offer(local: Local) -> bytes:
    """Offer one audio stream with all our codecs."""
    formats, lines = codec_lines(local.codecs, local.telephone_event)
    return write(
        local,
        f"m=audio {local.port} RTP/AVP {formats}\r\n{lines}"
        f"a=ptime:{local.ptime_ms}\r\na={local.direction}\r\n",
    )


_Pick = tuple[str, str, str, str | None]
_picks: Final[dict[tuple[str, tuple[str, ...]], _Pick | None]] = {}
_MAX_PICKS: Final = 1024


def _pick(media: Media, codecs: tuple[str, ...]) -> _Pick | None:
    """Codec name, its format and mapping, and the format of telephone-event; None without any."""
    key = (media.text, codecs)
    if key not in _picks:
        if not media.text or len(_picks) >= _MAX_PICKS:
            return _choose(media, codecs)
        _picks[key] = _choose(media, codecs)
    return _picks[key]


def _choose(media: Media, codecs: tuple[str, ...]) -> _Pick | None:
    name = chosen = mapping = ""
    event: str | None = None
    mappings = media.mappings
    for number in media.formats:
        this = mappings.get(number) or STATIC.get(number)
        if this is None or not _is_payload_type(number):
            continue
        encoding, _, clock = this.partition("/")
        upper = _UPPER.get(encoding) or encoding.upper()
        if upper in codecs:
            # PCMU and PCMA exist at other clock rates and with more channels; ours is 8000, mono.
            if not name and clock in (("48000/2",) if upper == "OPUS" else ("8000", "8000/1")):
                name, chosen, mapping = upper, number, this
        elif upper == "TELEPHONE-EVENT" and event is None and clock in ("8000", "8000/1"):
            event = number
    return (name, chosen, mapping, event) if name else None


def _is_payload_type(number: str) -> bool:
    """Seven bits of the RTP header (RFC 3550 section 5.1)."""
    return number.isdigit() and number.isascii() and len(number) < 4 and int(number) < 128


def _usable(media: Media) -> bool:
    return media.kind == "audio" and media.profile == "RTP/AVP" and media.port != 0


def answer(offer: Description | bytes, local: Local) -> tuple[bytes, Negotiated]:
    """Answer an offer. Raises SdpError: 400 for a malformed one, 488 without a common codec."""
    description = parse_sdp(offer) if isinstance(offer, bytes) else offer
    negotiated: Negotiated | None = None
    text = ""
    for media in description.media:
        picked = None
        if negotiated is None and _usable(media):
            picked = _pick(media, local.codecs)
        if picked is None:
            # RFC 3264 section 6: "To reject an offered stream, the port number in the
            # corresponding stream in the answer MUST be set to zero." And "for each "m=" line in
            # the offer, there MUST be a corresponding "m=" line in the answer."
            formats = " ".join(media.formats)
            text += f"m={media.kind} 0 {media.profile} {formats}\r\n"
            continue
        name, number, mapping, event = picked
        if local.telephone_event is None:
            event = None
        direction = media.direction or description.direction
        # RFC 3264 section 6.1: sendonly is answered with recvonly or inactive, and so on.
        send = _RECEIVES[direction] and _SENDS[local.direction]
        receive = _SENDS[direction] and _RECEIVES[local.direction]
        if media.host in _NO_ADDRESS:
            # RFC 3264 section 8.4: hold the old way, c=0.0.0.0.
            send = False
        if not media.host:
            raise SdpError("no c= line says where the audio goes", 400)
        ptime = media.ptime or local.ptime_ms
        negotiated = Negotiated(
            name,
            int(number),
            None if event is None else int(event),
            media.host,
            media.port,
            send,
            receive,
            ptime,
        )
        events = ""
        if event is not None:
            events = f"a=rtpmap:{event} telephone-event/8000\r\na=fmtp:{event} 0-15\r\n"
            number = f"{number} {event}"
        text += (
            f"m=audio {local.port} RTP/AVP {number}\r\na=rtpmap:{picked[1]} {mapping}\r\n"
            f"{events}a=ptime:{ptime}\r\na={direction_of(send, receive)}\r\n"
        )
    if negotiated is None:
        raise SdpError("no audio stream with a codec that we speak", 488)
    return write(local, text), negotiated


def accept_answer(
    offer: bytes, answer: Description | bytes, local: Local | None = None
) -> Negotiated:
    """Read the answer to our offer. Raises SdpError: 400 if malformed, 488 if it refuses audio.

    `local` narrows the codecs and the direction to what was offered; without it they are read
    from the offer's m= line and attributes.
    """
    description = parse_sdp(answer) if isinstance(answer, bytes) else answer
    if local is None:
        mine = parse_sdp(offer)
        names = tuple(
            (mine.media[0].mappings.get(number) or STATIC.get(number, "?")).partition("/")[0]
            for number in mine.media[0].formats
        )
        codecs = tuple(name.upper() for name in names if name != "telephone-event")
        wanted = mine.media[0].direction or mine.direction
        ptime = mine.media[0].ptime or 20
        expected = len(mine.media)
    else:
        codecs, wanted, ptime, expected = local.codecs, local.direction, local.ptime_ms, 1
    if len(description.media) != expected:
        raise SdpError("the answer has another number of m= lines than the offer", 400)
    media = description.media[0]
    picked = _pick(media, codecs) if _usable(media) else None
    if picked is None:
        raise SdpError("the answer accepts no audio that we offered", 488)
    if not media.host:
        raise SdpError("no c= line says where the audio goes", 400)
    name, number, _, event = picked
    if local is not None and local.telephone_event is None:
        event = None
    direction = media.direction or description.direction
    send = _RECEIVES[direction] and _SENDS[wanted] and media.host not in _NO_ADDRESS
    return Negotiated(
        name,
        int(number),
        None if event is None else int(event),
        media.host,
        media.port,
        send,
        _SENDS[direction] and _RECEIVES[wanted],
        media.ptime or ptime,
    )
