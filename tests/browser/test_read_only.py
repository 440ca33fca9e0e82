"""Read-only mode in a browser: the strip, forms that are shut, what is refused, and switching it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from clinchat.lib import clock
from compliance.access import epoch
from compliance.continuity import maintenance, planned
from compliance.models import Maintenance, PlannedMaintenance
from tests import cast
from tests.browser import checks
from tests.browser.conftest import SignIn
from tests.compliance.closed import make_conversation

TYPED = "The list of medicines is hard to read on the ward's old tablets."
WHY = "The database moves to a new server."


@pytest.fixture
def portal(transactional_db: None, live_server: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Without the starter library of the other browser tests: nothing is asked here."""
    monkeypatch.setattr(epoch, "FRESH_SECONDS", 0.0)
    maintenance.forget()
    yield str(live_server)
    PlannedMaintenance.objects.filter(state="planned").update(state="cancelled", closed_at=clock.now())
    Maintenance.objects.filter(ended_at=None).update(ended_at=clock.now())
    maintenance.forget()


def test_reading_goes_on_and_forms_are_shut(open_as: SignIn, portal: str) -> None:
    conversation = make_conversation(cast.alice())
    page = open_as(cast.alice())
    watch = checks.Watch(page)
    page.goto(f"{portal}/feedback/new/")
    page.get_by_label("Your feedback").fill(TYPED)
    maintenance.start(reason=WHY, until=clock.now() + timedelta(hours=2))
    page.locator("main form button.primary").first.click()
    expect(page.get_by_role("heading", name="Nothing was stored")).to_be_visible()
    expect(page.get_by_label("Text 1")).to_have_value(TYPED)
    watch.errors.clear()  # the browser itself logs that the answer was 503
    for address in ("/ask/", conversation.get_absolute_url(), "/settings/"):
        page.goto(f"{portal}{address}")
        expect(page.get_by_role("region", name="Read-only mode")).to_contain_text(WHY)
    page.goto(f"{portal}/ask/")
    expect(page.get_by_label("Ask a clinical question")).to_be_disabled()
    expect(page.get_by_text("ClinChat is read-only.", exact=False).last).to_be_visible()
    assert checks.judge(page) == []
    assert watch.problems() == []


def test_an_operator_switches_it(open_as: SignIn, portal: str) -> None:
    page = open_as(cast.otto())
    watch = checks.Watch(page)
    page.goto(f"{portal}{reverse('maintenance')}")
    assert checks.judge(page) == []
    card = page.get_by_role("region", name="It is off")
    card.get_by_label("Reason").fill(WHY)
    card.get_by_label("Expected end").fill("2031-01-02T18:00")
    page.get_by_role("button", name="Make ClinChat read-only").click()
    expect(page.get_by_role("heading", name="It is on")).to_be_visible()
    expect(page.get_by_role("region", name="Read-only mode")).to_contain_text(WHY)
    assert checks.judge(page) == []
    page.get_by_role("button", name="End it").click()
    expect(page.get_by_role("heading", name="It is off")).to_be_visible()
    expect(page.get_by_role("region", name="Read-only mode")).to_have_count(0)
    assert watch.problems() == []


def test_an_operator_plans_it_and_everybody_sees_it_come(open_as: SignIn, portal: str) -> None:
    page = open_as(cast.otto())
    watch = checks.Watch(page)
    page.goto(f"{portal}{reverse('maintenance')}")
    card = page.get_by_role("region", name="Nothing is planned")
    card.get_by_label("Reason").fill(WHY)
    card.get_by_label("Start").fill("2031-01-02T18:00")
    card.get_by_label("Expected end").fill("2031-01-02T17:00")
    card.get_by_role("button", name="Plan it").click()
    expect(card).to_contain_text("The expected end must be after the start.")
    assert checks.judge(page) == []
    card.get_by_label("Expected end").fill("2031-01-02T20:00")
    card.get_by_role("button", name="Plan it").click()
    card = page.get_by_role("region", name="Planned", exact=True)
    expect(card).to_contain_text("on Jan 2, 2031 at 18:00")
    card.get_by_text("Move it").first.click()
    expect(card.get_by_label("Start")).to_have_value("2031-01-02T18:00")
    assert checks.judge(page) == []
    soon = clock.now() + timedelta(hours=3)
    planned.move(starts_at=soon, until=soon + timedelta(hours=1))
    strip = page.get_by_role("region", name="Planned maintenance")
    for address in ("/settings/", "/compliance/", "/signin/", "/status/", reverse("maintenance")):
        page.goto(f"{portal}{address}")
        expect(strip).to_contain_text(WHY)
    assert checks.judge(page) == []
    page.get_by_role("button", name="Cancel it").click()
    expect(page.get_by_text("It is canceled.")).to_be_visible()
    expect(strip).to_have_count(0)
    assert watch.problems() == []
