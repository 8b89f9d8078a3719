"""Text to speech by espeak-ng, run as a process of its own (it is GPL, its output is not).

What was said once is kept: the cache's file name is a hash of text, voice and what we do to the
sound, so the same sentence costs a look at the disk. Callers who want the same sentence at the same
time wait for one process.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cicswitch.core.errors import ResourceError
from cicswitch.media.wav import RATE_HZ, header, read_wav

__all__ = ["VOICES", "EspeakSpeech", "normalise"]

VOICES = {"en": "en-us", "ko": "ko", "ja": "ja", "zh": "cmn", "de": "de", "fr": "fr", "es": "es"}
"""Language to espeak-ng voice; a language that is not here is tried under its own name."""
PROGRAM = "espeak-ng"
MISSING = "espeak-ng is not installed: apt-get install espeak-ng"
MAX_CHARACTERS = 4000
LEVEL_DBFS = -20.0
PEAK = 0.9
VERSION = "1"
"""Part of the cache key: change it when the sound changes."""


def normalise(samples: NDArray[np.int16], level_dbfs: float = LEVEL_DBFS) -> NDArray[np.int16]:
    """Bring speech (RMS over what is not silence) to a level, never into clipping."""
    wave = samples.astype(np.float64) / 32768
    loud = np.abs(wave) > 0.01
    if not loud.any():
        return samples
    rms = float(np.sqrt(np.mean(wave[loud] ** 2)))
    gain = min(10 ** (level_dbfs / 20) / rms, PEAK / float(np.abs(wave).max()))
    return np.rint(wave * gain * 32767).astype(np.int16)


class EspeakSpeech:
    """`ports.Speech` with a cache folder."""

    def __init__(
        self, cache_dir: Path, *, speed: int = 150, timeout_s: float = 20.0, parallel: int = 2
    ) -> None:
        self._cache = cache_dir
        self._speed = speed
        self._timeout_s = timeout_s
        self._running: dict[str, asyncio.Task[Path]] = {}
        self._slots = asyncio.Semaphore(parallel)

    async def synthesize(self, text: str, language: str) -> Path:
        """A WAV file (8 kHz mono PCM16) of the text. Raises `ResourceError`."""
        voice = VOICES.get(language, VOICES.get(language.partition("-")[0].lower(), language))
        if not voice.replace("-", "").replace("_", "").isalnum():
            raise ResourceError(f"no such voice: {language!r}")
        if len(text) > MAX_CHARACTERS:
            raise ResourceError(f"a text of {len(text)} characters; at most {MAX_CHARACTERS}")
        text = " ".join(text.split())
        key = f"{VERSION}\0{voice}\0{self._speed}\0{text}"
        name = hashlib.sha256(key.encode()).hexdigest()[:32]
        path = self._cache / f"{name}.wav"
        if path.exists():
            return path
        task = self._running.get(name)
        if task is None:
            task = asyncio.create_task(self._make(text, voice, path), name=f"speech {name[:8]}")
            self._running[name] = task
            task.add_done_callback(lambda _: self._running.pop(name, None))
        # A caller that hangs up does not take the sentence from the others who wait for it.
        return await asyncio.shield(task)

    async def _make(self, text: str, voice: str, path: Path) -> Path:
        async with self._slots:
            program = shutil.which(PROGRAM)
            if program is None:
                raise ResourceError(MISSING)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                handle, name = tempfile.mkstemp(suffix=".wav", dir=path.parent)
                os.close(handle)
            except OSError as error:
                raise ResourceError(f"{path.parent}: {error.strerror}") from error
            temporary = Path(name)
            try:
                await self._speak(program, text, voice, temporary)
                await asyncio.to_thread(_finish, temporary, path)
            except OSError as error:
                raise ResourceError(f"{path.parent}: {error.strerror}") from error
            finally:
                await asyncio.to_thread(temporary.unlink, missing_ok=True)
        return path

    async def _speak(self, program: str, text: str, voice: str, to: Path) -> None:
        # The text goes through stdin: what a caller typed can be no option and no command.
        process = await asyncio.create_subprocess_exec(
            program,
            *("-v", voice, "-s", str(self._speed), "-b", "1", "--stdin", "-w", str(to)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                _, complaint = await process.communicate(text.encode())
        except TimeoutError:
            raise ResourceError(f"espeak-ng took longer than {self._timeout_s:g} s") from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode:
            words = complaint.decode("utf-8", "replace").strip().splitlines()
            raise ResourceError(f"espeak-ng: {words[0] if words else process.returncode}")


def _finish(raw: Path, path: Path) -> None:
    """22 kHz to 8 kHz, levelled, under its name in one step."""
    samples = normalise(read_wav(raw))
    body = samples.astype("<i2").tobytes()
    raw.write_bytes(header(len(body), channels=1, rate_hz=RATE_HZ) + body)
    raw.replace(path)
