"""A clinician signs in, asks, reads an answer and opens its source; with a mouse, a keyboard, and without scripts."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from chat.models import Citation, Turn
from tests import cast
from tests.browser import checks
from tests.browser.conftest import Judged, SignIn
from tests.chat.making import QUESTION

NAMED = f"Maria Lopez, MRN 00482913. {QUESTION}"


def sign_in(page: Page, portal: str) -> None:
    alice = cast.alice()
    page.goto(portal)
    page.get_by_label("Work e-mail").fill(alice.email)
    page.get_by_label("Password").fill(cast.PASSWORD)
    page.get_by_role("button", name="Continue").click()
    page.get_by_label(re.compile("code")).fill(cast.code_of(alice))
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/ask/")  # loaded, scripts included: Enter sends only then


def test_from_sign_in_to_the_exact_words(open_as: SignIn, portal: str) -> None:
    page = open_as(None)
    watch = checks.Watch(page)
    sign_in(page, portal)
    page.get_by_label("Ask a clinical question").fill(NAMED)
    page.keyboard.press("Enter")
    first = page.locator(".answer .claim").first
    expect(first).to_be_visible()
    expect(page.get_by_text("2 identifiers masked before the search")).to_be_visible()
    expect(page.get_by_text("rest on a passage quoted word for word")).to_be_visible()

    turn = Turn.objects.get()
    second = Citation.objects.get(turn=turn, n=2)
    page.locator(".answer .cite", has_text="2").first.click()
    mark = page.locator("#sources .src-item:visible mark")
    expect(mark).to_have_text(second.quote)
    page.get_by_role("link", name="Open full document").locator("visible=true").click()
    expect(page.locator("mark")).to_have_text(second.quote)
    expect(page.locator("#quote")).to_be_in_viewport()
    assert watch.problems() == []


def test_what_was_live_is_what_is_stored(open_as: SignIn, portal: str) -> None:
    page = open_as(cast.alice())
    page.goto(f"{portal}/ask/")
    page.get_by_label("Ask a clinical question").fill(QUESTION)
    page.keyboard.press("Enter")
    expect(page.get_by_text("rest on a passage quoted word for word")).to_be_visible()
    live = page.locator(".answer").inner_text()
    page.reload()
    assert page.locator(".answer").inner_text() == live


def test_the_whole_task_by_keyboard(open_as: SignIn, portal: str) -> None:
    page = open_as(cast.alice())
    page.goto(f"{portal}/ask/")
    page.keyboard.press("/")
    page.keyboard.type("warfarin and trimethoprim-sulfamethoxazole?")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("Is INR affected?")
    page.keyboard.press("Enter")
    expect(page.get_by_text("rest on a passage quoted word for word")).to_be_visible()
    page.keyboard.press("2")
    expect(page.locator("#src-count")).to_have_text(re.compile("Source 2 of"))
    page.keyboard.press("[")
    expect(page.locator("#src-count")).to_have_text(re.compile("Source 1 of"))
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()


def test_without_scripts_the_page_refreshes_until_the_answer_is_there(open_as: SignIn, portal: str) -> None:
    page = open_as(cast.alice(), scripts=False)
    page.goto(f"{portal}/ask/")
    page.get_by_label("Ask a clinical question").fill(NAMED)
    page.get_by_role("button", name="Send question").click()
    expect(page.locator(".answer .claim").first).to_be_visible()
    assert "/ask/" in page.url
    page.locator(".answer .cite").first.click()
    expect(page.locator("mark").first).to_be_visible()


def test_two_submissions_at_once_are_one_question(open_as: SignIn, portal: str) -> None:
    page = open_as(cast.alice())
    page.goto(f"{portal}/ask/")
    box = page.get_by_label("Ask a clinical question")
    box.fill(QUESTION)
    page.get_by_role("button", name="Send question").evaluate("(button) => { button.click(); button.click(); }")
    expect(page.locator(".answer .claim").first).to_be_visible()
    assert Turn.objects.count() == 1


def test_the_library_has_no_answer(open_as: SignIn, portal: str) -> None:
    page = open_as(cast.alice())
    page.goto(f"{portal}/ask/")
    page.get_by_label("Ask a clinical question").fill("How tall is the Eiffel tower in Paris?")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="No supported answer")).to_be_visible()
    expect(page.get_by_text("Your library has no passage that answers this.")).to_be_visible()
    expect(page.get_by_text("Closest passages, not an answer")).to_be_visible()


def test_rating_and_theme_are_kept_by_the_server(open_as: SignIn, portal: str) -> None:
    page = open_as(cast.alice())
    page.goto(f"{portal}/ask/")
    page.get_by_label("Ask a clinical question").fill(QUESTION)
    page.keyboard.press("Enter")
    expect(page.get_by_text("rest on a passage quoted word for word")).to_be_visible()
    page.get_by_role("button", name="Helpful", exact=True).click()
    expect(page.get_by_role("button", name="Helpful", exact=True)).to_have_attribute("aria-pressed", "true")
    page.get_by_label("Theme").first.click()
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("button", name="Helpful", exact=True)).to_have_attribute("aria-pressed", "true")


def test_signed_out_the_back_button_shows_nothing(open_as: SignIn, portal: str) -> None:
    page = open_as(cast.alice())
    page.goto(f"{portal}/ask/")
    page.get_by_label("Ask a clinical question").fill(NAMED)
    page.keyboard.press("Enter")
    expect(page.locator(".answer .claim").first).to_be_visible()
    page.get_by_label(re.compile("^Account")).click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.go_back()
    expect(page.get_by_text("Maria Lopez")).to_have_count(0)


def test_pages_are_accessible_and_fit(judged: Judged) -> None:
    from tests.chat.making import answered

    alice = cast.alice()
    turn = answered(author=alice, text=NAMED)
    abstained = answered(author=alice, text="How tall is the Eiffel tower in Paris?")
    citation = turn.citations.select_related("version__document").first()
    assert citation is not None
    addresses = {
        "/ask/": alice,
        turn.conversation.get_absolute_url(): alice,
        abstained.conversation.get_absolute_url(): alice,
        "/library/?q=warfarin": alice,
        citation.get_absolute_url(): alice,
        "/settings/": alice,
        "/signin/": None,
        "/status/": None,
        "/nowhere/": alice,
    }
    assert [problem for problem in judged(addresses) if "status of 404" not in problem] == []
