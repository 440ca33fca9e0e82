"""Masking as a browser shows it: the warning while typing, what was sent, copied and printed, and the refusal."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Request, expect

from chat.forms import LONGEST_QUESTION
from chat.models import Turn
from compliance.phi import engine
from tests import cast
from tests.browser import checks
from tests.browser.conftest import SignIn
from tests.chat.making import QUESTION, answered

NAMED = "Mr. Delacroix MRN 88231904"
CLINICAL = "BNP 1840 on Lasix 40 mg BID"
WARNING = "Looks like patient identifiers. They will be masked before the search."
LOOK = "**/ask/identifiers/"
CONVERSATION = re.compile(r"/ask/[0-9a-f-]{36}/")
PAUSE = 1500
"""Milliseconds without a key after which a look at a draft has begun, by the clock of the page."""


class Looks:
    """The looks at drafts a page asks for, and every address it uses."""

    def __init__(self, page: Page) -> None:
        self.began = 0
        self.failed = 0
        self.addresses: list[str] = []
        page.on("request", self._began)
        page.on("requestfailed", self._failed)

    def _began(self, request: Request) -> None:
        self.addresses.append(request.url)
        self.began += is_look(request)

    def _failed(self, request: Request) -> None:
        self.failed += is_look(request)


def is_look(request: Request) -> bool:
    return request.url.endswith("/ask/identifiers/")


def box(page: Page) -> Any:
    return page.get_by_label("Ask a clinical question")


@pytest.fixture
def asking(open_as: SignIn, portal: str) -> Page:
    """The page for a question. Its clock stands, but for what a test lets pass."""
    page = open_as(cast.alice())
    checks.stop_clock(page)
    page.goto(f"{portal}/ask/")
    return page


# ── While typing ────────────────────────────────────────────────────────────────────────────────────────────────

COUNT_ANNOUNCEMENTS = """() => {
  window.announced = 0;
  const told = document.querySelector('#phi-warning [role=status]');
  new MutationObserver(() => { window.announced += 1; }).observe(told, {childList: true, characterData: true});
}"""


def test_identifiers_are_warned_of_by_their_kind_and_announced_once(open_as: SignIn, portal: str) -> None:
    page = open_as(cast.alice())
    checks.stop_clock(page)
    watch, looks = checks.Watch(page), Looks(page)
    page.goto(f"{portal}/ask/")
    page.evaluate(COUNT_ANNOUNCEMENTS)
    box(page).press_sequentially(NAMED)
    page.clock.run_for(PAUSE)
    line = page.locator("#phi-warning")
    expect(line).to_contain_text(f"{WARNING} Found: name, record number.")
    expect(page.locator("#phi-hint")).to_be_hidden()
    assert looks.began == 1, "one look for one pause"
    box(page).press_sequentially(", seen on 3/14/2024")
    page.clock.run_for(PAUSE)
    expect(line).to_contain_text("Found: name, record number, date.")
    assert page.evaluate("window.announced") == 1
    box(page).fill(CLINICAL)
    page.clock.run_for(PAUSE)
    expect(line).not_to_contain_text("Looks like")
    expect(page.locator("#phi-hint")).to_be_visible()
    assert not any("Delacroix" in address or "88231904" in address for address in looks.addresses)
    assert watch.problems() == []


def test_clinical_wording_is_not_warned_of(asking: Page) -> None:
    box(asking).press_sequentially(CLINICAL)
    with asking.expect_response(LOOK) as answer:
        asking.clock.run_for(PAUSE)
    assert answer.value.json() == {"count": 0, "labels": []}
    expect(asking.locator("#phi-warning [role=status]")).to_have_text("")


def test_newer_text_ends_an_older_look_and_sending_waits_for_none(asking: Page) -> None:
    asking.route(LOOK, lambda _: None)  # never answered
    looks = Looks(asking)
    box(asking).fill(NAMED)
    with asking.expect_request(LOOK):
        asking.clock.run_for(PAUSE)
    with asking.expect_event("requestfailed", predicate=is_look):
        box(asking).press_sequentially(" on")
    box(asking).press_sequentially(" heparin")
    with asking.expect_request(LOOK):
        asking.clock.run_for(PAUSE)
    assert (looks.began, looks.failed) == (2, 1)
    asking.keyboard.press("Enter")
    asking.wait_for_url(CONVERSATION)
    assert "[NAME-1]" in Turn.objects.get().question


@pytest.mark.parametrize("status", [403, 429, 503])
def test_a_server_that_will_not_look_is_left_alone_and_nothing_is_said(asking: Page, status: int) -> None:
    looks = Looks(asking)
    asking.route(LOOK, lambda route: route.fulfill(status=status, body="{}"))
    box(asking).fill(NAMED)
    with asking.expect_event("requestfinished", predicate=is_look):
        asking.clock.run_for(PAUSE)
    box(asking).press_sequentially(" on heparin")
    asking.clock.run_for(PAUSE)
    expect(asking.locator("#phi-warning [role=status]")).to_have_text("")
    expect(asking.locator("#phi-hint")).to_be_visible()
    asking.keyboard.press("Enter")
    asking.wait_for_url(CONVERSATION)
    assert looks.began == 1


def test_without_scripts_there_is_no_warning_and_the_rest_works(open_as: SignIn, portal: str) -> None:
    page = open_as(cast.alice(), scripts=False)
    page.goto(f"{portal}/ask/")
    expect(page.get_by_text(f"Write up to {LONGEST_QUESTION} characters.")).to_be_visible()
    box(page).fill(NAMED)
    page.get_by_role("button", name="Send question").click()
    page.wait_for_url(CONVERSATION)
    expect(page.get_by_text("2 identifiers masked")).to_be_visible()


def test_too_long_a_question_is_counted_and_stays_in_the_box(asking: Page) -> None:
    room = asking.locator("#question-length")
    box(asking).fill("a" * (LONGEST_QUESTION - 100))
    expect(room).to_contain_text("100 characters left.")
    looks = Looks(asking)
    box(asking).fill("a" * (LONGEST_QUESTION + 20))
    expect(room).to_contain_text("Shorten your question to 4,000 characters before you send it.")
    expect(room).to_contain_text("20 characters too many.")
    asking.keyboard.press("Enter")
    asking.clock.run_for(PAUSE)
    assert asking.url.endswith("/ask/")
    assert len(box(asking).input_value()) == LONGEST_QUESTION + 20
    assert looks.began == 0, "a text that cannot be sent is not looked at"
    assert not Turn.objects.exists()


# ── What was sent ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def read(open_as: SignIn, portal: str) -> Page:
    turn = answered(author=cast.alice(), text=f"{NAMED}, bled on 3/2/2024 and 3/14/2024. {QUESTION}")
    page = open_as(cast.alice())
    page.goto(portal + turn.conversation.get_absolute_url())
    return page


def test_see_what_was_sent(read: Page) -> None:
    sent = read.locator(".sent")
    expect(sent).to_be_hidden()
    read.get_by_text("See what was sent").click()
    expect(sent).to_have_text(Turn.objects.get().question)
    expect(read.get_by_text("[DATE-2] is 12 days after [DATE-1]")).to_be_visible()
    expect(read.get_by_role("cell", name="Delacroix")).to_be_visible()
    expect(read.get_by_role("cell", name="Record number")).to_be_visible()
    read.get_by_text("Hide", exact=True).click()
    expect(sent).to_be_hidden()


def test_paper_holds_the_tokens(read: Page) -> None:
    read.get_by_text("See what was sent").click()
    assert "Delacroix" in read.locator("main").inner_text()
    read.emulate_media(media="print")
    printed = read.locator("main").inner_text()
    assert "4 identifiers masked" in printed
    assert "[NAME-1]" in printed
    for value in ("Delacroix", "88231904", "3/14/2024"):
        assert value not in printed, f"{value} is on paper"


COPY = """(all) => {
  const text = document.querySelector('.q .text'), range = document.createRange();
  const value = text.querySelector('.pt > span').firstChild;
  if (all) range.selectNodeContents(text);
  else { range.setStart(value, 3); range.setEnd(value, 6); }
  getSelection().removeAllRanges();
  getSelection().addRange(range);
  const clipboardData = new DataTransfer();
  const event = new ClipboardEvent('copy', {clipboardData, bubbles: true, cancelable: true});
  text.dispatchEvent(event);
  return [event.defaultPrevented, clipboardData.getData('text/plain')];
}"""


@pytest.mark.parametrize("whole", [True, False], ids=["the question", "a part of a name"])
def test_a_copy_of_a_question_holds_the_tokens(read: Page, whole: bool) -> None:
    before = read.locator(".q .text").inner_text()
    assert "Delacroix" in before
    expected = Turn.objects.get().question if whole else "[NAME-1]"
    assert read.evaluate(COPY, whole) == [True, expected]
    assert read.locator(".q .text").inner_text() == before, "the page has changed"


def test_a_copied_answer_holds_no_value(read: Page) -> None:
    read.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
    read.get_by_role("button", name="Copy").click()
    expect(read.locator("#live")).to_have_text("Answer copied with its sources.")
    copied = read.evaluate("window.copied")
    assert "Sources" in copied
    assert "Delacroix" not in copied


# ── Not masked ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def hangs() -> Iterator[pytest.MonkeyPatch]:
    """The masker hangs until this is undone."""
    free = threading.Event()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(engine, "_scans", [lambda _: free.wait() and []])
        patched.setattr(engine._state, "deadline_seconds", 0.3)
        yield patched
    free.set()


def test_what_could_not_be_masked_comes_back_to_be_sent_again(
    open_as: SignIn, portal: str, hangs: pytest.MonkeyPatch
) -> None:
    page = open_as(cast.alice())
    page.goto(f"{portal}/ask/")
    typed = f"{NAMED}\n  is on heparin <b>now</b>"
    box(page).fill(typed)
    page.get_by_role("button", name="Send question").click()
    note = page.get_by_role("alert")
    expect(note).to_contain_text("We could not mask this safely, so nothing was sent")
    expect(note).to_contain_text(re.compile(r"Reference for the service desk: E-[0-9A-F]{8}"))
    expect(box(page)).to_have_value(typed)
    expect(box(page)).to_be_focused()
    assert not Turn.objects.exists()
    hangs.undo()
    page.get_by_role("button", name="Send question").click()
    page.wait_for_url(CONVERSATION)
    assert Turn.objects.count() == 1


# ── In every size and color ─────────────────────────────────────────────────────────────────────────────────────


def test_the_states_are_accessible_and_fit(open_as: SignIn, portal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = cast.alice()
    masked = answered(author=alice, text=f"{NAMED}, bled on 3/2/2024 and 3/14/2024. {QUESTION}")
    page = open_as(alice)
    found: list[str] = []

    def judge(state: str) -> None:
        found.extend(f"{state}: {problem}" for problem in checks.judge(page))

    for state, turn in {"masked": masked, "unmasked": answered(author=alice)}.items():
        page.goto(portal + turn.conversation.get_absolute_url())
        page.get_by_text("See what was sent").click()
        judge(state)
    box(page).fill(f"{NAMED}, SSN 518-44-7720, phone 415-555-0132, seen on 3/14/2024")
    expect(page.locator("#phi-warning")).to_contain_text("Social Security number")
    judge("warning")
    box(page).fill("a " * 2010)
    expect(page.locator("#question-length")).to_contain_text("19 characters too many")
    judge("too-long")
    with monkeypatch.context() as down:
        down.setattr(engine, "_scans", [None])
        box(page).fill(NAMED)
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_be_visible()
    judge("refused")
    assert found == []
