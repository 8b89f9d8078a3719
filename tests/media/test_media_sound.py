"""Files, prompts, speech, and the data that is shipped."""

from __future__ import annotations

import asyncio
import hashlib
import tomllib
import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from cicswitch.core.errors import NotFound, ResourceError
from cicswitch.media import make_prompts, speech
from cicswitch.media.library import FRESH_S, Library, data_dir
from cicswitch.media.sources import Sources
from cicswitch.media.speech import EspeakSpeech
from cicswitch.media.wav import read_wav
from cicswitch.ports import MediaSource, PlayFinished
from cicswitch.rtp import tones
from tests.media.rtp_phone import longest_gap_ms, rig, share, trimmed

pytestmark = pytest.mark.realtime


def write_pcm(path: Path, samples: np.ndarray, rate_hz: int = 8000, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


@pytest.mark.parametrize(("rate_hz", "channels"), [(8000, 1), (8000, 2), (22050, 1), (48000, 2)])
def test_a_wav_of_any_rate_becomes_8_khz_mono(tmp_path: Path, rate_hz: int, channels: int) -> None:
    time = np.arange(rate_hz) / rate_hz
    one = 8000 * np.sin(2 * np.pi * 440 * time)
    if rate_hz > 16000:
        one += 8000 * np.sin(2 * np.pi * 7000 * time)  # above what 8 kHz can hold
    path = write_pcm(tmp_path / "x.wav", np.repeat(one, channels), rate_hz, channels)
    samples = read_wav(path)
    assert abs(len(samples) - 8000) <= 2
    assert share(samples[200:-200], 440) > 0.99


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a WAV file"),
        (b"RIFF\0\0\0\0WAVEdata\4\0\0\0abcd", "without format or data"),
        (b"RIFF\0\0\0\0WAVEfmt \4\0\0\0abcd", "cut short"),
        (b"\xff" * 200, "not a WAV file"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "broken.wav"
    path.write_bytes(content)
    with pytest.raises(ResourceError, match=f"broken.wav: .*{words}"):
        read_wav(path)


async def test_sources_play_one_after_the_other_and_the_end_is_told(tmp_path: Path) -> None:
    path = write_pcm(tmp_path / "x.wav", tones.tone((1000.0,), 1700))
    async with rig(23000) as it:
        a = await it.phone("a", codec="PCMA")
        it.plane.play(
            "a",
            "p",
            [
                MediaSource(tone_hz=(440.0,), duration_ms=300),
                MediaSource(duration_ms=100),
                MediaSource(path=str(path)),
            ],
        )
        assert (await it.event(PlayFinished)).error == ""
        heard = a.audio()
        assert len(heard) == 2400 + 800 + 1760
        assert share(heard[:2400], 440) > 0.95
        assert np.abs(heard[2400:3200].astype(int)).max() < 100
        assert share(heard[3200:4800], 1000) > 0.95


async def test_music_goes_round_and_stops_without_an_event(tmp_path: Path) -> None:
    path = write_pcm(tmp_path / "x.wav", tones.tone((500.0,), 800, fade=False))
    async with rig(23200) as it:
        a = await it.phone("a")
        it.plane.play("a", "moh", [MediaSource(path=str(path))], loop=True)
        await a.packets_more(25)
        it.plane.stop_play("a")
        it.plane.play("a", "end", [MediaSource(duration_ms=40)])
        assert (await it.event(PlayFinished)).play_id == "end"
        assert len(it.of(PlayFinished)) == 1
        assert longest_gap_ms(trimmed(a.audio()), 500) <= 5


async def test_a_play_is_paced_at_20_ms() -> None:
    async with rig(23400, workers=1) as it:
        a = await it.phone("a")
        it.plane.play("a", "p", [MediaSource(tone_hz=(440.0,), duration_ms=1000)])
        await it.event(PlayFinished)
        times = [at for at, _ in a.packets]
        assert len(times) == 50
        assert 0.95 < times[-1] - times[0] < 1.03


async def test_a_prompt_suspends_the_bridge_towards_its_leg_only() -> None:
    async with rig(23600) as it:
        a = await it.phone("a")
        b = await it.phone("b")
        it.plane.bridge("a", "b")
        a.talk(440)
        b.talk(620)
        await a.packets_more(10)
        it.plane.play("a", "p", [MediaSource(tone_hz=(1000.0,), duration_ms=400)])
        await a.packets_more(5)
        since = a.packets[-1][0]
        await a.packets_more(10)
        assert share(a.audio(since)[:1600], 1000) > 0.95
        assert share(b.audio(since)[:1600], 440) > 0.95
        await it.event(PlayFinished)
        await a.packets_more(3)
        since = a.packets[-1][0]
        await a.packets_more(10)
        assert share(a.audio(since), 620) > 0.95


async def test_a_missing_or_broken_file_ends_the_play_with_its_error(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"RIFFxxxx")
    async with rig(23800) as it:
        await it.phone("a")
        it.plane.play("a", "p", [MediaSource(path=str(tmp_path / "none.wav"))])
        assert (await it.event(PlayFinished)).error.endswith("none.wav: No such file or directory")
        it.plane.play("a", "q", [MediaSource(path=str(tmp_path / "bad.wav"))])
        assert (await it.event(PlayFinished, 2)).error.endswith("bad.wav: not a WAV file")


def test_the_cache_is_bounded_and_sees_a_changed_file(tmp_path: Path) -> None:
    sources = Sources(limit_bytes=5000)
    path = write_pcm(tmp_path / "x.wav", np.zeros(1600, np.int16))
    first = sources.track(MediaSource(path=str(path)), "PCMU")
    assert sources.track(MediaSource(path=str(path)), "PCMU") is first
    write_pcm(path, np.zeros(3200, np.int16))
    assert sources.track(MediaSource(path=str(path)), "PCMU").size == 3200
    sources.track(MediaSource(tone_hz=(440.0,), duration_ms=400), "PCMA")
    assert sources.cached_bytes <= 5000


def test_the_manifest_is_true() -> None:
    folder = data_dir()
    assert folder is not None
    listed = tomllib.loads((folder / "manifest.toml").read_text(encoding="utf-8"))["file"]
    assert {entry["path"] for entry in listed} == {
        str(path.relative_to(folder)) for path in folder.rglob("*.wav")
    }
    for entry in listed:
        path = folder / entry["path"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"], path
        samples = read_wav(path)
        assert len(samples) * 1000 // entry["rate_hz"] == entry["duration_ms"]
        assert entry["licence"] == "Apache-2.0"
        assert entry["transcript"]
    assert sum(path.stat().st_size for path in folder.rglob("*.wav")) < 3_000_000


def test_music_and_tones_are_what_the_script_makes() -> None:
    library = Library()
    music = library.find("moh/slow-harbour").read_bytes()
    assert music == make_prompts.ulaw_wav(make_prompts.music())
    for name, (_, frequencies, pattern) in make_prompts.TONES.items():
        made = make_prompts.ulaw_wav(make_prompts.cadence(frequencies, pattern))
        assert library.find(f"tones/{name}").read_bytes() == made, name


def test_every_language_has_the_same_prompts() -> None:
    names = {language: set(texts) for language, texts in make_prompts.PROMPTS.items()}
    assert names["en"] == names["ko"]
    assert set(Library().names("ko")) == names["ko"]


def test_prompts_are_found_by_language_with_a_way_back(tmp_path: Path) -> None:
    own = tmp_path / "prompts" / "ko" / "welcome.wav"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"")
    library = Library([tmp_path])
    assert library.find("welcome", "ko-KR") == own
    assert library.find("goodbye", "ko").parts[-2:] == ("ko", "goodbye.wav")
    assert library.find("goodbye", "fr").parts[-2:] == ("en", "goodbye.wav")
    with pytest.raises(NotFound, match="no sound 'nothing'"):
        library.find("nothing", "ko")
    with pytest.raises(NotFound):
        library.find("../../../etc/passwd")
    assert not library.has("../pyproject")


def test_a_prompt_put_before_ours_is_found_after_a_while(tmp_path: Path) -> None:
    now = [100.0]
    library = Library([tmp_path], clock=lambda: now[0])
    ours = library.find("welcome", "en")
    own = tmp_path / "prompts" / "en" / "welcome.wav"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"")
    assert library.find("welcome", "en") == ours
    now[0] += FRESH_S
    assert library.find("welcome", "en") == own


async def test_text_is_spoken_once_and_at_one_level(tmp_path: Path) -> None:
    speaker = EspeakSpeech(tmp_path / "cache")
    one, two = await asyncio.gather(
        speaker.synthesize("Hello, this is a test.", "en"),
        speaker.synthesize("Hello,  this is\na test.", "en"),
    )
    assert one == two
    assert len(list((tmp_path / "cache").iterdir())) == 1
    samples = read_wav(one).astype(np.float64) / 32768
    loud = samples[np.abs(samples) > 0.01]
    assert -24 < 20 * np.log10(np.sqrt(np.mean(loud**2))) < -18
    with wave.open(str(one)) as file:
        assert (file.getframerate(), file.getnchannels()) == (8000, 1)
    stamp = one.stat().st_mtime_ns
    assert (await speaker.synthesize("Hello, this is a test.", "en")).stat().st_mtime_ns == stamp
    korean = await speaker.synthesize("안녕하십니까", "ko")
    assert korean != one


async def test_what_speech_lacks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speaker = EspeakSpeech(tmp_path)
    with pytest.raises(ResourceError, match="espeak-ng: "):
        await speaker.synthesize("x", "nolanguage")
    with pytest.raises(ResourceError, match="no such voice"):
        await speaker.synthesize("x", "--path=/etc")
    monkeypatch.setattr(speech, "PROGRAM", "espeak-that-is-not-there")
    with pytest.raises(ResourceError, match="apt-get install espeak-ng"):
        await speaker.synthesize("y", "en")


async def test_music_may_go_out_in_longer_packets_and_a_prompt_does_not() -> None:
    async with rig(23000, music_ptime_ms=60) as it:
        a = await it.phone("a")
        b = await it.phone("b")
        it.plane.play("a", "m", [MediaSource(tone_hz=(440.0,))], loop=True)
        a.talk(0)
        await a.packets_more(20)
        it.plane.send_dtmf("a", "5", duration_ms=60)
        await a.until(lambda: any(packet.payload_type == 101 for _, packet in a.packets))
        await a.packets_more(10)
        music = [packet for _, packet in a.packets if packet.payload_type == 0]
        sizes = {len(packet.payload) for packet in music}
        assert 480 in sizes
        assert all(size % 160 == 0 for size in sizes)
        for one, two in pairwise(packet for _, packet in a.packets):
            assert (two.sequence - one.sequence) & 0xFFFF == 1
        for one, two in pairwise(music):
            step = (two.timestamp - one.timestamp) & 0xFFFF_FFFF
            assert step == len(one.payload) if not two.marker else step >= len(one.payload)
        times = [at for at, packet in a.packets if packet.payload_type == 0]
        assert 0.055 < (times[15] - times[3]) / 12 < 0.065
        b.talk(440)
        it.plane.bridge("a", "b")
        seen = len(a.packets)
        await a.packets_more(10)
        assert {len(packet.payload) for _, packet in a.packets[seen + 1 :]} == {160}
        it.plane.play("a", "p", [MediaSource(tone_hz=(440.0,), duration_ms=200)])
        seen = len(a.packets)
        await it.event(PlayFinished)
        assert {len(packet.payload) for _, packet in a.packets[seen:]} == {160}
