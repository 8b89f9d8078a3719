"""RTP and RTCP as a sans-IO core: bytes and `now` in, bytes and figures out.

    packet    the RTP header                                RFC 3550 section 5.1
    rtcp      SR, RR, SDES, BYE and compound packets        RFC 3550 section 6
    stream    what a leg receives, what it is sent          RFC 3550 appendix A
    dtmf      telephone events, both ways                   RFC 4733
    g711      both laws as tables                           ITU-T G.711
    tones     tones and in-band digits                      ITU-T Q.23
    goertzel  in-band digits heard, over many legs at once  ITU-T Q.24

Nothing here reads a clock or draws a random number; both are arguments.
"""
