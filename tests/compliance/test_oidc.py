"""Sign-in through an OpenID Connect provider: its word stands for the password, and only when every check passes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from compliance.directory import oidc
from compliance.models import AuditEvent, Code, User
from tests import cast
from tests.compliance.provider import CLIENT_ID, CLIENT_SECRET, Claims, Provider
from tests.factories import make_user

pytestmark = pytest.mark.django_db
OLGA = "olga@hospital.test"


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.stop()


@pytest.fixture
def provider(running: Provider, settings: Any) -> Provider:
    running.reset()
    settings.OIDC_ISSUER, settings.OIDC_CLIENT_ID = running.issuer, CLIENT_ID
    settings.OIDC_CLIENT_SECRET, settings.OIDC_NAME = CLIENT_SECRET, "Hospital ID"
    return running


def start(client: Client, target: str = "") -> str:
    answer = client.get(reverse("signin-directory"), {"next": target} if target else {})
    assert answer.status_code == 302, answer.content
    return str(answer["Location"])


def back(client: Client, provider: Provider, **changed: str) -> Any:
    found = provider.signs_in(start(client)) | changed
    return client.get(reverse("signin-directory-back"), {name: value for name, value in found.items() if value})


def is_refused(answer: Any, check: str) -> None:
    assert (answer.status_code, answer["Location"]) == (302, reverse("signin"))
    assert [str(message) for message in get_messages(answer.wsgi_request)] == [
        "That sign-in did not work. Try again, or ask your ClinChat administrator."
    ]
    event = AuditEvent.objects.filter(code=Code.AUTHN_LOGIN_FAIL).latest("timestamp")
    assert event.detail == {"step": "provider", "check": check}
    assert not User.objects.filter(directory="oidc").exists()


def test_who_comes_back_still_needs_the_second_factor(client: Client, provider: Provider) -> None:
    assert "Sign in with Hospital ID" in client.get(reverse("signin")).content.decode()
    answer = back(client, provider)
    assert (answer.status_code, answer["Location"]) == (302, reverse("signin-setup"))
    user = User.objects.get(email=OLGA)
    assert (user.directory, user.directory_id) == ("oidc", f"{provider.issuer}|user-1")
    assert (user.name, user.department, user.roles) == ("Olga Ortiz", "Cardiology", frozenset())
    assert not user.has_usable_password()
    assert client.get(reverse("settings")).status_code == 302, "nobody is signed in yet"
    assert "_auth_user_id" not in client.session
    assert client.get(reverse("signin-setup")).status_code == 200


def test_the_account_is_found_again_by_its_subject(client: Client, provider: Provider) -> None:
    back(client, provider)
    provider.person |= {"email": "olga.new@hospital.test", "name": "Olga Ortiz-Bell"}
    back(client, provider)
    (user,) = User.objects.filter(directory="oidc")
    assert (user.email, user.name) == (OLGA, "Olga Ortiz-Bell")


def test_where_the_person_wanted_to_go_is_kept_and_stays_here(client: Client, provider: Provider) -> None:
    for asked, kept in (("/library/", "/library/"), ("https://evil.example/", ""), ("//evil.example", "")):
        found = provider.signs_in(start(client, asked))
        client.get(reverse("signin-directory-back"), found)
        assert client.session["signin"]["next"] == kept


def test_the_session_key_changes(client: Client, provider: Provider) -> None:
    url = start(client)
    before = client.session.session_key
    client.get(reverse("signin-directory-back"), provider.signs_in(url))
    assert client.session.session_key != before


def test_an_answer_is_good_once(client: Client, provider: Provider) -> None:
    found = provider.signs_in(start(client))
    client.get(reverse("signin-directory-back"), found)
    User.objects.filter(directory="oidc").update(directory="", directory_id="")
    is_refused(client.get(reverse("signin-directory-back"), found), "state")


def test_an_answer_in_another_browser_is_refused(client: Client, provider: Provider) -> None:
    found = provider.signs_in(start(client))
    is_refused(Client().get(reverse("signin-directory-back"), found), "state")
    stranger = Client()
    start(stranger)
    is_refused(stranger.get(reverse("signin-directory-back"), found), "state")


@pytest.mark.parametrize(
    ("changed", "check"),
    [
        ({"state": "another"}, "state"),
        ({"state": ""}, "state"),
        ({"state": "\u2603"}, "state"),
        ({"code": "another"}, "code"),
        ({"code": ""}, "provider said no"),
        ({"error": "access_denied"}, "provider said no"),
        ({"iss": "https://evil.example"}, "issuer"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused(
    client: Client, provider: Provider, changed: dict[str, str], check: str
) -> None:
    is_refused(back(client, provider, **changed), check)


NOW = time.time()
LIES: dict[str, Claims] = {
    "another audience": {"aud": "another-client"},
    "several audiences, ours not the one": {"aud": [CLIENT_ID, "other"], "azp": "other"},
    "another issuer": {"iss": "https://evil.example"},
    "expired": {"exp": int(NOW) - 3600},
    "from the future": {"iat": int(NOW) + 86_400, "nbf": int(NOW) + 86_400},
    "another nonce": {"nonce": "another"},
    "no nonce": {"nonce": None},
    "no expiry": {"exp": None},
    "no subject": {"sub": None},
    "no audience": {"aud": None},
    "another access token": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_statement_that_is_not_about_this_sign_in_is_refused(client: Client, provider: Provider, lie: str) -> None:
    provider.change = lambda claims: {n: v for n, v in (claims | LIES[lie]).items() if v is not None}
    is_refused(back(client, provider), "statement")


@pytest.mark.parametrize("how", ["signed_by_somebody_else", "unsigned", "signed_with_the_public_key", "nonsense"])
def test_a_statement_nobody_signed_is_refused(client: Client, provider: Provider, how: str) -> None:
    provider.sign = (lambda _claims: "nonsense") if how == "nonsense" else getattr(provider, how)
    is_refused(back(client, provider), "statement")


@pytest.mark.parametrize("said", [{"email_verified": False}, {"email_verified": "true"}, {"email": None}, {"email": 7}])
def test_an_address_nobody_verified_is_refused(client: Client, provider: Provider, said: Claims) -> None:
    provider.person |= said
    is_refused(back(client, provider), "e-mail")


def test_an_account_with_a_password_here_is_never_taken_over(client: Client, provider: Provider) -> None:
    local = make_user(email=OLGA)
    is_refused(back(client, provider), "account")
    local.refresh_from_db()
    assert local.directory == ""


def test_a_closed_account_stays_closed(client: Client, provider: Provider) -> None:
    back(client, provider)
    user = User.objects.get(email=OLGA)
    User.objects.update(is_active=False, closed_because="left", closed_at=user.created_at)
    answer = back(client, provider)
    assert answer["Location"] == reverse("signin")


def test_an_answer_that_comes_too_late_is_refused(
    client: Client, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc, "LIMIT_SECONDS", -1.0)
    is_refused(back(client, provider), "too late")


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/keys"])
def test_a_provider_that_does_not_answer_is_said_to(client: Client, provider: Provider, path: str) -> None:
    found = provider.signs_in(start(client))
    provider.broken = {path}
    answer = client.get(reverse("signin-directory-back"), found)
    assert answer.status_code == 503
    assert "We could not reach Hospital ID" in answer.content.decode()
    assert not User.objects.filter(directory="oidc").exists()


@pytest.mark.parametrize(
    "lie",
    [
        {"issuer": "https://evil.example"},
        {"authorization_endpoint": "http://evil.example/authorize"},
        {"token_endpoint": None},
        {"jwks_uri": "javascript:alert(1)"},
    ],
)
def test_a_provider_that_describes_another_is_not_used(client: Client, provider: Provider, lie: Claims) -> None:
    provider.metadata = lie
    assert client.get(reverse("signin-directory")).status_code == 503


def test_a_provider_that_is_gone_leaves_local_accounts_alone(client: Client, provider: Provider, settings: Any) -> None:
    settings.OIDC_ISSUER = "http://127.0.0.1:9"
    assert client.get(reverse("signin-directory")).status_code == 503
    ada = cast.ada()
    answer = client.post(reverse("signin"), {"email": ada.email, "password": cast.PASSWORD})
    assert answer["Location"] == reverse("signin-code")


def test_without_a_provider_there_is_nothing_at_these_addresses(client: Client) -> None:
    assert "signin/directory" not in client.get(reverse("signin")).content.decode()
    for name in ("signin-directory", "signin-directory-back"):
        assert client.get(reverse(name)).status_code == 404


def test_to_confirm_who_one_is_the_provider_must_ask_again(client: Client, provider: Provider) -> None:
    back(client, provider)
    user = User.objects.get(email=OLGA)
    cast.sign_in(client, _with_factor(user))
    asked = parse_qs(urlsplit(start(client)).query)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])
    answer = back(client, provider)
    assert answer["Location"] == reverse("signin-code")
    provider.change = lambda claims: claims | {"auth_time": int(time.time()) - 3600}
    assert back(client, provider)["Location"] == reverse("signin")
    provider.change = lambda claims: claims | {"sub": "user-2", "email": "second@hospital.test"}
    assert back(client, provider)["Location"] == reverse("signin")
    events = AuditEvent.objects.filter(code=Code.AUTHN_LOGIN_FAIL).order_by("-timestamp")
    assert [event.detail["check"] for event in events] == ["another person", "not signed in again"]


def _with_factor(user: User) -> User:
    from compliance.models import Authenticator

    Authenticator.objects.create(user=user, name="App", confirmed=True)
    return user
