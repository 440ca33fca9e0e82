"""Onboarding in a browser: the pages as they look, and a request that four people approve without scripts."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from compliance.models import PolicyVersion
from tests import cast
from tests.browser import checks
from tests.browser.conftest import SignIn
from tests.training import certified
from tests.training.making_approvals import WHO, license_found, reached, sent_in, staff, take
from training.approvals import delegations
from training.models import AccessRequest
from training.models.approvals import Stage, Step

TEXT = "## What it is about\n\nBe **kind**.\n\n- One\n- Two\n\n> [!NOTE] Remember\n> It holds for everybody."


@pytest.fixture
def portal(transactional_db: None, live_server: object) -> str:
    """Without the starter library of the other browser tests: nothing is asked here."""
    return str(live_server)


def publish() -> PolicyVersion:
    return PolicyVersion.objects.create(
        slug="conduct", number=1, title="Conduct", version="1.0", text=TEXT, change="First version.", in_force=True
    )


def test_pages_have_no_violation_and_do_not_scroll_sideways(open_as: SignIn, portal: str) -> None:
    staff()
    publish()
    found = {}
    nadia, pat = open_as(cast.nadia()), open_as(cast.pat())
    watches = [checks.Watch(page) for page in (nadia, pat)]

    def look(name: str, page: Page, address: str) -> None:
        page.goto(f"{portal}{address}")
        found[name] = checks.judge(page)

    look("access, begun", nadia, reverse("access"))
    look("policies", nadia, reverse("policies"))
    look("policy", nadia, reverse("policy", args=["conduct"]))
    checks.send(nadia, "I have read it and accept it")
    PolicyVersion.objects.update(in_force=False)
    request = reached(Stage.HEAD)
    waiting = sent_in(cast.bob())
    delegations.give(owner=cast.sam(), delegate=cast.pat(), step=Step.SECURITY, days=9, reason="On leave")
    look("access, waiting", nadia, reverse("access"))
    look("approvals", pat, reverse("approvals"))
    look("request", pat, request.get_absolute_url())
    look("identity", open_as(cast.carol()), waiting.get_absolute_url())
    look("delegations", pat, reverse("delegations"))
    take(request, Step.RETURN, cast.pat(), reason="The license is not readable")
    look("access, returned", nadia, reverse("access"))
    assert {name: problems for name, problems in found.items() if problems} == {}
    assert [problem for watch in watches for problem in watch.problems()] == []


def test_four_people_approve_without_scripts(open_as: SignIn, portal: str) -> None:
    staff()
    certified.train(cast.nadia())
    nadia = open_as(cast.nadia(), scripts=False)
    nadia.goto(portal)
    nadia.get_by_role("button", name="Send in your request").click()
    expect(nadia.get_by_text("Your request is sent in.")).to_be_visible()
    request = AccessRequest.objects.get()
    for person, button in (
        (WHO[Step.IDENTITY], "Confirm identity and license"),
        (WHO[Step.HEAD], "Approve as department head"),
        (WHO[Step.PRIVACY], "Approve as privacy officer"),
        (WHO[Step.SECURITY], "Approve and turn access on"),
    ):
        page = open_as(person(), scripts=False)
        page.goto(f"{portal}{reverse('approvals')}")
        page.get_by_role("link", name="Nadia Novak").first.click()
        if person is WHO[Step.IDENTITY]:
            page.get_by_label("Kind of license").fill("MD")
            page.get_by_label("Issued by").fill("Oregon")
            page.get_by_label("Last day it is valid").fill(str(license_found().until))
        page.get_by_role("button", name=button).click()
        expect(page.get_by_text("Nadia Novak: ")).to_be_visible()
    request.refresh_from_db()
    assert request.stage == Stage.CLEARED
    nadia.goto(portal)
    expect(nadia).to_have_url(f"{portal}/ask/")
