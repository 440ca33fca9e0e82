"""Changes made by other processes, and the access lane on its own connection: with committed rows, as in use.

Together with test_audit_write_paths.py these are all the ways to write.
"""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from django.test import Client
from psycopg_pool import ConnectionPool

from chat.models import Conversation, Turn
from chat.tasks import fail_lost_answers
from clinchat.celery import app
from clinchat.lib import clock
from clinchat.local import cluster
from compliance import audit
from compliance.audit import guards, lane, seal
from compliance.audit.verify import verify
from compliance.models import AuditEvent, Code, Crude, Outcome, Seal, User
from tests import cast, trail
from tests.chat.test_worker import together
from tests.compliance.sealed_trail import insert, triggers_off
from tests.factories import make_clearance, make_user
from tests.processes import environment, until

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _outside(settings: Any, tmp_path: Path) -> None:
    settings.AUDIT_CHECKPOINT_FILES = [str(tmp_path / "audit.jsonl")]


@pytest.fixture
def surgeon() -> User:
    with audit.bind(kind=audit.ActorKind.SERVICE, name="the test"):
        return make_user(department="Surgery")


def of(instance: Any, action: Crude = Crude.UPDATE) -> AuditEvent:
    """The one event of this kind about `instance`."""
    return AuditEvent.objects.get(object_id=str(instance.pk), action=action)


