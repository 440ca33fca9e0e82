"""Reporting a mask and deciding on a local term in a browser: by keyboard, without scripts, and in both themes."""

from __future__ import annotations

import uuid

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from chat import services
from chat.models import Turn
from compliance import mask_reports, term_changes, vault
from compliance.mask_reports import Kind, Reported
from compliance.models import MaskReport, MaskTerm
from compliance.phi import Entity, Label
from tests import cast
from tests.browser import checks
from tests.browser.conftest import SignIn
from tests.chat.making import make_turn

MISSED = "plimsollite"
TEXT = f"Can {MISSED} from Maria Lopez's ward take warfarin?"


@pytest.fixture
def portal(transactional_db: None, live_server: object, monkeypatch: pytest.MonkeyPatch) -> str:
    """Without the starter library of the other browser tests, and without a worker: nothing is answered here."""
    monkeypatch.setattr("chat.tasks.answer_turn.delay", lambda _turn_id: None)
    return str(live_server)


@pytest.fixture
def turn(portal: str) -> Turn:
    made = make_turn(author=cast.alice(), text=TEXT)
    services.stop(turn=made)
    return made


@pytest.fixture
def reports(portal: str) -> list[MaskReport]:
    """One of each kind, and a term in each state somebody can act on."""
    cast.carol(), cast.pat()
    scope = uuid.uuid4()
    vault.store(scope, [Entity("[NAME-1]", Label.NAME, "Zebulon Quixworth"), Entity("[MRN-1]", Label.MRN, "00482913")])
    sent = [
        Reported(Kind.MISSED, scope, uuid.uuid4(), "[NAME-1]", "Zebulon Quixworth", "", "On the ward list"),
        Reported(Kind.WRONG, scope, uuid.uuid4(), "[FACILITY-1]", "Quillfeather Index", "FACILITY"),
    ]
    made = [mask_reports.file(one, by=cast.alice()) for one in sent]
    for words, by in (("Quillfeather Annex", cast.carol()), ("Otter Wing", cast.carol()), ("Heron House", cast.pat())):
        term_changes.propose(kind="mask", words=words, label="FACILITY", reason="A building of ours", by=by)
    used = MaskTerm.objects.get(status="proposed", proposed_by=cast.pat())
    term_changes.approve(term_id=used.pk, by=cast.carol())
    return made


def test_a_missed_identifier_is_masked_before_the_page_is_back(open_as: SignIn, portal: str, turn: Turn) -> None:
    cast.pat()
    page = open_as(cast.alice())
    watch = checks.Watch(page)
    page.goto(f"{portal}{turn.conversation.get_absolute_url()}")
    page.get_by_text("1 identifier masked before the search").click()
    page.get_by_text("Report a missed or wrong mask").click()
    page.get_by_label("Words to mask").fill("Zebulon")
    page.get_by_label("What it is").select_option("NAME")
    page.get_by_role("button", name="Mask and report it").click()
    expect(page.get_by_text("These words are not in your question.")).to_be_visible()
    expect(page.get_by_label("Words to mask")).to_be_focused()
    expect(page.get_by_label("Words to mask")).to_have_value("Zebulon")
    assert page.url.endswith(turn.conversation.get_absolute_url()), "the page is that of the conversation"
    watch.errors.clear()  # the browser itself logs the 422
    page.get_by_label("Words to mask").fill(MISSED)
    page.keyboard.press("Enter")
    expect(page.get_by_text("It is masked now, here and in later questions.")).to_be_visible()
    expect(page.get_by_text("2 identifiers masked before the search")).to_be_visible()
    expect(page.locator(".q .pt", has_text=MISSED).first).to_be_visible()
    turn.refresh_from_db()
    assert MISSED not in turn.question
    assert watch.problems() == []


def test_without_scripts_a_wrong_mask_is_reported(open_as: SignIn, portal: str, turn: Turn) -> None:
    page = open_as(cast.alice(), scripts=False)
    page.goto(f"{portal}{turn.conversation.get_absolute_url()}")
    page.locator(".phi-bar > summary").click()
    page.get_by_text("Report a missed or wrong mask").click()
    page.get_by_role("button", name="Report it").last.click()
    expect(page.get_by_text("Choose what should not be masked.")).to_be_visible()
    page.get_by_role("radio").check()
    page.get_by_role("button", name="Report it").last.click()
    expect(page.get_by_text("It stays masked until they decide.")).to_be_visible()
    assert MaskReport.objects.get().kind == "wrong"


def test_the_queue_by_keyboard_from_a_report_to_a_term(open_as: SignIn, portal: str, reports: list[MaskReport]) -> None:
    pat = open_as(cast.pat())
    watch = checks.Watch(pat)
    pat.goto(f"{portal}{reverse('masking')}")
    pat.get_by_role("link", name=reports[1].number).first.focus()
    pat.keyboard.press("Enter")
    expect(pat.get_by_text("Quillfeather Index")).to_have_count(0)
    pat.get_by_role("button", name="Show the words").focus()
    pat.keyboard.press("Enter")
    expect(pat.locator(".pt", has_text="Quillfeather Index")).to_be_visible()
    expect(pat.get_by_label("Keep readable")).to_be_checked()
    pat.get_by_label("Reason").fill("A score of ours")
    pat.get_by_role("button", name="Propose this term").focus()
    pat.keyboard.press("Enter")
    expect(pat.get_by_text("The term waits for a second person.")).to_be_visible()
    pat.get_by_role("link", name=reports[1].number).first.click()
    pat.get_by_label("A local term was proposed").check()
    pat.get_by_role("button", name="Settle the report").click()
    expect(pat.get_by_text("is settled. Its reporter was told the outcome.")).to_be_visible()
    assert watch.problems() == []

    carol = open_as(cast.carol(), scripts=False)
    carol.goto(f"{portal}{reverse('masking')}")
    carol.get_by_role("button", name="Approve Quillfeather Index").click()
    expect(carol.get_by_text("The term is in use, within two seconds.")).to_be_visible()


def test_pages_have_no_violation_and_do_not_scroll_sideways(
    open_as: SignIn, portal: str, turn: Turn, reports: list[MaskReport]
) -> None:
    found = {}

    def look(page: Page, name: str) -> None:
        found[name] = checks.judge(page)

    nothing = make_turn(author=cast.alice(), text="Which dose of warfarin?", conversation=turn.conversation)
    services.stop(turn=nothing)
    alice = open_as(cast.alice())
    alice.goto(f"{portal}{turn.conversation.get_absolute_url()}")
    for summary in alice.locator(".phi-bar > summary").all():
        summary.click()
    alice.get_by_text("Report a missed or wrong mask").click()
    look(alice, "report")
    alice.locator("#turn-1-words").fill("Zebulon")
    checks.send(alice, "Mask and report it")
    look(alice, "report-refused")
    pat = open_as(cast.pat())
    pat.goto(f"{portal}{reverse('masking')}")
    look(pat, "masking")
    pat.goto(f"{portal}{reverse('mask-report', args=[reports[0].pk])}")
    checks.send(pat, "Settle the report")
    look(pat, "mask-report-refused")
    checks.send(pat, "Show the words")
    look(pat, "mask-report-words")
    pat.goto(f"{portal}{reverse('mask-term-new')}")
    checks.send(pat, "Propose this term")
    look(pat, "mask-term")
    assert {name: problems for name, problems in found.items() if problems} == {}
