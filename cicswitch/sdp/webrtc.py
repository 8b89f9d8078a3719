"""Offer and answer with a browser (RFC 8829; ICE RFC 8839, DTLS RFC 8842, BUNDLE RFC 9143).

One audio stream and at most one of video, on one port. We are an ICE lite agent and the DTLS
server. Payload types are the same both ways: in an answer those of the offer, in an offer of ours
those that the answer has to take. Whatever else is offered gets port 0. With Opus (RFC 7587)
telephone events have its clock where the browser knows such ones, else that of 8000 Hz.
"""

from __future__ import annotations

from typing import Final

from cicswitch.sdp.codecs import STATIC, codec_lines
from cicswitch.sdp.model import Browser, Local, Negotiated, WebNegotiated, direction_of
from cicswitch.sdp.parse import Description, Media, SdpError, parse_sdp

__all__ = ["accept_answer", "answer", "is_web", "make_offer"]

PROFILE: Final = "UDP/TLS/RTP/SAVPF"
_PROFILES: Final = (PROFILE, "RTP/SAVPF", "UDP/TLS/RTP/SAVP")
_SENDS: Final = {"sendrecv": True, "sendonly": True, "recvonly": False, "inactive": False}
_RECEIVES: Final = {"sendrecv": True, "sendonly": False, "recvonly": True, "inactive": False}
_VIDEO: Final = 96
_EVENTS: Final = 126
_EVENTS_48: Final = 110
_OPUS_HZ: Final = 48_000
_CLOCK_HZ: Final = 8000
_OPUS_LINES: Final = "a=rtpmap:{0} opus/48000/2\r\na=fmtp:{0} minptime=10;useinbandfec=1\r\n"
"""RFC 7587 section 7; one channel is what we want (`stereo=0` is the default)."""
_MAX_PTIME_MS: Final = 60
_FEEDBACK: Final = ("nack", "nack pli", "ccm fir", "goog-remb")
_DATA: Final = {"application": ("UDP/DTLS/SCTP", "webrtc-datachannel")}
_KINDS: Final = ("sha-256", "sha-384", "sha-512")
_MAX_VALUE: Final = 300


class _Section:
    """An m= section and those of its attributes that only browsers have."""

    __slots__ = ("attributes", "media")

    def __init__(self, media: Media) -> None:
        self.media = media
        self.attributes: dict[str, str] = {}


def is_web(body: bytes) -> bool:
    """Whether a description is a browser's: its streams are encrypted with keys by DTLS."""
    return b"SAVP" in body and b"a=fingerprint:" in body


def _read(body: bytes) -> tuple[Description, dict[str, str], list[_Section]]:
    """The description, the session's attributes, the sections. Raises `SdpError`."""
    description = parse_sdp(body)
    session: dict[str, str] = {}
    sections: list[_Section] = []
    into = session
    for line in body.decode().replace("\r\n", "\n").split("\n"):
        if "\r" in line:
            raise SdpError("a line of a session description ends with CR alone", 400)
        if line.startswith("m="):
            section = _Section(description.media[len(sections)])
            sections.append(section)
            into = section.attributes
        elif line.startswith("a="):
            name, _, value = line[2:].partition(":")
            if len(value) <= _MAX_VALUE:
                into.setdefault(name, value.strip())
    return description, session, sections


def _browser(section: _Section, session: dict[str, str]) -> Browser:
    """Who is at the other end. Raises `SdpError` 488 if it does not say so."""
    of = section.attributes
    values = {
        name: of.get(name) or session.get(name, "")
        for name in ("ice-ufrag", "ice-pwd", "fingerprint", "setup")
    }
    for name in ("ice-ufrag", "ice-pwd", "fingerprint"):
        if not values[name]:
            raise SdpError(f"a browser's description without a={name}", 488)
    if values["fingerprint"].partition(" ")[0].lower() not in _KINDS:
        raise SdpError("the fingerprint has to be by SHA-256, SHA-384 or SHA-512", 488)
    return Browser(
        values["ice-ufrag"], values["ice-pwd"], values["fingerprint"], values["setup"] or "actpass"
    )


def _usable(section: _Section, kind: str) -> bool:
    media = section.media
    if media.kind != kind or media.profile not in _PROFILES:
        return False
    # In a bundle a port of 0 is that of the bundle (RFC 9143 section 6: `bundle-only`).
    return media.port != 0 or "bundle-only" in section.attributes


