"""The checks of backups and of restoring: against real backups, in a folder and in a bucket with object lock."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as real_settings
from django.core.management import call_command
from django.test import override_settings

from clinchat.lib import clock
from compliance.continuity.backup import backups, manifests, reading
from compliance.continuity.backup.manifests import Manifest
from compliance.continuity.controls import REQUIRED_ASSERTIONS
from compliance.continuity.drill import drills
from compliance.continuity.restore import carry_over
from compliance.continuity.storage import keys, stores
from compliance.continuity.storage.bucket import Bucket
from compliance.controls import running
from compliance.controls.registry import registered
from compliance.models import AuditEvent, Backup, ControlResult, Drill, WalShipping
from tests.breaking import instead, undone
from tests.proving import look, proven

pytestmark = pytest.mark.django_db
State = ControlResult.State
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def store(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One backup of the empty database, made once."""
    folder = tmp_path_factory.mktemp("backups") / "store"
    with django_db_blocker.unblock(), override_settings(BACKUP_STORES=[str(folder)]):
        try:
            backups.create(type=Backup.Type.MANUAL, name="For the checks")
        finally:
            call_command("flush", interactive=False, verbosity=0)
    return folder


@pytest.fixture
def made(store: Path, settings: Any) -> Manifest:
    """The row of it, as if it had been made and read back a moment ago, and a log that is shipped."""
    settings.BACKUP_STORES = [str(store)]
    (found,) = reading.list_manifests()
    row_of(found, as_of=clock.now())
    now = clock.now()
    WalShipping.objects.create(since=now - DAY, as_of=now, position="0/1")
    return found


def row_of(found: Manifest, **columns: Any) -> Backup:
    name = manifests.object_name(found.key, "manifest.json")
    data = stores.read_object(stores.primary(), name, max_bytes=manifests.MAX_BYTES)
    values: dict[str, Any] = {
        "pk": found.id,
        "key": found.key,
        "kind": found.kind,
        "type": found.type,
        "name": found.name,
        "environment": found.environment,
        "state": Backup.State.COMPLETE,
        "finished_at": found.made_at,
        "as_of": found.as_of,
        "size": found.size,
        "manifest_sha256": manifests.sha256(data),
        "verified_ok": True,
        "verified_at": found.made_at,
    }
    return Backup.objects.create(**values | columns)


@contextmanager
def changed(model: type[Any], **columns: Any) -> Iterator[None]:
    """The columns of all its rows have other values inside."""
    before = {row.pk: {name: getattr(row, name) for name in columns} for row in model.objects.all()}
    model.objects.update(**columns)
    yield
    for pk, values in before.items():
        model.objects.filter(pk=pk).update(**values)


# ── backup.fresh ────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_old_backup(made: Manifest) -> None:
    found = proven("backup.fresh", changed(Backup, as_of=clock.now() - timedelta(hours=7)))
    assert found.failing == [f"{made.key} is too old"]


def test_the_next_one_is_being_made(made: Manifest) -> None:
    """It was begun in time; one that hangs, or was begun too late, is no excuse."""
    now = clock.now()
    Backup.objects.update(as_of=now - timedelta(hours=6, minutes=10))
    next_one = Backup.objects.create(
        kind="full",
        type="scheduled",
        name="x",
        environment="x",
        state="running",
        started_at=now - timedelta(minutes=20),
    )
    assert look("backup.fresh").state == State.PASS
    for minutes in (5, 65):
        Backup.objects.filter(pk=next_one.pk).update(started_at=now - timedelta(minutes=minutes))
        assert look("backup.fresh").state == State.FAIL


@pytest.mark.parametrize("columns", [{"verified_ok": None}, {"verified_ok": False}, {"state": "pruned"}])
def test_fault_not_read_back(made: Manifest, columns: dict[str, Any]) -> None:
    with changed(Backup, **columns):
        assert look("backup.fresh").failing == ["no verified backup"]


def test_fault_the_log_is_behind(made: Manifest) -> None:
    with changed(WalShipping, as_of=clock.now() - timedelta(minutes=6)):
        assert look("backup.fresh").failing == ["the log is not shipped"]


