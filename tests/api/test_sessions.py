"""The session of a browser opens the API too, with its CSRF token; and whoever may, ends everything at once."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from clinchat.lib import clock
from compliance.access import sessions
from compliance.models import AuditEvent, Code, Session, TokenFamily, User
from tests import cast
from tests.api.conftest import Api
from tests.api.test_signin import assert_problem

pytestmark = pytest.mark.django_db


def browser(user: User, *, proved: timedelta | None = None) -> Client:
    """A signed-in browser; `proved` is how long ago both factors were shown."""
    client = cast.sign_in(Client(enforce_csrf_checks=True), user)
    if proved is not None:
        session = client.session
        session[sessions.PROVED_AT] = (clock.now() - proved).timestamp()
        session.save()
    return client


def post(client: Client, path: str, body: Any, *, csrf: bool = True) -> Any:
    headers = {}
    if csrf:
        client.get("/settings/")  # its forms set the cookie
        headers["X-CSRFToken"] = client.cookies[settings.CSRF_COOKIE_NAME].value
    return client.post(f"/api/{path}", body, content_type="application/json", headers=headers)


def test_session_opens_the_api(client: Client) -> None:
    answer = cast.sign_in(client, cast.alice()).get("/api/auth/verify")
    assert (answer.status_code, answer.json()["through"]) == (200, "session")


def test_nobody_gets_a_problem_that_names_the_way_in(client: Client) -> None:
    answer = client.get("/api/auth/verify")
    assert_problem(answer, 401)
    assert answer["WWW-Authenticate"] == 'Bearer realm="ClinChat"'


def test_password_alone_opens_nothing(client: Client) -> None:
    client.force_login(cast.alice())
    assert_problem(client.get("/api/auth/verify"), 401)


def test_session_needs_its_csrf_token() -> None:
    client = browser(cast.alice())
    assert "X-CSRFToken" in assert_problem(post(client, "auth/verify", {}, csrf=False), 403)["detail"]
    assert AuditEvent.objects.get(code=Code.AUTHZ_FAIL).detail == {"step": "csrf"}
    assert post(client, "auth/verify", {}).status_code == 200


def test_a_bad_token_is_not_mended_by_a_good_session(client: Client) -> None:
    cast.sign_in(client, cast.alice())
    assert_problem(client.get("/api/auth/verify", headers={"Authorization": "Bearer x.y.z"}), 401)
    assert client.get("/api/auth/verify").status_code == 200, "and the session is none the worse for it"


def test_the_token_decides_beside_a_session(api: Api) -> None:
    api.sign_in(cast.bob())
    cast.sign_in(api.client, cast.alice())
    key = api.client.cookies[settings.SESSION_COOKIE_NAME].value
    Session.objects.update(seen_at=clock.now() - timedelta(minutes=5))
    before = Session.objects.values().get()
    answer = api.post("auth/verify", {})
    assert answer.json()["user"]["id"] == str(cast.bob().pk)
    assert settings.SESSION_COOKIE_NAME not in answer.cookies
    assert api.client.cookies[settings.SESSION_COOKIE_NAME].value == key
    assert Session.objects.values().get() == before, "the session was prolonged by a program"


@pytest.mark.parametrize("scheme", ["bearer", "BEARER"])
def test_the_scheme_is_read_in_any_case(api: Api, scheme: str) -> None:
    api.sign_in(cast.alice())
    assert api.get("auth/verify", Authorization=f"{scheme} {api.access}").status_code == 200


@pytest.mark.parametrize(
    "path", ["/settings/", "/ask/", "/admin/", "/compliance/audit/", "//api/auth/verify", "/API/auth/verify"]
)
def test_pages_know_no_tokens(api: Api, path: str) -> None:
    api.sign_in(cast.alice())
    answer = api.client.get(path, headers={"Authorization": f"Bearer {api.access}"})
    assert answer.status_code in {302, 404}
    assert answer.status_code == 404 or answer["Location"].startswith("/signin/") or "login" in answer["Location"]


def test_everything_of_oneself(api: Api, other: Api) -> None:
    alice = cast.alice()
    api.sign_in(alice)
    other.sign_in(cast.bob())
    page = browser(alice)
    assert api.post("auth/revoke-all-sessions").json() == {"ended": 2}
    assert_problem(api.get("auth/verify"), 401)
    assert page.get("/settings/").status_code == 302
    assert other.get("auth/verify").status_code == 200
    event = AuditEvent.objects.get(code=Code.SESSION_EXPIRED)
    assert (event.actor_id, event.object_id) == (alice.pk, str(alice.pk))
    assert event.detail == {"reason": "revoked through the API", "sessions": 1, "tokens": 1}


def test_everything_of_somebody_else(api: Api, other: Api) -> None:
    bob = cast.bob()
    other.sign_in(bob)
    page = browser(bob)
    api.sign_in(cast.sam())
    assert api.post("auth/revoke-all-sessions", {"user": str(bob.pk)}).json() == {"ended": 2}
    assert_problem(other.get("auth/verify"), 401)
    assert page.get("/settings/").status_code == 302
    assert api.get("auth/verify").status_code == 200


def test_everything_of_everyone(api: Api, other: Api) -> None:
    other.sign_in(cast.bob())
    page = browser(cast.alice())
    api.sign_in(cast.ada())
    assert api.post("auth/revoke-all-sessions", {"everyone": True}).json() == {"ended": 3}
    for program in (api, other):
        assert_problem(program.get("auth/verify"), 401)
    assert page.get("/settings/").status_code == 302
    assert not TokenFamily.objects.live(clock.now()).exists()


@pytest.mark.parametrize("whom", ["bob", "everyone"])
def test_others_need_the_right(api: Api, other: Api, whom: str) -> None:
    bob = cast.bob()
    other.sign_in(bob)
    api.sign_in(cast.alice())
    body: dict[str, Any] = {"everyone": True} if whom == "everyone" else {"user": str(bob.pk)}
    assert_problem(api.post("auth/revoke-all-sessions", body), 403)
    assert AuditEvent.objects.get(code=Code.AUTHZ_FAIL).detail == {"action": "sessions.revoke"}
    assert other.get("auth/verify").status_code == 200


def test_others_need_a_fresh_proof(api: Api, other: Api) -> None:
    bob = cast.bob()
    other.sign_in(bob)
    api.sign_in(cast.sam())
    TokenFamily.objects.exclude(user=bob).update(created_at=clock.now() - timedelta(minutes=11))
    refused = api.post("auth/revoke-all-sessions", {"user": str(bob.pk)})
    assert "ten minutes" in assert_problem(refused, 401)["detail"]
    assert 'error="insufficient_user_authentication", max_age="600"' in refused["WWW-Authenticate"]
    assert other.get("auth/verify").status_code == 200
    assert api.post("auth/revoke-all-sessions").status_code == 200, "one's own need none"


@pytest.mark.parametrize(("minutes", "status"), [(11, 401), (9, 200)])
def test_a_session_needs_the_fresh_proof_too(minutes: int, status: int) -> None:
    client = browser(cast.sam(), proved=timedelta(minutes=minutes))
    assert post(client, "auth/revoke-all-sessions", {"user": str(cast.bob().pk)}).status_code == status


@pytest.mark.parametrize(
    "body",
    [
        {"user": str(uuid.uuid4())},
        {"user": "bob"},
        {"user": 1},
        {"user": None},
        {"everyone": "yes"},
        {"everyone": None},
        {"everyone": True, "user": str(uuid.uuid4())},
        {"everybody": True},
        [],
        "everyone",
        None,
    ],
)
def test_what_cannot_be_understood_ends_nothing(api: Api, body: Any) -> None:
    api.sign_in(cast.sam())
    answer = api.send("POST", "auth/revoke-all-sessions", json.dumps(body))
    assert assert_problem(answer, 400)["errors"]
    assert api.get("auth/verify").status_code == 200
