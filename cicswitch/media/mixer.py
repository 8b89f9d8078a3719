"""Rooms: who of three and more legs hears whom, mixed each 20 ms.

A room is legs and a relation between them; each of them is sent the sum of those that it hears,
from its first packet to its last as part of the same output stream that a bridge and a play use.
All rooms of a phase are mixed at once: their frames are decoded by a table into a matrix of samples
(rows x 160, float32), the rooms of one size are multiplied with their gain matrices (rooms x rows x
rows), which sums without rounding while the gains are 0 and 1, the sums are clipped to 16 bits and
encoded by a table.

An announcement is one more row of its leg's room, heard by that leg alone. On a bridge it makes a
room of the two for its time (`Room.pair`); they are bridged again behind it.

Rooms are spread over phases, as plays are, so that a thousand legs are no burst that relayed
packets wait behind. A leg that plays something or sends digits is sent that instead of the mix,
and is heard by the others as before.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from cicswitch.media.jitter import FADES, JitterBuffer
from cicswitch.media.player import Play
from cicswitch.media.sources import FRAME
from cicswitch.rtp import g711

if TYPE_CHECKING:
    from cicswitch.media.leg import Leg

__all__ = ["Mixer", "Room", "Seat"]

PHASES: Final = 4
PERIOD_S: Final = 0.02
STEP_S: Final = PERIOD_S / PHASES
MAX_CATCH_UP: Final = 5
_HEADER: Final = struct.Struct("!BBHII")
_LOW: Final = -32768
_HIGH: Final = 32767
_DECODER: Final = np.concatenate([g711.ULAW.decoder, g711.ALAW.decoder]).astype(np.float32)
"""By law (256 a law) and code."""
_ENCODER: Final = np.concatenate([np.roll(law.encoder, -_LOW) for law in (g711.ULAW, g711.ALAW)])
"""By law (65,536 a law) and sample + 32768."""
_FADES: Final = [
    np.linspace(1 - step / FADES, 1 - (step + 1) / FADES, FRAME, dtype=np.float32)
    for step in range(FADES)
]


class Seat:
    """A leg's place in a room."""

    __slots__ = ("announcement", "buffer", "hears", "leg", "room", "started")

    def __init__(self, leg: Leg, room: Room) -> None:
        self.leg = leg
        self.room = room
        self.hears: set[Seat] = set()
        self.buffer = JitterBuffer(_law(leg).silence)
        self.announcement: Play | None = None
        """Heard by this leg beside those that it hears."""
        self.started = False
        """The output stream goes on from the last mix."""


class Room:
    """Legs that are mixed together."""

    __slots__ = ("pair", "phase", "seats")

    def __init__(self, phase: Phase) -> None:
        self.phase = phase
        self.seats: list[Seat] = []
        self.pair = False
        """A bridge that hears an announcement."""

    def digits_to(self, seat: Seat) -> Leg | None:
        """Who is sent the digits of a leg: the first two of a room are the talk."""
        talk = self.seats[:2]
        if len(talk) < 2 or seat not in talk:
            return None
        return talk[talk[0] is seat].leg


