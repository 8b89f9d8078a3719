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

from cicswitch.contacts.faxes import FaxResult
from cicswitch.core.errors import ResourceError
from cicswitch.media import wire
from cicswitch.media.faxing import Faxes, FaxLine
from cicswitch.media.inlet import Rows
from cicswitch.media.leg import REOPEN_S, Leg
from cicswitch.media.listener import INTERVAL_S, Ear, Listener
from cicswitch.media.mixer import Mixer
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
        self.mixer = Mixer(self._announced)
        self._listener = Listener(self._heard, self._fax_tone, self._answer_heard)
        self.faxes = Faxes(self._fax_over)
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
        self._fax_ears: set[int] = set()
        self._answer_ears: set[int] = set()
        """Legs by number that are listened to for the calling tone of a fax machine."""
        self._handlers: dict[type, Callable[[Any], None]] = {
            wire.Grow: self._grow,
            wire.Shrink: self._shrink,
            wire.Open: self._open,
            wire.Configure: self._configure,
            wire.Bridge: self._bridge,
            wire.Mix: self._mix,
            wire.Unbridge: self._unbridge,
            wire.Play: self._play,
            wire.StopPlay: self._stop_play,
            wire.Record: self._record,
            wire.PauseRecording: self._pause,
            wire.StopRecording: self._stop_recording,
            wire.SendDtmf: self._send_dtmf,
            wire.T38: self._t38,
            wire.Fax: self._fax,
            wire.StopFax: self._stop_fax,
            wire.HearFax: self._hear_fax,
            wire.HearAnswer: self._hear_answer,
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
        if self.mixer.rooms and self.mixer.due() < due:
            due = self.mixer.due()
        if self.faxes.lines and self.faxes.due() < due:
            due = self.faxes.due()
        playing = self.player.due()
        return due if playing is None or playing > due else playing

    def tick(self, now: float) -> None:
        """Do what is due: plays, digits, recordings, reports, timeouts."""
        self.now = now
        if self.player.active:
            self.player.tick(now)
        if self.mixer.rooms:
            self.mixer.tick(now)
        if self.faxes.lines:
            self.faxes.tick(now)
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
            "faxing": len(self.faxes.lines),
            "ports_bound": sum(len(pool.slots) for pool in self._pools.values()),
            "packets_received": received,
            "packets_sent": sent,
            "packets_stray": stray,
            "packets_unknown": self.unknown_payloads,
            "send_errors": self.send_errors,
            "cpu_s": time.process_time(),
            "blocks": sys.getallocatedblocks(),
            "source_cache_bytes": self._sources.cached_bytes,
            **self.mixer.figures(),
        }

    # -- what legs report ------------------------------------------------------------------

    def digit(self, leg: Leg, digit: str, duration_ms: int, *, in_band: bool) -> None:
        """A leg sent a digit; a partner without telephone events hears it as a tone.

        In a room, which mixes sound alone, the digit is sent anew.
        """
        self._emit(wire.Dtmf(leg.number, digit, duration_ms, in_band))
        partner, seat = leg.partner, leg.seat
        if seat is not None:
            partner = seat.room.digits_to(seat)
        if (
            not in_band
            and partner is not None
            and partner.params is not None
            and (seat is not None or partner.params.dtmf_payload_type is None)
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
            alone = partner is None and each.seat is None
            alone = alone and each.fax is None and each.t38 is None
            listen = each.params.dtmf_payload_type is None and alone
            tone = each.number in self._fax_ears and alone
            answer = each.number in self._answer_ears and alone
            if listen or tone or answer:
                if each.ear is None:
                    each.ear = Ear()
                    self._listener.legs[each.number] = each
                each.ear.listen(digits=listen, cng=tone, answer=answer)
            elif each.ear is not None:
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
        if leg.t38 is not None:
            leg.t38 = None
            if leg.fax is not None:
                leg.fax.begin(None)
        leg.silence_told = False
        if old is not None:
            held = command.host in ("", "0.0.0.0", "::") or not command.port
            if not held and (old.host, old.port) != (command.host, command.port):
                leg.reopen(moved=True)
        seat = leg.seat
        if seat is not None and (old is None or old.codec != command.codec):
            self.mixer.changed(leg)
        for play in (leg.play, seat.announcement if seat is not None else None):
            if play is None or play.codec == command.codec:
                continue
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
        if a is not b and any(leg.seat and leg.seat.announcement for leg in (a, b)):
            self._join([a, b], [[b], [a]], pair=True)
            return
        for leg in (a, b):
            self.faxes.end(leg, "the call went on")
            self._part(leg)
            self._end_play(leg)
        a.partner, b.partner = b, a
        self._rewire(a)

    def _mix(self, command: wire.Mix) -> None:
        get = self.legs.get
        hears = {
            leg: [each for other in heard if (each := get(other)) is not None]
            for number, heard in zip(command.legs, command.hears, strict=False)
            if (leg := get(number)) is not None
        }
        self._join(list(hears), list(hears.values()))

    def _join(self, legs: list[Leg], hears: list[list[Leg]], *, pair: bool = False) -> None:
        for leg in legs:
            self.faxes.end(leg, "the call went on")
            if leg.seat is None:
                self._part(leg)
            else:
                self._touch(leg)
            if leg.play is not None:
                self._end_play(leg, stop_announcement=False)
        for leg in [*self.mixer.join(legs, hears, self.now, pair=pair), *legs]:
            self._touch(leg)
            self._rewire(leg)

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
        self._leave_room(leg)
        self._rewire(leg)

    def _leave_room(self, leg: Leg) -> None:
        if leg.seat is not None:
            for each in self.mixer.leave(leg):
                self._touch(each)
                self._rewire(each)

    def _play(self, command: wire.Play) -> None:
        leg = self.legs.get(command.leg)
        if leg is None:
            return
        others = leg.seat is not None or leg.partner not in (None, leg)
        over = command.over and others
        self.faxes.end(leg, "the call went on")
        self._touch(leg)
        if not over or leg.play is not None:
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
        longer = command.loop and not over
        samples = 8 * self.settings.music_ptime_ms if longer else FRAME
        play = Play(
            command.play_id, command.sources, codec, tracks, loop=command.loop, samples=samples
        )
        if over:
            partner = leg.partner
            if partner is not None:
                self._join([leg, partner], [[partner], [leg]], pair=True)
            self.mixer.announce(leg, play)
            return
        leg.play = play
        self.player.add(leg, self.now)
        self._rewire(leg)

    def _stop_play(self, command: wire.StopPlay) -> None:
        leg = self.legs.get(command.leg)
        if leg is not None and (leg.play is not None or leg.seat is not None):
            self._touch(leg)
            self._end_play(leg)
            self._rewire(leg)

    def _end_play(self, leg: Leg, error: str = "", *, stop_announcement: bool = True) -> None:
        play = leg.play
        seat = leg.seat
        if stop_announcement and seat is not None and seat.announcement is not None:
            announcement = seat.announcement
            self.mixer.announce(leg, None)
            self._bridge_again(leg)
            if error:
                self._emit(wire.Played(leg.number, announcement.play_id, error))
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

    def _announced(self, leg: Leg, play: Play) -> None:
        self._emit(wire.Played(leg.number, play.play_id))
        self._bridge_again(leg)

    def _bridge_again(self, leg: Leg) -> None:
        """An announcement is over: a room that was made for it alone is a bridge again."""
        seat = leg.seat
        if seat is None or any(each.announcement for each in seat.room.seats):
            return
        legs = [each.leg for each in seat.room.seats]
        if seat.room.pair and len(legs) == 2:
            self._bridge(wire.Bridge(legs[0].number, legs[1].number))
        elif len(legs) < 2:
            self._leave_room(leg)

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

    # -- fax -------------------------------------------------------------------------------

    def _t38(self, command: wire.T38) -> None:
        leg = self.legs.get(command.leg)
        if leg is None or leg.params is None:
            return
        self._touch(leg)
        old = leg.params
        leg.t38 = command
        # Nobody sends all the time by T.38, so its silence is no death.
        leg.params = wire.Configure(
            command.leg,
            old.codec,
            old.payload_type,
            command.host,
            command.port,
            old.dtmf_payload_type,
            True,
            False,
            old.ptime_ms,
        )
        if (old.host, old.port) != (command.host, command.port):
            leg.reopen(moved=True)
        if leg.fax is not None:
            leg.fax.begin(command)
        self._rewire(leg)

    def _fax(self, command: wire.Fax) -> None:
        leg = self.legs.get(command.leg)
        if leg is None:
            return
        self.faxes.end(leg, "another fax began")
        self._part(leg)
        self._end_play(leg)
        self._fax_ears.discard(leg.number)
        self.faxes.begin(leg, command.fax_id, command.job, self.now)
        self._rewire(leg)

    def _stop_fax(self, command: wire.StopFax) -> None:
        leg = self.legs.get(command.leg)
        if leg is not None:
            self._touch(leg)
            self.faxes.end(leg, command.reason)
            self._rewire(leg)

    def _fax_over(self, leg: Leg, line: FaxLine, result: FaxResult) -> None:
        self._touch(leg)
        self._emit(wire.FaxOver(leg.number, line.fax_id, result))
        self._rewire(leg)

    def _hear_fax(self, command: wire.HearFax) -> None:
        leg = self.legs.get(command.leg)
        if leg is None:
            return
        if command.on:
            self._fax_ears.add(leg.number)
        else:
            self._fax_ears.discard(leg.number)
        self._touch(leg)
        self._rewire(leg)

    def _hear_answer(self, command: wire.HearAnswer) -> None:
        leg = self.legs.get(command.leg)
        if leg is None:
            return
        if command.on:
            self._answer_ears.add(leg.number)
        else:
            self._answer_ears.discard(leg.number)
        self._touch(leg)
        self._rewire(leg)

    def _answer_heard(self, leg: Leg, word: str) -> None:
        self._emit(wire.AnswerHeard(leg.number, word))

    def _fax_tone(self, leg: Leg) -> None:
        self._fax_ears.discard(leg.number)
        self._emit(wire.FaxTone(leg.number))

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
        self._answer_ears.discard(leg.number)
        self._fax_ears.discard(leg.number)
        self.faxes.end(leg, "the call ended")
        if leg.recording is not None:
            self._finish_recording(leg.recording.recording_id)
        self._touch(leg)
        partner = leg.partner
        if partner is not None:
            leg.partner = partner.partner = None
            if partner is not leg:
                self._rewire(partner)
        self._leave_room(leg)
        if leg.play is not None or leg.digits is not None:
            self.player.remove(leg)
            leg.play = leg.digits = None
        if leg.ear is not None:
            leg.ear = None
            self._listener.legs.pop(leg.number, None)
        reports = leg.reports
        if reports is not None and leg.t38 is None and (leg.input.started or leg.output.sent):
            reports.send(leg, self.now, self._cname, bye=True)
        source = leg.input
        self._gone[0] += source.total
        self._gone[1] += leg.output.sent
        self._gone[2] += leg.stray
        self._closed.append(wire.Closed(*self._heard_of(leg)))
        leg.release()
        self._assign(leg.slot, None)
        self._pools[leg.slot.ipv6].rest(leg.slot, self.now)

    @staticmethod
    def _heard_of(leg: Leg) -> tuple[Any, ...]:
        """The fields of `wire.Closed` and `wire.Heard`."""
        source, reports = leg.input, leg.reports
        rtt_s = reports.rtt_s if reports is not None else None
        far_lost = reports.far_lost if reports is not None else None
        known = reports is not None and far_lost is not None
        return (
            leg.number,
            source.total + leg.images,
            leg.output.sent,
            source.lost,
            leg.stray,
            round(source.jitter / 8, 3),
            None if rtt_s is None else round(rtt_s * 1000, 3),
            leg.params.codec if leg.params is not None else "",
            far_lost,
            reports.far_jitter / 8 if reports is not None and known else None,
        )

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
                if leg.t38 is None and (leg.input.started or leg.output.sent):
                    reports.send(leg, now, self._cname)
                    self._emit(wire.Heard(*self._heard_of(leg)))
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
