"""A person looks after how they sign in: a passkey of the browser's own authenticator, from set-up to removal."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from compliance.models import Authenticator, User
from tests import cast
from tests.browser import checks
from tests.browser.conftest import Judged, SignIn


@pytest.fixture
def portal(transactional_db: None, live_server: Any, settings: Any) -> str:
    """Without the starter library of the other browser tests: nothing is asked here."""
    settings.OTP_WEBAUTHN_ALLOWED_ORIGINS = [live_server.url]
    return str(live_server)


def authenticator(page: Page, **other: Any) -> Any:
    """A built-in authenticator whose owner unlocks it; the session by which it can be asked."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    made = devtools.send(
        "WebAuthn.addVirtualAuthenticator",
        {"options": {**options, "isUserVerified": True, "automaticPresenceSimulation": True, **other}},
    )

    def send(command: str, **parameters: Any) -> Any:
        return devtools.send(f"WebAuthn.{command}", {"authenticatorId": made["authenticatorId"], **parameters})

    return send


def give_password(page: Page, portal: str, user: User) -> None:
    page.goto(f"{portal}/signin/")
    page.get_by_label("Work e-mail").fill(user.email)
    page.get_by_label("Password").fill(cast.PASSWORD)
    checks.send(page, "Continue")


def sign_out(page: Page) -> None:
    page.get_by_label(re.compile("^Account")).click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def add_passkey(page: Page, portal: str, name: str = "Ward laptop") -> None:
    page.goto(f"{portal}/settings/")
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Create the passkey").click()
    expect(page.get_by_text("The passkey is added.")).to_be_visible()


def test_a_passkey_from_its_making_to_its_end(open_as: SignIn, portal: str) -> None:
    pat = cast.pat()
    page = open_as(pat)
    watch = checks.Watch(page)
    device = authenticator(page)
    add_passkey(page, portal)
    expect(page.get_by_text("Ward laptop")).to_be_visible()
    expect(page.get_by_text("A passkey was added to your account").first).to_be_visible()
    assert len(device("getCredentials")["credentials"]) == 1

    sign_out(page)
    give_password(page, portal, pat)
    page.get_by_role("link", name="Use your passkey").click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url(re.compile("/(library|compliance|ask)/"))
    assert device("getCredentials")["credentials"][0]["signCount"] == 2

    page.goto(f"{portal}/settings/")
    page.get_by_role("link", name="Rename or remove Ward laptop").click()
    page.get_by_label("Name", exact=True).fill("Office laptop")
    page.get_by_role("button", name="Save the name").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.get_by_role("link", name="Rename or remove Office laptop").click()
    page.get_by_role("button", name="Remove this passkey").click()
    expect(page.get_by_text("You had signed in with it, so sign in again.")).to_be_visible()
    assert watch.problems() == []


def test_the_first_second_step_is_a_passkey(open_as: SignIn, portal: str) -> None:
    bob = cast.bob()
    Authenticator.objects.filter(user=bob).delete()
    page = open_as(None)
    watch = checks.Watch(page)
    authenticator(page)
    give_password(page, portal, bob)
    page.get_by_role("link", name="Use a passkey instead").click()
    page.get_by_role("button", name="Create a passkey").click()
    expect(page.get_by_role("heading", name="Save your recovery codes")).to_be_visible()
    assert watch.problems() == []

    page.goto(f"{portal}/settings/")
    sign_out(page)
    give_password(page, portal, bob)
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url("**/ask/")


def test_no_passkey_form_is_sent_before_its_script_is_there(open_as: SignIn, portal: str) -> None:
    page = open_as(cast.pat())
    authenticator(page)
    held: list[Route] = []
    page.route("**/passkeys*.js", lambda route: held.append(route))  # not `held.append`: Playwright marks handlers
    page.goto(f"{portal}/settings/passkeys/add/", wait_until="commit")
    button = page.get_by_role("button", name="Create the passkey")
    expect(button).to_be_disabled()
    held[0].continue_()
    page.get_by_label("Name").fill("Slow line")
    button.click()
    expect(page.get_by_text("The passkey is added.")).to_be_visible()


def test_both_factors_again_with_a_passkey(open_as: SignIn, portal: str) -> None:
    pat = cast.pat()
    page = open_as(pat)
    authenticator(page)
    add_passkey(page, portal)
    page.goto(f"{portal}/signin/again/?next=/settings/passkeys/add/")
    page.get_by_label("Password").fill(cast.PASSWORD)
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("link", name="Use your passkey").click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("heading", name="Add a passkey")).to_be_visible()


def test_what_goes_wrong_is_said(open_as: SignIn, portal: str) -> None:
    pat = cast.pat()
    page = open_as(pat)
    device = authenticator(page)
    add_passkey(page, portal)
    error = page.locator("[data-passkey-error]")

    page.goto(f"{portal}/settings/passkeys/add/")
    page.get_by_role("button", name="Create the passkey").click()
    expect(page.get_by_text("Enter a name that tells this passkey")).to_be_visible()
    page.get_by_label("Name").fill("The same laptop")
    page.get_by_role("button", name="Create the passkey").click()
    expect(error).to_contain_text("already holds a passkey")

    device("setUserVerified", isUserVerified=False)
    sign_out(page)
    give_password(page, portal, pat)
    page.get_by_role("link", name="Use your passkey").click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(error).to_contain_text("No passkey was given")
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_enabled()


def test_without_scripts_the_other_ways_remain(open_as: SignIn, portal: str) -> None:
    pat = cast.pat()
    with_scripts = open_as(pat)
    authenticator(with_scripts)
    add_passkey(with_scripts, portal)
    page = open_as(None, scripts=False)
    give_password(page, portal, pat)
    page.get_by_role("link", name="Use your passkey").click()
    expect(page.get_by_text("Passkeys need JavaScript")).to_be_visible()
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_hidden()
    page.get_by_role("link", name="Use your authenticator app").click()
    expect(page.get_by_role("heading", name="Enter your code")).to_be_visible()


def test_pages_are_accessible_and_fit(open_as: SignIn, judged: Judged, portal: str) -> None:
    pat, bob = cast.pat(), cast.bob()
    first = open_as(pat)
    authenticator(first)
    add_passkey(first, portal)
    one = first.get_by_role("link", name="Rename or remove Ward laptop").get_attribute("href")
    assert one is not None
    found = judged(dict.fromkeys(("/settings/", "/settings/passkeys/add/", one), pat))

    Authenticator.objects.filter(user=bob).delete()
    for who, which in ((pat, "/signin/passkey/"), (bob, "/signin/passkey/setup/")):
        page = open_as(None)
        watch = checks.Watch(page)
        give_password(page, portal, who)
        page.goto(portal + which)
        assert page.url == portal + which
        found += [f"{which}: {problem}" for problem in (*checks.judge(page), *watch.problems())]
    assert found == []
