"""When checks are made, by one process at a time; and that each result stays on record as it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import Error, connection, transaction
from django.db.models import F

from clinchat.lib import clock
from compliance.audit import seal
from compliance.audit.verify import verify
from compliance.controls import catalogue, registry, results, running
from compliance.controls.registry import Found, Registered
from compliance.models import AuditEvent, CheckSchedule, ControlResult
from tests import cast, processes

State = ControlResult.State
KEY, OTHER = "time.sync", "audit.grants"
SECRET = "Mrs. Quenabwyck, MRN 88231904"
rolled_back = pytest.mark.django_db
committed = pytest.mark.django_db(transaction=True)
Look = Callable[[], Any]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ControlResult]:
    """Makes the check KEY with this function."""

    def make(look: Look, *, zero_ok: bool = False, seconds: int = 2, key: str = KEY) -> ControlResult:
        monkeypatch.setitem(registry._checks, key, Registered(key, look, zero_ok, seconds))
        return running.run([key])[0]

    return make


def good(**fields: Any) -> Found:
    sent: dict[str, Any] = {"ok": True, "observed": "3 of 3 are so", "subjects": 3}
    return Found(**sent | fields)


def raising(error: BaseException) -> Look:
    def look() -> Found:
        raise error

    return look


# ── When ───────────────────────────────────────────────────────────────────────────────────────────────────────


def kept(key: str, at: datetime, state: State = State.PASS) -> ControlResult:
    return results.keep(key=key, state=state, observed="", started_at=at, duration_ms=1)


def everything_at(moment: datetime) -> None:
    for key in catalogue.current().checks:
        kept(key, moment)


@rolled_back
def test_a_check_is_due_when_its_interval_is_over() -> None:
    now = clock.now()
    assert running.due(now) == running.in_order(catalogue.current().checks)
    assert len(running.due(now)) == 98
    everything_at(now)
    assert running.due(now) == []
    checks = catalogue.current().checks
    for after, every in ((5, "live"), (60, "hourly"), (360, "6h"), (1440, "daily")):
        due = running.due(now + timedelta(minutes=after))
        assert {checks[key].minutes for key in due} == {m for m in (5, 60, 360, 1440) if m <= after}, every


@rolled_back
def test_a_hospital_looks_more_often_and_never_less_often() -> None:
    now = clock.now()
    everything_at(now)
    CheckSchedule.objects.create(check_key="audit.grants", minutes=7)
    CheckSchedule.objects.create(check_key="time.sync", minutes=10_000)
    assert "audit.grants" not in running.due(now + timedelta(minutes=6))
    due = running.due(now + timedelta(minutes=7))
    assert {"audit.grants", "time.sync"} <= set(due)


@rolled_back
def test_after_a_clock_was_set_back_everything_is_due_again() -> None:
    now = clock.now()
    everything_at(now + timedelta(days=3))
    assert len(running.due(now)) == 98
    kept(KEY, now)
    assert KEY not in running.due(now)


@pytest.fixture
def only_key(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One check is due, and is quick."""
    monkeypatch.setitem(registry._checks, KEY, Registered(KEY, lambda: good()))
    monkeypatch.setattr(running, "due", lambda now: [KEY])
    return [KEY]


def database() -> dict[str, Any]:
    found = connection.settings_dict
    return {"dbname": found["NAME"], "host": found["HOST"], "user": found["USER"] or "clinchat"}


@rolled_back
def test_while_another_has_its_turn_this_one_has_none(only_key: list[str]) -> None:
    with psycopg.connect(**database()) as other:
        assert other.execute("SELECT pg_try_advisory_lock(%s)", [running._LOCK]).fetchone() == (True,)
        assert running.run_due() == []
        other.execute("SELECT pg_advisory_unlock(%s)", [running._LOCK])
    assert [one.state for one in running.run_due()] == [State.PASS]
    with psycopg.connect(**database()) as other:  # and gives it back
        assert other.execute("SELECT pg_try_advisory_lock(%s)", [running._LOCK]).fetchone() == (True,)


@rolled_back
def test_a_turn_that_goes_wrong_gives_the_lock_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(_now: datetime) -> list[str]:
        raise ZeroDivisionError

    monkeypatch.setattr(running, "due", wrong)
    with pytest.raises(ZeroDivisionError):
        running.run_due()
    with psycopg.connect(**database()) as other:
        assert other.execute("SELECT pg_try_advisory_lock(%s)", [running._LOCK]).fetchone() == (True,)


@rolled_back
def test_a_turn_begins_nothing_more_after_its_time(monkeypatch: pytest.MonkeyPatch, only_key: list[str]) -> None:
    monkeypatch.setattr(running, "BUDGET", -1.0)
    assert running.run_due() == []


# ── On record ──────────────────────────────────────────────────────────────────────────────────────────────────