def program(name: str, *words: str, said: str = "") -> str:
    """Run one of PostgreSQL's own programs on the test database."""
    database = connection.settings_dict
    where = ["-h", database["HOST"], "-U", database["USER"], "-d", database["NAME"]]
    done = subprocess.run(
        [cluster.binaries() / name, *where, *words], input=said, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# ── Other programs ────────────────────────────────────────────────────────────────────────────────────────────


def test_psql_is_seen_and_told_of(surgeon: User, caplog: pytest.LogCaptureFixture) -> None:
    program("psql", "-c", "UPDATE compliance_user SET department = 'Oncology' WHERE name = 'nobody'")
    program("psql", "-c", f"UPDATE compliance_user SET department = 'Oncology' WHERE id = '{surgeon.pk}'")
    event = of(surgeon)
    assert (event.actor_kind, event.actor_name) == (audit.ActorKind.UNKNOWN_DB, "unknown-db:clinchat")
    assert (event.actor_id, event.correlation_id, event.session) == (None, None, "")
    assert event.changes == {"department": ["Surgery", "Oncology"]}
    with caplog.at_level(logging.WARNING):
        seal.seal_all()
    (told,) = [record for record in caplog.records if getattr(record, "code", "") == "UNKNOWN_WRITER"]
    assert str(event.pk) in told.getMessage()
    assert any("outside ClinChat" in condition for condition in seal.state().conditions)


def test_psql_cannot_say_it_is_somebody_without_saying_so(surgeon: User) -> None:
    """Whoever sets the context by hand is believed: the trail tells people apart, not liars with a database role."""
    with audit.bind(actor=cast.ada()):
        who = audit.current().as_json.replace("'", "''")
    program(
        "psql",
        *("-c", f"BEGIN; SET LOCAL clinchat.context = '{who}'; UPDATE compliance_user SET title = 'x'; COMMIT"),
        *("-c", "UPDATE compliance_user SET title = 'y'"),
    )
    events = AuditEvent.objects.filter(object_id=str(surgeon.pk), action=Crude.UPDATE).order_by("timestamp")
    assert [event.actor_name for event in events] == ["Ada Admin", "unknown-db:clinchat"]


def test_restore(surgeon: User, tmp_path: Path) -> None:
    clearance = make_clearance(user=surgeon, reason="Restored with its reason")
    dump = tmp_path / "clearances.dump"
    program("pg_dump", "-Fc", "--data-only", "-t", "compliance_clearance", "-f", str(dump))
    clearance.__class__.objects.all().delete()
    assert of(clearance, Crude.DELETE).actor_kind == audit.ActorKind.UNKNOWN_DB
    before = set(AuditEvent.objects.values_list("pk", flat=True))
    program("pg_restore", "--data-only", str(dump))
    (event,) = AuditEvent.objects.exclude(pk__in=before)
    assert (event.action, event.object_id) == (Crude.CREATE, str(clearance.pk))
    assert (event.code, event.actor_kind) == (Code.PRIVILEGE_PERMISSIONS_CHANGED, audit.ActorKind.UNKNOWN_DB)
    assert (event.changes or {})["reason"][1].startswith("hmac:")


def test_restore_with_triggers_off_is_seen_by_what_it_leaves(surgeon: User, tmp_path: Path) -> None:
    clearance = make_clearance(user=surgeon)
    dump = tmp_path / "clearances.dump"
    program("pg_dump", "-Fc", "--data-only", "-t", "compliance_clearance", "-f", str(dump))
    clearance.__class__.objects.all().delete()
    trail_is_guarded("compliance_clearance")
    assert "compliance_clearance" not in {place for _, place, _ in guards.weaknesses()}
    try:
        program("pg_restore", "--data-only", "--disable-triggers", str(dump))
        assert "compliance_clearance" in {place for _, place, _ in guards.weaknesses()}
    finally:
        trail_is_guarded("compliance_clearance")
        trail.allow_truncate()


def trail_is_guarded(table: str) -> None:
    with connection.cursor() as cursor:
        for name in ("clinchat_audit", "clinchat_no_truncate"):
            cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


def test_copy(surgeon: User) -> None:
    key = uuid.uuid4()
    with psycopg.connect(**connection.get_connection_params()) as other, other.cursor() as cursor:
        columns = "id, user_id, granted_at, expires_at, reason, basis"
        with cursor.copy(f"COPY compliance_clearance ({columns}) FROM STDIN") as copy:
            copy.write_row((key, surgeon.pk, clock.now(), clock.now() + timedelta(days=1), "x", "hand"))
    (event,) = AuditEvent.objects.filter(object_id=str(key))
    assert (event.action, event.actor_kind) == (Crude.CREATE, audit.ActorKind.UNKNOWN_DB)


def test_command_in_a_process_of_its_own(surgeon: User) -> None:
    code = f"from compliance.models import User; User.objects.filter(pk='{surgeon.pk}').update(department='Oncology')"
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", code],
        cwd=ROOT, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    event = of(surgeon)
    assert (event.actor_kind, event.actor_id) == (audit.ActorKind.COMMAND, None)
    assert event.actor_name.startswith("manage.py shell (")
    assert event.correlation_id is not None
    assert event.changes == {"department": ["Surgery", "Oncology"]}


def test_worker_acts_for_whoever_sent_the_task(tmp_path: Path) -> None:
    app.control.purge()
    ada, request = cast.ada(), uuid.uuid4()
    turn = lost_turn()
    log = tmp_path / "worker.log"
    command = ["-m", "celery", "-A", "clinchat", "worker", "-Q", "maintenance", "--pool", "solo", "--without-mingle"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command, "--pidfile", str(tmp_path / "pid")],
            cwd=ROOT, env=environment(), stdout=output, stderr=output,
        )  # fmt: skip
    try:
        with audit.bind(actor=ada, correlation_id=request, source="192.0.2.7", session="a digest"):
            fail_lost_answers.apply_async(ignore_result=True)
        until(lambda: Turn.objects.get(pk=turn.pk).status == Turn.Status.FAILED, f"no task ran: {log.read_text()}")
    finally:
        process.terminate()
        process.wait(60)
    event = of(turn)
    assert (event.actor_id, event.actor_name, event.actor_roles) == (ada.pk, "Ada Admin", ["admin"])
    assert (event.correlation_id, event.remote_addr, event.session) == (request, "192.0.2.7", "a digest")
    assert event.task_id


def lost_turn() -> Turn:
    conversation = Conversation.objects.create(author=cast.alice(), title="x")
    return Turn.objects.create(
        conversation=conversation, number=1, submission=uuid.uuid4(), question="x", deadline_at=clock.now()
    )


# ── The access lane ───────────────────────────────────────────────────────────────────────────────────────────


def denial(**given: Any) -> uuid.UUID:
    return audit.record(code=Code.AUTHZ_FAIL, action=Crude.READ, outcome=Outcome.DENIED, **given)


def test_a_rolled_back_change_leaves_nothing_and_the_denial_stays(surgeon: User) -> None:
    class Stop(Exception):
        pass

    kept = []

    @transaction.atomic
    def refused() -> None:
        User.objects.filter(pk=surgeon.pk).update(department="Oncology")
        kept.append(denial(object_id=str(surgeon.pk)))
        raise Stop

    with audit.bind(actor=cast.ada()), pytest.raises(Stop):
        refused()
    assert not AuditEvent.objects.filter(object_id=str(surgeon.pk), action=Crude.UPDATE).exists()
    event = trail.event(kept[0])
    assert (event.outcome, event.actor_name, event.lane) == (Outcome.DENIED, "Ada Admin", audit.Lane.ACCESS)


