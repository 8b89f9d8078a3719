"""Prompts over the API: listed, listened to, made of a file or a text, removed."""

from __future__ import annotations

import io
import shutil
import struct
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cicswitch.api.endpoint import BODY_LIMIT
from cicswitch.client import (
    ApiProblem,
    Client,
    ConflictProblem,
    InvalidProblem,
    NotFoundProblem,
    StaleProblem,
    UnavailableProblem,
)
from cicswitch.media.wav import decode, read_wav
from tests.api.served import EXTRA, Served, problem, served

MORE = """
[queue.night]
comfort = "night"
"""


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Served]:
    extra = EXTRA + MORE
    async with served(tmp_path, extra=extra, sounds='uploads = "mine"') as found:
        yield found


@pytest.fixture
async def root(api: Served) -> AsyncIterator[Client]:
    made = await api.token("administrator")
    secret = str(made.headers["Authorization"]).removeprefix("Bearer ")
    async with Client(api.url, token=secret, tries=1) as one:
        yield one


def sine(rate_hz: int, seconds: float = 0.5, hz: float = 440) -> NDArray[np.float64]:
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(int(rate_hz * seconds)) / rate_hz)


def wav(kind: int, bits: int, rate_hz: int, channels: int, body: bytes) -> bytes:
    width = bits // 8 * channels
    form = struct.pack("<HHIIHH", kind, channels, rate_hz, rate_hz * width, width, bits)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form
    chunks += b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def file(bits: int, rate_hz: int, channels: int, seconds: float = 0.5) -> bytes:
    """A tone of 440 Hz in all channels."""
    tone = np.repeat(sine(rate_hz, seconds), channels)
    if bits == 8:
        return wav(1, 8, rate_hz, channels, (128 + tone * 127).astype(np.uint8).tobytes())
    if bits == -32:
        return wav(3, 32, rate_hz, channels, tone.astype("<f4").tobytes())
    whole = np.rint(tone * (2 ** (bits - 1) - 1)).astype("<i4")
    raw = whole.view(np.uint8).reshape(-1, 4)[:, : bits // 8]
    return wav(1, bits, rate_hz, channels, np.ascontiguousarray(raw).tobytes())


@pytest.mark.parametrize("bits", [8, 16, 24, 32, -32])
@pytest.mark.parametrize(("rate_hz", "channels"), [(8000, 1), (44100, 2), (48000, 6), (11025, 1)])
def test_any_width_rate_and_number_of_channels_becomes_the_same_tone(
    bits: int, rate_hz: int, channels: int
) -> None:
    samples = decode(file(bits, rate_hz, channels), "x").astype(np.float64) / 32768
    assert len(samples) == pytest.approx(4000, abs=2)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    assert np.argmax(spectrum) * 8000 / len(samples) == pytest.approx(440, abs=3)
    assert np.sqrt(np.mean(samples[400:-400] ** 2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.03)


async def test_one_is_uploaded_replaced_heard_and_removed_without_a_restart(
    api: Served, root: Client, tmp_path: Path
) -> None:
    find = api.switch._prompt
    builtin = find("welcome", "en")
    before = await root.prompt("en", "welcome")
    assert (before.source, before.duration_s > 1, bool(before.transcript)) == (
        "built-in",
        True,
        True,
    )
    made = await root.put_prompt("en", "welcome", file(24, 44100, 2), "A tone", tag=before)
    assert (made.source, made.transcript) == ("uploaded", "A tone")
    assert made.duration_s == pytest.approx(0.5, abs=0.01)
    path = tmp_path / "mine" / "prompts" / "en" / "welcome.wav"
    assert find("welcome", "en") == path  # at once: the next call gets it
    assert (
        decode(await root.prompt_audio("en", "welcome"), "x").tobytes() == read_wav(path).tobytes()
    )
    with wave.open(io.BytesIO(path.read_bytes())) as found:
        assert (found.getframerate(), found.getnchannels(), found.getsampwidth()) == (8000, 1, 2)
    with pytest.raises(StaleProblem):
        await root.put_prompt("en", "welcome", file(16, 8000, 1), tag=before)
    old = path.read_bytes()
    with path.open("rb") as held:  # who plays it meanwhile
        await root.put_prompt("en", "welcome", file(16, 8000, 1, 1.0), tag=made)
        assert held.read() == old
    assert path.with_name("welcome.wav.~1~").read_bytes() == old
    await root.remove_prompt("en", "welcome")
    assert find("welcome", "en") == builtin
    assert (await root.prompt("en", "welcome")).source == "built-in"
    with pytest.raises(ConflictProblem, match="not made here"):
        await root.remove_prompt("en", "welcome")
    actions = [each.action for each in await api.audit() if each.target == "en/welcome"]
    assert actions == ["prompt.upload", "prompt.upload", "prompt.remove"]


async def test_one_that_is_used_stays_and_who_uses_it_is_told(
    api: Served, root: Client, tmp_path: Path
) -> None:
    with pytest.raises(NotFoundProblem):
        await root.prompt("en", "night")
    made = await root.put_prompt("en", "night", file(16, 8000, 1))
    assert made.used_by == ["queue.night.comfort"]
    plan = tmp_path / "plan.toml"
    more = '[[flow.queue]]\ndo = "play"\nprompt = ["night", "bye"]\n'
    plan.write_text(plan.read_text() + more)
    await api.web.reload()
    used = (await root.prompt("en", "night")).used_by
    line = plan.read_text().count("\n") - 2
    assert used == [f"plan.toml:{line}", "queue.night.comfort"]
    with pytest.raises(ConflictProblem, match=f"plan.toml:{line}; queue.night.comfort"):
        await root.remove_prompt("en", "night")
    await root.put_prompt("ko", "spare", file(16, 8000, 1))
    assert [each.prompt async for each in root.prompts(language="ko") if each.source == "uploaded"]
    await root.remove_prompt("ko", "spare")


async def test_what_is_no_wav_too_long_or_too_large_is_refused_with_the_reason(
    api: Served, root: Client, tmp_path: Path
) -> None:
    long = wav(1, 8, 8000, 1, b"\x80" * 8000 * 301)
    for data, reason in (
        (b"", "not a WAV file"),
        (b"\xff\xfb\x90" * 1000, "not a WAV file"),
        (file(16, 8000, 1)[:30], "cut short"),
        (wav(85, 16, 8000, 1, b"x" * 100), "format 85"),
        (wav(1, 16, 8000, 9, b"x" * 180), "9 channels"),
        (wav(1, 16, 8000, 1, b""), "without sound"),
        (long, "301 s long"),
        (b"RIFF" + bytes(10 << 20), "too large"),
    ):
        with pytest.raises(InvalidProblem, match=reason):
            await root.put_prompt("en", "x", data)
    with pytest.raises(ApiProblem) as caught:
        await root.put_prompt("en", "x", bytes(12 << 20))
    assert caught.value.status == 413
    for language, name in (
        *(("en", "X"), ("en", "..%2Fx"), ("en", ".x"), ("en", "x y"), ("en", "x" * 65)),
        *(("english", "x"), ("..", "x"), ("e", "x"), ("en-", "x")),
    ):
        with pytest.raises((InvalidProblem, NotFoundProblem)):
            await root.put_prompt(language, name, file(16, 8000, 1))
    assert not (tmp_path / "mine").exists()
    # A large body is read only of who may send it.
    boss = await api.token("supervisor")
    body = b'{"wav": "' + b"A" * (2 * BODY_LIMIT) + b'"}'
    headers = {"Content-Type": "application/json"}
    problem(await boss.put("/api/v1/prompts/en/x", content=body, headers=headers), 403)
    assert (await boss.get("/api/v1/prompts/en/welcome")).status_code == 200


async def test_a_text_is_spoken(
    api: Served, root: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("espeak-ng"):
        made = await root.speak_prompt("ko", "greeting", "안녕하세요. 반갑습니다.")
        assert (made.source, made.transcript) == ("uploaded", "안녕하세요. 반갑습니다.")
        assert made.duration_s > 0.8
        assert api.switch._prompt("greeting", "ko") is not None
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableProblem, match="espeak-ng is not installed"):
        await root.speak_prompt("ko", "other", "무엇을 도와 드릴까요?")
    with pytest.raises(InvalidProblem):
        await root.speak_prompt("ko", "other", " \n")
