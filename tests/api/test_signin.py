"""Signing in to the API: a password opens one thing, a code opens the rest, and each counts once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from clinchat.lib import clock
from compliance.access import factors, jwt, people, tokens
from compliance.models import AuditEvent, Code, TokenFamily, User
from tests import cast, factories
from tests.api.conftest import Api

pytestmark = pytest.mark.django_db


def failures() -> list[Any]:
    return list(
        AuditEvent.objects.filter(code=Code.AUTHN_LOGIN_FAIL).order_by("timestamp").values_list("detail", flat=True)
    )


def assert_problem(answer: Any, status: int) -> dict[str, Any]:
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json"), answer.content
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["reference"].startswith("E-")
    return problem


def test_both_factors_open_the_api(api: Api) -> None:
    alice = cast.alice()
    step = api.password(alice)
    assert step.status_code == 200
    assert step.json().keys() == {"status", "mfa_token", "factors", "expires_in"}
    assert (step.json()["status"], step.json()["factors"]) == ("mfa_required", ["app", "recovery"])
    answer = api.post("auth/mfa/verify", {"mfa_token": step.json()["mfa_token"], "code": cast.code_of(alice)})
    assert api.keep(answer).json()["token_type"] == "Bearer"
    me = api.get("auth/verify")
    assert me.json()["user"] == {"id": str(alice.pk), "name": "Alice Adeyemi, MD"}
    assert (me.json()["roles"], me.json()["through"]) == (["clinician"], "token")
    assert me["Cache-Control"] == "no-store"


def test_signing_in_sets_no_cookie_and_is_on_record(api: Api) -> None:
    alice = cast.alice()
    api.sign_in(alice)
    assert not api.client.cookies
    family = TokenFamily.objects.get()
    assert family.ends_at - family.created_at == timedelta(hours=12)
    event = AuditEvent.objects.get(code=Code.AUTHN_LOGIN_SUCCESS)
    assert (event.actor_id, event.detail) == (alice.pk, {"factor": "app", "through": "api"})
    api.get("auth/verify")
    alice.refresh_from_db()
    assert alice.last_login == family.created_at
    made = AuditEvent.objects.get(code=Code.AUTHN_TOKEN_CREATED, object_id=str(family.pk))
    assert made.session == event.session != ""


def test_recovery_code_counts_once(api: Api) -> None:
    alice = cast.alice()
    code = factors.new_recovery_codes(alice)[0]
    for expected in (200, 401):
        step = api.password(alice).json()["mfa_token"]
        assert api.post("auth/mfa/verify", {"mfa_token": step, "code": code}).status_code == expected


def test_code_counts_once(api: Api) -> None:
    alice = cast.alice()
    code = cast.code_of(alice)
    for expected in (200, 401):
        step = api.password(alice).json()["mfa_token"]
        assert api.post("auth/mfa/verify", {"mfa_token": step, "code": code}).status_code == expected
    assert failures() == [{"step": "app"}]


def test_first_step_opens_one_sign_in(api: Api) -> None:
    alice = cast.alice()
    step = api.password(alice).json()["mfa_token"]
    for expected in (200, 401):
        answer = api.post("auth/mfa/verify", {"mfa_token": step, "code": cast.code_of(alice)})
        assert answer.status_code == expected
    assert TokenFamily.objects.count() == 1
    assert failures() == [{"step": "token", "why": "ended"}]


def test_first_step_opens_nothing_else(api: Api) -> None:
    api.access = api.password(cast.alice()).json()["mfa_token"]
    problem = assert_problem(api.get("auth/verify"), 401)
    assert problem["detail"].startswith("That token is not valid")
    assert api.renew(api.access).status_code == 401
    assert {f["why"] for f in failures()} == {"malformed"}


def test_first_step_lasts_five_minutes(api: Api) -> None:
    alice = cast.alice()
    old = jwt.StepToken()
    old["sub"], old["pw"] = str(alice.pk), tokens._password(alice)
    old.set_exp(from_time=clock.now() - timedelta(minutes=6), lifetime=jwt.STEP)
    answer = api.post("auth/mfa/verify", {"mfa_token": str(old), "code": cast.code_of(alice)})
    assert "expired" in assert_problem(answer, 401)["detail"]
    assert AuditEvent.objects.get(code=Code.AUTHZ_FAIL).detail == {"step": "token", "why": "expired"}
    assert failures() == []


def test_new_password_makes_the_first_step_worthless(api: Api) -> None:
    alice = cast.alice()
    step = api.password(alice).json()["mfa_token"]
    alice.set_password("seven loud herons run")
    alice.save()
    answer = api.post("auth/mfa/verify", {"mfa_token": step, "code": cast.code_of(alice)})
    assert_problem(answer, 401)
    assert not TokenFamily.objects.exists()


def test_wrong_password_unknown_and_closed_account_are_told_apart_by_nobody(api: Api) -> None:
    closed = cast.bob()
    User.objects.filter(pk=closed.pk).update(is_active=False)
    service = factories.make_user(is_service=True, password=cast.PASSWORD)
    answers = [
        api.password(cast.alice(), "seven loud herons run"),
        api.post("auth/login", {"email": "nobody@hospital.test", "password": cast.PASSWORD}),
        api.password(closed),
        api.password(service),
    ]
    said = {(a.status_code, a.json()["title"], a.json()["detail"], a["WWW-Authenticate"]) for a in answers}
    assert len(said) == 1
    assert_problem(answers[0], 401)
    assert len(failures()) == 4
    assert not [d for d in failures() if "nobody" in str(d)]


def test_closed_between_the_steps(api: Api) -> None:
    alice = cast.alice()
    step = api.password(alice).json()["mfa_token"]
    people.close(alice, because=User.Closed.SECURITY, by=cast.sam())
    assert_problem(api.post("auth/mfa/verify", {"mfa_token": step, "code": "123456"}), 401)
    assert failures()[-1] == {"step": "token", "why": "account closed"}


def test_whoever_has_no_second_factor_is_sent_to_the_portal(api: Api) -> None:
    user = factories.make_user(password=cast.PASSWORD)
    assert "authenticator app" in assert_problem(api.password(user), 403)["detail"]


def test_tries_are_locked_as_on_the_pages(api: Api) -> None:
    alice = cast.alice()
    statuses = [api.password(alice, "seven loud herons run").status_code for _ in range(7)]
    assert statuses[:5] == [401] * 5
    assert statuses[-1] == 429
    locked = api.password(alice)
    assert int(locked["Retry-After"]) > 0
    assert_problem(locked, 429)
    page = api.client.get("/signin/")
    assert page.status_code == 200  # the pages ask the same counters: tests/compliance/test_lockout.py


def test_codes_are_locked_too(api: Api) -> None:
    alice = cast.alice()
    step = api.password(alice).json()["mfa_token"]
    answers = [api.post("auth/mfa/verify", {"mfa_token": step, "code": "000000"}) for _ in range(8)]
    assert answers[0].status_code == 401
    assert answers[-1].status_code == 429
    assert int(answers[-1]["Retry-After"]) > 0


def test_a_lost_counter_refuses(api: Api, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import redis

    from compliance.access import counters

    alice = cast.alice()
    gone = redis.Redis(unix_socket_path="/nonexistent/redis.sock")
    monkeypatch.setattr(counters, "client", lambda: gone)
    assert_problem(api.password(alice), 503)
