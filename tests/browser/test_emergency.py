"""Emergency access and the access matrix in a browser: from a page that is not found to the finding."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from chat.models import Conversation
from compliance import vault
from compliance.models import BreakGlass
from compliance.phi import Entity, Label
from tests import cast
from tests.browser import checks
from tests.browser.conftest import SignIn
from tests.compliance.closed import make_conversation

REASON = "The ward needs what was asked about this patient."


@pytest.fixture
def portal(transactional_db: None, live_server: object) -> str:
    """Without the starter library of the other browser tests: nothing is asked here."""
    return str(live_server)


@pytest.fixture
def conversation(transactional_db: None) -> Conversation:
    made = make_conversation(cast.alice())
    made.turns.update(question="Warfarin for [NAME-1]?")
    vault.store(made.pk, [Entity(token="[NAME-1]", label=Label.NAME, value="Marisol Quintero")])
    return made


def test_from_not_found_to_the_finding(open_as: SignIn, portal: str, conversation: Conversation) -> None:
    cast.pat()
    page = open_as(cast.bob())
    watch = checks.Watch(page)
    page.goto(f"{portal}{conversation.get_absolute_url()}")
    watch.errors.clear()  # the browser itself logs that the page was not found
    page.get_by_role("link", name="Take emergency access").click()
    page.get_by_label("Reason").fill(REASON)
    page.get_by_role("button", name="Take access for 60 minutes").click()
    expect(page.get_by_text("Marisol Quintero").first).to_be_visible()
    expect(page.get_by_label("Ask a clinical question")).to_have_count(0)
    expect(page.get_by_role("button", name="Helpful")).to_have_count(0)
    page.get_by_role("button", name="End it now").click()
    expect(page.get_by_text("Emergency access ended.")).to_be_visible()
    expect(page.get_by_role("button", name="End it now")).to_have_count(0)
    assert watch.problems() == []

    officer = open_as(cast.pat(), scripts=False)
    officer.goto(f"{portal}{reverse('emergency-reviews')}")
    officer.get_by_role("rowheader").get_by_role("link").click()
    expect(officer.get_by_text(REASON)).to_be_visible()
    expect(officer.get_by_text("Opened masked values")).to_be_visible()
    officer.get_by_label("Justified", exact=True).check()
    officer.get_by_label("Note").fill("Bob was on call for this ward.")
    officer.get_by_role("button", name="Save the finding").click()
    expect(officer.get_by_text("Saved. The person was told the finding.")).to_be_visible()
    assert BreakGlass.objects.get().finding == "justified"


def test_pages_have_no_violation_and_do_not_scroll_sideways(
    open_as: SignIn, portal: str, conversation: Conversation
) -> None:
    bob = open_as(cast.bob())
    bob.goto(f"{portal}{reverse('emergency')}?for=/ask/x/")
    found = {"take": checks.judge(bob)}
    checks.send(bob, "Take access for 60 minutes")
    found["take, refused"] = checks.judge(bob)
    bob.get_by_label("Conversation or document").fill(str(conversation.pk))
    bob.get_by_label("Reason").fill(REASON)
    bob.get_by_role("button", name="Take access for 60 minutes").click()
    expect(bob.get_by_text("Marisol Quintero").first).to_be_visible()
    found["opened"] = checks.judge(bob)
    pat = open_as(cast.pat())
    review = reverse("emergency-review", args=[BreakGlass.objects.get().pk])
    for name, address in (("list", reverse("emergency-reviews")), ("review", review), ("matrix", reverse("matrix"))):
        pat.goto(f"{portal}{address}")
        found[name] = checks.judge(pat)
    assert {name: problems for name, problems in found.items() if problems} == {}
