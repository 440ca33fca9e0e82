"""Read-only mode: who switches it, what its write guard refuses, and how soon every process knows."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from celery.contrib.testing.worker import start_worker
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection, transaction
from psycopg import sql

from chat.models import Collection, Turn
from clinchat.celery import app
from clinchat.lib import clock
from clinchat.lib.queues import Queues
from clinchat.schedule import EVERY
from compliance.access import epoch, networks, people
from compliance.continuity import maintenance, write_guard
from compliance.continuity.maintenance import Kind
from compliance.models import AuditEvent, Maintenance, NetworkBlock
from tests import cast, processes
from training.models import AccessRequest
from training.models.approvals import Stage

pytestmark = pytest.mark.django_db
WHY = "The database moves."
WATCH = """
import sys, time, django
django.setup()
from compliance.continuity import maintenance
was, asked = None, 0.0
while True:
    before, asked = asked, time.time()
    if (now := maintenance.on()) != was:
        was = now
        print("on" if now else "off", before, flush=True)
    time.sleep(0.05)
"""


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The number is read at each question, as it is after a second."""
    monkeypatch.setattr(epoch, "FRESH_SECONDS", 0.0)
    maintenance.forget()
    yield
    maintenance.forget()


def on(**extra: Any) -> Maintenance:
    return maintenance.start(reason=WHY, **extra)


# ── Switching ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_is_on_until_somebody_ends_it() -> None:
    assert maintenance.current() is None
    until = clock.now() + timedelta(hours=2)
    made = on(actor=cast.otto(), until=until)
    shown = maintenance.current()
    assert shown == maintenance.Shown(made.pk, Kind.MANUAL, WHY, made.started_at, until)
    maintenance.end(actor=cast.otto())
    assert not maintenance.on()
    assert Maintenance.objects.get().ended_by == cast.otto()


def test_what_cannot_be_switched_says_why() -> None:
    with pytest.raises(maintenance.NotOn):
        maintenance.end()
    with pytest.raises(maintenance.Past):
        on(until=clock.now())
    on()
    with pytest.raises(maintenance.AlreadyOn):
        on()
    with pytest.raises(maintenance.NotOn):
        maintenance.end(kind=Kind.RESTORE)
    assert Maintenance.objects.count() == 1


def test_a_restore_takes_it_over_and_alone_ends_it() -> None:
    by_hand = on()
    own = on(kind=Kind.RESTORE)
    assert on(kind=Kind.RESTORE) == own, "an undo goes on in the mode of the restore"
    by_hand.refresh_from_db()
    assert by_hand.ended_at is not None
    with pytest.raises(maintenance.RestoreRuns):
        maintenance.end()
    with pytest.raises(maintenance.RestoreRuns):
        on()
    maintenance.end(kind=Kind.RESTORE)
    assert not maintenance.on()


def test_switching_it_is_on_record() -> None:
    on(actor=cast.otto())
    maintenance.end(actor=cast.otto())
    left = AuditEvent.objects.filter(object_type="compliance.Maintenance").order_by("timestamp", "id")
    assert [event.action for event in left] == ["C", "U"]
    assert WHY not in json.dumps([event.detail for event in left], default=str)


def test_without_a_database_it_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    on()
    assert maintenance.on()

    def lost() -> int:
        raise OperationalError

    monkeypatch.setattr(epoch, "current", lost)
    assert maintenance.on()


def test_it_is_known_to_be_just_over() -> None:
    assert not maintenance.just_over(write_guard.GRACE)
    on()
    assert not maintenance.just_over(write_guard.GRACE)
    maintenance.end()
    assert maintenance.just_over(write_guard.GRACE)
    assert not maintenance.just_over(timedelta())


