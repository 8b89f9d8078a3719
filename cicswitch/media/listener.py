"""In-band digits of the legs that have no telephone events and are not bridged, and where somebody
asks for it the calling tone of fax machines, and whether a person or a machine has answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cicswitch.rtp import g711
from cicswitch.rtp.amd import AnswerDetector
from cicswitch.rtp.cng import CngDetector
from cicswitch.rtp.goertzel import Detector, Listening

if TYPE_CHECKING:
    from cicswitch.media.leg import Leg, TapeEntry

__all__ = ["Ear", "Listener"]

INTERVAL_S = 0.1
MAX_GAP = 800
"""Silence longer than this many samples between packets is cut to it."""


class Ear:
    """The state of one leg: detection, and the audio that came since the last pass."""

    __slots__ = ("answer", "audio", "cng", "digits", "listening", "next_timestamp")

    def __init__(self) -> None:
        self.listening: Listening | None = None
        """Made with the first audio: most ears belong to legs that are bridged before any comes."""
        self.audio: list[NDArray[np.int16]] = []
        self.next_timestamp = -1
        self.digits = True
        self.cng: CngDetector | None = None
        self.answer: AnswerDetector | None = None

    def listen(self, *, digits: bool, cng: bool, answer: bool) -> None:
        """What to listen for."""
        self.digits = digits
        if not answer:
            self.answer = None
        elif self.answer is None:
            self.answer = AnswerDetector()
        if not cng:
            self.cng = None
        elif self.cng is None:
            self.cng = CngDetector()

    def add(self, entries: list[TapeEntry], law: g711.Law) -> None:
        """Take packets. A gap in their timestamps becomes silence."""
        for _, timestamp, _, payload in entries:
            gap = (timestamp - self.next_timestamp) & 0xFFFF_FFFF
            if self.next_timestamp >= 0 and 0 < gap < 0x8000_0000:
                self.audio.append(np.zeros(min(gap, MAX_GAP), np.int16))
            self.audio.append(law.decoder[np.frombuffer(payload, np.uint8)])
            self.next_timestamp = (timestamp + len(payload)) & 0xFFFF_FFFF


class Listener:
    """All ears of a worker; one detection pass for all of them."""

    def __init__(
        self,
        heard: Callable[[Leg, str, int], None],
        tone: Callable[[Leg], None],
        answered: Callable[[Leg, str], None],
    ) -> None:
        self._heard = heard
        self._tone = tone
        self._answered = answered
        self._detector = Detector()
        self.legs: dict[int, Leg] = {}

    def pass_over(self) -> None:
        """Detect in what came since the last pass."""
        legs: list[Leg] = []
        states: list[Listening] = []
        audio: list[NDArray[np.int16]] = []
        for leg in list(self.legs.values()):
            ear = leg.ear
            if ear is None:
                continue
            leg.engine.roll(leg)
            listening = ear.listening
            if ear.audio and ear.cng is not None and ear.cng.hear(np.concatenate(ear.audio)):
                self._tone(leg)
            if ear.answer is not None:
                # Whoever sends nothing is silent, and his silence counts.
                said = np.concatenate(ear.audio) if ear.audio else np.zeros(MAX_GAP, np.int16)
                for word in ear.answer.hear(said):
                    self._answered(leg, word)
            if not ear.digits:
                ear.audio.clear()
                continue
            if ear.audio:
                audio.append(np.concatenate(ear.audio))
                ear.audio.clear()
                if listening is None:
                    listening = ear.listening = Listening()
            elif listening is None:
                continue
            elif listening.digit >= 0:
                # The far end stopped sending within a digit: hear silence, so that it ends.
                audio.append(np.zeros(MAX_GAP, np.int16))
            else:
                continue
            legs.append(leg)
            states.append(listening)
        for digit in self._detector.hear(states, audio):
            self._heard(legs[digit.index], digit.digit, digit.duration_ms)