def _pick_audio(media: Media, codecs: tuple[str, ...]) -> tuple[str, int, int | None, int]:
    """Our first codec that is offered, its payload type, that of telephone-event and its clock."""
    numbers: dict[str, int] = {}
    events: dict[int, int] = {}
    for number in media.formats:
        if not number.isdigit() or not number.isascii() or int(number) > 127:
            continue
        mapping = (media.mappings.get(number) or STATIC.get(number, "")).upper()
        name, _, clock = mapping.partition("/")
        if name == "TELEPHONE-EVENT":
            if clock in ("8000", "48000"):
                events.setdefault(int(clock), int(number))
        elif mapping:
            numbers.setdefault(mapping, int(number))
    for name in codecs:
        opus = name.lower() == "opus"
        for mapping in ("OPUS/48000/2",) if opus else (f"{name}/8000", f"{name}/8000/1"):
            if mapping in numbers:
                hz = _OPUS_HZ if opus and _OPUS_HZ in events else _CLOCK_HZ
                return name, numbers[mapping], events.get(hz), hz
    raise SdpError("no audio codec in common: we speak " + ", ".join(codecs), 488)


def _pick_video(media: Media) -> int:
    """The payload type of VP8; -1 if there is none."""
    for number in media.formats:
        known = number.isdigit() and number.isascii() and int(number) < 128
        if known and media.mappings.get(number, "").upper() == "VP8/90000":
            return int(number)
    return -1


def _transport(local: Local) -> str:
    """The lines of each section that say where we are and who we are."""
    web = local.web
    assert web is not None
    candidates = ""
    for at, host in enumerate(web.hosts):
        # RFC 8445 section 5.1.2.1: type preference 126 for host candidates.
        priority = (126 << 24) + ((65535 - at) << 8) + 255
        candidates += f"a=candidate:{at + 1} 1 udp {priority} {host} {web.port} typ host\r\n"
    return (
        f"a=ice-ufrag:{web.ufrag}\r\na=ice-pwd:{web.password}\r\n"
        f"a=fingerprint:{web.fingerprint}\r\n{candidates}a=end-of-candidates\r\na=rtcp-mux\r\n"
    )


def _formats(codecs: tuple[str, ...]) -> tuple[str, str]:
    """The formats of our offer and the lines that go with them."""
    plain = tuple(name for name in codecs if name.lower() != "opus")
    formats, lines = codec_lines(codecs, _EVENTS)
    if len(plain) == len(codecs):
        return formats, lines
    opus, _ = codec_lines(("opus",), None)
    mapping = f"a=rtpmap:{opus} opus/48000/2\r\n"
    return f"{formats} {_EVENTS_48}", lines.replace(
        mapping, _OPUS_LINES.format(opus)
    ) + _event_lines(_EVENTS_48, _OPUS_HZ)


def _event_lines(number: int, hz: int) -> str:
    return f"a=rtpmap:{number} telephone-event/{hz}\r\na=fmtp:{number} 0-15\r\n"


def _audio(local: Local, numbers: tuple[str, ...], setup: str, mid: str, direction: str) -> str:
    assert local.web is not None
    formats, lines = numbers
    return (
        f"m=audio {local.web.port} {PROFILE} {formats}\r\n{_net(local)}"
        f"a=setup:{setup}\r\n{_transport(local)}a=mid:{mid}\r\n"
        f"a=msid:cicswitch audio\r\n{lines}a=ptime:{local.ptime_ms}\r\n"
        f"a=maxptime:{_MAX_PTIME_MS}\r\na={direction}\r\n"
    )


def _video(local: Local, number: int, setup: str, mid: str, direction: str) -> str:
    assert local.web is not None
    feedback = "".join(f"a=rtcp-fb:{number} {each}\r\n" for each in _FEEDBACK)
    return (
        f"m=video {local.web.port} {PROFILE} {number}\r\n{_net(local)}"
        f"a=setup:{setup}\r\n{_transport(local)}a=mid:{mid}\r\n"
        f"a=msid:cicswitch-video video\r\na=rtpmap:{number} VP8/90000\r\n{feedback}"
        f"a={direction}\r\n"
    )


def _net(local: Local) -> str:
    assert local.web is not None
    host = local.web.hosts[0]
    return f"c={'IN IP6' if ':' in host else 'IN IP4'} {host}\r\n"


def _write(local: Local, mids: list[str], media: str) -> bytes:
    origin = local.origin
    bundle = f"a=group:BUNDLE {' '.join(mids)}\r\n" if mids else ""
    ice = "a=ice-lite\r\na=ice-options:trickle\r\n"
    rest = f"s=-\r\nt=0 0\r\n{bundle}{ice}a=msid-semantic: WMS *\r\n{media}"
    version = origin.stamp(rest)
    return f"v=0\r\no=- {origin.id} {version} IN IP4 0.0.0.0\r\n{rest}".encode()


