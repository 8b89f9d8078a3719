"""The console's page of recordings: one is found, heard, and gone about in."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import (  # type: ignore[import-untyped]  # has none
    Axe,
)
from playwright.async_api import Page, expect

from cicswitch.calls import events as ev
from tests.api.served import served
from tests.api.test_recordings import listened, message, talk
from tests.browser.page import needs_chromium, screen
from tests.journeys.test_webrtc import filmed

pytestmark = [needs_chromium, pytest.mark.interop]

_ELEMENT = "document.querySelector('audio')"


async def value(page: Page, of: str) -> float:
    return float(await page.evaluate(f"{_ELEMENT}.{of}"))


async def reached(page: Page, condition: str, timeout_s: float = 10.0) -> None:
    """Wait until it is so. Playwright's own way is an `eval`, which the page's policy forbids."""
    async with asyncio.timeout(timeout_s):
        while not await page.evaluate(condition):
            await page.wait_for_timeout(20)


async def drawn(page: Page, condition: str, timeout_s: float = 10.0) -> None:
    """Wait until it is so of `above` and `below`: how many pixels of each half of the waveform
    are of its channel's colour."""
    await reached(
        page,
        """(() => {
          const canvas = document.querySelector('canvas');
          const pen = canvas.getContext('2d');
          const half = Math.floor(canvas.height / 2) - 2;
          const [above, below] = [0, half + 4].map((top) => {
            const data = pen.getImageData(0, top, canvas.width, half).data;
            let n = 0;
            for (let i = 3; i < data.length; i += 4) if (data[i] > 60) n++;
            return n;
          });
          return CONDITION;
        })()""".replace("CONDITION", condition),
        timeout_s,
    )


async def test_a_recording_is_found_played_sought_in_and_sped_up(tmp_path: Path) -> None:
    async with served(tmp_path) as api, screen(api) as at:
        page = at.page
        ended = await talk(api, tmp_path, 3.0)
        await message(api)
        await at.sign_in("quality")
        await page.get_by_role("link", name="Recordings").click()
        rows = page.get_by_role("table", name="Recordings").get_by_role("row")
        await expect(rows).to_have_count(3)  # with the head
        await page.get_by_label("Kind").select_option("Call")
        await page.get_by_label("Number begins with").fill("20")
        await page.get_by_role("button", name="Search").click()
        await expect(rows).to_have_count(2)
        await expect(rows.nth(1)).to_contain_text("kim")
        await expect(page.get_by_role("button", name="Remove")).to_have_count(0)
        await page.get_by_label("Number begins with").fill("3")
        await page.get_by_role("button", name="Search").click()
        await expect(page.get_by_text("Nothing here.")).to_be_visible()
        await page.get_by_label("Number begins with").fill("")
        await page.get_by_role("button", name="Search").click()
        await rows.nth(1).get_by_role("button", name="Listen").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("Customer is heard in")
        # A tone, and nobody who answers it.
        await drawn(page, "below > 0 && above > 3 * below")
        assert await listened(api) == []  # nothing is heard yet
        await dialog.get_by_role("button", name="Play").click()
        await reached(page, f"{_ELEMENT}.currentTime > 0.3")
        await expect(dialog.get_by_role("button", name="Pause playback")).to_be_visible()
        assert await listened(api) == [("quality", ended.recording)]
        # Pause by the keyboard, then the arrows.
        slider = dialog.get_by_role("slider", name="Position")
        await slider.focus()
        await page.keyboard.press("Space")
        await reached(page, f"{_ELEMENT}.paused")
        await page.keyboard.press("Home")
        await reached(page, f"{_ELEMENT}.currentTime === 0")
        await page.keyboard.press("ArrowRight")
        length = await value(page, "duration")
        assert length > 3
        await reached(page, f"{_ELEMENT}.currentTime > 2.9")
        await expect(slider).to_have_attribute("aria-valuenow", str(round(min(5, length))))
        # A click in the middle.
        box = await slider.bounding_box()
        assert box is not None
        await slider.click(position={"x": box["width"] / 2, "y": 20})
        assert await value(page, "currentTime") == pytest.approx(length / 2, abs=0.1)
        await dialog.get_by_label("Speed").select_option("2 ×")
        assert await value(page, "playbackRate") == 2
        await slider.focus()
        await page.keyboard.press("Space")
        await reached(page, f"{_ELEMENT}.currentTime > {length / 2 + 0.3}")
        async with page.expect_download() as saved:
            await dialog.get_by_role("link", name="Download").click()
        file = await (await saved.value).path()
        assert file.read_bytes() == Path(ended.path).read_bytes()


