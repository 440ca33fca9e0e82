"""From the invitation to the first question, by keyboard alone. The assessment has its own test (test_training)."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from compliance.access import Role, links, people
from compliance.models import Authenticator, OneTimeLink, PolicyVersion, RoleAssignment, User
from tests import cast
from tests.browser import checks
from tests.browser.conftest import SignIn
from tests.browser.test_training import go, press, tab_to
from tests.chat.making import QUESTION
from tests.training import certified
from tests.training.making_approvals import ORDER, WHO, staff, take
from training.bank.types import SIX
from training.models import AccessRequest


def newcomer() -> User:
    person = people.create(email="ines@hospital.test", name="Ines Ibarra", title="RN", department="Internal medicine")
    RoleAssignment.objects.give(user=person, role=Role.CLINICIAN)
    return person


def test_invitation_to_first_question(open_as: SignIn, portal: str) -> None:
    certified.load_content()
    person = newcomer()
    page = open_as(None)
    watch = checks.Watch(page)
    page.goto(portal + links.make(person, OneTimeLink.Purpose.INVITE, cast.ada()))
    for label in ("New password", "again"):
        tab_to(page, label)
        page.keyboard.type(cast.PASSWORD)
    go(page)
    set_up(page, person)

    expect(page).to_have_url(f"{portal}/access/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your access")
    for policy in PolicyVersion.objects.in_force().order_by("number"):
        page.goto(f"{portal}/access/policies/{policy.slug}/")
        tab_to(page, "I have read it and accept it")
        go(page)
    for slug in SIX:
        certified.certify(person, slug=slug)
    page.goto(f"{portal}/access/")
    tab_to(page, "Send in your request")
    go(page)
    expect(page.get_by_text("Your request is sent in.")).to_be_visible()
    staff()
    for step in ORDER:
        take(AccessRequest.objects.get(person=person), step, WHO[step]())

    page.goto(portal)
    expect(page).to_have_url(f"{portal}/ask/")
    press(page, "/")
    page.keyboard.type(QUESTION)
    press(page, "Enter")
    expect(page.get_by_text("rest on a passage quoted word for word")).to_be_visible()
    assert watch.problems() == []


def set_up(page: Page, person: User) -> None:
    """The first sign-in: password, authenticator app, recovery codes."""
    if page.url.rstrip("/").endswith("/signin"):
        tab_to(page, "Work e-mail")
        page.keyboard.type(person.email)
        tab_to(page, "Password")
        page.keyboard.type(cast.PASSWORD)
        go(page)
    tab_to(page, "code")
    device = Authenticator.objects.get(user=person)
    page.keyboard.type(f"{device.totp.token():06d}")
    go(page)
    expect(page.get_by_text(re.compile("recovery codes", re.IGNORECASE)).first).to_be_visible()
    tab_to(page, "Continue to ClinChat")
    go(page)
