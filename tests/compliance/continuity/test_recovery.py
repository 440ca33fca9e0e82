"""Who may have a backup restored: two people, the name typed out, one at a time; accepting, undoing, the command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from chat.models import Conversation
from clinchat.lib import clock
from compliance import audit, tasks
from compliance.continuity import maintenance
from compliance.continuity.restore import databases, recovery, restoring
from compliance.models import AuditEvent, Backup, Maintenance, Restore, WalShipping
from tests import cast
from tests.compliance.continuity import portal

pytestmark = pytest.mark.django_db


@pytest.fixture
def snapshot() -> Backup:
    """As its row says: nothing is restored from it."""
    return listed("Monday")


@pytest.fixture(autouse=True)
def asked_worker(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    sent: list[str] = []
    monkeypatch.setattr(tasks.run_restore, "delay", sent.append)
    return sent


def listed(name: str, **fields: Any) -> Backup:
    now = clock.now()
    whole: dict[str, Any] = {"key": name, "state": "complete", "manifest_sha256": "0" * 64, "environment": "test"}
    return Backup.objects.create(name=name, **whole | {"as_of": now, "finished_at": now} | fields)


def request(backup: Backup, **given: Any) -> Restore:
    asked: dict[str, Any] = {"backup_id": backup.pk, "typed_name": backup.name, "reason": "Test", "actor": cast.otto()}
    return recovery.request(**asked | given)


def test_two_people(snapshot: Backup, asked_worker: list[str], django_capture_on_commit_callbacks: Any) -> None:
    asked = request(snapshot)
    assert asked.state == Restore.State.REQUESTED
    with pytest.raises(recovery.SamePerson):
        recovery.approve(restore_id=asked.pk, actor=cast.otto())
    assert not asked_worker
    with pytest.raises(recovery.NotFinished):
        recovery.accept(restore_id=asked.pk, actor=cast.carol())
    with pytest.raises(recovery.NotFinished):
        recovery.undo(restore_id=asked.pk, actor=cast.carol(), reason="Test")
    with django_capture_on_commit_callbacks(execute=True):
        approved = recovery.approve(restore_id=asked.pk, actor=cast.carol())
    assert (approved.state, approved.decided_by) == (Restore.State.APPROVED, cast.carol())
    assert asked_worker == [str(asked.pk)]
    for late in (recovery.approve, recovery.cancel):
        with pytest.raises(recovery.AlreadyDecided):
            late(restore_id=asked.pk, actor=cast.audra())


@pytest.mark.parametrize("typed", ["", "monday", "Mond", "Monday!"])
def test_the_name_is_typed_out(typed: str, snapshot: Backup) -> None:
    with pytest.raises(recovery.NameMismatch):
        request(snapshot, typed_name=typed)
    assert not Restore.objects.exists()
    assert request(snapshot, typed_name=" Monday ").backup == snapshot


def test_one_at_a_time(snapshot: Backup) -> None:
    first = request(snapshot)
    with pytest.raises(recovery.AnotherRestoreOpen):
        request(snapshot, actor=cast.carol())
    recovery.cancel(restore_id=first.pk, actor=cast.carol())
    assert request(snapshot, actor=cast.carol()).state == Restore.State.REQUESTED


@pytest.mark.parametrize("state", ["waiting", "running", "failed", "pruned"])
def test_only_a_complete_backup(state: str) -> None:
    with pytest.raises(recovery.BackupNotComplete):
        request(listed("Monday", state=state))


def test_a_moment_must_be_in_the_store() -> None:
    now = clock.now()
    base = listed("Copy", kind="base", as_of=now - timedelta(hours=2))
    with pytest.raises(recovery.TargetTimeRequired):
        request(base)
    with pytest.raises(recovery.TargetTimeOutOfRange):
        request(base, to_time=now)
    WalShipping.objects.create(since=now - timedelta(hours=3), as_of=now, position="0/0")
    for outside in (now + timedelta(seconds=1), now - timedelta(hours=2, seconds=1)):
        with pytest.raises(recovery.TargetTimeOutOfRange):
            request(base, to_time=outside)
    before_the_copy = listed("Sunday", as_of=now - timedelta(minutes=150))
    with pytest.raises(recovery.TargetTimeOutOfRange) as refused:
        request(before_the_copy, to_time=now - timedelta(minutes=130))
    up = timedelta(seconds=1) if now.microsecond else timedelta(0)  # a second that is named is one that can be typed
    first, last = (f"{one:%Y-%m-%d %H:%M:%S} UTC" for one in (now - timedelta(hours=2) + up, now))
    assert refused.value.words == f"That moment cannot be brought back. Name one from {first} to {last}."
    assert request(base, to_time=now - timedelta(hours=1)).to_time


def test_an_emergency_goes_back_to_the_newest_snapshot_before_a_deployment_or_a_restore() -> None:
    with pytest.raises(recovery.NoRollbackTarget):
        recovery.request_rollback(typed_name="", reason="Test", actor=cast.otto())
    now = clock.now()
    listed("Older", type="pre_deployment", as_of=now - timedelta(hours=2))
    newest = listed("Newest", type="pre_restore", as_of=now - timedelta(hours=1))
    listed("By hand", type="manual")
    listed("Broken", type="pre_deployment", state="failed")
    listed("Damaged", type="pre_deployment", verified_ok=False)
    asked = recovery.request_rollback(typed_name="Newest", reason="Test", actor=cast.otto())
    assert (asked.backup, asked.emergency, asked.state) == (newest, True, Restore.State.REQUESTED)


def test_each_refusal_says_why() -> None:
    assert all(one.words.endswith((".", "!")) for one in recovery.Refused.__subclasses__())


# ── Really ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def live(template: None, transactional_db: None, tmp_path: Path) -> Iterator[None]:
    with portal.standing(tmp_path), portal.entered():
        yield


def command(*words: str) -> str:
    out = StringIO()
    with audit.bind_command(["manage.py", "backup", "restore"]):
        call_command("backup", "restore", *words, stdout=out, stderr=out)
    return out.getvalue()


@pytest.mark.usefixtures("live")
def test_the_command_restores_and_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", StringIO())
    backup = portal.snapshot()
    Conversation.objects.create(author=cast.alice(), title="Since")
    with pytest.raises(CommandError, match="Say why"):
        command(backup.key, "--yes", "Monday")
    with pytest.raises(CommandError, match="name is not the one"):
        command(backup.key, "--yes", "Tuesday", "--reason", "Test")
    with pytest.raises(CommandError, match="give it with --yes"):
        command(backup.key, "--reason", "Test")
    with pytest.raises(CommandError, match="No restore waits"):
        command("--accept")

    with pytest.raises(CommandError, match="give it with --yes"):
        command(backup.key, "--reason", "Test")
    reason = "It lost the answers about Mr. Delacroix, MRN 88231904."
    assert "Done" in command(backup.key, "--yes", "Monday", "--reason", reason)
    said = json.loads(command("--status", "--json"))
    assert (said["state"], said["read_only"], said["running"]) == ("done", True, False)
    assert Conversation.objects.count() == 1
    command("--accept")
    assert portal.there() == {portal.LIVE}
    assert (restore := Restore.objects.get()).state == Restore.State.ACCEPTED
    assert "lost the answers" in restore.reason
    assert restore.before
    assert restore.before.name.startswith("Before the restore on ")
    assert not any(word in restore.reason for word in ("Delacroix", "88231904"))
    assert not any(word in restore.before.reason for word in ("Delacroix", "88231904"))
    maintenance.forget()
    assert not maintenance.on()
    event = AuditEvent.objects.filter(object_type="compliance.Restore", action="C").first()
    assert event is not None
    assert (event.actor_kind, event.actor_id) == ("command", None)
    assert event.actor_name


@pytest.mark.usefixtures("live")
def test_a_backup_that_was_altered_disturbs_nobody(settings: Any) -> None:
    """It is read before ClinChat becomes read-only and before a snapshot of now is made."""
    backup = portal.snapshot()
    (dump,) = Path(settings.BACKUP_STORES[0]).rglob("database.dump")
    data = bytearray(dump.read_bytes())
    data[len(data) // 2] ^= 1
    dump.chmod(0o600)
    dump.write_bytes(data)
    with pytest.raises(CommandError, match="altered") as refused:
        command(backup.key, "--yes", "Monday", "--reason", "Test")
    assert refused.value.returncode == 3
    asked = request(backup, actor=None)
    restoring.run(asked.pk)
    asked.refresh_from_db()
    assert (asked.state, asked.step, Backup.objects.count()) == (Restore.State.FAILED, "", 1)
    assert "altered" in asked.failure
    assert not Maintenance.objects.exists()


@pytest.mark.usefixtures("live")
def test_two_at_once_and_an_undo_that_fails_and_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request(portal.snapshot(), actor=None)
    with databases.restore_lock(asked.pk) as lock:
        lock.report("keep")
        assert (recovery.status().running, recovery.status().step) == (True, "keep")
        with pytest.raises(databases.RestoreInProgress):
            restoring.run(asked.pk)
        assert recovery.settle() == 0
    assert not recovery.status().running
    restoring.run(asked.pk)
    assert recovery.status().open == asked
    restoring.run(asked.pk)
    assert Restore.objects.count() == 1, "one that was carried out is not carried out again"

    back = recovery.undo(restore_id=asked.pk, actor=None, reason="Test")
    with monkeypatch.context() as broken:
        broken.setattr(databases, "switch_over", lambda *_, **__: 1 / 0)
        restoring.run(back.pk)
    back.refresh_from_db()
    asked.refresh_from_db()
    assert (back.state, back.step, back.failure) == (Restore.State.FAILED, "switch", "ZeroDivisionError")
    assert asked.state == Restore.State.DONE
    maintenance.forget()
    assert maintenance.on()
    assert "Done" in command("--undo", "--reason", "Test")
    assert Restore.objects.filter(undoes=asked, state=Restore.State.ACCEPTED).count() == 1
    maintenance.forget()
    assert not maintenance.on()
