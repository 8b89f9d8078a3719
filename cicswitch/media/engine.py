"""The worker's commands: legs by number, who feeds whom, what runs beside the packets.

Every command is carried out at once; one for a leg that is gone is dropped, because it crossed the
leg's end on the way. What a command may not do is raise: trouble leaves as an event.
"""

from __future__ import annotations

import random
import secrets
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from cicswitch.core.errors import ResourceError
from cicswitch.media import wire
from cicswitch.media.inlet import Rows
from cicswitch.media.leg import REOPEN_S, Leg
from cicswitch.media.listener import INTERVAL_S, Ear, Listener
from cicswitch.media.player import Digits, Play, Player
from cicswitch.media.pool import PortPool, Slot
from cicswitch.media.recorder import SETTLE_S, Recording, Writer
from cicswitch.media.reports import Reports
from cicswitch.media.settings import MediaSettings
from cicswitch.media.sources import FRAME, Sources
from cicswitch.rtp import g711
from cicswitch.rtp.dtmf import DIGITS
from cicswitch.rtp.stream import OutputStream

if TYPE_CHECKING:
    from cicswitch.media._relay import Relay

__all__ = ["Engine"]

SWEEPS: Final = 10
SWEEP_S: Final = 0.05
"""A tenth of the legs each: every leg is looked at twice a second."""
PROBE_ROUNDS: Final = 4
FLUSHES: Final = 2
"""Recordings handed to the writer with one pass of the loop: packets wait for no more."""
FLUSH_TICKS: Final = 20
"""Sweep steps between two writes of a recording: 1 s."""
DTMF_IN_BAND_MIN_MS: Final = 80


