"""What is refused leaves an event, and nobody fills the trail from outside with refusals."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from compliance import notices
from compliance.access import Action, Role, counters, links, lockout, people, role_changes, services
from compliance.models import AuditEvent, BreakGlass, Code, Notice, OneTimeLink, RoleAssignment, ServiceToken, User
from tests import cast

pytestmark = pytest.mark.django_db


def events(code: Code) -> list[dict[str, Any]]:
    return list(AuditEvent.objects.filter(code=code).values_list("detail", flat=True))


def test_a_program_is_nobody_who_could_administer() -> None:
    ada, program = cast.ada(), services.create(name="Log collector")
    with pytest.raises(people.NotForPrograms):
        people.check_role(user=program, role=Role.ADMIN)
    RoleAssignment.objects.give(user=program, role=Role.SECURITY_OFFICER)
    assert notices.holders(Role.SECURITY_OFFICER) == []
    assert people.is_last_administrator(ada)


def test_a_page_tells_so_and_it_is_on_record(client: Client) -> None:
    program = services.create(name="Log collector")
    cast.sign_in(client, cast.ada())
    sent = {"kind": "give", "role": "admin", "reason": "It should run everything."}
    answer = client.post(reverse("person-role", args=[program.pk]), sent, follow=True)
    assert "A program gets neither this role nor a clinical one." in answer.content.decode()
    assert events(Code.AUTHZ_FAIL) == [{"step": "rule", "rule": "NotForPrograms"}]


def test_who_takes_emergency_access_does_not_review_it_as_the_only_one_told(client: Client) -> None:
    """The only privacy officer, if they could take one, would be told by themselves alone."""
    from compliance.access import emergency

    pat, carol = cast.pat(), cast.carol()
    taken = BreakGlass(user=pat, object_type="chat.Conversation", object_id="0195f3a0-0000-7000-8000-0000000000ff")
    taken.review_due_at = taken.ends_at = taken.started_at
    emergency._tell_privacy(taken, emergency._KINDS["chat.Conversation"])
    assert [notice.user for notice in Notice.objects.all()] == [carol]


def test_who_leaves_takes_no_way_in_along() -> None:
    sam, nadia = cast.sam(), cast.nadia()
    links.make(nadia, OneTimeLink.Purpose.PASSWORD, sam)
    program = services.create(name="Log collector")
    services.make_token(account_id=program.pk, name="Collector 1", scopes=[Action.BLOCK_NETWORKS], days=30, by=sam)
    people.end_employment(sam, by=cast.ada())
    assert OneTimeLink.objects.get().voided_at is not None
    assert ServiceToken.objects.get().revoked_at is not None


def test_a_dormant_account_leaves_the_tokens_it_made_alone() -> None:
    sam, program = cast.sam(), services.create(name="Log collector")
    services.make_token(account_id=program.pk, name="Collector 1", scopes=[Action.BLOCK_NETWORKS], days=30, by=sam)
    people.close(sam, because=User.Closed.DORMANT, by=None)
    assert ServiceToken.objects.get().revoked_at is None


def test_one_try_at_a_time_for_a_slowed_account_from_wherever() -> None:
    for number in range(lockout.ACCOUNT_FREE):
        lockout.failed("a@hospital.test", f"203.0.113.{number}")
    redis = counters.client()
    key = f"abuse:lock:account:{lockout._account('a@hospital.test')}"
    redis.hset(key, "until", "0")  # as if the delay had passed
    waits = [lockout.wait("a@hospital.test", f"198.51.100.{number}") for number in range(10)]
    assert (waits[0], set(waits[1:])) == (0, {1})
    lockout.passed("a@hospital.test", "198.51.100.0")
    assert lockout.wait("a@hospital.test", "198.51.100.77") == 0


def test_wrong_tokens_are_told_once_a_minute(client: Client) -> None:
    for _ in range(5):
        assert client.get("/api/auth/verify", headers={"Authorization": "Bearer x"}).status_code == 401
    assert events(Code.AUTHN_LOGIN_FAIL) == [{"step": "token", "why": "malformed"}]


def test_a_locked_second_step_is_told_once_a_minute(client: Client) -> None:
    alice = cast.alice()
    client.post(reverse("signin"), {"email": alice.email, "password": cast.PASSWORD})
    for _ in range(12):
        client.post(reverse("signin-code"), {"code": "000000"})
    told = [detail for detail in events(Code.AUTHN_LOGIN_LOCK) if "wait" in detail]
    assert len(told) == 1


def test_a_link_that_does_not_work_is_on_record(client: Client) -> None:
    for _ in range(3):
        assert client.get(reverse("signin-link", args=["x" * 43])).status_code == 404
    assert events(Code.AUTHZ_FAIL) == [{"step": "link"}]


def test_both_kinds_of_link_by_one_person_are_on_record() -> None:
    sam, nadia = cast.sam(), cast.nadia()
    links.make(nadia, OneTimeLink.Purpose.PASSWORD, sam)
    with pytest.raises(links.SecondPersonNeeded):
        links.make(nadia, OneTimeLink.Purpose.FACTORS, sam)
    assert events(Code.AUTHZ_FAIL) == [{"purpose": "factors", "why": "SecondPersonNeeded"}]


def test_withdrawing_what_somebody_else_asked_for_is_on_record(client: Client) -> None:
    asked = role_changes.ask(kind="give", user=cast.nadia(), role=Role.AUDITOR, reason="Audit", by=cast.ada())
    cast.sign_in(client, cast.sam()).post(reverse("role-withdraw", args=[asked.pk]))
    assert events(Code.AUTHZ_FAIL) == [{"step": "rule", "rule": "NotYours"}]


@pytest.mark.parametrize(("size", "status"), [(2_000_000, 413), (1000, 200)])
def test_a_file_is_neither_kept_nor_a_way_around_the_limit(size: int, status: int) -> None:
    visitor = Client(enforce_csrf_checks=True)
    visitor.get("/signin/")
    token = visitor.cookies["csrftoken"].value
    sent = {"csrfmiddlewaretoken": token, "email": "", "file": SimpleUploadedFile("x", b"x" * size)}
    answer = visitor.post("/signin/", sent)
    assert answer.status_code == status
    assert not answer.wsgi_request.FILES
    assert events(Code.INPUT_VALIDATION_FAIL) == ([{"step": "too large"}] if status == 413 else [])
