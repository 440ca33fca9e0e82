"""What every page is checked for in a browser: blocked content, script errors, axe, sideways scrolling.

axe itself needs eval, so it runs in a context made with `bypass_csp=True`; everything else runs under the real policy.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright

CHROMIUM = "/usr/bin/chromium"
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP = (1440, 900)
PHONE = (390, 844)
NARROWEST = 320
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WATCH = """
window.__violations = [];
document.addEventListener('securitypolicyviolation', (event) => {
  window.__violations.push(`${event.effectiveDirective} ${event.blockedURI}`);
});
"""


def launch(playwright: Playwright) -> Browser:
    """Debian's Chromium; Playwright's own is never downloaded."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)


def context(
    browser: Browser,
    *,
    size: tuple[int, int] = DESKTOP,
    dark: bool = False,
    scripts: bool = True,
    bypass_csp: bool = False,
) -> BrowserContext:
    """A clean profile that asks for less motion, so that pictures and positions are stable."""
    return browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
        java_script_enabled=scripts,
        bypass_csp=bypass_csp,
        service_workers="block",
    )


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


def axe(page: Page) -> list[str]:
    """Violations of WCAG 2.2 A and AA and of best practice, one line each. The page's context bypasses the policy."""
    page.evaluate("window.scrollTo(0, 0)")  # what has scrolled half under the bar is no small target
    page.evaluate(_axe())
    result: dict[str, Any] = page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
    return [
        f"axe {violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]


def send(page: Page, button: str) -> None:
    """Press a form's button and wait for the page that answers: a click alone returns before it comes."""
    with page.expect_navigation():
        page.get_by_role("button", name=button).first.click()


def scrolls_sideways(page: Page, width: int = NARROWEST) -> bool:
    """Whether the page is wider than a screen of `width`. Leaves the page at that width."""
    page.set_viewport_size({"width": width, "height": 640})
    return bool(page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))
