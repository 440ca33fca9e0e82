"""Committed events are sealed, linked, signed and anchored; what is not committed yet holds the seal back."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from clinchat.lib import clock
from compliance import audit
from compliance.audit import checkpoints, guards, seal, signing, verify
from compliance.models import AuditEvent, AuditVerification, Code, Crude, Seal, SealedEvent, User
from tests import trail
from tests.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def sink(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "elsewhere" / "checkpoints.jsonl"
    settings.AUDIT_CHECKPOINT_FILES = [str(path)]
    monkeypatch.setattr(guards, "weaknesses", lambda: iter(()))  # in test databases triggers are off: tests/guards
    monkeypatch.setattr(checkpoints, "_told", (0, -60.0))
    return path


@pytest.fixture
def other() -> Iterator[psycopg.Connection]:
    """A session of somebody who does not use ClinChat."""
    parameters = connection.get_connection_params() | {"cursor_factory": psycopg.Cursor, "context": None}
    with psycopg.connect(**parameters) as session:
        yield session


def read(times: int = 1) -> None:
    for _ in range(times):
        audit.record(code=Code.SENSITIVE_READ, action=Crude.READ)


def test_events_get_places_without_gaps(sink: Path) -> None:
    read(3)
    assert seal.seal_all() == 3
    assert seal.seal_all() == 0, "an empty seal"
    read(2)
    assert seal.seal_all() == 2
    first, second = Seal.objects.order_by("number")
    assert [(first.number, first.first, first.size), (second.number, second.first, second.size)] == [
        (1, 1, 3),
        (2, 4, 2),
    ]
    assert list(SealedEvent.objects.values_list("position", flat=True)) == [1, 2, 3, 4, 5]
    assert [line.number for line in checkpoints.read(sink) if line] == [1, 2]
    report = verify.verify()
    assert (report.ok, report.events, report.sealed, report.seals) == (True, 5, 5, 2)


def test_nothing_can_be_committed_behind_the_sealed_point(other: psycopg.Connection) -> None:
    other.execute("UPDATE compliance_user SET name = name WHERE false")
    other.execute(
        "INSERT INTO compliance_auditevent (lane, code, action, outcome, actor_kind)"
        " VALUES ('access', 'sensitive_read', 'R', 'success', 'service')"
    )
    read()
    assert seal.seal_all() == 0, "an older transaction still runs"
    other.commit()
    assert seal.seal_all() == 2
    assert verify.verify().ok


def test_a_change_that_is_rolled_back_is_not_waited_for(other: psycopg.Connection) -> None:
    other.execute(
        "INSERT INTO compliance_auditevent (lane, code, action, outcome, actor_kind)"
        " VALUES ('access', 'sensitive_read', 'R', 'success', 'service')"
    )
    other.rollback()
    read()
    assert seal.seal_all() == 1


def test_one_sealer_works_at_a_time(other: psycopg.Connection) -> None:
    read()
    other.execute("SELECT pg_advisory_xact_lock(%s)", [seal._LOCK])
    assert seal.seal_all() == 0
    other.rollback()
    assert seal.seal_all() == 1


def test_a_large_backlog_is_sealed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal, "LARGEST", 4)
    read(10)
    assert seal.seal_all() == 10
    assert list(Seal.objects.order_by("number").values_list("size", flat=True)) == [4, 4, 2]
    read()
    assert seal.seal_all() == 1
    assert verify.verify().ok


def test_a_backlog_of_many_seals_is_not_taken_for_a_clock_that_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal, "LARGEST", 2)
    monkeypatch.setattr(verify, "LONGEST_TRANSACTION", timedelta(0))  # as if the sealer had been away for an hour
    for backlog in (5, 7, 1):
        read(backlog)
        time.sleep(0.01)
        seal.seal_all()
        assert verify.verify().problems == []
    assert verify.run(verify.Scope.FULL).ok
    read(5)
    seal.seal_all()
    assert verify.run(verify.Scope.INCREMENTAL).problems == []


def test_a_restored_database_goes_on_where_it_stopped() -> None:
    read(2)
    seal.seal_all()
    read(2)
    with trail.unprotected("compliance_seal") as cursor:  # as after pg_restore into a young cluster
        cursor.execute("UPDATE compliance_seal SET system = '1'")
    with trail.unprotected("compliance_auditevent") as cursor:
        cursor.execute("UPDATE compliance_auditevent SET xid = '900000000000'")
    read()
    assert seal.seal_all() == 3
    assert Seal.objects.order_by("-number").first() is not None
    read()
    assert seal.seal_all() == 1
    assert not AuditEvent.objects.exclude(pk__in=SealedEvent.objects.values("event")).exists()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda key, _: key.unlink(), "cannot be read"),
        (lambda key, _: key.chmod(0o604), "open to other accounts"),
        (lambda key, _: key.write_text("short\n"), "32 bytes in base64"),
        (lambda _, public: public.unlink(), "cannot be read"),
        (lambda _, public: public.write_text("\n"), "holds no key"),
        (lambda _, public: public.write_text("A" * 43 + "=\n"), "public half"),
    ],
    ids=["gone", "open to others", "too short", "no public file", "empty public file", "another pair"],
)
def test_keys_that_cannot_be_used_are_named_and_nothing_is_sealed(
    settings: Any, tmp_path: Path, spoil: Callable[[Path, Path], Any], said: str
) -> None:
    private, public = tmp_path / "private", tmp_path / "public"
    private.write_text(Path(settings.AUDIT_SIGNING_KEY_FILE).read_text())
    private.chmod(0o600)
    public.write_text(Path(settings.AUDIT_PUBLIC_KEYS_FILE).read_text())
    settings.AUDIT_SIGNING_KEY_FILE, settings.AUDIT_PUBLIC_KEYS_FILE = str(private), str(public)
    read()
    spoil(private, public)
    with pytest.raises(signing.KeyUnusable) as refused:
        seal.seal_all()
    assert said in refused.value.line
    assert not Seal.objects.exists()


def test_a_sink_that_fails_does_not_stop_the_others(settings: Any, sink: Path, tmp_path: Path, caplog: Any) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("in the way")
    settings.AUDIT_CHECKPOINT_FILES = [str(blocked / "checkpoints.jsonl"), str(sink)]
    read()
    assert seal.seal_all() == 1
    assert "checkpoint not written" in caplog.text
    assert [line.number for line in checkpoints.read(sink) if line] == [1]
    assert {problem.kind for problem in verify.verify().problems} == {"checkpoint"}


def test_a_checkpoint_that_was_missed_is_made_up_for(settings: Any, sink: Path) -> None:
    settings.AUDIT_CHECKPOINT_FILES = []
    read()
    seal.seal_all()
    settings.AUDIT_CHECKPOINT_FILES = [str(sink)]
    assert seal.seal_all() == 0
    assert [line.number for line in checkpoints.read(sink) if line] == [1]


def test_a_long_file_is_read_from_where_it_is_needed(tmp_path: Path) -> None:
    read()
    seal.seal_all()
    lines = []
    for number in range(1, 401):
        made = Seal.objects.get()
        made.statement = bytes(made.statement).replace(b'"number":1,', f'"number":{number},'.encode())
        lines.append(checkpoints.line(made))
    path = tmp_path / "long.jsonl"
    path.write_text("\n".join(lines) + "\n")
    for after in (0, 1, 2, 57, 200, 398, 399, 400, 500):
        numbers = [found.number for found in checkpoints.read(path, after=after) if found]
        assert numbers == list(range(numbers[0] if numbers else 401, 401)), "no line is cut or left out"
        assert not numbers or numbers[0] <= after + 1, after
        assert len(numbers) < 60 or after < 350, "the whole file was read"


def test_syslog_gets_the_checkpoint(settings: Any) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(5)
        settings.AUDIT_CHECKPOINT_SYSLOG = listener.getsockname()
        read()
        seal.seal_all()
        got = listener.recv(8192).decode()
    assert '"type":"clinchat.audit.checkpoint"' in got


def test_changes_from_outside_are_told(other: psycopg.Connection, caplog: pytest.LogCaptureFixture) -> None:
    user = make_user()
    other.execute("UPDATE compliance_user SET department = 'Elsewhere' WHERE id = %s", [user.pk])
    other.commit()
    seal.seal_all()
    assert "outside ClinChat" in caplog.text
    assert any("outside ClinChat" in condition for condition in seal.state().conditions)


def test_state_tells_a_sealer_that_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    read(2)
    later = clock.now() + timedelta(minutes=2)
    monkeypatch.setattr(clock, "now", lambda: later)
    state = seal.state()
    assert (state.events, state.sealed, state.last) == (2, 0, None)
    assert 100 < state.unsealed_age < 140
    assert any("sealer does not run" in condition for condition in state.conditions)


def test_incremental_verification_reads_what_is_new() -> None:
    read(3)
    seal.seal_all()
    assert verify.run(verify.Scope.FULL).events == 3
    read(2)
    seal.seal_all()
    report = verify.run(verify.Scope.INCREMENTAL)
    assert (report.ok, report.events, report.seals, report.to_seal) == (True, 2, 1, 2)
    assert AuditVerification.objects.count() == 2


def run(*words: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("audit_verify", *words, stdout=out, stderr=StringIO())
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    return 0, out.getvalue()


def test_command_speaks_to_programs_and_people() -> None:
    read(2)
    seal.seal_all()
    code, text = run("--json")
    said = json.loads(text)
    assert (code, said["ok"], said["events"], said["sealed"], said["problems"]) == (0, True, 2, 2, [])
    assert "nothing that does not fit" in run()[1]
    with trail.unprotected("compliance_auditevent") as cursor:
        cursor.execute(
            "UPDATE compliance_auditevent SET actor_name = 'Somebody Else' WHERE id = %s",
            [SealedEvent.objects.get(position=1).event],
        )
    code, text = run("--full", "--json")
    said = json.loads(text)
    assert (code, said["ok"]) == (1, False)
    assert said["problems"][0]["kind"] == "column"
    assert said["problems"][0]["event"] == str(SealedEvent.objects.get(position=1).event)
    assert "column:" in run()[1]
    assert AuditEvent.objects.filter(code=Code.SYS_INTEGRITY_FAIL).count() == 2, "what is found is itself on record"


def test_command_refuses_what_it_cannot_do(settings: Any) -> None:
    with pytest.raises(CommandError, match="is no date"):
        call_command("audit_verify", "--since", "2026-13-01")
    with pytest.raises(CommandError, match="lies in the future"):
        call_command("audit_verify", "--since", "2999-01-01")
    settings.AUDIT_PUBLIC_KEYS_FILE = "/nowhere/public"
    with pytest.raises(CommandError, match="/nowhere/public cannot be read"):
        call_command("audit_verify")
    assert not AuditVerification.objects.exists()


def test_tasks_seal_and_verify() -> None:
    from compliance import tasks

    make_user()
    tasks.make_months.apply()
    tasks.seal_events.apply()
    assert Seal.objects.count() == 1
    tasks.verify_recent.apply()
    tasks.verify_all.apply()
    assert [v.ok for v in AuditVerification.objects.all()] == [True, True]
    assert User.objects.count() == 1
