"""Alerts beside an answer as a browser shows them: while it is written, before it is read, and without scripts."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from chat.interactions import checks as checks_made
from chat.models import InteractionAlert, Turn
from tests import cast
from tests.browser import checks
from tests.browser.conftest import Judged, SignIn
from tests.chat.making import answered
from tests.chat.test_interactions_beside_answers import CONTRAINDICATED, MAJOR

TITLE = "Contraindicated: clarithromycin with simvastatin"
READ = "I have read this"


def ask(page: Page, portal: str, question: str) -> None:
    page.goto(f"{portal}/ask/")
    page.get_by_label("Ask a clinical question").fill(question)
    page.get_by_role("button", name="Send question").click()


def test_the_answer_is_shown_once_the_alert_is_read(open_as: SignIn, portal: str) -> None:
    page = open_as(cast.alice())
    watch = checks.Watch(page)
    ask(page, portal, CONTRAINDICATED)
    expect(page.get_by_role("heading", name=TITLE)).to_be_visible()
    expect(page.locator("[data-working]")).to_be_hidden()
    expect(page.locator("[data-held]")).to_be_hidden()
    page.get_by_role("button", name=READ).click()
    expect(page.locator("[data-held]")).to_be_visible()
    expect(page.get_by_role("heading", name=TITLE)).to_be_visible()
    assert InteractionAlert.objects.get().response == "acknowledged"
    assert watch.problems() == []


def test_alerts_that_do_not_arrive_are_missed_aloud(open_as: SignIn, portal: str) -> None:
    page = open_as(cast.alice())
    page.route("**/interactions/", lambda route: route.abort())
    ask(page, portal, MAJOR)
    expect(page.get_by_text("The check for interactions could not be shown.")).to_be_visible()
    expect(page.get_by_text("rest on a passage quoted word for word")).to_be_visible()


def test_a_check_that_was_not_made_is_told_while_the_answer_arrives(
    open_as: SignIn, portal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> object:
        raise RuntimeError

    monkeypatch.setattr(checks_made, "for_turn", broken)
    page = open_as(cast.alice())
    ask(page, portal, MAJOR)
    expect(page.get_by_text("The check for interactions could not be shown.")).to_be_visible()
    expect(page.get_by_text("rest on a passage quoted word for word")).to_be_visible()
    page.reload()
    expect(page.get_by_text("The check for interactions is not available.")).to_be_visible()


def test_a_major_alert_arrives_with_the_answer_and_can_be_overridden(open_as: SignIn, portal: str) -> None:
    page = open_as(cast.alice())
    ask(page, portal, MAJOR)
    expect(page.get_by_role("heading", name="Major interaction: sulfamethoxazole")).to_be_visible()
    expect(page.get_by_text("rest on a passage quoted word for word")).to_be_visible()
    page.get_by_text("Override with a reason").click()
    page.get_by_label("Reason").select_option("monitored")
    page.get_by_role("button", name="Override this alert").click()
    expect(page.get_by_text("The patient is monitored for it").locator("visible=true")).to_be_visible()
    assert InteractionAlert.objects.get().reason == "monitored"
    page.get_by_role("button", name="Check these").click()
    expect(page.get_by_role("textbox", name="Medicines")).to_have_value("trimethoprim-sulfamethoxazole, warfarin")


def test_medicines_and_a_document_beside_the_question_without_scripts(
    open_as: SignIn, portal: str, tmp_path: Path
) -> None:
    document = tmp_path / "discharge.txt"
    document.write_text("Discharge medicines\n\n- simvastatin 40 mg at night\n")
    page = open_as(cast.alice(), scripts=False)
    page.goto(f"{portal}/ask/")
    page.get_by_label("Ask a clinical question").fill("What treats community acquired pneumonia?")
    page.get_by_text("The patient's medicines").click()
    page.get_by_label("Medicines, one a line").fill("clarithromycin 500 mg BID")
    page.get_by_label("Or a document that lists them").set_input_files(document)
    page.get_by_role("button", name="Send question").click()
    expect(page.get_by_role("heading", name=TITLE)).to_be_visible()
    assert Turn.objects.get().medicines == ["clarithromycin", "simvastatin"]
    page.get_by_role("button", name=READ).click()
    expect(page.locator("[data-held]")).to_be_visible()


def test_the_page_with_alerts_is_accessible_and_fits(judged: Judged) -> None:
    alice = cast.alice()
    turn = answered(author=alice, text=f"{CONTRAINDICATED} She takes warfarin, amiodarone and levetiracetam.")
    assert judged({turn.conversation.get_absolute_url(): alice}) == []
