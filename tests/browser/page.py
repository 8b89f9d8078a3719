"""Chromium at the console of a switch under test."""

from __future__ import annotations

import contextlib
import shutil
import struct
import zlib
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.api.served import PASSWORD, Served

__all__ = ["Screen", "chromium", "needs_chromium", "picture", "screen"]

PROGRAM = shutil.which("chromium") or ""
needs_chromium = pytest.mark.skipif(not PROGRAM, reason="Chromium is not installed")
expect.set_options(timeout=10_000)


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser without a window."""
    async with async_playwright() as tools:
        browser = await tools.chromium.launch(
            executable_path=PROGRAM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        try:
            yield browser
        finally:
            await browser.close()


class Screen:
    """A page of the console, and what went wrong in it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.wrong: list[str] = []
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on(
            "console",
            lambda said: (
                self.wrong.append(said.text)
                if said.type == "error" and "status of 4" not in said.text
                else None
            ),
        )

    async def go(self, place: str = "") -> None:
        """Go to a page of the console."""
        await self.page.goto(f"{self.url}/console/#/{place}")

    async def sign_in(self, name: str) -> None:
        """Sign in as one of the accounts of the test."""
        await self.go()
        await self.page.get_by_label("Name", exact=True).fill(name)
        await self.page.get_by_label("Password", exact=True).fill(PASSWORD)
        await self.page.get_by_role("button", name="Sign in", exact=True).click()
        await expect(self.page.get_by_role("button", name="Sign out").first).to_be_visible()


@contextlib.asynccontextmanager
async def screen(api: Served, **more: str) -> AsyncIterator[Screen]:
    """A screen at a switch. Nothing may have gone wrong in it at the end."""
    async with chromium() as browser:
        context = await browser.new_context(locale="en-GB", **more)  # type: ignore[arg-type]  # options
        made = Screen(await context.new_page(), api.url)
        yield made
        assert not made.wrong, made.wrong


def picture() -> bytes:
    """A small PNG that Chromium can show."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    rows = b"".join(b"\0" + bytes((x * 3 % 256, 90, 160)) * 80 for x in range(60))
    head = struct.pack(">IIBBBBB", 80, 60, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
