"""The checks of events: who acted is known, nothing is missing, and nobody's patient is named."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import connection

from clinchat import middleware
from clinchat.lib import clock
from compliance import audit, masked_texts, phi_checks
from compliance.audit import controls_privacy, writer
from compliance.controls import clocks
from compliance.models import ControlResult, Seal
from tests import cast
from tests.breaking import instead, undone, view
from tests.compliance.sealed_trail import sql
from tests.proving import look, proven

pytestmark = pytest.mark.django_db
State = ControlResult.State


@pytest.fixture(autouse=True)
def _guarded(db: None) -> None:
    for (table,) in sql("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'clinchat_no_truncate'"):
        sql(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER clinchat_no_truncate")


@pytest.fixture(autouse=True)
def _by_somebody(_guarded: None) -> Iterator[None]:
    """As every process of ClinChat, the tests say who they are."""
    with audit.bind(kind=audit.ActorKind.COMMAND, name="tests", actor=None, correlation_id=uuid.uuid4()):
        yield


# ── Who acted ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_write_in_a_stream_without_context() -> None:
    cast.alice()
    found = proven("audit.actor_present", instead(middleware, "_keep_context", lambda _: None))
    assert found.failing == ["canary: stream"]


def test_fault_tasks_that_do_not_say_whose_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compliance.audit.context._SALT", "other than was signed with", raising=True)
    monkeypatch.setattr("compliance.audit.controls_events.carry", lambda: "forged")
    assert look("audit.actor_present").failing == ["canary: task"]


def test_fault_somebody_writes_from_outside() -> None:
    alice = cast.alice()
    with audit.bind(actor=None, kind="", name=""):  # type: ignore[arg-type]
        sql("SELECT set_config('clinchat.context', '', true)")
        with connection.cursor().cursor as bare:
            bare.execute("UPDATE compliance_user SET title = 'Dr.' WHERE id = %s", [alice.pk])
    found = look("audit.actor_present")
    assert (found.state, found.failing_count) == (State.FAIL, 1)


# ── Nothing is missing ────────────────────────────────────────────────────────────────────────────────────────


def test_an_update_that_no_trigger_sees() -> None:
    breaking = undone("ALTER TABLE compliance_vaultentry DISABLE TRIGGER clinchat_audit")
    found = proven("audit.coverage", breaking)
    assert {"triggers of compliance_vaultentry", "canary: bulk write"} <= set(found.failing)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DROP TRIGGER clinchat_audit ON compliance_user", "canary: raw SQL"),
        ("ALTER TABLE compliance_risk_assets DISABLE TRIGGER clinchat_audit", "canary: relation"),
    ],
)
def test_fault_a_trigger_that_is_gone(statement: str, told: str) -> None:
    with undone(statement):
        assert told in look("audit.coverage").failing


def test_fault_reads_and_searches_that_are_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = writer.record_all
    monkeypatch.setattr(
        writer, "record_all", lambda *acts: kept(*acts) if acts[0].object_type != "chat.Collection" else [uuid.uuid4()]
    )
    assert look("audit.coverage").failing == ["canary: retrieval"]
    monkeypatch.setattr(writer, "record_all", lambda *_: [uuid.uuid4()])
    assert {"canary: read", "canary: export"} <= set(look("audit.coverage").failing)


def test_fault_an_address_without_a_door() -> None:
    with view("settings-sessions", lambda _: lambda request: None):
        assert look("audit.coverage").failing == ["address settings-sessions"]


# ── What an event says ────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def writing(monkeypatch: pytest.MonkeyPatch, **instead: Any) -> Iterator[None]:
    kept = writer._event
    with monkeypatch.context() as patch:
        patch.setattr(writer, "_event", lambda *given: kept(*given) | instead)
        yield


@contextmanager
def no_outcome() -> Iterator[None]:
    """An event of today without its outcome, as after a migration that went wrong."""
    with undone(
        "ALTER TABLE compliance_auditevent DISABLE TRIGGER clinchat_no_change",
        "ALTER TABLE compliance_auditevent ALTER outcome DROP NOT NULL",
        "UPDATE compliance_auditevent SET outcome = NULL WHERE id = (SELECT id FROM compliance_auditevent LIMIT 1)",
    ):
        yield


def test_an_outcome_that_is_null() -> None:
    cast.alice()
    found = proven("audit.fields", no_outcome())
    assert found.failing[0].endswith(" outcome")


@pytest.mark.parametrize(
    ("instead", "told"),
    [
        ({"remote_addr": "203.0.113.66"}, "canary: source"),
        ({"session": ""}, "canary: session"),
        ({"correlation_id": None}, "canary: correlation"),
        ({"purpose": "TREAT"}, "canary: purpose"),
    ],
)
def test_fault_fields_that_say_something_else(
    monkeypatch: pytest.MonkeyPatch, instead: dict[str, Any], told: str
) -> None:
    with writing(monkeypatch, **instead):
        assert told in look("audit.fields").failing


def test_the_address_is_that_of_the_outermost_proxy_of_ours(settings: Any) -> None:
    settings.PROXIES = 2
    assert look("audit.fields").state == State.PASS
    settings.PROXIES = 1
    assert look("audit.fields").state == State.PASS


# ── No patient ────────────────────────────────────────────────────────────────────────────────────────────────

HALF = """
CREATE OR REPLACE FUNCTION compliance_audit_protect(place text, value jsonb) RETURNS jsonb LANGUAGE sql AS
'SELECT CASE WHEN value IS NULL OR value = ''null'' THEN ''null''::jsonb ELSE to_jsonb(left(value #>> ''{}'',
greatest(length(value #>> ''{}'') / 2, 1)) || ''***'') END'
"""


def test_values_that_are_masked_by_half() -> None:
    found = proven("audit.no_phi", undone(HALF))
    assert "column chat.Turn.question" in found.failing


def test_fault_a_log_file_with_an_identifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "app.log"
    file.write_text(f"slow: {phi_checks.canary_question()}\n")
    monkeypatch.setattr(controls_privacy, "log_files", lambda: [file])
    found = look("audit.no_phi")
    assert "log app.log: SSN" in found.failing
    assert "uenby" not in str([found.observed, found.failing, found.evidence])


def test_files_of_handlers_are_log_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = logging.FileHandler(tmp_path / "some.log")
    monkeypatch.setattr(logging.getLogger("some"), "handlers", [handler])
    assert tmp_path / "some.log" in controls_privacy.log_files()
    handler.close()


def test_fault_a_column_that_is_shown_and_holds_text() -> None:
    """`shown` in the trigger, and not in the code: what an older release left behind."""
    ((made,),) = sql(
        "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'clinchat_audit' "
        "AND tgrelid = 'chat_turn'::regclass"
    )
    shown = made.replace("'id', '", "'id', 'question,", 1)
    with undone("DROP TRIGGER clinchat_audit ON chat_turn", shown):
        assert "column chat.Turn.question" in look("audit.no_phi").failing


def test_without_anything_to_try_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masked_texts, "_trials", {})
    assert look("audit.no_phi").state == State.ERROR


# ── Clocks ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def noted(settings: Any) -> Iterator[redis.Redis]:
    own = redis.Redis.from_url(settings.REDIS_URL)
    own.delete("clocks")
    yield own
    own.delete("clocks")


@contextmanager
def skewed(own: redis.Redis, seconds: float) -> Iterator[None]:
    _, seconds_now = clocks.measure(own)
    own.hset("clocks", "worker-2:17", f"{seconds} {seconds_now}")
    try:
        yield
    finally:
        own.hdel("clocks", "worker-2:17")


def test_a_worker_whose_clock_is_two_seconds_ahead(noted: redis.Redis) -> None:
    found = proven("time.sync", skewed(noted, 2.0))
    assert found.failing == ["worker worker-2:17"]


def test_workers_note_their_clocks(noted: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "_noted", -100.0)
    clocks.note()
    (ahead,) = clocks.noted(noted).values()
    assert abs(ahead) < 0.5
    with skewed(noted, 0.0):
        noted.hset("clocks", "worker-3:1", "9.0 1000")
        assert len(clocks.noted(noted)) == 2


def test_fault_seals_whose_times_go_back(noted: redis.Redis) -> None:
    for number, ago in ((1, 20), (2, 30)):
        Seal.objects.create(
            number=number,
            first=number,
            size=1,
            root=b"",
            previous=b"",
            month=clock.now().date(),
            sealed_at=clock.now() - timedelta(seconds=ago),
            statement=b"",
            signature=b"",
            horizon="0",
            system="",
        )
    assert look("time.sync").failing == ["seal 2 is earlier than the one before it"]


def test_fault_a_column_without_time_zone(noted: redis.Redis) -> None:
    with undone("ALTER TABLE compliance_notice ADD COLUMN read timestamp"):
        assert look("time.sync").failing == ["compliance_notice.read"]


def test_without_redis_nothing_is_said(settings: Any) -> None:
    settings.REDIS_URL = "unix:///nowhere"
    assert look("time.sync").state == State.ERROR