def test_fault_a_size_out_of_the_ordinary(made: Manifest) -> None:
    for number in range(30):
        row_of(made, pk=None, as_of=clock.now() - (number + 1) * DAY, size=made.size + number)
    assert look("backup.fresh").state == State.PASS
    with changed(Backup, size=made.size):
        Backup.objects.filter(pk=made.id).update(size=made.size * 2 // 3)
        assert look("backup.fresh").failing == [f"{made.key} has an unusual size"]


def test_fault_another_manifest_in_the_store(made: Manifest, store: Path) -> None:
    with written(store / manifests.object_name(made.key, "manifest.json"), b"x"):
        assert look("backup.fresh").failing == [f"{made.key} is not in the store as it was"]


# ── backup.encrypted ────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def written(path: Path, data: bytes) -> Iterator[None]:
    """These bytes instead of what was there, or where nothing was."""
    before = path.read_bytes() if path.exists() else None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    yield
    if before is None:
        path.unlink()
    else:
        path.write_bytes(before)


def test_a_plaintext_dump(made: Manifest, store: Path) -> None:
    found = proven("backup.encrypted", written(store / "backups/by-hand/database.dump", b"PGDMP" + bytes(100)))
    assert found.failing == ["backups/by-hand/database.dump is not encrypted"]


def test_fault_a_part_that_is_plain_or_altered(made: Manifest, store: Path) -> None:
    path = store / manifests.object_name(made.key, "database.dump")
    whole = path.read_bytes()
    with written(path, b"PGDMP" + whole):
        assert "database.dump bears no header of ours" in look("backup.encrypted").failing
    with written(path, whole[:200] + bytes([whole[200] ^ 1]) + whole[201:]):
        assert look("backup.encrypted").failing == ["database.dump does not open"]


def test_fault_a_key_that_was_followed_by_another(made: Manifest, settings: Any) -> None:
    older = settings.BACKUP_KEYS()
    settings.BACKUP_KEYS = lambda: [secrets.token_bytes(32), *older]
    failing = look("backup.encrypted").failing
    assert "database.dump was sealed with another key than the current one" in failing


def test_fault_the_key_beside_the_backups(made: Manifest, store: Path) -> None:
    with written(store / "note.txt", b"key: " + base64.b64encode(real_settings.BACKUP_KEYS()[0])):
        assert "the key lies in note.txt" in look("backup.encrypted").failing


def test_fault_the_key_file_in_the_folder(made: Manifest, store: Path, settings: Any) -> None:
    settings.BACKUP_KEY_PATH = str(store / "keys" / "backup_key")
    assert look("backup.encrypted").failing == ["the key lies in backup_key"]


def test_without_the_key_nothing_is_said(made: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the key is not, what the process that has it found last stands."""
    assert {key for key, one in registered().items() if one.keeper} == {
        *("backup.fresh", "backup.encrypted", "backup.immutable_copy"),
    }
    known = look("backup.encrypted")
    monkeypatch.setattr(keys, "available", lambda: False)
    assert running.run(["backup.encrypted"]) == [known]


# ── backup.immutable_copy ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def buckets(made: Manifest, store: Path, address: str, settings: Any) -> str:
    """The backup lies in a bucket with object lock as well; there is one without."""
    import boto3

    settings.S3_URL, settings.S3_ACCESS_KEY, settings.S3_SECRET_KEY = address, "testing", "testing"
    client = boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    locked = f"locked-{secrets.token_hex(4)}"
    client.create_bucket(Bucket=locked, ObjectLockEnabledForBucket=True)
    client.create_bucket(Bucket="plain-one")
    settings.BACKUP_STORES = [str(store), f"s3://{locked}"]
    for entry in stores.primary().list("backups/"):
        Bucket(f"s3://{locked}").put(entry.name, stores.primary().open(entry.name), keep_until=made.keep_until)
    return f"s3://{locked}"


@contextmanager
def deletable(settings: Any, store: Path) -> Iterator[None]:
    """The second copy is where whoever may write may delete."""
    before = settings.BACKUP_STORES
    settings.BACKUP_STORES = [str(store), "s3://plain-one"]
    yield
    settings.BACKUP_STORES = before


def test_a_copy_that_can_be_deleted(buckets: str, settings: Any, store: Path) -> None:
    found = proven("backup.immutable_copy", deletable(settings, store))
    assert found.failing == ["no store is write-once"]


def test_fault_a_lock_that_does_not_hold(buckets: str) -> None:
    with instead(Bucket, "force_delete", lambda *_: None):
        assert look("backup.immutable_copy").failing == [f"{buckets} lets this account delete what is locked"]


def test_fault_nothing_of_this_week(buckets: str) -> None:
    later = clock.now() + 8 * DAY
    with instead(clock, "now", lambda: later):
        assert f"{buckets} has no backup of this week that is kept 30 days" in look("backup.immutable_copy").failing


def test_only_canaries_are_forced(buckets: str, made: Manifest) -> None:
    with pytest.raises(ValueError, match="database"):
        Bucket(buckets).force_delete(manifests.object_name(made.key, "database.dump"))


# ── Drills ──────────────────────────────────────────────────────────────────────────────────────────────────────


def drill(**columns: Any) -> Drill:
    answers = [{"key": key, "ok": True, "observed": "x"} for key in sorted(REQUIRED_ASSERTIONS)]
    values = {"state": Drill.State.PASSED, "rto_seconds": 40.0, "rpo_seconds": 2.0, "assertions": answers}
    return Drill.objects.create(**values | columns)


@contextmanager
def shorter_by_a_byte(path: Path) -> Iterator[None]:
    """A drill is held with the archive so; afterwards one with the whole."""
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert drills.run().state == Drill.State.FAILED
    yield
    path.write_bytes(whole)
    drill()


def test_an_archive_that_is_a_byte_shorter(made: Manifest, store: Path) -> None:
    Backup.objects.update(as_of=made.as_of)
    drill()
    found = proven("restore.drill_recent", shorter_by_a_byte(store / manifests.object_name(made.key, "database.dump")))
    assert found.failing[0] == "the last drill: Failed"
    assert "not well answered: trail" in found.failing


def test_fault_no_drill() -> None:
    assert look("restore.drill_recent").failing == ["no drill"]
    assert look("restore.rto_rpo").failing == ["no drill"]
    assert look("restore.no_rewind").failing == ["it was not tried within 7 days"]


def test_fault_a_drill_of_last_week() -> None:
    drill(started_at=clock.now() - 7 * DAY - timedelta(minutes=1))
    assert look("restore.drill_recent").failing == ["it was more than 7 days ago"]


@pytest.mark.parametrize("key", sorted(REQUIRED_ASSERTIONS))
def test_fault_a_question_that_was_not_asked(key: str) -> None:
    """Whatever the row says of itself."""
    drill(assertions=[{"key": other, "ok": True, "observed": ""} for other in REQUIRED_ASSERTIONS - {key}])
    assert look("restore.drill_recent").failing == [f"not well answered: {key}"]


@contextmanager
def recorded(**columns: Any) -> Iterator[None]:
    with undone():
        drill(**columns)
        yield


def test_a_restore_of_sixteen_minutes() -> None:
    drill()
    found = proven("restore.rto_rpo", recorded(rto_seconds=16 * 60.0))
    assert found.failing == ["it took longer than 15 minutes"]


def test_fault_six_minutes_lost() -> None:
    drill(rpo_seconds=6 * 60.0)
    assert look("restore.rto_rpo").failing == ["more than 5 minutes would be lost"]


def test_the_trail_from_the_dump() -> None:
    drill()
    found = proven(
        "restore.no_rewind", instead(carry_over, "_restored_models", {*carry_over._restored_models, AuditEvent})
    )
    assert found.failing == ["table compliance_auditevent would come from the backup"]


def test_fault_something_was_undone_in_the_drill() -> None:
    for ok in (False, None):
        drill(state=Drill.State.FAILED, assertions=[{"key": "no_rewind", "ok": ok, "observed": "x"}])
        assert look("restore.no_rewind").failing == [
            "in the last drill something was undone, or could not be looked at"
        ]
