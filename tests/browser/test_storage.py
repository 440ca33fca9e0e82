"""A browser keeps nothing of a patient: not in its stores, not in its cache or history, not behind Back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests import cast
from tests.browser import checks
from tests.compliance import canary

STORES = """async () => ({
  local: {...localStorage}, session: {...sessionStorage}, cookies: document.cookie, name: window.name,
  state: history.state, databases: await indexedDB.databases(), caches: await caches.keys(),
  workers: (await navigator.serviceWorker.getRegistrations()).length,
})"""
NOTHING: dict[str, object] = {
    "local": {},
    "session": {},
    "cookies": "",
    "name": "",
    "state": None,
    "databases": [],
    "caches": [],
    "workers": 0,
}


@pytest.fixture
def profile(browser: Browser, portal: str, tmp_path: Path) -> Iterator[tuple[BrowserContext, Path]]:
    """A browser that keeps its profile on the disk, as that of a ward does, with alice signed in."""
    folder = tmp_path / "profile"
    context = browser.browser_type.launch_persistent_context(
        folder, executable_path=checks.CHROMIUM, args=checks.ARGS, reduced_motion="reduce"
    )
    context.set_default_timeout(checks.PATIENCE)
    key = cast.sign_in(Client(), cast.alice()).cookies[settings.SESSION_COOKIE_NAME].value
    session = {"name": settings.SESSION_COOKIE_NAME, "value": key, "url": portal, "httpOnly": True}
    context.add_cookies([session])  # type: ignore[list-item]  # a cookie as the portal sets it
    yield context, folder
    context.close()


def stored(page: Page) -> object:
    return page.evaluate(STORES)


def test_the_browser_keeps_nothing(profile: tuple[BrowserContext, Path], portal: str) -> None:
    context, folder = profile
    who = canary.invented()
    page = context.pages[0]
    page.goto(f"{portal}/ask/")
    page.get_by_label("Ask a clinical question").fill(who.texts[0])
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Helpful", exact=True)).to_be_visible()
    expect(page.locator("body")).to_contain_text(who.surname)
    assert stored(page) == NOTHING
    page.get_by_label("Search your questions").fill(who.texts[1])
    page.keyboard.press("Enter")
    page.wait_for_url("**?q=*")
    page.goto(f"{portal}/library/")
    page.get_by_label("Search the library").fill(who.texts[2])
    page.keyboard.press("Enter")
    page.wait_for_url("**/library/?q=*")
    assert stored(page) == NOTHING

    page.goto(f"{portal}/ask/")
    page.get_by_label("Ask a clinical question").fill(who.texts[3])  # begun, and left
    page.wait_for_timeout(1000)
    page.get_by_label("Account: Alice Adeyemi").click()
    page.get_by_role("button", name="Sign out").locator("visible=true").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    for _ in range(6):
        page.go_back()
        assert not any(value in page.content() for value in who.values.values())
    assert stored(page) == NOTHING

    cookies = json.dumps(context.cookies())
    assert not any(value.casefold() in cookies.casefold() for value in who.values.values())
    context.close()
    assert (folder / "Default/History").stat().st_size
    found = canary.traces(who.values, folder)
    assert not found, "\n".join(sorted(found))