class Phase:
    """The rooms that are mixed at one time, and the arrays for it."""

    __slots__ = (
        "changed",
        "codes",
        "groups",
        "index",
        "laws",
        "mixed",
        "offsets",
        "rooms",
        "rows",
        "samples",
        "seats",
    )

    def __init__(self) -> None:
        self.rooms: dict[int, Room] = {}
        self.seats: list[tuple[int, Seat]] = []
        """With their row, which is sent to their leg."""
        self.rows: list[JitterBuffer | Play] = []
        self.groups: list[tuple[NDArray[np.float32], NDArray[np.float32], Any]] = []
        """Of the rooms of one size: samples, what they are mixed into, and gains; views."""
        self.changed = False

    def arrange(self) -> None:
        """Lay out rows and gains anew: rooms of one size beside each other."""
        self.changed = False
        sizes: dict[int, list[Room]] = {}
        for room in self.rooms.values():
            size = len(room.seats) + sum(seat.announcement is not None for seat in room.seats)
            sizes.setdefault(size, []).append(room)
        self.seats, self.rows, self.groups = [], [], []
        count = sum(size * len(rooms) for size, rooms in sizes.items())
        self.samples = np.zeros((count, FRAME), np.float32)
        self.mixed = np.zeros((count, FRAME), np.float32)
        self.index = np.zeros((count, FRAME), np.intp)
        self.codes = np.zeros((count, FRAME), np.uint8)
        laws: list[int] = []
        for size, rooms in sizes.items():
            first = len(self.rows)
            gains = np.zeros((len(rooms), size, size), np.float32)
            for room, gain in zip(rooms, gains, strict=True):
                place = {seat: at for at, seat in enumerate(room.seats)}
                extra = len(place)
                start = len(self.rows)
                for seat, at in place.items():
                    self.seats.append((start + at, seat))
                    self.rows.append(seat.buffer)
                    laws.append(_law(seat.leg) is g711.ALAW)
                    for heard in seat.hears:
                        gain[at, place[heard]] = 1
                for seat, at in place.items():
                    if seat.announcement is not None:
                        gain[at, extra] = 1
                        extra += 1
                        self.rows.append(seat.announcement)
                        laws.append(_law(seat.leg) is g711.ALAW)
            shape = (len(rooms), size, FRAME)
            last = len(self.rows)
            self.groups.append(
                (
                    self.samples[first:last].reshape(shape),
                    self.mixed[first:last].reshape(shape),
                    gains,
                )
            )
        self.laws = 256 * np.array(laws, np.intp).reshape(-1, 1)
        self.offsets = (65536 * np.array(laws, np.float64) - _LOW).reshape(-1, 1)

    def mix(self) -> tuple[bytes, list[Play]]:
        """20 ms of all rooms: the codes for each row, 160 bytes each, and plays that are over."""
        if self.changed:
            self.arrange()
        frames: list[bytes | bytearray] = []
        fading: list[tuple[int, int]] = []
        over: list[Play] = []
        for row in self.rows:
            if isinstance(row, JitterBuffer):
                frames.append(row.take())
                if 0 < row.lost <= FADES:
                    fading.append((len(frames) - 1, row.lost - 1))
            else:
                frame = row.next()
                if frame is None:
                    over.append(row)
                    frame = bytes([g711.SILENCE[row.codec]]) * FRAME
                frames.append(frame)
        codes = np.frombuffer(b"".join(frames), np.uint8).reshape(-1, FRAME)
        np.add(codes, self.laws, out=self.index)
        np.take(_DECODER, self.index, out=self.samples, mode="clip")
        for at, step in fading:
            self.samples[at] *= _FADES[step]
        for samples, mixed, gains in self.groups:
            np.matmul(gains, samples, out=mixed)
        np.clip(self.mixed, _LOW, _HIGH, out=self.mixed)
        np.add(self.mixed, self.offsets, out=self.index, casting="unsafe")
        np.take(_ENCODER, self.index, out=self.codes, mode="clip")
        return self.codes.tobytes(), over


