"""Pages of retention, legal holds and erasures in a browser: read by everybody, used by two people."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from clinchat.lib import clock
from compliance import vault
from compliance.continuity.deletion import erasing, holds
from compliance.models import Purge
from compliance.phi import Entity, Label
from tests import cast
from tests.browser import checks
from tests.browser.conftest import Judged, SignIn

NUMBER = "88231904"
AT = "/compliance/continuity/"


@pytest.fixture
def portal(transactional_db: None, live_server: object) -> str:
    """Without the starter library of the other browser tests: one patient, a hold that ended, an erasure."""
    pat, carol = cast.pat(), cast.carol()
    for number in (NUMBER, "11223344"):
        vault.store(uuid.uuid4(), [Entity("[MRN-1]", Label.MRN, number)])
    over = holds.place(kind="person", subject=cast.alice().email, reason="A claim of 2025.", actor=pat)
    holds.end(hold_id=over.pk, reason="The claim was withdrawn.", actor=carol)
    holds.place(kind="person", subject=cast.bob().email, reason="A claim of 2026.", actor=carol)
    asked = erasing.request(kind="patient", subject="11223344", reason="A request of the patient.", actor=pat)
    erasing.approve(erasure_id=asked.pk, actor=carol)
    for rule in ("values", "notices"):
        Purge.objects.create(rule=rule, before=clock.now() - timedelta(days=365), removed=1284, held=3)
    return str(live_server)


def test_a_patient_is_held_and_then_erased(open_as: SignIn, judged: Judged, portal: str) -> None:
    pat, carol = open_as(cast.pat()), open_as(cast.carol())
    watch = checks.Watch(pat)
    pat.goto(f"{portal}{AT}holds/")
    pat.get_by_role("link", name="Place a hold").click()
    pat.get_by_label("About", exact=True).select_option("patient")
    pat.get_by_label("Which one").fill(NUMBER)
    pat.get_by_label("Reason").fill("A claim.")
    pat.get_by_role("button", name="Place it").click()
    expect(pat.get_by_text("The hold is in force.")).to_be_visible()
    expect(pat.get_by_text(vault.pseudonym(NUMBER))).to_be_visible()
    expect(pat.get_by_text(NUMBER)).to_have_count(0)
    pat.goto(f"{portal}{AT}erasures/new/")
    for press in range(2):
        pat.get_by_label("About", exact=True).select_option("patient")
        pat.get_by_label("Which one").fill(NUMBER)
        pat.get_by_label("Reason").fill("A request of the patient.")
        pat.get_by_role("button", name="Ask for it").click()
        if not press:
            expect(pat.get_by_text("A legal hold is on it.")).to_be_visible()
            carol.goto(f"{portal}{AT}holds/")
            carol.get_by_role("link", name="End it").click()
            carol.get_by_label("Why it ends").fill("It is over.")
            carol.get_by_role("button", name="End it").click()
            expect(carol.get_by_text("The hold has ended.")).to_be_visible()
    expect(pat.get_by_text("It waits for a second person.")).to_be_visible()
    carol.goto(f"{portal}{AT}erasures/")
    carol.get_by_role("button", name="Erase for good").click()
    expect(carol.get_by_text("1 value can no longer be read by anybody.")).to_be_visible()
    assert watch.problems() == []
    addresses = ("retention/", "holds/", "holds/new/", "erasures/", "erasures/new/")
    assert judged({AT + address: cast.pat() for address in addresses}) == []
