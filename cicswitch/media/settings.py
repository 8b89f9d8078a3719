"""Settings of the media plane, filled from the daemon's configuration."""

from __future__ import annotations

import msgspec

__all__ = ["MediaSettings"]


class MediaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the plane binds, latches and records. Ports lie in `port_min`..`port_max`, even ones."""

    host: str = "127.0.0.1"
    """IPv4 address to bind; also what SDP says unless `advertise` is set."""
    advertise: str = ""
    """IPv4 address to put into SDP where it differs (NAT with forwarded ports)."""
    host6: str = ""
    """IPv6 address to bind and advertise; empty: no IPv6."""
    port_min: int = 16384
    port_max: int = 32766
    workers: int = 1
    """Processes; 0 runs the one worker as a thread of this process."""
    latch: str = "any"
    """`any`: learn the far end's address from any host (NAT); `host`: only from the SDP's host."""
    latch_window_s: float = 0.5
    """How long a packet from the SDP's own address still beats another sender."""
    rtp_timeout_s: float = 30.0
    rtcp_interval_s: float = 5.0
    pool_initial: int = 64
    """Port pairs bound at start, by worker."""
    pool_step: int = 256
    """Port pairs bound at once when the pool runs low."""
    pool_idle_s: float = 60.0
    """Port pairs beyond a step that were free all this time are closed, some each second."""
    quarantine_s: float = 2.0
    """A port that carried media is not used again before it was silent so long."""
    music_ptime_ms: int = 20
    """Length of a packet of what plays in a loop: 20, 40 or 60."""
    start_timeout_s: float = 10.0
    recording_fsync: bool = False
