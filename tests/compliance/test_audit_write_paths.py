"""Each way to change a sensitive table leaves one event per changed row, and it tells the truth.

Those that need other processes, and so committed rows, are in test_audit_other_processes.py.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import Model
from django.http import StreamingHttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse

from chat import services
from chat.models import Collection, Conversation, Document, DocumentVersion, Turn
from chat.tasks import fail_lost_answers
from clinchat.celery import HEADER
from clinchat.lib import clock
from clinchat.middleware import RequestContext
from compliance import audit
from compliance.access import Role, role_changes
from compliance.models import AuditEvent, Authenticator, Clearance, Code, Crude, RoleAssignment, User, VaultEntry
from tests import cast
from tests.chat.making import make_turn
from tests.factories import make_clearance, make_user

pytestmark = pytest.mark.django_db
REQUEST = uuid.UUID("0195f3a0-0000-7000-8000-000000000001")
New = Callable[[], list[AuditEvent]]


@pytest.fixture
def new() -> New:
    """The data changes recorded since the last call, or since the test began."""
    seen = set(AuditEvent.objects.values_list("pk", flat=True))

    def since() -> list[AuditEvent]:
        found = AuditEvent.objects.filter(lane=audit.Lane.DATA).exclude(pk__in=seen).order_by("timestamp")
        events = list(found)
        seen.update(event.pk for event in events)
        return events

    return since


@pytest.fixture
def surgeon(new: New) -> User:
    user = make_user(department="Surgery")
    new()
    return user


@pytest.fixture
def as_ada(surgeon: User, new: New) -> Iterator[User]:
    """Ada acts, in one request from one place."""
    ada = cast.ada()
    new()
    with audit.bind(actor=ada, correlation_id=REQUEST, source="192.0.2.7", session="a digest"):
        yield ada


def told(
    events: list[AuditEvent], instance: Model, changes: dict[str, Any] | None = None, code: Code = Code.USER_UPDATED
) -> AuditEvent:
    """The one event, which says that `changes` were made to `instance`."""
    (event,) = events
    assert event.code == code
    if code is not Code.PRIVILEGE_PERMISSIONS_CHANGED:
        assert event.action == code.rsplit("_", 1)[-1][0].upper()
    assert (event.object_type, event.object_id) == (instance._meta.label, str(instance.pk))
    assert event.outcome == audit.Outcome.SUCCESS
    if changes is not None:
        assert event.changes == changes
    return event


def by_ada(event: AuditEvent, ada: User) -> None:
    assert (event.actor_id, event.actor_name, event.actor_roles) == (ada.pk, "Ada Admin", ["admin"])
    assert event.actor_kind == audit.ActorKind.PERSON
    assert (event.correlation_id, event.remote_addr, event.session) == (REQUEST, "192.0.2.7", "a digest")


MOVED = {"department": ["Surgery", "Oncology"]}


# ── Django's ways ─────────────────────────────────────────────────────────────────────────────────────────────


def test_save(as_ada: User, surgeon: User, new: New) -> None:
    surgeon.department = "Oncology"
    surgeon.save()
    by_ada(told(new(), surgeon, MOVED), as_ada)


def test_update(as_ada: User, surgeon: User, new: New) -> None:
    User.objects.filter(pk=surgeon.pk).update(department="Oncology")
    by_ada(told(new(), surgeon, MOVED), as_ada)


def test_bulk_create_and_bulk_update(as_ada: User, new: New) -> None:
    made = Collection.objects.bulk_create(Collection(slug=f"c{n}", name=f"C {n}") for n in range(3))
    created = new()
    assert len(created) == 3
    for one, event in zip(made, created, strict=True):
        by_ada(told([event], one, code=Code.SENSITIVE_CREATE), as_ada)
        assert event.changes is not None
        assert event.changes["slug"] == [None, one.slug]
    for one in made[:2]:
        one.name += "!"
    Collection.objects.bulk_update(made, ["name"])
    updated = {event.object_id: event for event in new()}
    assert len(updated) == 2, "the third did not change"
    for n, one in enumerate(made[:2]):
        by_ada(told([updated[str(one.pk)]], one, {"name": [f"C {n}", f"C {n}!"]}, Code.SENSITIVE_UPDATE), as_ada)


def test_update_or_create_and_delete(as_ada: User, surgeon: User, new: New) -> None:
    given, _ = RoleAssignment.objects.update_or_create(user=surgeon, role=Role.AUDITOR)
    event = told(new(), given, code=Code.PRIVILEGE_PERMISSIONS_CHANGED)
    assert (event.action, (event.changes or {})["role"]) == ("C", [None, "auditor"])
    key = given.pk
    RoleAssignment.objects.filter(pk=key).delete()
    (event,) = new()
    assert (event.action, event.object_id) == ("D", str(key))
    assert (event.changes or {})["role"] == ["auditor", None]
    by_ada(event, as_ada)


def test_related_rows_behind_a_page(new: New) -> None:
    """No watched table has a many-to-many field: roles are rows of their own, given by whoever approves."""
    user = make_user()
    asked = role_changes.ask(user=user, kind="give", role=Role.AUDITOR, reason="Audit of the year", by=cast.ada())
    client = cast.sign_in(Client(), cast.sam())
    new()
    assert client.post(reverse("role-approve", args=[asked.pk])).status_code == 302
    (given,) = [event for event in new() if event.code == Code.PRIVILEGE_PERMISSIONS_CHANGED and event.action == "C"]
    assert (given.object_id, given.actor_name) == (str(user.role_assignments.get().pk), "Sam Sato")
    assert (given.changes or {})["user_id"] == [None, str(user.pk)]
    assert given.correlation_id is not None


def test_rows_made_from_rows(as_ada: User, new: New) -> None:
    """As Django fills the table between two others: one statement, many rows."""
    people = [make_user() for _ in range(3)]
    new()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_roleassignment (id, user_id, role, granted_at) "
            "SELECT gen_random_uuid(), id, 'operator', now() FROM compliance_user WHERE id = ANY(%s)",
            [[person.pk for person in people]],
        )
    events = new()
    assert {(event.changes or {})["user_id"][1] for event in events} == {str(person.pk) for person in people}
    assert len(events) == 3
    for event in events:
        by_ada(event, as_ada)


def test_admin_action(surgeon: User, new: New) -> None:
    client = cast.sign_in(Client(), cast.ada())
    new()
    client.post("/admin/compliance/user/", {"action": "deactivate", "_selected_action": [str(surgeon.pk)]})
    event = next(e for e in new() if e.object_type == "compliance.User" and e.action == Crude.UPDATE)
    assert (event.object_id, (event.changes or {})["is_active"]) == (str(surgeon.pk), [True, False])
    assert (event.actor_name, event.actor_roles, event.remote_addr) == ("Ada Admin", ["admin"], "127.0.0.1")
    assert event.correlation_id is not None
    assert event.session == audit.session_digest(client.session.session_key)


def test_fixture(new: New, tmp_path: Path) -> None:
    key, file = uuid.uuid4(), tmp_path / "people.json"
    fields = {"email": "fixture@hospital.test", "name": "From a Fixture", "password": "!"}
    file.write_text(json.dumps([{"model": "compliance.user", "pk": str(key), "fields": fields}]))
    with audit.bind_command(["loaddata", str(file)]) as context:
        call_command("loaddata", str(file), verbosity=0)
    event = told(new(), User.objects.get(pk=key), code=Code.USER_CREATED)
    assert (event.actor_kind, event.actor_id) == (audit.ActorKind.COMMAND, None)
    assert event.actor_name.startswith("manage.py loaddata (")
    assert event.correlation_id == context.correlation_id is not None
    assert str(tmp_path) not in event.actor_name, "arguments of a command can hold anything"


# ── SQL ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE compliance_user SET department = 'Oncology' WHERE id = %s",
        "update only public.\"compliance_user\" set department = 'Oncology' where id = %s",
        "WITH x AS (UPDATE compliance_user SET department = 'Oncology' WHERE id = %s RETURNING id) SELECT * FROM x",
        "/* a word first */ UPDATE\n\tcompliance_user SET department = 'Oncology' WHERE id = %s -- and last",
        "MERGE INTO compliance_user AS u USING (SELECT %s::uuid AS id) AS s ON u.id = s.id "
        "WHEN MATCHED THEN UPDATE SET department = 'Oncology'",
        "DO $$ BEGIN UPDATE compliance_user SET department = 'Oncology' WHERE id = %s; END $$",
    ],
)
def test_sql(as_ada: User, surgeon: User, new: New, statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, [surgeon.pk])
    by_ada(told(new(), surgeon, MOVED), as_ada)


def test_what_sql_returns_is_still_returned(as_ada: User, surgeon: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE compliance_user SET title = '100 %' RETURNING name, title")
        assert {title for _, title in cursor.fetchall()} == {"100 %"}
        cursor.execute("UPDATE compliance_user SET title = %s WHERE id = %s", ["50 %", surgeon.pk])
        assert cursor.rowcount == 1


def test_executemany(as_ada: User, surgeon: User, new: New) -> None:
    with connection.cursor() as cursor:
        rows = [("Oncology", surgeon.pk), ("Oncology", uuid.uuid4()), ("Surgery", surgeon.pk)]
        cursor.executemany("UPDATE compliance_user SET department = %s WHERE id = %s", rows)
    first, second = new()
    by_ada(told([first], surgeon, MOVED), as_ada)
    by_ada(told([second], surgeon, {"department": ["Oncology", "Surgery"]}), as_ada)


def test_a_rolled_back_savepoint_takes_its_change_and_not_the_actor(as_ada: User, surgeon: User, new: New) -> None:
    class Stop(Exception):
        pass

    def fail() -> None:
        with transaction.atomic():
            User.objects.filter(pk=surgeon.pk).update(department="Lost")
            raise Stop

    for department in ("Oncology", "Surgery"):
        with pytest.raises(Stop):
            fail()
        User.objects.filter(pk=surgeon.pk).update(department=department)
    there, back = new()
    by_ada(told([there], surgeon, MOVED), as_ada)
    by_ada(told([back], surgeon, {"department": ["Oncology", "Surgery"]}), as_ada)


def test_each_statement_of_a_transaction_has_its_own_actor(as_ada: User, surgeon: User, new: New) -> None:
    bob = cast.bob()
    new()
    people = User.objects.filter(pk=surgeon.pk)
    with transaction.atomic():
        people.update(department="1")
        with audit.bind(actor=bob):
            people.update(department="2")
        people.update(department="3")
    assert [event.actor_name for event in new()] == ["Ada Admin", "Bob Brandt", "Ada Admin"]


@pytest.mark.parametrize(
    "name", ["Miles O'Brien", 'Ann "The %s" %(x)s', "back\\slash\\'; --", "Nováková 王 🩺", "%%", "$1"]
)
def test_any_name_is_kept_as_it_is(surgeon: User, new: New, name: str) -> None:
    actor = make_user(name=name)
    new()
    with audit.bind(actor=actor), connection.cursor() as cursor:
        User.objects.filter(pk=surgeon.pk).update(department="Oncology")
        cursor.execute("UPDATE compliance_user SET title = 'MD'")
        cursor.executemany("UPDATE compliance_user SET title = %s", [("RN",)])
    assert {event.actor_name for event in new()} == {name}


# ── Work that runs elsewhere ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def lost(new: New) -> Turn:
    turn = make_turn(author=cast.alice())
    Turn.objects.filter(pk=turn.pk).update(deadline_at=clock.now() - timedelta(seconds=1))
    new()
    return turn


@pytest.fixture
def _eager() -> Iterator[None]:
    fail_lost_answers.app.conf.task_always_eager = True
    yield
    fail_lost_answers.app.conf.task_always_eager = False


@pytest.mark.usefixtures("_eager")
def test_task(as_ada: User, lost: Turn, new: New) -> None:
    fail_lost_answers.delay()
    event = told(new(), lost, code=Code.SENSITIVE_UPDATE)
    by_ada(event, as_ada)
    assert event.task_id
    assert (event.changes or {})["status"] == ["queued", "failed"]


@pytest.mark.usefixtures("_eager")
def test_task_nobody_sent(lost: Turn, new: New) -> None:
    fail_lost_answers.delay()
    (event,) = new()
    assert (event.actor_id, event.actor_kind) == (None, audit.ActorKind.SCHEDULE)
    assert event.actor_name == "chat.tasks.fail_lost_answers"
    assert event.correlation_id is not None


def test_forged_header_of_a_task_names_nobody(lost: Turn, new: New) -> None:
    with audit.bind(actor=cast.ada()):
        genuine = audit.carry()
    new()
    fail_lost_answers.apply(headers={HEADER: genuine[:-2] + "xx"})
    (event,) = new()
    assert (event.actor_id, event.actor_name) == (None, "chat.tasks.fail_lost_answers")


def test_stream(surgeon: User, new: New) -> None:
    ada = cast.ada()
    new()

    def parts() -> Iterator[str]:
        yield "first"
        User.objects.filter(pk=surgeon.pk).update(department="Oncology")
        yield "last"

    request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.7")
    request.user, request.session = ada, Client().session
    response = RequestContext(lambda _: StreamingHttpResponse(parts()))(request)
    assert isinstance(response, StreamingHttpResponse)
    assert new() == [], "the middleware has returned, and nothing is written yet"
    assert response.getvalue() == b"firstlast"
    event = told(new(), surgeon, MOVED)
    assert (event.actor_id, event.remote_addr) == (ada.pk, "192.0.2.7")
    assert event.correlation_id is not None


# ── What is left out, and how values are kept apart ───────────────────────────────────────────────────────────


def test_what_changes_nothing_leaves_nothing(as_ada: User, surgeon: User, new: New) -> None:
    surgeon.save()
    User.objects.filter(pk=surgeon.pk).update(department="Surgery")
    User.objects.filter(pk=uuid.uuid4()).update(department="Oncology")
    assert new() == []


def test_ignored_columns_leave_nothing(as_ada: User, surgeon: User, new: New) -> None:
    User.objects.filter(pk=surgeon.pk).update(theme=User.Theme.DARK, shortcuts=False, last_login=clock.now())
    assert new() == []
    User.objects.filter(pk=surgeon.pk).update(theme=User.Theme.LIGHT, department="Oncology")
    told(new(), surgeon, MOVED)


def test_text_of_patients_and_secrets_never_enter(as_ada: User, new: New) -> None:
    canary = "canary-4711"
    conversation = Conversation.objects.create(author=as_ada, title=f"{canary} title")
    turn = Turn.objects.create(
        conversation=conversation,
        number=1,
        submission=uuid.uuid4(),
        question=f"{canary} question",
        blocks=[{"kind": "p", "text": canary}],
        evidence={canary: canary},
        deadline_at=clock.now(),
    )
    services.rate(turn=turn, helpful=False, comment=f"{canary} comment")
    Turn.objects.filter(pk=turn.pk).update(question=f"{canary} changed", status=Turn.Status.ANSWERED)
    VaultEntry.objects.create(
        scope=conversation.pk, token="[X-1]", label="NAME", value=canary, blind_index=canary.encode()
    )
    document = Document.objects.create(collection=Collection.objects.create(slug="c", name="C"), external_id="d")
    DocumentVersion.objects.create(document=document, number=1, title="D", text=canary, sha256="0" * 64)
    User.objects.filter(pk=as_ada.pk).update(password=canary)
    Clearance.objects.filter(pk=make_clearance(user=as_ada, reason=canary).pk).update(reason=f"{canary} 2")
    device = Authenticator.objects.get(user=as_ada)
    device.key = canary
    device.save(update_fields=["key"])
    assert len(new()) >= 10
    with connection.cursor() as cursor:
        cursor.execute("SELECT event::text, convert_from(canonical, 'UTF8') FROM compliance_auditevent AS event")
        rows = cursor.fetchall()
    kept = "\n".join(map(str, rows))
    assert canary not in kept
    assert canary.encode().hex() not in kept
    assert kept.count("hmac:") > 20


def test_equal_values_have_equal_digests_within_one_column_only(as_ada: User, new: New) -> None:
    same = "the same words"
    one = Conversation.objects.create(author=as_ada, title=same)
    two = Conversation.objects.create(author=as_ada, title=same)
    given = {"question": same, "reason": "", "deadline_at": clock.now()}
    for number, conversation in enumerate((one, two), 1):
        Turn.objects.create(conversation=conversation, number=number, submission=uuid.uuid4(), **given)
    first, second, *turns = [event.changes or {} for event in new()]
    assert first["title"] == second["title"]
    assert turns[0]["question"] == turns[1]["question"]
    assert first["title"][0] is None
    assert first["title"][1].startswith("hmac:")
    assert first["title"][1] != turns[0]["question"][1], "one could look up the values of one column in another"
    Conversation.objects.filter(pk=one.pk).update(title="other words")
    (changed,) = new()
    was, becomes = (changed.changes or {})["title"]
    assert (was, len(becomes)) == (first["title"][1], len("hmac:") + 16)
    assert was != becomes
