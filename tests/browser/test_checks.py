"""What every page is judged by sees what is wrong with one, in each scheme, and leaves the policy of the page alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.browser import checks

ADDRESS = "http://page.test/"
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; require-trusted-types-for 'script'"
GOOD = (
    "<!doctype html><html lang=en><head><title>A page</title><link rel=stylesheet href=/style.css></head>"
    "<body><main><h1>A page</h1>{}</main></body></html>"
)
STYLE = (
    ":root { color-scheme: light dark } body { background: light-dark(#fff, #000); color: light-dark(#000, #fff) } "
    ".pale { color: #ccc } .dim { color: #333 } .wide { width: 400px }"
)


def page_of(browser: Browser, body: str, style: str = STYLE) -> Page:
    def answer(route: Route) -> None:
        if route.request.url.endswith(".css"):
            route.fulfill(body=style, content_type="text/css")
        else:
            headers = {"Content-Security-Policy": POLICY}
            route.fulfill(body=GOOD.format(body), content_type="text/html", headers=headers)

    page = checks.context(browser).new_page()
    page.route("**/*", answer)
    return page


@pytest.mark.parametrize(
    ("body", "style", "problems"),
    [
        ("<p>Words.</p>", STYLE, []),
        (
            "<p class=pale>Words.</p>",
            STYLE,
            ["axe color-contrast (desktop, light)", "axe color-contrast (phone, light)"],
        ),
        ("<p class=dim>Words.</p>", STYLE, ["axe color-contrast (desktop, dark)"]),
        ("<input>", STYLE, ["axe label (desktop, light)", "axe label (phone, light)"]),
        ("<p class=wide>Words.</p>", STYLE, ["scrolls sideways at 320 px"]),
        ("<p>Words.</p>", "", ["the page is rgba(0, 0, 0, 0) in every color scheme"]),
    ],
    ids=["good", "pale", "dim", "no-label", "wide", "one-scheme"],
)
def test_what_is_wrong_is_told(browser: Browser, body: str, style: str, problems: list[str]) -> None:
    page = page_of(browser, body, style)
    watch = checks.Watch(page)
    page.goto(ADDRESS)
    found = [f"{one.split(':')[0]} {one[one.rfind('(') :]}" if "axe" in one else one for one in checks.judge(page)]
    assert found == problems
    assert page.viewport_size == {"width": 1440, "height": 900}
    assert watch.problems() == [], "judging a page is no problem of the page"
    page.context.close()


def test_what_the_policy_blocks_is_told(browser: Browser) -> None:
    page = page_of(browser, "<p style='color: red'>Words.</p>")
    watch = checks.Watch(page)
    page.goto(ADDRESS)
    before = watch.problems()
    assert "blocked by policy: style-src-attr inline" in before
    assert checks.judge(page) == []
    assert watch.problems() == before
    page.context.close()
