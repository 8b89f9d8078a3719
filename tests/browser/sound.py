"""What a browser says and hears: a tone for its microphone, and the pitch of what it plays."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from tests.browser.page import PROGRAM
from tests.support.sound import write_tone

__all__ = ["HEARS", "heard", "hears", "talker"]

HEARS = """async (seconds) => {
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const player = document.querySelector('video[data-call]');
  for (let at = 0; at < 50 && !player.srcObject?.getAudioTracks().length; at++) await pause(100);
  await pause(500);
  const context = new AudioContext();
  const ear = context.createAnalyser();
  ear.fftSize = 4096;
  context.createMediaStreamSource(player.srcObject).connect(ear);
  const row = new Float32Array(ear.frequencyBinCount);
  const found = [];
  for (let at = 0; at < seconds * 10; at++) {
    await pause(100);
    ear.getFloatFrequencyData(row);
    const top = row.reduce((best, value, index) => (value > row[best] ? index : best), 0);
    if (row[top] > -60) found.push((top * context.sampleRate) / ear.fftSize);
  }
  await context.close();
  return found;
}"""


@contextlib.asynccontextmanager
async def talker(
    folder: Path, hz: float, *flags: str, program: str = PROGRAM
) -> AsyncIterator[Browser]:
    """A browser whose microphone hears a tone and whose camera has Chromium's test picture."""
    tone = write_tone(folder / f"microphone-{hz:g}.wav", hz)
    async with async_playwright() as tools:
        browser = await tools.chromium.launch(
            executable_path=program,
            args=[
                *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-audio-capture={tone}",
                "--autoplay-policy=no-user-gesture-required",
                "--allow-loopback-in-peer-connection",
                *flags,
            ],
        )
        try:
            yield browser
        finally:
            await browser.close()


async def hears(page: Page, hz: float, seconds: float = 3.0) -> float:
    """The share of so many seconds in which the call on a page has a tone as its loudest."""
    found: list[float] = await page.evaluate(HEARS, seconds)
    return sum(abs(each - hz) < 25 for each in found) / (seconds * 10)


async def heard(page: Page, hz: float, *, no: bool = False) -> None:
    """Wait until the call on a page has a tone as its loudest for a second, or has it no more."""
    share = 0.0
    for _ in range(10):
        share = await hears(page, hz, 1.0)
        if share < 0.2 if no else share > 0.8:
            return
    raise AssertionError(f"{hz:g} Hz is heard for {share:.0%} of a second")
