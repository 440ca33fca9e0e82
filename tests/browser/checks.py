"""What every page is checked for in a browser: blocked content, script errors, axe, sideways scrolling.

axe needs eval, so it runs in a JavaScript world of its own beside that of the page: the page keeps its real policy.
A page is opened once for each size. Only its colors depend on the color scheme (tests/guards/test_color_schemes.py
keeps it so), so in the second scheme axe is asked for the rules that read colors.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Literal
from weakref import WeakKeyDictionary

from playwright.sync_api import Browser, BrowserContext, CDPSession, ConsoleMessage, Page, Playwright

from clinchat.lib import clock

CHROMIUM = "/usr/bin/chromium"
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 60_000
"""Milliseconds: two cores may be busy with much else, and what comes is not waited for any longer than it takes."""
DESKTOP = (1440, 900)
PHONE = (390, 844)
SIZES = {"desktop": DESKTOP, "phone": PHONE}
NARROWEST = 320
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLORS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
"""The rules for which axe reads colors."""
LOOKS: dict[Literal["light", "dark"], dict[str, Any]] = {"light": {"type": "tag", "values": RULES}, "dark": COLORS}
WATCH = """
window.__violations = [];
document.addEventListener('securitypolicyviolation', (event) => {
  window.__violations.push(`${event.effectiveDirective} ${event.blockedURI}`);
});
"""


def launch(playwright: Playwright) -> Browser:
    """Debian's Chromium; Playwright's own is never downloaded."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)


def context(browser: Browser, *, size: tuple[int, int] = DESKTOP, scripts: bool = True) -> BrowserContext:
    """A clean profile that asks for less motion, so that pictures and positions are stable."""
    made = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="light",
        reduced_motion="reduce",
        java_script_enabled=scripts,
        service_workers="block",
    )
    made.set_default_timeout(PATIENCE)
    return made


def stop_clock(page: Page) -> None:
    """From the next page on only `page.clock` moves its time.

    What waits for a pause in typing then begins when the test says so, however long a key takes on a busy machine.
    """
    now = clock.now()
    page.clock.install(time=now)
    page.clock.pause_at(now + timedelta(minutes=5))  # a clock is stopped at a moment it has not reached


class Watch:
    """Collects what goes wrong on a page from its first navigation on: use it before `goto`."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.add_init_script(WATCH)
        page.on("pageerror", lambda error: self.errors.append(f"script error: {error.message}"))
        page.on("console", self._heard)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"console: {message.text}")

    def problems(self) -> list[str]:
        """Everything heard so far on this page, and what its policy has blocked."""
        blocked: list[str] = self.page.evaluate("window.__violations")
        return [*self.errors, *(f"blocked by policy: {entry}" for entry in blocked)]


@cache
def _axe() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text()


_sessions: WeakKeyDictionary[Page, CDPSession] = WeakKeyDictionary()


def _beside(page: Page, script: str, *, world: int) -> Any:
    answer = _sessions[page].send(
        "Runtime.evaluate",
        {"expression": script, "contextId": world, "awaitPromise": True, "returnByValue": True},
    )
    assert "exceptionDetails" not in answer, answer["exceptionDetails"]
    return answer["result"].get("value")


def _world(page: Page) -> int:
    """A JavaScript world with axe in it, which sees the document and styles of the page and not its scripts."""
    if page not in _sessions:
        _sessions[page] = page.context.new_cdp_session(page)
    frame = _sessions[page].send("Page.getFrameTree")["frameTree"]["frame"]["id"]
    made = _sessions[page].send("Page.createIsolatedWorld", {"frameId": frame, "worldName": "axe"})
    world = int(made["executionContextId"])
    _beside(page, f"{_axe()}; undefined", world=world)
    return world


def _violations(page: Page, world: int, *, what: dict[str, Any]) -> Iterator[str]:
    options = json.dumps({"runOnly": what, "resultTypes": ["violations"]})
    result = _beside(page, f"axe.run(document, {options})", world=world)
    assert result["passes"] or result["violations"], "axe has looked at nothing"
    for violation in result["violations"]:
        for node in violation["nodes"]:
            yield f"axe {violation['id']}: {node['target']} {node['failureSummary']}"


def judge(page: Page) -> list[str]:
    """What is wrong with a page as it stands, one line each: on a desktop in both color schemes, on a phone, and on a
    narrow screen.

    That is every violation of WCAG 2.2 A and AA and of best practice. The page is left as it was, in light colors.
    """
    before = page.viewport_size
    assert before is not None
    found, grounds = [], []
    world = _world(page)  # it lasts as long as the document, whatever its size
    for name, (width, height) in SIZES.items():
        if page.viewport_size != {"width": width, "height": height}:
            page.set_viewport_size({"width": width, "height": height})
        page.evaluate("window.scrollTo(0, 0)")  # what has scrolled half under the bar is no small target
        for scheme, what in LOOKS.items():
            if scheme == "dark":
                if name != "desktop":
                    continue  # colors do not depend on the size
                page.emulate_media(color_scheme=scheme)
            found += [f"{line} ({name}, {scheme})" for line in _violations(page, world, what=what)]
            grounds.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
            if scheme == "dark":
                page.emulate_media(color_scheme="light")
    if len(set(grounds)) != len(LOOKS):
        found.append(f"the page is {grounds[0]} in every color scheme")
    if scrolls_sideways(page):
        found.append(f"scrolls sideways at {NARROWEST} px")
    page.set_viewport_size(before)
    return found


def send(page: Page, button: str) -> None:
    """Press a form's button and wait for the page that answers: a click alone returns before the old one is gone."""
    with page.expect_navigation():
        page.get_by_role("button", name=button).first.click()


def scrolls_sideways(page: Page, width: int = NARROWEST) -> bool:
    """Whether the page is wider than a screen of `width`. Leaves the page at that width."""
    page.set_viewport_size({"width": width, "height": 640})
    return bool(page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))
