"""The session's clock in a browser: it warns, renews, and takes the page away."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from clinchat.lib import clock
from compliance.models import Session
from tests import cast
from tests.browser import checks
from tests.browser.conftest import SignIn

HEADING = "Your session is about to end"


@pytest.fixture
def portal(transactional_db: None, live_server: Any) -> str:
    """Without the starter library of the other browser tests: nothing is asked here."""
    return str(live_server)


def leave_idle(page: Page, *, left: int) -> None:
    """Nothing is done until so many seconds are left, by the clocks of server and browser."""
    now = clock.now()
    ends = {"expire_date": now + timedelta(seconds=left), "seen_at": now - timedelta(seconds=900 - left)}
    Session.objects.update(**ends)
    page.clock.fast_forward((900 - left) * 1000)


def opened(open_as: SignIn, portal: str, **options: Any) -> Page:
    page = open_as(cast.pat(), **options)
    checks.stop_clock(page)
    page.goto(f"{portal}/settings/sessions/")
    expect(page.get_by_text("This one")).to_be_visible()
    return page


def test_it_warns_renews_and_ends(open_as: SignIn, portal: str) -> None:
    page = opened(open_as, portal)
    watch = checks.Watch(page)
    page.reload()
    heading = page.get_by_role("heading", name=HEADING)
    leave_idle(page, left=130)
    page.clock.run_for(2_000)
    expect(heading).not_to_be_visible()
    leave_idle(page, left=110)
    expect(heading).to_be_visible()
    expect(page.get_by_text("You will be signed out in 2 min.")).to_be_visible()
    expect(page.get_by_role("button", name="Stay signed in")).to_be_focused()
    page.keyboard.press("Enter")
    expect(heading).not_to_be_visible()
    assert Session.objects.get().expire_date - clock.now() > timedelta(minutes=14)

    leave_idle(page, left=-1)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_text("You were signed out after 15 minutes without activity.")).to_be_visible()
    assert page.url == f"{portal}/signin/?next=%2Fsettings%2Fsessions%2F"
    page.go_back()
    expect(page.get_by_text("This one")).not_to_be_visible()
    assert watch.problems() == []


def test_another_tab_keeps_this_one(open_as: SignIn, portal: str) -> None:
    page = opened(open_as, portal)
    page.clock.fast_forward(800_000)  # here nothing was done; the server knows better
    page.clock.run_for(2_000)
    expect(page.get_by_role("heading", name=HEADING)).not_to_be_visible()


def test_the_page_goes_even_when_the_server_is_gone(open_as: SignIn, portal: str) -> None:
    page = opened(open_as, portal)
    page.route(re.compile(".*"), lambda route: route.abort())
    page.clock.fast_forward(901_000)
    page.clock.run_for(2_000)
    expect(page.get_by_text("This one")).not_to_be_visible()


def test_near_the_twelve_hours_it_cannot_be_renewed(open_as: SignIn, portal: str) -> None:
    page = opened(open_as, portal)
    Session.objects.update(began_at=clock.now() - timedelta(hours=11, minutes=58, seconds=20))
    page.reload()
    page.clock.run_for(2_000)
    expect(page.get_by_role("heading", name=HEADING)).to_be_visible()
    expect(page.get_by_text("A session lasts 12 hours at most.")).to_be_visible()
    expect(page.get_by_role("button", name="Stay signed in")).not_to_be_visible()
    page.get_by_role("button", name="Close").click()
    page.clock.run_for(2_000)
    expect(page.get_by_role("heading", name=HEADING)).not_to_be_visible()


def test_pages_and_dialog_meet_wcag(open_as: SignIn, portal: str) -> None:
    page = open_as(cast.sam())
    for address in ("/settings/sessions/", "/compliance/sessions/"):
        page.goto(portal + address)
        assert checks.judge(page) == [], address
    page.evaluate("document.getElementById('session-ending').showModal()")
    assert checks.judge(page) == []