class Mixer:
    """All rooms of a worker."""

    def __init__(self, finished: Callable[[Leg, Play], None]) -> None:
        self._finished = finished
        """Called when an announcement is over, which has been taken off its leg."""
        self._phases = [Phase() for _ in range(PHASES)]
        self._turn = 0
        self._due = 0.0
        self._next = 0
        self.rooms = 0
        self._gone = [0, 0, 0]
        """Late packets, frames concealed, skipped of seats that are given up."""

    def due(self) -> float:
        """When `tick` wants to be called; of no meaning without rooms."""
        return self._due

    # -- who is in a room ------------------------------------------------------------------------

    def join(
        self, legs: Sequence[Leg], hears: Sequence[Sequence[Leg]], now: float, *, pair: bool = False
    ) -> list[Leg]:
        """Put legs into one room, each hearing those of its list; who had to leave a room by it.

        Legs of their rooms that are not named leave. Fewer than two legs make no room.
        """
        left: list[Leg] = []
        found = next((leg.seat.room for leg in legs if leg.seat is not None), None)
        for leg in legs:
            if leg.seat is not None and leg.seat.room is not found:
                left += self.leave(leg)
        if found is not None:
            for seat in list(found.seats):
                if seat.leg not in legs:
                    self._give_up(seat)
                    left.append(seat.leg)
        if len(legs) < 2:
            if found is not None:
                left += self._dissolve(found)
            return [leg for leg in left if leg.seat is None]
        room = found if found is not None else self._new_room(now)
        room.pair = pair
        for leg in legs:
            if leg.seat is None:
                leg.seat = Seat(leg, room)
        room.seats = [leg.seat for leg in legs if leg.seat is not None]
        for seat, heard in zip(room.seats, hears, strict=False):
            seat.hears = {
                other.seat
                for other in heard
                if other.seat is not None and other.seat.room is room and other.seat is not seat
            }
        room.phase.changed = True
        return [leg for leg in left if leg.seat is None]

    def leave(self, leg: Leg) -> list[Leg]:
        """Take a leg out of its room; all who are in none by that."""
        seat = leg.seat
        if seat is None:
            return []
        self._give_up(seat)
        room = seat.room
        if len(room.seats) < 2 and not any(each.announcement for each in room.seats):
            return [leg, *self._dissolve(room)]
        return [leg]

    def changed(self, leg: Leg) -> None:
        """The leg has another codec."""
        if leg.seat is not None:
            leg.seat.buffer = JitterBuffer(_law(leg).silence)
            leg.seat.room.phase.changed = True

    def announce(self, leg: Leg, play: Play | None) -> None:
        """Play this over what the leg hears in its room, or no more."""
        if leg.seat is not None:
            leg.seat.announcement = play
            leg.seat.room.phase.changed = True

    def _new_room(self, now: float) -> Room:
        if not self.rooms:
            self._due = now
        phase = min(self._phases, key=lambda each: len(each.rooms))
        room = Room(phase)
        phase.rooms[id(room)] = room
        self.rooms += 1
        return room

    def _give_up(self, seat: Seat) -> None:
        room = seat.room
        room.seats.remove(seat)
        for other in room.seats:
            other.hears.discard(seat)
        room.phase.changed = True
        seat.leg.seat = None
        seat.hears.clear()
        for index, count in enumerate(_counts(seat.buffer)):
            self._gone[index] += count

    def _dissolve(self, room: Room) -> list[Leg]:
        legs = [seat.leg for seat in room.seats]
        for seat in list(room.seats):
            self._give_up(seat)
        if room.phase.rooms.pop(id(room), None) is not None:
            self.rooms -= 1
        return legs

    # -- each 5 ms -------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Mix and send what is due."""
        turns = 0
        while self._due <= now and self.rooms:
            phase = self._phases[self._turn]
            self._turn = (self._turn + 1) % PHASES
            self._due += STEP_S
            turns += 1
            if phase.rooms:
                codes, over = phase.mix()
                late = now - self._due > MAX_CATCH_UP * PERIOD_S
                self._send(phase, codes, now, mute=late)
                if over:
                    self._end(phase, over)
            if turns > 1000:
                self._due = now

    def _send(self, phase: Phase, codes: bytes, now: float, *, mute: bool) -> None:
        pack = _HEADER.pack
        for row, seat in phase.seats:
            leg = seat.leg
            if leg.play is not None or leg.digits is not None or not leg.may_send:
                seat.started = False
                continue
            output = leg.output
            params = leg.params
            assert params is not None
            second = params.payload_type
            if not seat.started:
                seat.started = True
                leg.spliced = None
                output.begin(now)
                second |= 0x80
            elif mute:
                output.skip(FRAME)
                continue
            payload = codes[row * FRAME : row * FRAME + FRAME]
            sequence, timestamp = output.next(now)
            leg.transmit(pack(0x80, second, sequence, timestamp, output.ssrc) + payload)
            output.sent += 1
            output.octets += FRAME
            recording = leg.recording
            if recording is not None:
                recording.played.append((now, timestamp, -1, payload))

    def _end(self, phase: Phase, over: list[Play]) -> None:
        for _, seat in list(phase.seats):
            play = seat.announcement
            if play is not None and play in over:
                seat.announcement = None
                phase.changed = True
                self._finished(seat.leg, play)

    def figures(self) -> dict[str, float]:
        """Rooms and seats now; packets late, frames concealed and skipped since the start."""
        counts = list(self._gone)
        seats = 0
        for phase in self._phases:
            for room in phase.rooms.values():
                for seat in room.seats:
                    seats += 1
                    for index, count in enumerate(_counts(seat.buffer)):
                        counts[index] += count
        late, concealed, skipped = counts
        return {
            "rooms": self.rooms,
            "mixed": seats,
            "packets_late": late,
            "frames_concealed": concealed,
            "frames_skipped": skipped,
        }


def _counts(buffer: JitterBuffer) -> tuple[int, int, int]:
    return buffer.late, buffer.concealed, buffer.skipped


def _law(leg: Leg) -> g711.Law:
    return g711.LAWS[leg.params.codec] if leg.params is not None else g711.ULAW
