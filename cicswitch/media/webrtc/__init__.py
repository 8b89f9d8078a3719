"""Browsers: what lies between a browser's UDP packets and a leg of the media plane.

A process of its own (`worker`) holds one UDP port for all browsers. A browser's audio goes on as
plain RTP to the leg that the media plane has for it, so prompts, music, recording, mixing and
telephone events know nothing of WebRTC; its video goes to the browser that it is joined with, as it
came, never decoded.

    browser ── STUN ──> ice     which browser an address belongs to (RFC 8445, ICE lite)
            ── DTLS ──> dtls    keys, and whether it is the browser of the SDP (RFC 5764)
            ── SRTP ──> peer    audio ── RTP ──> the leg's port
                                video ── video ──> peer of the other browser

`gateway` is the signalling side of it: `ports.Webrtc`.
"""
