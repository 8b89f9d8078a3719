"""Fax over IP as a sans-IO core: bytes in, bytes out.

    udptl    UDPTL packets, redundancy and parity FEC    ITU-T T.38 section 9

T.30 itself, and the IFP packets of T.38, are libspandsp's (`cicswitch.media.spandsp`); what SDP
says of a T.38 stream is in `cicswitch.sdp.t38`.
"""
