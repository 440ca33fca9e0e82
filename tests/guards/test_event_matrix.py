"""Every address, opened by everybody: who gets in, and exactly what it leaves in the audit trail.

A new address needs a row here. The admin has its own tests; it stands behind one door.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from chat.models import Collection, Conversation, Document, DocumentVersion, Turn
from clinchat.lib import clock
from compliance import audit
from compliance.access.roles import POLICY, Action, Role
from compliance.models import AuditEvent, AuditPurge, User
from tests import cast

READ = ("sensitive_read", "R")
DENIED = ("authz_fail", "E")
CLEARED = {"alice", "bob", "dora"}


@dataclass(frozen=True)
class Row:
    """`leaves` is what the person the row is for leaves behind; `own` names whose alone the object is."""

    leaves: tuple[tuple[str, str], ...] = ()
    post: dict[str, Any] | None = None
    own: str = ""
    arguments: dict[str, str] = field(default_factory=dict)


PUBLIC = Row()
MATRIX: dict[str, Row] = {
    "home": PUBLIC,
    "status": PUBLIC,
    "api-health": PUBLIC,
    "api-ready": PUBLIC,
    "csp-report": PUBLIC,
    "signin": PUBLIC,
    "signin-code": PUBLIC,
    "signin-recovery": PUBLIC,
    "signin-setup": PUBLIC,
    "signin-setup-qr": PUBLIC,
    "signout": Row(leaves=(("session_expired", "E"),), post={}),
    "settings": Row(),
    "settings-appearance": Row(post={"theme": "dark"}),
    "settings-recovery-codes": Row(
        leaves=((("authn_token_revoked", "D"),) * 10 + (("authn_token_created", "C"),) * 10), post={}
    ),
    "ask": Row(),
    "conversation": Row(leaves=(READ,), own="alice", arguments={"conversation_id": "conversation"}),
    "answer-events": Row(leaves=(READ,), own="alice", arguments={"turn_id": "turn"}),
    "answer-stop": Row(leaves=(READ,), post={}, own="alice", arguments={"turn_id": "turn"}),
    "answer-retry": Row(leaves=(READ,), post={}, own="alice", arguments={"turn_id": "turn"}),
    "answer-feedback": Row(
        leaves=(READ, ("sensitive_create", "C")),
        post={"helpful": "yes"},
        own="alice",
        arguments={"turn_id": "turn"},
    ),
    "library": Row(),
    "document": Row(leaves=(READ,), arguments={"document_id": "document"}),
    "audit": Row(leaves=(READ,)),
    "audit-event": Row(leaves=(READ,), arguments={"event_id": "event"}),
    "audit-day": Row(leaves=(READ,), arguments={"person_id": "person", "on": "today"}),
    "audit-patient": Row(leaves=(READ,), post={"record_number": "12345678"}),
    "audit-export": Row(leaves=(READ,), post={"format": "csv"}),
    "audit-verify": Row(leaves=(("sensitive_read", "E"),), post={}),
    "audit-retention": Row(leaves=(READ,)),
    "audit-retention-ask": Row(leaves=(READ,), post={"before": "2012-04", "reason": ""}),
    "audit-retention-approve": Row(post={}, arguments={"purge_id": "nothing"}),
    "audit-retention-cancel": Row(leaves=(("sensitive_update", "U"),), post={}, arguments={"purge_id": "purge"}),
}
PEOPLE = ("alice", "bob", "nadia", "dora", "pat", "sam", "carol", "otto", "audra", "ada", "mallory")


def addresses(resolver: URLResolver) -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver) and entry.namespace != "admin":
            found |= addresses(entry)
        elif isinstance(entry, URLPattern):
            found[entry.name or str(entry.pattern)] = entry.callback
    return found


def things(alice: User) -> dict[str, Any]:
    """One of everything an address can name."""
    collection = Collection.objects.create(slug="m", name="Matrix")
    document = Document.objects.create(collection=collection, external_id="1", title="A title")
    DocumentVersion.objects.create(
        document=document, number=1, status="published", text="Words.", sha256="0" * 64, published_at=clock.now()
    )
    conversation = Conversation.objects.create(author=alice, title="A question")
    turn = Turn.objects.create(
        conversation=conversation,
        number=1,
        submission=uuid.uuid4(),
        question="A question",
        status=Turn.Status.ABSTAINED,
        deadline_at=clock.now(),
        finished_at=clock.now(),
    )
    purge = AuditPurge.objects.create(before=date(2012, 4, 1), reason="Old.", requested_by=cast.carol())
    event = audit.record(code=audit.Code.SENSITIVE_READ, action=audit.Crude.READ)
    return {
        "conversation": conversation.pk,
        "turn": turn.pk,
        "document": document.pk,
        "event": event,
        "person": alice.pk,
        "today": clock.now().date(),
        "purge": purge.pk,
        "nothing": uuid.uuid4(),
    }


def may(key: str, user: User, action: Action | None) -> bool:
    if action is None:
        return True
    allowed = not POLICY[action].isdisjoint({Role(role) for role in user.roles})
    return allowed and (action is not Action.ASK or key in CLEARED)


def left_behind(client: Client, address: str, row: Row) -> tuple[int, list[tuple[str, str]], set[str]]:
    """Status of the answer, events of the request, and who they name. What the request did is undone."""
    visitor = Client()
    visitor.cookies.update(client.cookies)  # signing out must not end the visits that follow
    before = set(AuditEvent.objects.values_list("pk", flat=True))
    with transaction.atomic():
        response = visitor.get(address) if row.post is None else visitor.post(address, row.post)
        if response.streaming:
            response.getvalue()
        new = list(AuditEvent.objects.exclude(pk__in=before))
        transaction.set_rollback(True)
    return response.status_code, sorted((e.code, e.action) for e in new), {str(e.actor_id) for e in new}


def test_every_address_has_a_row() -> None:
    assert set(addresses(get_resolver())) == set(MATRIX)


@pytest.mark.django_db
def test_who_gets_in_and_what_it_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clinchat.lib.sse.connections.close_all", lambda: None)  # it has the test's transaction
    views = addresses(get_resolver())
    people = {key: getattr(cast, key)() for key in PEOPLE}
    made = things(people["alice"])
    clients = {key: cast.sign_in(Client(), user) for key, user in people.items()}
    wrong = []
    for (name, row), key in itertools.product(MATRIX.items(), PEOPLE):
        action = getattr(views[name], "access_action", None)
        address = reverse(name, kwargs={k: made[v] for k, v in row.arguments.items()})
        status, left, actors = left_behind(clients[key], address, row)
        if not may(key, people[key], action):
            expected, fits = [DENIED], status == 403
        elif row.own and row.own != key:
            expected, fits = [("authz_fail", "R")], status == 404
        else:
            expected, fits = sorted(row.leaves), status in {200, 204, 302, 404, 405, 422}
        if left != expected or not fits or actors - {str(people[key].pk)}:
            wrong.append(f"{key} {name}: {status} left {left}, expected {expected}; actors {actors}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.django_db
def test_a_stranger_gets_no_further_than_the_door_and_leaves_nothing() -> None:
    views = addresses(get_resolver())
    made = things(cast.alice())
    for name, row in MATRIX.items():
        address = reverse(name, kwargs={k: made[v] for k, v in row.arguments.items()})
        status, left, _ = left_behind(Client(), address, row)
        if hasattr(views[name], "access_action"):
            assert status in {302, 401}, f"{name} opened to a stranger"
        assert left == [], f"{name}: {left}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM compliance_auditevent WHERE actor_kind = 'person' AND actor_id IS NULL")
        assert cursor.fetchone() == (0,)