def make_offer(local: Local) -> bytes:
    """Offer audio with all our codecs, and video if `local.video` says so.

    Later offers keep the sections that were agreed on before; `local.sections` is brought up to
    date.
    """
    kinds = [kind for kind, _ in local.sections]
    if local.video and "video" not in kinds:
        taken = {mid for _, mid in local.sections}
        mid = next(str(n) for n in range(len(taken) + 1) if str(n) not in taken)
        local.sections = (*local.sections, ("video", mid))
    media = ""
    mids: list[str] = []
    for kind, mid in local.sections:
        if kind == "audio" and "m=audio" not in media:
            formats = _formats(local.codecs)
            media += _audio(local, formats, "actpass", mid, local.direction)
        elif kind == "video" and local.video and "m=video" not in media:
            media += _video(local, _VIDEO, "actpass", mid, local.video)
        else:
            media += _refused(kind, *_DATA.get(kind, (PROFILE, "0")), mid)
            continue
        mids.append(mid)
    return _write(local, mids, media)


def _refused(kind: str, profile: str, formats: str, mid: str) -> str:
    text = f"m={kind} 0 {profile} {formats}\r\nc=IN IP4 0.0.0.0\r\n"
    return text + f"a=mid:{mid}\r\n" if mid else text


def answer(offer: bytes, local: Local) -> tuple[bytes, WebNegotiated]:
    """Answer a browser's offer. Raises `SdpError`: 400 for a malformed one, 488 for one that lacks
    a codec, a key or `rtcp-mux` (RFC 8858 lets us ask for that).
    """
    description, session, sections = _read(offer)
    text = ""
    mids: list[str] = []
    audio: Negotiated | None = None
    browser: Browser | None = None
    video, video_send, video_receive = -1, False, False
    event_hz = _CLOCK_HZ
    for section in sections:
        media = section.media
        offered = media.direction or description.direction
        mid = section.attributes.get("mid", "")
        if audio is None and _usable(section, "audio"):
            if "rtcp-mux" not in section.attributes:
                raise SdpError("RTCP has to be on the port of RTP: a=rtcp-mux is missing", 488)
            browser = _browser(section, session)
            if browser.setup not in ("actpass", "active"):
                raise SdpError("the browser has to be the DTLS client: a=setup:actpass", 488)
            name, number, event, event_hz = _pick_audio(media, local.codecs)
            send = _RECEIVES[offered] and _SENDS[local.direction]
            receive = _SENDS[offered] and _RECEIVES[local.direction]
            audio = Negotiated(
                name, number, event, "", 0, send, receive, media.ptime or local.ptime_ms
            )
            opus = name.lower() == "opus"
            lines = _OPUS_LINES.format(number) if opus else f"a=rtpmap:{number} {name}/8000\r\n"
            formats = str(number)
            if event is not None:
                lines += _event_lines(event, event_hz)
                formats += f" {event}"
            direction = direction_of(send, receive)
            text += _audio(local, (formats, lines), "passive", mid, direction)
        elif (
            video < 0
            and local.video
            and _usable(section, "video")
            and (number := _pick_video(media)) >= 0
        ):
            video = number
            video_send = _RECEIVES[offered] and _SENDS[local.video]
            video_receive = _SENDS[offered] and _RECEIVES[local.video]
            text += _video(local, number, "passive", mid, direction_of(video_send, video_receive))
        else:
            text += _refused(media.kind, media.profile, " ".join(media.formats), mid)
            continue
        if mid:
            mids.append(mid)
    if audio is None or browser is None:
        raise SdpError("no audio stream that we can take", 488)
    local.sections = tuple(
        (section.media.kind, section.attributes.get("mid", "")) for section in sections
    )
    return _write(local, mids, text), WebNegotiated(
        audio, browser, video, video_send, video_receive, event_hz
    )


def accept_answer(body: bytes, local: Local) -> WebNegotiated:
    """Read a browser's answer to our offer. Raises `SdpError`."""
    description, session, sections = _read(body)
    if [section.media.kind for section in sections] != [kind for kind, _ in local.sections]:
        raise SdpError("the answer has other m= lines than the offer", 400)
    section = next(each for each in sections if each.media.kind == "audio")
    media = section.media
    if not _usable(section, "audio"):
        raise SdpError("the answer accepts no audio that we offered", 488)
    browser = _browser(section, session)
    if browser.setup != "active":
        raise SdpError("the browser has to be the DTLS client: a=setup:active", 488)
    name, number, event, event_hz = _pick_audio(media, local.codecs)
    answered = media.direction or description.direction
    audio = Negotiated(
        name,
        number,
        event,
        "",
        0,
        _RECEIVES[answered] and _SENDS[local.direction],
        _SENDS[answered] and _RECEIVES[local.direction],
        media.ptime or local.ptime_ms,
    )
    shown = next((each for each in sections if each.media.kind == "video"), None)
    if not local.video or shown is None or not _usable(shown, "video"):
        return WebNegotiated(audio, browser, -1, False, False, event_hz)
    seen = shown.media
    answered = seen.direction or description.direction
    return WebNegotiated(
        audio,
        browser,
        _pick_video(seen),
        _RECEIVES[answered] and _SENDS[local.video],
        _SENDS[answered] and _RECEIVES[local.video],
        event_hz,
    )