@pytest.mark.django_db(transaction=True)
def test_it_works_in_every_process_within_two_seconds() -> None:
    """Whoever asks later than that is not told any more what was before; a busy machine may let nobody ask."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WATCH],
            cwd=processes.ROOT,
            env=processes.environment() | {"DJANGO_SETTINGS_MODULE": "clinchat.settings"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(2)
    ]
    try:
        took = []
        for state, switch in (("off", None), ("on", on), ("off", maintenance.end)):
            if switch:
                switch()
            at = time.time()
            for process in running:
                said, not_yet = next(line.split() for line in process.stdout or () if line.startswith(("on", "off")))
                assert said == state
                took.append(float(not_yet) - at)
        assert max(took) < 2, took
    finally:
        for process in running:
            process.kill()
            process.communicate()


# ── The write guard ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO chat_collection (slug) VALUES ('x')",
        "  insert into public.chat_collection (slug) values ('x')",
        'UPDATE ONLY "public"."chat_collection" SET slug = slug',
        "DELETE FROM chat_collection",
        "TRUNCATE TABLE chat_collection",
        "COPY chat_collection FROM STDIN",
        "MERGE INTO chat_collection USING chat_turn ON true WHEN MATCHED THEN DO NOTHING",
        "WITH gone AS (DELETE FROM chat_collection RETURNING 1) SELECT * FROM gone",
        "UPDATE compliance_session SET seen_at = seen_at; UPDATE chat_collection SET slug = slug",
        "INSERT INTO compliance_roleassignment (role) VALUES ('x')",
        sql.SQL("DELETE FROM {}").format(sql.Identifier("chat_collection")),
    ],
)
def test_a_statement_that_writes_is_refused(statement: Any) -> None:
    on()
    with connection.cursor() as cursor, pytest.raises(write_guard.ReadOnlyNow):
        cursor.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM chat_collection FOR UPDATE",
        "WITH found AS (SELECT id FROM chat_collection FOR UPDATE OF chat_collection SKIP LOCKED) SELECT * FROM found",
        "UPDATE compliance_session SET seen_at = seen_at",
        "UPDATE compliance_user SET last_login = last_login",
        "DELETE FROM compliance_roleassignment",
        "INSERT INTO compliance_accessepoch (id, number) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET number = 2",
        "CREATE TEMPORARY TABLE held (id int)",
    ],
)
def test_a_statement_that_may_go_on_does(statement: str) -> None:
    on()
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_wall_is_not_there_when_the_mode_is_off_or_set_aside() -> None:
    Collection.objects.create(slug="a", name="A")
    on()
    with maintenance.set_aside():
        Collection.objects.create(slug="b", name="B")
    with pytest.raises(write_guard.ReadOnlyNow), transaction.atomic():
        Collection.objects.create(slug="c", name="C")
    maintenance.end()
    assert set(Collection.objects.values_list("slug", flat=True)) == {"a", "b"}


def test_without_its_table_the_transaction_of_the_caller_goes_on() -> None:
    """As it is while this release is migrated back."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE compliance_maintenance RENAME TO gone")
        maintenance.forget()
        maintenance.on()  # what was known before
        cursor.execute("SELECT 1")


def test_networks_are_blocked_and_accounts_closed() -> None:
    sam, ada, alice = cast.sam(), cast.ada(), cast.alice()
    request = AccessRequest.objects.create(person=alice, stage=Stage.RETURNED)
    on()
    networks.block(network="203.0.113.0/24", reason="Scans.", by=sam, source="192.0.2.10")
    people.end_employment(alice, by=ada)
    alice.refresh_from_db()
    request.refresh_from_db()
    assert request.stage == Stage.DRAFT
    assert not alice.is_active
    assert NetworkBlock.objects.count() == 1


def test_what_is_left_open_exists_and_says_why() -> None:
    for label, why in (write_guard.WRITABLE | write_guard.REVOCABLE).items():
        assert apps.get_model(label)
        assert why
    assert not write_guard.WRITABLE.keys() & write_guard.REVOCABLE.keys()


# ── Tasks and commands ────────────────────────────────────────────────────────────────────────────────────────


def test_tasks_that_go_on_exist() -> None:
    app.loader.import_default_modules()
    assert set(write_guard.TASKS_IN_READ_ONLY) <= set(app.tasks)
    assert write_guard.runs_in_read_only(app.tasks["compliance.tasks.seal_events"]), "by its queue"
    assert not write_guard.runs_in_read_only(app.tasks["chat.tasks.answer_turn"])
    left_out = {entry["task"] for entry in EVERY.values()} - set(write_guard.TASKS_IN_READ_ONLY)
    assert "training.tasks.finish_overdue_attempts" in left_out


