"""Local changes and releases of the interaction table in a browser: two people decide, also without scripts."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from chat.interactions import changes, current, releases
from chat.models import DrugTable, LocalInteraction
from tests import cast, remembering
from tests.browser import checks
from tests.browser.conftest import SignIn
from tests.chat import tables
from tests.chat import test_interaction_changes as changing
from tests.chat import test_interaction_load as alerts


@pytest.fixture
def portal(transactional_db: None, live_server: object) -> str:
    """Without the starter library of the other browser tests: nothing is answered here."""
    current.forget()
    return str(live_server)


@pytest.fixture
def later(portal: str, tmp_path: Path) -> DrugTable:
    """A release that waits, beside changes of every state and alerts of the last days."""
    with remembering.tables():
        releases.offer_shipped()
        (tmp_path / "next.zip").write_bytes(tables.next_one().packed())
        row = releases.add(path=tmp_path / "next.zip", by=cast.edith())
    changing.approved()
    changing.proposed(changing.pair(tables.CONTRAINDICATED, "moderate"))
    changing.approved(changing.missing(days="9"))
    changes.refuse(change_id=changing.proposed(changing.pair(tables.grave(), "major")).pk, by=cast.dora())
    alerts.checked(alerts.warfarin(), by=cast.alice(), major=2, minor=3)
    alerts.checked(alerts.overridden("monitored", "INR every third day"), where="question", major=1)
    return row


def test_two_people_change_the_table_without_scripts(open_as: SignIn, portal: str) -> None:
    page = open_as(cast.edith(), scripts=False)
    page.goto(f"{portal}{reverse('interaction-changes')}")
    page.get_by_role("link", name="Propose a change").click()
    sent = changing.lowered(a="Coumadin", b="amiodaron")
    for label, name in (("First medicine", "a"), ("Second medicine", "b"), ("Reason", "reason")):
        page.get_by_label(label).fill(sent[name])
    page.get_by_label("Moderate").check()
    page.get_by_label("Source", exact=True).fill(sent["source_name"])
    page.get_by_label("Where in the source").fill(sent["source_ref"])
    page.get_by_label("Last day in force").fill(sent["expires_on"])
    page.get_by_role("button", name="Propose this change").click()
    expect(page.get_by_text("Did you mean amiodarone?")).to_be_visible()
    page.get_by_label("Second medicine").fill("amiodarone")
    page.get_by_role("button", name="Propose this change").click()
    expect(page.get_by_text("The change waits for a second person.")).to_be_visible()
    address = page.url
    second = open_as(cast.dora(), scripts=False)
    second.goto(address)
    second.get_by_role("button", name="Approve").click()
    expect(second.get_by_text("The change is in force")).to_be_visible()
    assert LocalInteraction.objects.get().status == "approved"


def test_names_are_completed(open_as: SignIn, portal: str) -> None:
    page = open_as(cast.edith())
    watch = checks.Watch(page)
    checks.stop_clock(page)
    page.goto(f"{portal}{reverse('interaction-propose')}")
    page.get_by_label("First medicine").press_sequentially("couma")
    page.clock.run_for(1000)  # names are asked for after a pause
    expect(page.locator("#id_a-list option")).to_have_attribute("value", "Coumadin")
    assert watch.problems() == []


def test_a_release_is_applied_from_its_report(open_as: SignIn, portal: str, later: DrugTable) -> None:
    page = open_as(cast.edith())
    watch = checks.Watch(page)
    page.goto(f"{portal}{later.get_absolute_url()}")
    page.get_by_role("button", name="Apply version 2027.02.01").click()
    expect(page.get_by_text("Version 2027.02.01 is in use, within a second.")).to_be_visible()
    later.refresh_from_db()
    assert later.in_use
    assert watch.problems() == []


def test_pages_have_no_violation_and_do_not_scroll_sideways(open_as: SignIn, portal: str, later: DrugTable) -> None:
    found = {}
    page, dora = open_as(cast.edith()), open_as(cast.dora())
    waiting = LocalInteraction.objects.open().get()
    for name, who, address in (
        ("changes", page, reverse("interaction-changes")),
        ("own", page, waiting.get_absolute_url()),
        ("warning", dora, waiting.get_absolute_url()),
        ("in-force", dora, LocalInteraction.objects.filter(status="approved")[0].get_absolute_url()),
        ("import", page, reverse("interaction-changes-import")),
        ("releases", page, reverse("interaction-releases")),
        ("release", page, later.get_absolute_url()),
        ("load", page, reverse("interaction-load")),
        ("propose", page, reverse("interaction-propose")),
    ):
        who.goto(f"{portal}{address}")
        found[name] = checks.judge(who)
    checks.send(page, "Propose this change")
    found["refused"] = checks.judge(page)
    assert {name: problems for name, problems in found.items() if problems} == {}