class Engine:
    """All legs of one worker."""

    def __init__(
        self,
        settings: MediaSettings,
        pools: dict[bool, PortPool],
        emit: Callable[[wire.Event], None],
        assign: Callable[[Slot, Leg | None], None],
        release: Callable[[Slot], None],
        rows: Rows,
        relay: Relay | None,
    ) -> None:
        self.settings = settings
        self.rows = rows
        self.relay = relay
        """The relay in C, where that is built."""
        self.latch_any = settings.latch == "any"
        self.now = time.monotonic()
        self.legs: dict[int, Leg] = {}
        self.recordings: dict[str, tuple[Recording, Leg]] = {}
        self.later: list[tuple[Leg, bytes]] = []
        """Packets read out of turn while latching; taken after the pass over epoll."""
        self.send_errors = 0
        self.unknown_payloads = 0
        self.stray_rtcp = 0
        self._gone = [0, 0, 0]
        """Packets received, sent, stray of legs that are closed."""
        self._pools = pools
        self._emit = emit
        self._closed: list[wire.Closed] = []
        """Told with the next sweep: each write to the plane wakes it, and these can wait."""
        self._assign = assign
        self._release = release
        self._sources = Sources()
        self.player = Player(self._play_finished, self._digits_out)
        self._listener = Listener(self._heard)
        self._listen_at = 0.0
        self._flushing: deque[tuple[Recording, Leg]] = deque()
        self._writer = Writer(fsync=settings.recording_fsync)
        self._buckets: list[dict[int, Leg]] = [{} for _ in range(SWEEPS)]
        self._sweep = 0
        self._rounds = 0
        self._totals = [(0, 0, 0)] * SWEEPS
        """Packets received, sent, stray of the legs of each bucket, when it was last swept."""
        self._sweep_at = self.now
        self._figures_at = self.now
        self._cname = f"{secrets.token_hex(8)}@{settings.host6 or settings.host}"
        self._random = random.Random(secrets.randbits(64))
        self.closing = False
        self._handlers: dict[type, Callable[[Any], None]] = {
            wire.Grow: self._grow,
            wire.Shrink: self._shrink,
            wire.Open: self._open,
            wire.Configure: self._configure,
            wire.Bridge: self._bridge,
            wire.Unbridge: self._unbridge,
            wire.Play: self._play,
            wire.StopPlay: self._stop_play,
            wire.Record: self._record,
            wire.PauseRecording: self._pause,
            wire.StopRecording: self._stop_recording,
            wire.SendDtmf: self._send_dtmf,
            wire.Close: self._close,
            wire.Quit: self._quit,
        }

    # -- the loop's side -------------------------------------------------------------------

    def command(self, command: wire.Command) -> None:
        """Carry out one command."""
        self._handlers[type(command)](command)

    def due(self) -> float:
        """When `tick` wants to be called next."""
        if self._flushing:
            return self.now
        due = self._sweep_at
        if self._listener.legs and self._listen_at < due:
            due = self._listen_at
        playing = self.player.due()
        return due if playing is None or playing > due else playing

    def tick(self, now: float) -> None:
        """Do what is due: plays, digits, recordings, reports, timeouts."""
        self.now = now
        if self.player.active:
            self.player.tick(now)
        for _ in range(min(FLUSHES, len(self._flushing))):
            self._flush(*self._flushing.popleft(), now)
        if self._listener.legs and now >= self._listen_at:
            self._listen_at = now + INTERVAL_S
            self._listener.pass_over()
        if now >= self._sweep_at:
            self._sweep_at += SWEEP_S
            if now - self._sweep_at > 1:
                self._sweep_at = now + SWEEP_S
            self._sweep = (self._sweep + 1) % FLUSH_TICKS
            self._rounds += not self._sweep % SWEEPS
            self._sweep_legs(now)
            self._flush_recordings()
            self._writer.drain(self._written)
            for ipv6, pool in self._pools.items():
                free = pool.rested(now)
                if free:
                    self._emit(wire.Ports(free, ipv6))
            self._tell_closed()
            if now - self._figures_at >= 1:
                self._figures_at = now
                self._emit(wire.Figures(self.figures()))

    def figures(self) -> dict[str, float]:
        """Counters of this worker, those of packets up to half a second old."""
        received, sent, stray = map(sum, zip(*self._totals, self._gone, strict=True))
        return {
            "legs": len(self.legs),
            "playing": self.player.active,
            "recording": len(self.recordings),
            "ports_bound": sum(len(pool.slots) for pool in self._pools.values()),
            "packets_received": received,
            "packets_sent": sent,
            "packets_stray": stray,
            "packets_unknown": self.unknown_payloads,
            "send_errors": self.send_errors,
            "cpu_s": time.process_time(),
            "blocks": sys.getallocatedblocks(),
            "source_cache_bytes": self._sources.cached_bytes,
        }

    # -- what legs report ------------------------------------------------------------------

    def digit(self, leg: Leg, digit: str, duration_ms: int, *, in_band: bool) -> None:
        """A leg sent a digit; a partner without telephone events hears it as a tone."""
        self._emit(wire.Dtmf(leg.number, digit, duration_ms, in_band))
        partner = leg.partner
        if (
            not in_band
            and partner is not None
            and partner.params is not None
            and partner.params.dtmf_payload_type is None
        ):
            self._queue_digits(partner, digit, max(DTMF_IN_BAND_MIN_MS, min(duration_ms, 500)))

    def _heard(self, leg: Leg, digit: str, duration_ms: int) -> None:
        self.digit(leg, digit, duration_ms, in_band=True)

    def roll(self, leg: Leg) -> None:
        """Hand the leg's tape to who listens: its recording, its partner's, its ear."""
        tape = leg.tape
        if not tape or leg.params is None:
            return
        leg.tape = []
        law = g711.LAWS[leg.params.codec]
        if leg.recording is not None:
            leg.recording.sent_by_leg(tape, law)
        if leg.tape_right is not None:
            leg.tape_right.sent_to_leg(tape, law)
        if leg.ear is not None:
            leg.ear.add(tape, law)

    def _touch(self, leg: Leg) -> None:
        """Before a change of the leg: both directions leave the fast path, tapes are rolled."""
        for each in (leg, leg.partner):
            if each is not None:
                each.disarm(self.now)
                if each.play is not None:
                    each.play.plain = False
                self.roll(each)
                if each.recording is not None and each.params is not None:
                    each.recording.place_played(g711.LAWS[each.params.codec])

    def _rewire(self, leg: Leg) -> None:
        """After a change: who listens to the leg and to its partner now."""
        for each in (leg, leg.partner):
            if each is None or each.params is None:
                continue
            partner = each.partner
            listen = each.params.dtmf_payload_type is None and partner is None
            if listen and each.ear is None:
                each.ear = Ear()
                self._listener.legs[each.number] = each
            elif not listen and each.ear is not None:
                each.ear = None
                self._listener.legs.pop(each.number, None)
            each.tape_right = None
            if (
                partner is not None
                and partner.play is None
                and partner.digits is None
                and partner.may_send
            ):
                each.tape_right = partner.recording
            if each.recording or each.tape_right or each.ear:
                each.tape = each.tape if each.tape is not None else []
            else:
                each.tape = None

    # -- commands --------------------------------------------------------------------------

    def _grow(self, command: wire.Grow) -> None:
        pool = self._pools.get(command.ipv6)
        if pool is None:
            self._emit(wire.Ports([], command.ipv6, True, "no address to bind"))
            return
        made = pool.grow(command.pairs)
        for slot in made:
            self._assign(slot, None)
        ports = [slot.port for slot in made]
        full = len(made) < command.pairs
        self._emit(wire.Ports(ports, command.ipv6, full, pool.reason, len(ports)))

    def _shrink(self, command: wire.Shrink) -> None:
        pool = self._pools[command.ipv6]
        for port in command.ports:
            slot = pool.shrink(port)
            if slot is not None:
                self._release(slot)
                slot.close()

    def _open(self, command: wire.Open) -> None:
        slot = self._pools[command.ipv6].slots[command.port]
        bits = self._random.getrandbits(80)
        output = OutputStream(bits & 0xFFFF_FFFF, bits >> 32 & 0x7FFF, bits >> 48)
        leg = Leg(self, command.leg, slot, output)
        self.legs[command.leg] = leg
        self._buckets[command.leg % SWEEPS][command.leg] = leg
        self._assign(slot, leg)

    def _configure(self, command: wire.Configure) -> None:
        leg = self.legs.get(command.leg)
        if leg is None or command.codec not in g711.LAWS:
            return
        self._touch(leg)
        old = leg.params
        leg.params = command
        leg.configured_at = self.now
        leg.silence_told = False
        if old is not None:
            held = command.host in ("", "0.0.0.0", "::") or not command.port
            if not held and (old.host, old.port) != (command.host, command.port):
                leg.reopen(moved=True)
        play = leg.play
        if play is not None and play.codec != command.codec:
            try:
                play.tracks = [self._sources.track(each, command.codec) for each in play.sources]
                play.codec = command.codec
            except ResourceError as error:
                self._end_play(leg, str(error))
        self._rewire(leg)

    def _bridge(self, command: wire.Bridge) -> None:
        a, b = self.legs.get(command.a), self.legs.get(command.b)
        if a is None or b is None:
            return  # a leg that is bridged with itself hears itself: the echo test
        for leg in (a, b):
            self._part(leg)
            self._end_play(leg)
        a.partner, b.partner = b, a
        self._rewire(a)

    def _unbridge(self, command: wire.Unbridge) -> None:
        leg = self.legs.get(command.leg)
        if leg is not None:
            self._part(leg)

    def _part(self, leg: Leg) -> None:
        self._touch(leg)
        partner = leg.partner
        if partner is not None:
            leg.partner = partner.partner = None
            self._rewire(partner)
        self._rewire(leg)

    def _play(self, command: wire.Play) -> None:
        leg = self.legs.get(command.leg)
        if leg is None:
            return
        self._touch(leg)
        self._end_play(leg)
        codec = leg.params.codec if leg.params is not None else "PCMU"
        try:
            tracks = [self._sources.track(source, codec) for source in command.sources]
        except ResourceError as error:
            self._emit(wire.Played(leg.number, command.play_id, str(error)))
            return
        if not tracks:
            self._emit(wire.Played(leg.number, command.play_id))
            return
        samples = 8 * self.settings.music_ptime_ms if command.loop else FRAME
        leg.play = Play(
            command.play_id, command.sources, codec, tracks, loop=command.loop, samples=samples
        )
        self.player.add(leg, self.now)
        self._rewire(leg)

    def _stop_play(self, command: wire.StopPlay) -> None:
        leg = self.legs.get(command.leg)
        if leg is not None and leg.play is not None:
            self._touch(leg)
            self._end_play(leg)
            self._rewire(leg)

    def _end_play(self, leg: Leg, error: str = "") -> None:
        play = leg.play
        if play is None:
            return
        leg.play = None
        if leg.digits is None:
            self.player.remove(leg)
        if error:
            self._emit(wire.Played(leg.number, play.play_id, error))

    def _play_finished(self, leg: Leg, play: Play) -> None:
        self._touch(leg)
        leg.play = None
        self._emit(wire.Played(leg.number, play.play_id))
        self._rewire(leg)

    def _send_dtmf(self, command: wire.SendDtmf) -> None:
        leg = self.legs.get(command.leg)
        if leg is not None and leg.params is not None:
            digits = "".join(digit for digit in command.digits.upper() if digit in DIGITS)
            self._queue_digits(leg, digits, command.duration_ms)

    def _queue_digits(self, leg: Leg, digits: str, duration_ms: int) -> None:
        params = leg.params
        if params is None or not digits:
            return
        self._touch(leg)
        if leg.digits is None:
            leg.digits = Digits()
        leg.digits.add(digits, duration_ms, params.dtmf_payload_type, g711.LAWS[params.codec])
        self.player.add(leg, self.now)
        self._rewire(leg)

    def _digits_out(self, leg: Leg) -> None:
        self._touch(leg)
        self._rewire(leg)

    # -- recordings ------------------------------------------------------------------------

    def _record(self, command: wire.Record) -> None:
        leg = self.legs.get(command.leg)
        if leg is None or command.recording_id in self.recordings:
            return
        if leg.recording is not None:
            self._finish_recording(leg.recording.recording_id)
        self._touch(leg)
        recording = leg.recording = Recording(command.recording_id, command.path, self.now)
        self.recordings[command.recording_id] = (recording, leg)
        self._writer.open(recording)
        self._rewire(leg)

    def _pause(self, command: wire.PauseRecording) -> None:
        found = self.recordings.get(command.recording_id)
        if found is not None:
            recording, leg = found
            self._touch(leg)
            recording.paused = command.paused

    def _stop_recording(self, command: wire.StopRecording) -> None:
        self._finish_recording(command.recording_id)

    def _finish_recording(self, recording_id: str) -> None:
        found = self.recordings.get(recording_id)
        if found is None:
            return
        recording, leg = found
        if leg.recording is not recording:
            return
        self._touch(leg)
        leg.recording = None
        self._rewire(leg)
        self._writer.write(recording, recording.take(self.now), close=True)

    def _flush_recordings(self) -> None:
        """Put those whose turn it is in line; `tick` takes a few with each pass of the loop."""
        for recording, leg in self.recordings.values():
            if leg.number % FLUSH_TICKS == self._sweep and leg.recording is recording:
                self._flushing.append((recording, leg))

    def _flush(self, recording: Recording, leg: Leg, now: float) -> None:
        if leg.recording is not recording:
            return
        if recording.error:
            self._finish_recording(recording.recording_id)
            return
        self.roll(leg)
        if leg.partner is not None:
            self.roll(leg.partner)
        if leg.params is not None:
            recording.place_played(g711.LAWS[leg.params.codec])
        data = recording.take(now - SETTLE_S)
        if data:
            self._writer.write(recording, data)

    def _written(self, recording: Recording, closed: bool) -> None:
        if not closed:
            self._finish_recording(recording.recording_id)
            return
        if self.recordings.pop(recording.recording_id, None) is not None:
            self._emit(
                wire.Recorded(
                    recording.recording_id,
                    recording.path,
                    recording.file_bytes * 1000 // 32000,
                    recording.error,
                )
            )

    # -- ends ------------------------------------------------------------------------------

    def _close(self, command: wire.Close) -> None:
        leg = self.legs.pop(command.leg, None)
        if leg is None:
            return
        del self._buckets[leg.number % SWEEPS][leg.number]
        if leg.recording is not None:
            self._finish_recording(leg.recording.recording_id)
        self._touch(leg)
        partner = leg.partner
        if partner is not None:
            leg.partner = partner.partner = None
            if partner is not leg:
                self._rewire(partner)
        if leg.play is not None or leg.digits is not None:
            self.player.remove(leg)
            leg.play = leg.digits = None
        if leg.ear is not None:
            leg.ear = None
            self._listener.legs.pop(leg.number, None)
        reports = leg.reports
        if reports is not None and (leg.input.started or leg.output.sent):
            reports.send(leg, self.now, self._cname, bye=True)
        source = leg.input
        self._gone[0] += source.total
        self._gone[1] += leg.output.sent
        self._gone[2] += leg.stray
        rtt_s = reports.rtt_s if reports is not None else None
        self._closed.append(
            wire.Closed(
                leg.number,
                source.total,
                leg.output.sent,
                source.lost,
                leg.stray,
                round(source.jitter / 8, 3),
                None if rtt_s is None else round(rtt_s * 1000, 3),
                leg.params.codec if leg.params is not None else "",
            )
        )
        leg.release()
        self._assign(leg.slot, None)
        self._pools[leg.slot.ipv6].rest(leg.slot, self.now)

    def _tell_closed(self) -> None:
        for event in self._closed:
            self._emit(event)
        self._closed.clear()

    def _quit(self, command: wire.Quit) -> None:
        self.closing = True

    def shutdown(self) -> None:
        """Close all legs, write all recordings, close all sockets."""
        for number in list(self.legs):
            self._close(wire.Close(number))
        self._tell_closed()
        self._writer.stop()
        self._writer.drain(self._written)
        for pool in self._pools.values():
            pool.close()

    # -- each leg twice a second -----------------------------------------------------------

    def _sweep_legs(self, now: float) -> None:
        timeout_s = self.settings.rtp_timeout_s
        interval_s = self.settings.rtcp_interval_s
        probe = self._rounds % PROBE_ROUNDS == 0
        received = sent = stray = 0
        bucket = self._sweep % SWEEPS
        for leg in list(self._buckets[bucket].values()):
            received += leg.input.total
            sent += leg.output.sent
            stray += leg.stray
            params = leg.params
            if params is None:
                continue
            # Every two seconds a packet goes the slow way, which measures jitter.
            if probe:
                leg.disarm(now)
            else:
                leg.book(now)
            if leg.digits_in.active:
                event = leg.digits_in.expire(now)
                if event is not None:
                    self.digit(leg, event.digit, event.duration // 8, in_band=False)
            reports = leg.reports
            if reports is None:
                spread = self._random.uniform(0.2, 1.0)
                reports = leg.reports = Reports(now + interval_s * spread)
            elif now >= reports.due:
                # RFC 3550 section 6.2: "the interval ... is varied randomly over the range
                # [0.5,1.5] times the calculated interval".
                reports.due = now + interval_s * self._random.uniform(0.5, 1.5)
                if leg.input.started or leg.output.sent:
                    reports.send(leg, now, self._cname)
            if params.receive:
                silent_s = now - max(leg.heard_at, leg.configured_at)
                if silent_s > REOPEN_S and not leg.latching:
                    leg.reopen(moved=False)
                if silent_s > timeout_s and not leg.silence_told:
                    silent_s = now - max(leg.heard_at, leg.configured_at, reports.heard_at)
                    if silent_s > timeout_s:
                        leg.silence_told = True
                        self._emit(wire.Silent(leg.number, round(silent_s, 3)))
        self._totals[bucket] = (received, sent, stray)
