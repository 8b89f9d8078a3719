"""Session descriptions and their negotiation (RFC 8866, RFC 3264): bytes in, bytes out.

answer(offer, local) -> (bytes, Negotiated)         the peer offers
make_offer(local) -> bytes                          we offer ...
accept_answer(offer, answer, local) -> Negotiated   ... and the peer answers
"""

from cicswitch.sdp.codecs import DEFAULT_CODECS
from cicswitch.sdp.model import Local, Negotiated, Origin
from cicswitch.sdp.offer_answer import accept_answer, answer, make_offer
from cicswitch.sdp.parse import Description, Media, SdpError, parse_sdp

__all__ = [
    "DEFAULT_CODECS",
    "Description",
    "Local",
    "Media",
    "Negotiated",
    "Origin",
    "SdpError",
    "accept_answer",
    "answer",
    "make_offer",
    "parse_sdp",
]