@pytest.mark.soak
async def test_each_channel_is_heard_alone(tmp_path: Path) -> None:
    async with served(tmp_path) as api, screen(api) as at:
        page = at.page
        await talk(api, tmp_path)
        # What each channel's volume is connected to, kept for the test to look at.
        await page.add_init_script(
            """window.gains = [];
            const make = AudioContext.prototype.createGain;
            AudioContext.prototype.createGain = function () {
              const made = make.call(this);
              window.gains.push(made);
              return made;
            };"""
        )
        await at.sign_in("supervisor")
        await at.go("recordings")
        await page.get_by_role("button", name="Listen").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Agent").uncheck()  # before it plays, too
        await dialog.get_by_role("button", name="Play").click()
        await reached(page, f"{_ELEMENT}.currentTime > 0.1")
        assert await page.evaluate("gains.map((each) => each.gain.value)") == [1, 0]
        await dialog.get_by_label("Agent").check()
        await dialog.get_by_label("Customer").uncheck()
        await reached(page, "gains[0].gain.value === 0 && gains[1].gain.value === 1")
        await page.keyboard.press("Escape")
        await expect(dialog).not_to_be_visible()


async def test_an_administrator_removes_one(tmp_path: Path) -> None:
    async with served(tmp_path) as api, screen(api) as at:
        page = at.page
        ended = await talk(api, tmp_path, 0.5)
        await at.sign_in("administrator")
        await at.go("recordings")
        await page.get_by_role("button", name="Remove").click()
        await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        await expect(page.get_by_text("The file is gone.")).to_be_visible()
        assert not Path(ended.path).exists()
        await expect(page.get_by_role("button", name="Listen")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.soak)])
async def test_the_player_is_accessible(tmp_path: Path, scheme: str) -> None:
    async with served(tmp_path) as api, screen(api, color_scheme=scheme) as at:
        page = at.page
        await talk(api, tmp_path, 1.0)
        await at.sign_in("administrator")
        for language, listen, heard in (
            ("en", "Listen", "is heard in"),
            ("ko", "듣기", "고객 소리"),
        ):
            await at.go("me")
            await page.locator("select").first.select_option(language)
            await at.go("recordings")
            await page.get_by_role("button", name=listen, exact=True).click()
            await expect(page.get_by_role("dialog")).to_contain_text(heard)
            found = (await Axe().run(page)).response["violations"]
            assert not found, [(each["id"], each["nodes"][0]["html"][:200]) for each in found]
            await page.keyboard.press("Escape")


async def test_the_pictures_of_a_video_call_are_in_step_with_its_sound(tmp_path: Path) -> None:
    async with filmed(tmp_path) as (api, browser, customer, wav), screen(api) as at:
        page = at.page
        customer.wire.within(customer.ok, "BYE")
        browser.wire.reply(await browser.wire.expect("BYE "), "200 OK")
        await api.center.event(ev.RecordingEnded)
        await api.center.switch.store.committed()
        await at.sign_in("quality")
        await page.get_by_role("link", name="Recordings").click()
        await page.get_by_role("button", name="Listen").click()
        dialog = page.get_by_role("dialog")
        for name in ("Customer's video", "Agent's video"):
            await expect(dialog.get_by_label(name)).to_be_visible()
        assert await listened(api) == []
        await dialog.get_by_role("button", name="Play", exact=True).click()
        apart = """(() => {
          const starts = STARTS;
          const films = [...document.querySelectorAll('video')];
          return films.every((film, n) => film.readyState >= 2 && film.videoWidth === 160 &&
            Math.abs(film.currentTime + starts[n] - SOUND.currentTime) < 0.3);
        })()""".replace("SOUND", _ELEMENT)
        client = await api.token("quality")
        (found,) = (await client.get("/api/v1/recordings")).json()["items"]
        in_step = apart.replace("STARTS", str([each["start_s"] for each in found["videos"]]))
        await reached(page, f"{_ELEMENT}.currentTime > 1.5 && {in_step}")
        assert len(await listened(api)) == 1
        slider = dialog.get_by_role("slider", name="Position")
        await slider.focus()
        await page.keyboard.press("Space")
        await reached(page, "[...document.querySelectorAll('video')].every((each) => each.paused)")
        box = await slider.bounding_box()
        assert box is not None
        await slider.click(position={"x": box["width"] * 0.6, "y": 20})
        await reached(page, in_step)
        await dialog.get_by_label("Speed").select_option("2 ×")
        await reached(page, "document.querySelector('video').playbackRate === 2")
        assert at.wrong == []
        async with page.expect_download() as saved:
            await dialog.get_by_role("link", name="Download").first.click()
        film = await (await saved.value).path()
        assert film.read_bytes() == wav.with_suffix(".customer.webm").read_bytes()
