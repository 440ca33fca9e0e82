"""Oversight of training and feedback in a browser: no violation on any page, and feedback without scripts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from clinchat.lib import clock
from compliance import remarks
from compliance.models import Remark, Risk, User
from compliance.registers import examples, reviews
from tests import cast
from tests.browser.conftest import Judged, SignIn
from tests.training import certified, making_oversight
from training.bank.types import Kind


@pytest.fixture
def portal(transactional_db: None, live_server: object) -> str:
    """Without the library of the other browser tests: nothing is asked here."""
    return str(live_server)


def test_oversight_pages_have_no_violation(judged: Judged, portal: str) -> None:
    certified.load_content()
    version = making_oversight.module()
    asked = [item for item in version.module.items if item.kind is Kind.SINGLE][:4]
    wrong = next(n for n, one in enumerate(asked[3].options) if not one.right)
    people = User.objects.bulk_create(User(email=f"p{n}@x.test", name=f"P {n}") for n in range(31))
    for n, person in enumerate(people):
        making_oversight.sat(person, version, items=asked, wrong=n % 3, chose={asked[3].key: [wrong]})
    alice, carol = cast.alice(), cast.carol()
    certified.train(alice)
    certified.certify(cast.bob(), slug="hipaa", expires_at=clock.now() - timedelta(days=1))
    making_oversight.sat(alice, version, wrong=3, number=1)
    given = remarks.give(
        by=alice,
        about=Remark.About.ITEM,
        subject=asked[3].key,
        category=Remark.Category.CONTENT,
        text="The key is off.",
    )
    remarks.handle(remark_id=given.pk, by=carol, revision=0, status=Remark.Status.UNDER_WAY, reply="We look at it.")
    addresses = {
        reverse("cohort"): carol,
        reverse("evidence", args=[alice.pk]): carol,
        reverse("items"): carol,
        reverse("item", args=[asked[3].key]): carol,
        reverse("misconceptions"): carol,
        reverse("remarks"): carol,
        given.get_absolute_url(): carol,
        reverse("remarks-own"): alice,
        f"{reverse('remark-new')}?about=page&subject=/library/": alice,
    }
    assert judged(addresses) == []


def test_pages_of_the_registers_have_no_violation(judged: Judged, portal: str) -> None:
    people = {key: getattr(cast, key)() for key in ("pat", "sam", "carol")}
    examples.furnish(people)
    carol, (this, last) = people["carol"], reviews.weeks(2)
    addresses = {
        reverse("risk-edit", args=[Risk.objects.earliest("number").pk]): carol,
        reverse("assets"): carol,
        reverse("audit-review", args=[last if timezone.localdate() < this + reviews.FRIDAY else this]): carol,
        reverse("disclosures"): carol,
    }
    assert judged(addresses) == []


def test_feedback_is_given_and_answered_without_scripts(open_as: SignIn, portal: str) -> None:
    page = open_as(cast.alice(), scripts=False)
    page.goto(f"{portal}{reverse('settings')}")
    page.get_by_role("link", name="Give feedback").click()
    expect(page.get_by_text("/settings/", exact=True)).to_be_visible()
    page.get_by_role("button", name="Send feedback").click()
    expect(page.get_by_text("Choose what it is.")).to_have_count(2)
    page.get_by_label("Idea").check()
    page.get_by_label("Your feedback").fill("Larger letters.")
    page.get_by_role("button", name="Send feedback").click()
    expect(page.get_by_text("Thank you.")).to_be_visible()
    other = open_as(cast.edith(), scripts=False)
    other.goto(f"{portal}{reverse('remarks')}")
    other.get_by_role("link", name="Idea").click()
    other.get_by_label("Settled").check()
    other.get_by_role("textbox", name="Reply").fill("Choose a larger size in your browser.")
    other.get_by_role("button", name="Save and tell the author").click()
    expect(other.get_by_text("Saved.")).to_be_visible()
    page.goto(f"{portal}{reverse('remarks-own')}")
    expect(page.get_by_text("Choose a larger size in your browser.")).to_be_visible()