@pytest.fixture(params=["the server does not answer", "every connection is busy", "the table refuses"])
def _no_lane(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(lane, "WAIT_SECONDS", 0.3)
    if request.param == "the table refuses":
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE TRIGGER broken BEFORE INSERT ON compliance_auditevent EXECUTE FUNCTION compliance_refuse()"
            )
            yield
            cursor.execute("DROP TRIGGER broken ON compliance_auditevent")
        return
    host = "/nonexistent" if "answer" in request.param else connection.settings_dict["HOST"]
    parameters = connection.get_connection_params() | {
        "host": host,
        "autocommit": True,
        "cursor_factory": psycopg.Cursor,
    }
    with ConnectionPool(kwargs=parameters, min_size=0, max_size=1, open=True, reconnect_timeout=0.3) as pool:
        monkeypatch.setattr(lane, "_pool", lambda: pool)
        if "answer" in request.param:
            yield
        else:
            with pool.connection():
                yield


@pytest.fixture
def conversation() -> Conversation:
    turn = lost_turn()
    Turn.objects.update(question="a question nobody may see now")
    return turn.conversation


@pytest.fixture
def alice(conversation: Conversation) -> Client:
    client = cast.sign_in(Client(raise_request_exception=False), cast.alice())
    assert "a question nobody may see now" in client.get(conversation.get_absolute_url()).content.decode()
    return client


def test_nothing_is_shown_when_it_cannot_be_recorded(alice: Client, conversation: Conversation, _no_lane: None) -> None:  # noqa: PT019
    with pytest.raises(audit.AuditUnavailable):
        denial()
    for address in (conversation.get_absolute_url(), "/library/?q=warfarin"):
        started = time.monotonic()
        response = alice.get(address)
        assert response.status_code == 503
        assert "a question nobody may see now" not in response.content.decode()
        assert time.monotonic() - started < 15


def test_lane_comes_back(alice: Client, conversation: Conversation) -> None:
    """A connection that was cut while it lay in the pool is replaced."""
    denial()
    with connection.cursor() as cursor:
        cursor.execute(
            # Waits until they have gone: without a time to wait for, one may still answer when it is looked at.
            "SELECT bool_and(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity"
            " WHERE application_name = 'clinchat-audit'"
        )
        assert cursor.fetchone() == (True,)
    assert trail.event(denial()).lane == audit.Lane.ACCESS
    assert alice.get(conversation.get_absolute_url()).status_code == 200


def test_forked_child_has_connections_of_its_own() -> None:
    mine = denial()
    child = os.fork()
    if child == 0:
        try:
            denial(object_id="child")
            os._exit(0)
        except BaseException:  # noqa: BLE001  # nothing of the parent's may run in the child
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    after = denial()
    assert AuditEvent.objects.filter(object_id="child").count() == 1
    assert AuditEvent.objects.filter(pk__in=[mine, after]).count() == 2


def test_many_threads_share_the_lane() -> None:
    assert together(lambda _: [denial() for _ in range(5)] and None, 12) == [None] * 12
    assert AuditEvent.objects.filter(code=Code.AUTHZ_FAIL).count() == 60


# ── The sealer, while others write and after a restore ────────────────────────────────────────────────────────


def test_sealer_comes_to_an_end_while_others_write(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Any = seal._write
    batches = []

    def write_while_others_do(*given: Any) -> None:
        real(*given)
        batches.append(denial())
        assert len(batches) < 5, "it would never anchor what it sealed"

    monkeypatch.setattr(seal, "_write", write_while_others_do)
    denial()
    seal.seal_all()
    assert len(batches) == 1


def test_what_a_restore_brought_along_is_sealed_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """A restored database counts its transactions anew: what it brought along seems to come from its future."""
    real: Any = seal._write
    denial()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(seal, "_write", lambda *given: real(*given[:4], str(10**9), "4711", given[6]))
        seal.seal_all()
    with triggers_off(), transaction.atomic():
        for n in range(5):
            insert(random.Random(n), clock.now(), xid=10**9 + n)
    denial()
    assert kinds() == set(), "nothing of this came behind the sealed point"
    monkeypatch.setattr(seal, "LARGEST", 2)
    assert seal.seal_all() == 6
    assert Seal.objects.latest("number").system != "4711"
    denial()
    assert kinds() == set()
    assert seal.seal_all() == 1


def kinds() -> set[str]:
    """What verification finds, but for the triggers that are off in test databases."""
    return {problem.kind for problem in verify().problems} - {"trigger"}
