"""The trail in the admin: read-only, on record, and never read as a whole."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from compliance import audit
from compliance.admin_audit import BoundedPaginator
from compliance.models import AuditEvent, Code, Crude
from tests import cast

pytestmark = pytest.mark.django_db
LIST = "/admin/compliance/auditevent/"


@pytest.fixture
def ada(client: Client) -> Client:
    return cast.sign_in(client, cast.ada())


def reads() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(object_type="compliance.AuditEvent", detail={"page": "admin"}))


def test_each_look_is_on_record_exactly_once(ada: Client) -> None:
    event = audit.record(code=Code.SYS_STARTUP, action=Crude.EXECUTE)
    assert ada.get(LIST).status_code == 200
    assert [e.object_id for e in reads()] == [""]
    assert ada.get(reverse("admin:compliance_auditevent_change", args=[event])).status_code == 200
    assert sorted(e.object_id for e in reads()) == ["", str(event)]


def test_what_is_not_shown_is_not_on_record(ada: Client) -> None:
    assert ada.get(reverse("admin:compliance_auditevent_change", args=[uuid.uuid4()])).status_code == 302
    assert ada.post(LIST, {"action": "delete_selected"}).status_code in {302, 403, 200}
    cast.sign_in(ada, cast.alice())
    assert ada.get(LIST).status_code == 403
    assert [e for e in reads() if e.actor_id == cast.alice().pk] == []


def test_nothing_is_counted_as_a_whole(ada: Client) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert ada.get(LIST).status_code == 200
    counts = [
        q["sql"] for q in queries.captured_queries if "COUNT(" in q["sql"] and "compliance_auditevent" in q["sql"]
    ]
    assert counts
    assert all("LIMIT 10000" in sql for sql in counts)


def test_paging_ends_where_counting_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compliance.admin_audit.MOST", 3)
    for _ in range(5):
        audit.record(code=Code.SYS_STARTUP, action=Crude.EXECUTE)
    assert BoundedPaginator(AuditEvent.objects.all(), 100).count == 3


def found(client: Client, term: str) -> set[Any]:
    return {event.pk for event in client.get(LIST, {"q": term}).context["cl"].result_list}


def test_search_goes_by_whole_ids(ada: Client) -> None:
    bob, conversation, correlation = cast.bob(), uuid.uuid4(), uuid.uuid4()
    with audit.bind(correlation_id=correlation):
        event = audit.record(
            code=Code.SENSITIVE_READ,
            action=Crude.READ,
            actor=bob,
            object_type="chat.Conversation",
            object_id=str(conversation),
        )
    for term in (str(event), str(conversation), str(correlation), f"E-{correlation.hex[:8].upper()}"):
        assert found(ada, term) == {event}, term
    assert event in found(ada, str(bob.pk))
    assert event in found(ada, "BOB@clinchat.example")
    for term in ("Bob", "E-", "%", "a" * 300):
        assert found(ada, term) == set(), term
