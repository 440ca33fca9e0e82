"""What staff write in prose is masked before it is kept; while that does not work nothing is kept, and nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from chat.models import Conversation
from clinchat.lib import clock
from compliance import free_text, phi
from compliance.access import Role, role_changes
from compliance.api import bodies
from compliance.audit import retention
from compliance.emergency_forms import EmergencyReason
from compliance.models import AuditEvent, AuditPurge, BreakGlass, NetworkBlock, RoleRequest, User
from tests import cast
from training.approval_forms import opened
from training.models import AccessRequest, StageDecision

pytestmark = pytest.mark.django_db
TYPED = "Asked for by Mrs. Quenbroth, MRN 48213907, whose chart it is"
VALUES = ("Quenbroth", "48213907")
Sent = tuple[Any, list[str]]


@pytest.fixture(autouse=True)
def _old_months(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "months", lambda: [retention.Month(date(2012, 3, 1), 10, True)])


@pytest.fixture
def no_masker(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise phi.PhiUnavailable

    monkeypatch.setattr(phi, "mask", broken)


def signed_in(person: Callable[[], User]) -> Client:
    return cast.sign_in(Client(), person())


def block() -> Sent:
    answer = signed_in(cast.sam).post(reverse("blocks"), {"network": "203.0.113.0/24", "reason": TYPED})
    return answer, [one.reason for one in NetworkBlock.objects.all()]


def block_by_api() -> Sent:
    sent = {"ips": ["203.0.113.7"], "reason": TYPED}
    answer = signed_in(cast.sam).post(reverse("api-block-ip"), sent, content_type="application/json")
    return answer, [one.reason for one in NetworkBlock.objects.all()]


def role_request() -> Sent:
    sent = {"kind": "give", "role": Role.AUDITOR, "reason": TYPED}
    answer = signed_in(cast.sam).post(reverse("person-role", args=[cast.nadia().pk]), sent)
    return answer, [one.reason for one in RoleRequest.objects.all()]


def role_decision() -> Sent:
    asked = role_changes.ask(kind="give", user=cast.nadia(), role=Role.AUDITOR, reason="New duties", by=cast.sam())
    answer = signed_in(cast.ada).post(reverse("role-refuse", args=[asked.pk]), {"note": TYPED})
    return answer, [one.note for one in RoleRequest.objects.exclude(status="waiting")]


def purge() -> Sent:
    answer = signed_in(cast.carol).post(reverse("audit-retention-ask"), {"before": "2012-04-01", "reason": TYPED})
    return answer, [one.reason for one in AuditPurge.objects.all()]


def review() -> Sent:
    now = clock.now()
    access = BreakGlass.objects.create(
        user=cast.bob(),
        object_type="chat.Conversation",
        object_id=Conversation.objects.create(author=cast.alice(), title="x").pk,
        reason="Needed on the ward",
        started_at=now,
        ends_at=now + timedelta(minutes=60),
        review_due_at=now + timedelta(hours=72),
    )
    sent = {"finding": "justified", "note": TYPED}
    answer = signed_in(cast.pat).post(reverse("emergency-review", args=[access.pk]), sent)
    return answer, [one.note for one in BreakGlass.objects.exclude(reviewed_at=None)]


def access_returned() -> Sent:
    asked = AccessRequest.objects.create(person=cast.nadia(), stage="trained")
    sent = {"step": "return", "opened": opened(asked), "reason": TYPED}
    answer = signed_in(cast.carol).post(reverse("approval-decide", args=[asked.pk]), sent)
    return answer, [one.reason for one in StageDecision.objects.all()]


FORMS = (block, block_by_api, role_request, role_decision, purge, review, access_returned)


@pytest.mark.parametrize("form", FORMS)
def test_what_is_kept_names_nobody(form: Callable[[], Sent]) -> None:
    answer, (kept,) = form()
    assert answer.status_code in {200, 302}
    assert "[record number], whose chart it is" in kept
    for value in VALUES:
        assert value not in kept
        assert not any(value in str((event.changes, event.detail)) for event in AuditEvent.objects.all())


@pytest.mark.parametrize("form", FORMS)
def test_while_it_cannot_be_masked_nothing_is_kept_and_it_stays_in_the_box(
    form: Callable[[], Sent], no_masker: None
) -> None:
    answer, kept = form()
    assert kept == []
    text = unescape(answer.content.decode())
    if form is block_by_api:
        assert (answer.status_code, bodies.NOT_CHECKED in text) == (503, True)
    else:
        assert free_text.NOT_CHECKED in text
        assert TYPED in text


def take(reason: str) -> str:
    other = Conversation.objects.create(author=cast.alice(), title="x")
    signed_in(cast.bob).post(reverse("emergency"), {"what": str(other.pk), "reason": reason})
    return BreakGlass.objects.get(user=cast.bob()).reason


def test_the_reason_of_an_emergency() -> None:
    kept = take(TYPED)
    assert not any(value in kept for value in VALUES)


def test_an_emergency_does_not_wait_for_the_masker(no_masker: None) -> None:
    assert take(TYPED) == EmergencyReason.unchecked


@pytest.fixture
def field() -> free_text.FreeTextField:
    return free_text.FreeTextField(where="test", max_length=30)


def test_words_for_identifiers_do_not_make_it_too_long(field: free_text.FreeTextField) -> None:
    kept = field.clean("a a a SSN 219-09-9999, then go")
    assert (len(kept), kept) == (30, "a a a SSN [social security nu…")


def test_it_is_one_line_unless_it_may_have_more(field: free_text.FreeTextField) -> None:
    assert field.clean(" one\r\n two ") == "one two"
    lines = free_text.FreeTextField(where="test", max_length=30, lines=True)
    assert lines.clean("one\ntwo") == "one\ntwo"


def test_what_was_masked_once_stays_as_it_is() -> None:
    once = free_text.masked(TYPED, where="test", longest=300)
    assert free_text.masked(once, where="test", longest=300) == once


def test_a_refusal_is_on_record(no_masker: None) -> None:
    block()
    event = AuditEvent.objects.get(object_type="compliance.phi")
    assert event.detail == {"step": "masking", "where": "block"}
