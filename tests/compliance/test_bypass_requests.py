"""Ways around the second factor by requests that pretend: another path, method, host, name or site.

Each test is one, and none leads anywhere. The right way is shown to work in test_bypass.
"""

from __future__ import annotations

from base64 import b64encode

import pytest
from django.test import Client
from django.urls import reverse

from compliance.models import User
from tests import cast
from tests.compliance.closed import give_password, is_refusal, make_conversation, opened, walk_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def half(client: Client) -> Client:
    """An administrator's session after the password, before the code."""
    assert give_password(client, cast.ada())["Location"] == reverse("signin-code")
    return client


@pytest.mark.parametrize(
    "path",
    [
        "//settings/",
        "/./settings/",
        "/settings/.",
        "/settings",
        "/%2e/settings/",
        "/Settings/",
        "/SETTINGS/",
        "/settings/;x=1",
        "/settings;/",
        "/settings%2f",
        "/settings/%00",
        "/settings/%20",
        "/\\settings/",
        "/signin/../settings/",
        "/signin/%2e%2e/settings/",
        "/static/../settings/",
        "/static/%2e%2e%2fsettings/",
        "/status/..;/settings/",
        "/admin",
        "/admin/..;/admin/",
        "/api/health/../auth/verify",
        "/api/health/%2e%2e/auth/verify",
        "/api//auth/verify",
        "/API/auth/verify",
        "/api/auth/verify/",
        "/api/auth/verify.json",
        "/api/schema/?format=json",
    ],
)
def test_another_spelling_of_the_path(half: Client, path: str) -> None:
    answer = half.get(path)
    if answer.status_code == 301:  # a slash is added, and the door stands there
        answer = half.get(answer["Location"])
    assert is_refusal(answer) or answer.status_code in {400, 404}


@pytest.mark.parametrize(
    "header",
    [
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Forwarded-Path",
        "X-Forwarded-Prefix",
        "X-Override-URL",
        "X-Accel-Redirect",
    ],
)
def test_another_path_in_a_header(half: Client, header: str) -> None:
    assert not opened(half, headers={header: "/signin/"})
    answer = half.get("/signin/", headers={header: "/settings/"})
    assert "Appearance" not in answer.content.decode()


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-User", "Remote-User", "X-Remote-User", "X-Auth-User", "X-Client-Verify", "X-Forwarded-Email"],
)
def test_a_name_in_a_header(client: Client, header: str) -> None:
    assert not opened(client, headers={header: cast.ada().email})


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "True-Client-IP"])
def test_an_address_in_a_header(half: Client, header: str) -> None:
    assert not opened(half, headers={header: "127.0.0.1"})


@pytest.mark.parametrize("header", ["X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override"])
def test_another_method_in_a_header(client: Client, header: str) -> None:
    assert not opened(client, method="POST", headers={header: "GET"})
    walk_in(client, cast.alice())
    assert client.get(reverse("settings-appearance"), {"_method": "POST"}, headers={header: "POST"}).status_code == 405


def test_name_of_another_host(client: Client) -> None:
    assert client.get("/settings/", headers={"Host": "evil.example"}).status_code == 400
    answer = client.get("/settings/", headers={"X-Forwarded-Host": "evil.example"})
    assert answer["Location"].startswith("/signin/")


@pytest.mark.parametrize("scheme", ["Bearer", "Basic", "Digest", "Negotiate", "Token"])
def test_authorization_header_on_a_page(half: Client, scheme: str) -> None:
    pair = b64encode(f"{cast.ada().email}:{cast.PASSWORD}".encode()).decode()
    assert not opened(half, headers={"Authorization": f"{scheme} {pair}"})


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_leading_the_signed_in_person_elsewhere(client: Client, target: str) -> None:
    give_password(client, cast.alice(), next=target)
    answer = client.post(reverse("signin-code"), {"code": cast.code_of(cast.alice()), "next": target})
    assert answer["Location"] == "/"


def test_form_of_another_site() -> None:
    client = cast.sign_in(Client(enforce_csrf_checks=True), cast.alice())
    for headers in ({}, {"Origin": "https://evil.example"}, {"X-CSRFToken": "x" * 64}):
        assert client.post(reverse("settings-appearance"), {"theme": "dark"}, headers=headers).status_code == 403
    assert User.objects.get(email="alice@clinchat.example").theme == "auto"


def test_script_of_another_site(client: Client) -> None:
    walk_in(client, cast.alice())
    for address in ("/settings/", "/api/auth/verify", "/library/"):
        for answer in (
            client.get(address, headers={"Origin": "https://evil.example"}),
            client.options(address, headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}),
        ):
            assert not any(name.lower().startswith("access-control") for name in answer.headers)


def test_somebody_elses_conversation_with_both_factors(client: Client) -> None:
    conversation = make_conversation(cast.alice())
    turn = conversation.turns.get()
    walk_in(client, cast.bob())
    for address in (conversation.get_absolute_url(), reverse("answer-events", args=[turn.pk])):
        assert client.get(address).status_code == 404


def test_signed_in_changes_of_factors_need_a_fresh_proof(client: Client) -> None:
    """A browser left open is not enough to take the account over."""
    cast.sign_in(client, cast.alice(), proved=False)
    new = "amber kettle drifts slowly"
    for name in ("settings-password", "settings-app-add", "settings-passkey-add", "settings-recovery-codes"):
        answer = client.post(reverse(name), {"current": cast.PASSWORD, "new": new, "repeated": new})
        assert answer.status_code == 302, name
        assert answer["Location"].startswith(reverse("signin-again")), name
    assert User.objects.get(email="alice@clinchat.example").check_password(cast.PASSWORD)
