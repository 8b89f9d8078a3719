"""Signing in at an OpenID provider, in a browser."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import expect

from tests.api.served import EXTRA, served
from tests.browser.page import needs_chromium, screen
from tests.support.oidc import provider, section

pytestmark = needs_chromium


async def test_somebody_signs_in_at_his_company(tmp_path: Path) -> None:
    keys = 'label = "ACME"\nnew_role = "supervisor"\nclient_secret = "x"\n'
    kim = {"sub": "42", "preferred_username": "kim", "name": "Kim"}
    async with (
        provider(kim) as issuer,
        served(tmp_path, extra=EXTRA + section(issuer, keys)) as api,
        screen(api) as s,
    ):
        # The provider's page asks for its style elsewhere.
        await s.page.route(
            lambda url: "127.0.0.1" not in url, lambda route: route.fulfill(status=200, body="")
        )
        await s.go()
        await s.page.get_by_role("button", name="Sign in with ACME").click()
        await s.page.wait_for_url(f"{issuer}/**")
        await s.page.get_by_role("button", name="42").click()
        await expect(s.page.get_by_role("button", name="Sign out").first).to_be_visible()
        assert s.page.url.rstrip("#/") == f"{api.url}/console"  # neither code nor state stay there
        await s.page.reload()
        await s.page.get_by_role("button", name="Sign out").first.click()
        await expect(s.page.get_by_label("Password", exact=True)).to_be_visible()
        # A link with a code that another has made signs nobody in.
        await s.page.goto(f"{api.url}/console/?state=abc&code=def")
        await expect(s.page.get_by_text("begun in another window")).to_be_visible()
        # Who is refused there is told so.
        await s.page.goto(f"{api.url}/console/?state=abc&error=access_denied")
        await expect(s.page.get_by_text("access_denied")).to_be_visible()