def run(name: str, *given: str) -> None:
    """As a worker runs it."""
    app.tasks[name].apply(args=given, throw=True, task_id="11111111-1111-4111-8111-111111111111")


def test_a_task_that_somebody_waits_for_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[Any, Any]] = []
    task = app.tasks["chat.tasks.answer_turn"]
    monkeypatch.setattr(type(task), "apply_async", lambda _, args, kwargs, **options: sent.append((args, options)))
    on()
    run(task.name, "22222222-2222-4222-8222-222222222222")
    [(args, options)] = sent
    assert list(args) == ["22222222-2222-4222-8222-222222222222"]
    assert options == {"countdown": write_guard.RETRY_SECONDS, "task_id": "11111111-1111-4111-8111-111111111111"}


def test_a_task_of_the_schedule_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    did: list[str] = []
    monkeypatch.setattr("chat.services.fail_lost", lambda: did.append("answers"))
    monkeypatch.setattr("compliance.access.sessions.expire_all", lambda: did.append("sessions"))
    on()
    run("chat.tasks.fail_lost_answers")
    run("compliance.tasks.end_sessions")
    assert did == ["sessions"]
    maintenance.end()
    run("chat.tasks.fail_lost_answers")
    assert did == ["sessions"], "answers that waited have their turn first"
    Maintenance.objects.update(ended_at=clock.now() - write_guard.GRACE)
    maintenance.forget()
    run("chat.tasks.fail_lost_answers")
    assert did == ["sessions", "answers"]


def test_a_task_that_runs_into_the_wall_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    task = app.tasks["chat.tasks.evaluate_collection"]
    monkeypatch.setattr(type(task), "apply_async", lambda _, args, kwargs, **options: sent.append(args))

    def begins(_: Any) -> None:
        on()
        Turn.objects.update(question="")

    monkeypatch.setattr("chat.gate.evaluate_if_any", begins)
    run(task.name, "22222222-2222-4222-8222-222222222222")
    assert len(sent) == 1


@pytest.mark.django_db(transaction=True)
def test_what_waits_is_done_once_when_the_mode_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a real worker and the real queue."""
    did: list[Any] = []
    monkeypatch.setattr(write_guard, "RETRY_SECONDS", 1)
    monkeypatch.setattr("chat.uploads.read", did.append)
    monkeypatch.setattr("logging.config.dictConfig", lambda _: None)  # a worker sets up the lines of its whole process
    monkeypatch.setattr("compliance.logs.serve", lambda **_: None)
    monkeypatch.setattr(sys, "__stdout__", sys.__stdout__)
    upload = UUID("22222222-2222-4222-8222-222222222222")
    with app.connection_for_write() as broker:
        channel: Any = broker.default_channel
        channel.queue_purge(Queues.EMBEDDING)  # of what other tests sent and nobody did
    on()
    worker: Any = app  # with tasks of a class of its own, which the stubs of the test worker do not expect
    with start_worker(worker, pool="solo", perform_ping_check=False, queues=[Queues.EMBEDDING], shutdown_timeout=30):
        app.tasks["chat.tasks.read_upload"].delay(str(upload))
        time.sleep(1.5)
        assert upload not in did
        maintenance.end()
        processes.until(lambda: upload in did, "the upload was never read")
        time.sleep(1.5)
    assert did.count(upload) == 1


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("maintenance", "on", reason="MRN: 12345678 is moved.", until=clock.now() + timedelta(hours=1))
    assert "12345678" not in Maintenance.objects.get().reason
    call_command("maintenance", "status", "--json")
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["enabled"]
    assert found["kind"] == "manual"
    with pytest.raises(CommandError, match="on already"):
        call_command("maintenance", "on", reason="Again.")
    call_command("maintenance", "off")
    assert "off" in capsys.readouterr().out
    with pytest.raises(CommandError, match="not on"):
        call_command("maintenance", "off")


def test_a_command_that_writes_is_refused_and_migrate_is_not() -> None:
    on()
    with pytest.raises(write_guard.ReadOnlyNow):
        call_command("load_demo", "--show")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # it alters tables that this transaction has written to
    call_command("migrate", verbosity=0)
