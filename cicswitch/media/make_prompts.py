"""Makes `media/`: prompts by espeak-ng, music and tones by numpy, and their manifest.

`python -m cicswitch.media.make_prompts [FOLDER]`. The texts are ours, so are the sounds: what
espeak-ng speaks is not covered by its licence. Music and tones come out the same on every machine,
prompts with the same espeak-ng.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cicswitch.media.speech import EspeakSpeech
from cicswitch.media.wav import RATE_HZ, read_wav
from cicswitch.rtp import g711
from cicswitch.rtp.tones import tone

__all__ = ["MUSIC_TEXT", "PROMPTS", "TONES", "main", "ulaw_wav"]

LICENCE = "Apache-2.0"
PROMPTS: dict[str, dict[str, str]] = {
    "en": {
        "welcome": "Welcome. Thank you for calling.",
        "language-menu": "For English, press one. For Korean, press two.",
        "main-menu": "For sales, press one. For support, press two. To speak with an operator,"
        " press zero.",
        "agent-signed-in": "You are signed in.",
        "agent-signed-out": "You are signed out.",
        "agent-paused": "You are paused.",
        "agent-ready": "You are ready.",
        "agent-wrapped-up": "Thank you. Your code was noted.",
        "agent-unknown": "This phone belongs to no agent.",
        "agent-unknown-code": "There is no such code.",
        "agent-not-possible": "That is not possible now.",
        "invalid": "Sorry, that is not a valid choice. Please try again.",
        "no-input": "We did not receive your choice.",
        "agent-lost": "We are sorry. The connection to our agent was lost. You are the next in"
        " line.",
        "please-hold": "Please hold while we connect your call.",
        "agents-busy": "All our agents are helping other callers. Please stay on the line, and your"
        " call will be answered in the order it was received.",
        "comfort": "Thank you for waiting. An agent will be with you as soon as possible.",
        "position-next": "You are the next caller in line.",
        "position": "Your position in the queue is",
        "wait-minutes": "minutes is your estimated waiting time.",
        "callback-offer": "To keep your place in the queue and be called back, press one.",
        "callback-confirm": "Thank you. We will call you back as soon as an agent is free.",
        "after-hours": "Our office is closed now. Please call again during business hours.",
        "holiday": "Our office is closed for a public holiday. Please call again on the next"
        " business day.",
        "voicemail": "Please leave a message after the tone. Hang up when you are done.",
        "recorded": "This call may be recorded for quality and training.",
        "transfer": "One moment please. Your call is being transferred.",
        "unavailable": "The person you are calling is not available.",
        "survey": "On a scale from one to five, how satisfied are you with this call? Please press"
        " a key now.",
        "goodbye": "Thank you for calling. Goodbye.",
        "error": "We are sorry. Your call cannot be completed now. Please try again later.",
    },
    "ko": {
        "welcome": "안녕하십니까. 전화해 주셔서 감사합니다.",
        "language-menu": "영어는 1번, 한국어는 2번을 눌러 주십시오.",
        "main-menu": "구매 상담은 1번, 기술 지원은 2번, 상담원 연결은 0번을 눌러 주십시오.",
        "agent-signed-in": "로그인되었습니다.",
        "agent-signed-out": "로그아웃되었습니다.",
        "agent-paused": "휴식 상태로 바뀌었습니다.",
        "agent-ready": "대기 상태로 바뀌었습니다.",
        "agent-wrapped-up": "처리 코드가 저장되었습니다.",
        "agent-unknown": "이 전화기는 등록된 상담원이 없습니다.",
        "agent-unknown-code": "없는 코드입니다.",
        "agent-not-possible": "지금은 할 수 없습니다.",
        "invalid": "잘못 누르셨습니다. 다시 눌러 주십시오.",
        "no-input": "입력이 확인되지 않았습니다.",
        "agent-lost": "죄송합니다. 상담원과의 연결이 끊어졌습니다. 고객님을 다음 순서로"
        " 연결해 드리겠습니다.",
        "please-hold": "연결하는 동안 잠시만 기다려 주십시오.",
        "agents-busy": "지금은 모든 상담원이 통화 중입니다. 기다려 주시면 순서대로 연결해"
        " 드리겠습니다.",
        "comfort": "기다려 주셔서 감사합니다. 곧 상담원을 연결해 드리겠습니다.",
        "position-next": "고객님은 다음 순서입니다.",
        "position": "고객님의 대기 순서는",
        "wait-minutes": "분 정도 기다리실 것으로 예상됩니다.",
        "callback-offer": "대기 순서를 유지하고 전화를 받으시려면 1번을 눌러 주십시오.",
        "callback-confirm": "감사합니다. 상담원이 곧 전화를 드리겠습니다.",
        "after-hours": "지금은 업무 시간이 아닙니다. 업무 시간에 다시 전화해 주십시오.",
        "holiday": "오늘은 공휴일입니다. 다음 영업일에 다시 전화해 주십시오.",
        "voicemail": "삐 소리가 나면 메시지를 남겨 주십시오. 끝나면 전화를 끊어 주십시오.",
        "recorded": "서비스 품질 향상을 위해 통화 내용이 녹음될 수 있습니다.",
        "transfer": "잠시만 기다려 주십시오. 전화를 연결해 드리겠습니다.",
        "unavailable": "지금은 전화를 받을 수 없습니다.",
        "survey": "이번 상담에 얼마나 만족하셨습니까? 1번부터 5번까지 눌러 주십시오.",
        "goodbye": "이용해 주셔서 감사합니다. 안녕히 계십시오.",
        "error": "죄송합니다. 지금은 연결할 수 없습니다. 잠시 후 다시 걸어 주십시오.",
    },
}
TONES: dict[str, tuple[str, tuple[float, ...], tuple[float, ...]]] = {
    # transcript, frequencies in Hz, on and off in s; one file holds one cycle
    "ringback-us": ("US ringback: 440 + 480 Hz, 2 s on, 4 s off", (440, 480), (2, 4)),
    "ringback-kr": ("Korean ringback: 440 + 480 Hz, 1 s on, 2 s off", (440, 480), (1, 2)),
    "busy-us": ("US busy: 480 + 620 Hz, 0.5 s on, 0.5 s off", (480, 620), (0.5, 0.5)),
    "busy-kr": ("Korean busy: 480 + 620 Hz, 0.5 s on, 0.5 s off", (480, 620), (0.5, 0.5)),
    "congestion-us": ("US reorder: 480 + 620 Hz, 0.25 s on and off", (480, 620), (0.25, 0.25)),
    "congestion-kr": (
        "Korean congestion: 480 + 620 Hz, 0.3 s on, 0.2 s off",
        (480, 620),
        (0.3, 0.2),
    ),
    "dial-us": ("US dial tone: 350 + 440 Hz", (350, 440), (2,)),
    "beep": ("Beep: 1000 Hz, 0.4 s", (1000,), (0.4, 0.1)),
    "whisper": ("Two short beeps: a call is about to arrive", (660,), (0.12, 0.08, 0.12, 0.08)),
}
MUSIC_TEXT = "Music on hold: Slow Harbour, composed and synthesised for cicswitch"
BEAT_S = 0.6
CHORDS = ((57, 60, 64, 69), (53, 57, 60, 65), (48, 55, 60, 64), (55, 59, 62, 67)) * 3
MELODY = (76, 72, 69, 72, 77, 72, 69, 65, 76, 72, 67, 64, 74, 71, 67, 71,
          69, 72, 76, 81, 77, 76, 72, 69, 72, 76, 79, 76, 74, 79, 74, 71,
          76, 79, 81, 76, 72, 69, 77, 76, 79, 76, 72, 67, 71, 74, 67, 71)  # fmt: skip
"""One MIDI note a beat, four beats a chord."""


def _pluck(note: int, seconds: float, level: float) -> NDArray[np.float64]:
    """A struck string: a few harmonics that decay, the higher the sooner."""
    time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    pitch = 440 * 2 ** ((note - 69) / 12)
    wave = np.zeros(len(time))
    for harmonic, share in ((1, 1.0), (2, 0.45), (3, 0.2), (4, 0.08)):
        if pitch * harmonic < 3400:
            decay = np.exp(-time * (1.6 + 1.2 * harmonic))
            wave += share * decay * np.sin(2 * np.pi * pitch * harmonic * time)
    attack = np.minimum(1, time / 0.008)
    return np.asarray(level * attack * wave, np.float64)


def music() -> NDArray[np.int16]:
    """The loop, int16 at 8 kHz, about -20 dBFS; what rings over its end is folded to its start."""
    length = round(len(MELODY) * BEAT_S * RATE_HZ)
    wave = np.zeros(length)

    def add(at_s: float, sound: NDArray[np.float64]) -> None:
        first = round(at_s * RATE_HZ)
        np.add.at(wave, (first + np.arange(len(sound))) % length, sound)

    for index, chord in enumerate(CHORDS):
        start = index * 4 * BEAT_S
        add(start, _pluck(chord[0] - 12, 2.4, 0.9))
        for step, note in enumerate((*chord, chord[2], chord[1], chord[3], chord[1])):
            add(start + step * BEAT_S / 2, _pluck(note, 1.4, 0.35))
    for index, note in enumerate(MELODY):
        add(index * BEAT_S + (0.02 if index % 2 else 0), _pluck(note, 1.8, 0.5))
    wave *= 10 ** (-20 / 20) / np.sqrt(np.mean(wave**2))
    return np.asarray(np.rint(np.tanh(wave) * 32767), np.int16)


def cadence(frequencies: tuple[float, ...], pattern: tuple[float, ...]) -> NDArray[np.int16]:
    """One cycle of a tone: on, off, on, off, in seconds."""
    parts: list[NDArray[np.int16]] = []
    for index, seconds in enumerate(pattern):
        samples = round(seconds * RATE_HZ)
        if index % 2:
            parts.append(np.zeros(samples, np.int16))
        else:
            fade = len(pattern) > 1
            parts.append(tone(frequencies, samples, level_db=-19, fade=fade))
    return np.concatenate(parts)


def ulaw_wav(samples: NDArray[np.int16]) -> bytes:
    """A µ-law WAV file: half the size of PCM16, and what the leg is sent anyway."""
    body = g711.encode(samples, g711.ULAW)
    padded = body + bytes(len(body) % 2)
    form = (7).to_bytes(2, "little") + (1).to_bytes(2, "little") + RATE_HZ.to_bytes(4, "little")
    form += RATE_HZ.to_bytes(4, "little") + (1).to_bytes(2, "little") + (8).to_bytes(2, "little")
    form += bytes(2)
    fact = b"fact" + (4).to_bytes(4, "little") + len(body).to_bytes(4, "little")
    chunks = b"fmt " + len(form).to_bytes(4, "little") + form + fact
    chunks += b"data" + len(body).to_bytes(4, "little") + padded
    return b"RIFF" + (4 + len(chunks)).to_bytes(4, "little") + b"WAVE" + chunks


def _trim(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """Without the silence that espeak-ng puts around what it says, but for 50 and 100 ms."""
    loud = np.flatnonzero(np.abs(samples) > 200)
    if not len(loud):
        return samples
    return samples[max(0, loud[0] - 400) : loud[-1] + 800]


async def _speak_all(folder: Path) -> dict[str, tuple[NDArray[np.int16], str, str]]:
    made: dict[str, tuple[NDArray[np.int16], str, str]] = {}
    with tempfile.TemporaryDirectory() as cache:
        speech = EspeakSpeech(Path(cache))
        for language, texts in PROMPTS.items():
            for name, text in texts.items():
                samples = _trim(read_wav(await speech.synthesize(text, language)))
                made[f"prompts/{language}/{name}.wav"] = (samples, text, language)
    return made


def main() -> None:
    """Write all files and the manifest."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).resolve().parents[2] / "media"
    parser.add_argument("folder", nargs="?", type=Path, default=default)
    folder: Path = parser.parse_args().folder
    made = asyncio.run(_speak_all(folder))
    made["moh/slow-harbour.wav"] = (music(), MUSIC_TEXT, "")
    for name, (text, frequencies, pattern) in TONES.items():
        made[f"tones/{name}.wav"] = (cadence(frequencies, pattern), text, "")
    lines = [
        "# Made by `python -m cicswitch.media.make_prompts`; tests/media/test_data.py checks it.",
    ]
    for name, (samples, text, language) in sorted(made.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = ulaw_wav(samples)
        path.write_bytes(data)
        lines += [
            "",
            "[[file]]",
            f"path = {json.dumps(name)}",
            f"language = {json.dumps(language)}",
            f"rate_hz = {RATE_HZ}",
            'encoding = "mu-law"',
            f"duration_ms = {len(samples) * 1000 // RATE_HZ}",
            f'sha256 = "{hashlib.sha256(data).hexdigest()}"',
            f'licence = "{LICENCE}"',
            f"transcript = {json.dumps(text, ensure_ascii=False)}",
        ]
    (folder / "manifest.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
