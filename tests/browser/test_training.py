"""Learning in a browser: by keyboard alone, with a lost connection, in two windows; and what axe says of the pages."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from compliance.models import User
from tests import cast
from tests.browser import checks
from tests.browser.conftest import Judged, SignIn
from tests.training import certified
from tests.training import making_learning as making
from training import attempts, enrolments
from training.models import Answer, Attempt, Certificate

SLUG = making.SLUG


@pytest.fixture
def portal(transactional_db: None, live_server: object) -> str:
    """With the starter content, and without the library of the other browser tests."""
    certified.load_content()
    return str(live_server)


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def go(page: Page) -> None:
    """Press what has the focus, and wait for the page it leads to."""
    with page.expect_navigation():
        press(page, "Enter")


def tab_to(page: Page, name: str) -> None:
    """Tab until the control has the focus; then it is where the keyboard is."""
    for _ in range(90):
        page.keyboard.press("Tab")
        told = page.evaluate("document.activeElement.labels?.[0]?.innerText ?? document.activeElement.innerText ?? ''")
        if name in " ".join(told.split()):
            return
    raise AssertionError(f"the keyboard does not reach {name}")


def choose(page: Page, question: attempts.Question) -> None:
    """Answer the question that is open, rightly, with the keyboard."""
    for name, values in making.right(question).items():
        field = page.locator(f"[name={name}]")
        for value in values:
            if question.item.kind in {"ordering", "matching"}:
                field.focus()
                field.select_option(value)
            elif question.item.kind == "numeric":
                field.focus()
                page.keyboard.type(value)
            else:
                page.locator(f"[name={name}][value={value}]").focus()
                press(page, "Space")


def test_lesson_check_assessment_and_certificate_by_keyboard_alone(open_as: SignIn, portal: str) -> None:
    nadia = cast.nadia()
    making.read_lessons(nadia, but=1)
    version = enrolments.in_force(SLUG)
    last = version.module.lessons[-1]
    page = open_as(nadia)
    watch = checks.Watch(page)
    page.goto(f"{portal}/training/")
    tab_to(page, f"Continue: {version.title}")
    go(page)
    expect(page.get_by_role("heading", level=1)).to_have_text(last.title)
    page.locator("[name=answer]").first.focus()
    press(page, "Space")
    tab_to(page, "Check my answer")
    go(page)
    expect(page.locator(".note[role=status]")).to_be_visible()
    tab_to(page, "Mark as read and continue")
    go(page)
    tab_to(page, "Start the assessment")
    go(page)
    expect(page.get_by_text("Question 1 of")).to_be_visible()
    attempt = Attempt.objects.get(state="open")
    form = attempts.form_of(attempt)
    lose_the_connection(page, next(one for one in form if one.item.kind == "single"))
    assert [one for one in watch.problems() if "ERR_INTERNET_DISCONNECTED" not in one] == []
    watch.errors.clear()
    page.goto(f"{portal}{reverse('question', args=[attempt.pk, '1'])}")
    for question in form:
        expect(page.get_by_text(f"Question {question.answer.number} of")).to_be_visible()
        choose(page, question)
        tab_to(page, "Save and continue")
        go(page)
    expect(page.get_by_text("questions are answered.")).to_be_visible()
    tab_to(page, "These answers are my own")
    press(page, "Space")
    tab_to(page, "Submit for grading")
    go(page)
    expect(page.get_by_role("heading", name="You passed")).to_be_visible()
    assert Certificate.objects.get().percent == 100
    assert watch.problems() == []


def lose_the_connection(page: Page, question: attempts.Question) -> None:
    """Choose without a connection, and meanwhile in another window: what was saved first stays, and both are told."""
    page.goto(page.url.replace("/1/", f"/{question.answer.number}/"))
    saved = page.locator("[data-saved]")
    page.locator("[name=answer][value=a]").check()
    expect(saved).to_contain_text("Saved ")
    other = page.context.new_page()
    other.goto(page.url)
    page.context.set_offline(True)
    page.locator("[name=answer][value=b]").check()
    expect(page.get_by_text("Connection lost.")).to_be_visible()
    page.context.set_offline(False)
    expect(saved).to_contain_text("Saved ", use_inner_text=True)
    row = Answer.objects.get(pk=question.answer.pk)
    assert (row.given, row.revision) == ([question.drawn.orders[0][1]], 2)
    other.locator("[name=answer][value=c]").check()
    expect(other.get_by_text("Another window has saved another answer")).to_be_visible()
    other.reload()
    expect(other.locator("[name=answer][value=b]")).to_be_checked()
    other.close()


def test_pages_have_no_violation_and_do_not_scroll_sideways(judged: Judged, portal: str) -> None:
    nadia, alice, dora = cast.nadia(), cast.alice(), cast.dora()
    with making.ago(hours=1):
        failed = making.failed(nadia)
    open_one = making.begun(nadia, "phi-handling")
    passed = making.passed(alice)
    certificate = Certificate.objects.get()
    kinds = {one.item.kind: one.answer.number for one in attempts.form_of(open_one)}
    for weeks in (9, 6, 3):
        with making.ago(weeks=weeks):
            making.failed(cast.bob())
    lesson = enrolments.in_force(SLUG).module.lessons[3]
    pages: dict[str, User | None] = {
        "/training/": nadia,
        f"/training/{SLUG}/": nadia,
        f"/training/{SLUG}/{lesson.key}/": nadia,
        **{f"/training/attempts/{open_one.pk}/{number}/": nadia for number in kinds.values()},
        f"/training/attempts/{open_one.pk}/review/": nadia,
        f"/training/attempts/{failed.pk}/": nadia,
        "/training/transcript/": nadia,
        f"/training/attempts/{passed.pk}/": alice,
        certificate.get_absolute_url(): alice,
        f"/compliance/training/people/{cast.bob().pk}/learning/": dora,
        reverse("verify-token", args=[certificate.token]): None,
    }
    assert judged(pages) == []
