"""Interactions in a browser: names completed by keyboard, a list without scripts, alerts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from chat.interactions import current, lists
from chat.models import InteractionCheck
from compliance.models import User
from tests import cast
from tests.browser import checks
from tests.browser.conftest import Judged, SignIn

ROWS = "warfarin|simvastatin|clarithromycin|metformin|Percocet|Tylenol 500 mg|NSAIDs|lisinopril|zyrtac|\u043a\u0430"
LIST = ROWS.replace("|", "\n")
PAUSE = 1000
"""Milliseconds without a key after which names are asked for."""


@pytest.fixture
def portal(transactional_db: None, live_server: object) -> Iterator[str]:
    """Without documents: nothing here asks for one."""
    current.forget()
    yield str(live_server)
    current.forget()


def made(user: User, text: str = LIST) -> InteractionCheck:
    return lists.check(lists.read(text), where=InteractionCheck.Where.PAGE, by=user)


def test_nothing_is_wrong_with_the_pages(judged: Judged) -> None:
    alice = cast.alice()
    pages: dict[str, User | None] = {
        reverse("interactions"): alice,
        made(alice).get_absolute_url(): alice,
        made(alice, "atorvastatin\nmetformin").get_absolute_url(): alice,
        reverse("interaction-pair", args=["clarithromycin", "simvastatin"]): alice,
        reverse("interaction-pair", args=["atorvastatin", "metformin"]): alice,
    }
    assert judged(pages) == []


def test_names_are_completed_by_keyboard(open_as: SignIn, portal: str) -> None:
    page = open_as(cast.alice())
    watch = checks.Watch(page)
    checks.stop_clock(page)
    page.goto(f"{portal}/interactions/")
    box = page.get_by_role("combobox", name="Add a medicine")
    box.press_sequentially("warf")
    page.clock.run_for(PAUSE)
    names = page.get_by_role("listbox")
    expect(names.get_by_role("option").first).to_have_text("warfarin")
    expect(box).to_have_attribute("aria-expanded", "true")
    box.press("ArrowDown")
    expect(names.get_by_role("option").first).to_have_attribute("aria-selected", "true")
    expect(box).to_have_attribute("aria-activedescendant", "add-0")
    box.press("Enter")
    expect(page.get_by_label("Medicines, one a line")).to_have_value("warfarin\n")
    expect(names).to_be_hidden()
    box.press_sequentially("lipi")
    page.clock.run_for(PAUSE)
    expect(names.get_by_role("option").first).to_contain_text("atorvastatin")
    box.press("Escape")
    expect(names).to_be_hidden()
    expect(box).to_have_value("lipi")
    box.fill("aspi")
    page.clock.run_for(PAUSE)
    names.get_by_role("option", name="aspirin", exact=True).click()
    expect(page.get_by_label("Medicines, one a line")).to_have_value("warfarin\naspirin\n")
    assert checks.judge(page) == []
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_role("heading", name="Major interaction: aspirin with warfarin")).to_be_visible()
    expect(page.get_by_role("button", name="I have read this")).to_have_count(0)  # only what is contraindicated asks
    assert watch.problems() == []


def test_without_scripts(open_as: SignIn, portal: str) -> None:
    page = open_as(cast.alice(), scripts=False)
    page.goto(f"{portal}/interactions/")
    expect(page.get_by_label("Add a medicine")).to_be_hidden()
    page.get_by_label("Medicines, one a line").fill("warfarin\nlasi\nsimvastatin")
    page.get_by_role("button", name="Check").click()
    page.get_by_role("button", name="Lasix").click()
    expect(page.get_by_text("Not recognized, so not checked")).to_have_count(0)
    expect(page.get_by_text("none found in this table", exact=False).first).to_be_visible()
    page.get_by_role("button", name="Change the list").click()
    expect(page.get_by_label("Medicines, one a line")).to_have_value("Lasix\nsimvastatin\nwarfarin")
    page.get_by_label("Medicines, one a line").fill("warfarin\naspirin")
    page.get_by_role("button", name="Check").click()
    page.get_by_text("Override with a reason").click()
    page.get_by_label("Reason").select_option("benefit")
    page.get_by_role("button", name="Override this alert").click()
    expect(page.get_by_text("The benefit outweighs the risk")).to_be_visible()