@rolled_back
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE compliance_controlresult SET state = 'pass'",
        "UPDATE compliance_controlresult SET started_at = now()",
        "DELETE FROM compliance_controlresult",
        "DELETE FROM compliance_catalogueversion",
        "UPDATE compliance_catalogueversion SET text = ''",
        "SET LOCAL session_replication_role = replica; UPDATE compliance_controlresult SET state = 'pass'",
        "SET LOCAL session_replication_role = replica; DELETE FROM compliance_controlresult",
        "SET LOCAL session_replication_role = replica; DELETE FROM compliance_catalogueversion",
    ],
)
def test_the_database_refuses_to_change_a_result(statement: str, made: Callable[..., ControlResult]) -> None:
    made(lambda: good(ok=False))
    with pytest.raises(Error), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert ControlResult.objects.get().state == State.FAIL


@rolled_back
def test_nor_through_the_models(made: Callable[..., ControlResult]) -> None:
    found = made(lambda: good())
    for change in (
        lambda: ControlResult.objects.update(state=State.FAIL),
        lambda: ControlResult.objects.all().delete(),
        lambda: ControlResult.objects.update(duration_ms=F("duration_ms") + 1),
        found.delete,
        found.save,
    ):
        with pytest.raises(Error), transaction.atomic():
            change()


@rolled_back
def test_a_pass_with_failing_ones_cannot_be_stored() -> None:
    with pytest.raises(Error), transaction.atomic():
        results.keep(key=KEY, state=State.PASS, observed="", failing=["a"], started_at=clock.now(), duration_ms=1)


@committed
def test_every_result_is_an_event_of_the_trail_which_stays_whole(
    made: Callable[..., ControlResult], settings: Any, tmp_path: Path
) -> None:
    settings.AUDIT_CHECKPOINT_FILES = [str(tmp_path / "checkpoints.jsonl")]
    found = [made(lambda: good()), made(raising(ValueError())), made(lambda: good(ok=False, failing=["a"]))]
    for one in found:
        event = AuditEvent.objects.get(object_type="compliance.ControlResult", object_id=str(one.pk))
        said = json.dumps(event.changes, default=str)
        assert one.digest in said
        assert str(one.state) in said
    seal.seal_all()
    # that tables can be emptied is the tests' own doing (tests/trail.py)
    assert [one for one in verify().problems if one.kind != "trigger"] == []


DIES = """
import os, sys, time
import django
django.setup()
from compliance.controls import registry, running
from compliance.controls.registry import Found, Registered
from compliance.models import Remark, User

def quick():
    return Found(ok=True, observed="1 of 1", subjects=1)

def slow():
    User.objects.update(title="Of a check")
    print("now", flush=True)
    time.sleep(60)

registry._checks["audit.grants"] = Registered("audit.grants", quick, False, 15)
registry._checks["time.sync"] = Registered("time.sync", slow, False, 60)
running.run(["audit.grants", "time.sync"])
"""


@committed
def test_a_worker_that_is_killed_leaves_nothing_half_written() -> None:
    alice = cast.alice()
    worker = subprocess.Popen(
        [sys.executable, "-c", DIES],
        cwd=processes.ROOT,
        env=processes.environment() | {"DJANGO_SETTINGS_MODULE": "clinchat.settings"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert worker.stdout
    lines = iter(worker.stdout.readline, "")
    assert any(line.strip() == "now" for line in lines)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait(20)
    worker.stdout.close()
    processes.until(lambda: not others(), "its transaction is still open")
    alice.refresh_from_db()
    assert alice.title != "Of a check"
    (one,) = ControlResult.objects.all()
    assert (one.check_key, one.state, one.digest) == (OTHER, State.PASS, results.digest(one))
    assert AuditEvent.objects.filter(object_id=str(one.pk)).count() == 1


def others() -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND state LIKE 'idle in transaction%%'"
        )
        return list(cursor.fetchall())


@rolled_back
def test_the_tasks_and_the_control_make_what_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("time.sync", "compliance.scheduler_alive", "compliance.checks_can_fail"):
        monkeypatch.setitem(registry._checks, key, Registered(key, lambda: good()))
    assert [one.check_key for one in running.run_control("APP-05")] == ["time.sync"]
    assert running.run_control("APP-99") == []


@committed
def test_what_others_write_meanwhile_is_no_gap_in_a_trail_of_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sealer went on between two reads of a verification, and the check called its newest seal a hole."""
    settings = connection.settings_dict
    names = {"dbname": settings["NAME"], "user": settings["USER"], "host": settings["HOST"], "port": settings["PORT"]}
    counts = []

    def count() -> None:
        counts.append(CheckSchedule.objects.count())

    def look() -> Found:
        count()
        with psycopg.connect(**{name: value for name, value in names.items() if value}, autocommit=True) as other:
            other.execute("INSERT INTO compliance_checkschedule VALUES (%s, 5, now())", [f"some.key{len(counts)}"])
        count()
        return good()

    for snapshot in (False, True):
        monkeypatch.setitem(registry._checks, KEY, Registered(KEY, look, snapshot=snapshot))
        assert running.run([KEY])[0].state == State.PASS
    assert counts == [0, 1, 1, 1]
    assert registry.registered()["audit.chain_verifies"].snapshot
