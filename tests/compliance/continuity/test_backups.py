"""Backups of a real database: made, listed, read back, kept as long as they must be, and removed after it."""

from __future__ import annotations

import io
import json
import os
import signal
import tarfile
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from clinchat.lib import clock
from compliance.continuity import status_notice
from compliance.continuity.backup import backups, contents, figures, key_copies, manifests, pruning, reading
from compliance.continuity.point_in_time import wal
from compliance.continuity.refusals import Altered, Retained, WrongKey
from compliance.continuity.storage import replicas, stores
from compliance.models import Backup, DataKey, Drill, Notice, User
from tests import cast
from tests.processes import until

FULL, SCHEDULED = Backup.Kind.FULL, Backup.Type.SCHEDULED


@pytest.fixture
def places(settings: Any, tmp_path: Path) -> list[Path]:
    """Two stores, and a file that belongs into a backup."""
    (tmp_path / "checkpoints.jsonl").write_text("a line\n")
    settings.BACKUP_STORES = [str(tmp_path / "one"), str(tmp_path / "two")]
    settings.AUDIT_CHECKPOINT_FILES = [str(tmp_path / "checkpoints.jsonl")]
    places = [tmp_path / "one", tmp_path / "two"]
    for place in places:
        place.mkdir()
    return places


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("backup", *words, stdout=out, stderr=io.StringIO())
    return out.getvalue()


@pytest.mark.django_db(transaction=True)
def test_a_backup_holds_what_the_database_held_and_no_secret(places: list[Path], settings: Any) -> None:
    people = User.objects.count()
    DataKey.objects.create(scope="00000000-0000-4000-8000-000000000001", key="c2VjcmV0")
    said: list[str] = []
    made = backups.create(type=Backup.Type.MANUAL, name="Before", reason="a change", progress=said.append)
    assert (made.state, made.stores, made.failure) == ("complete", settings.BACKUP_STORES, "")
    assert "database.dump" in said
    store = stores.primary()
    (found,) = reading.list_manifests(store)
    signed = b"".join(store.open(manifests.object_name(made.key, "manifest.json")))
    assert manifests.sha256(signed) == made.manifest_sha256
    assert [part.name for part in found.parts] == ["database.dump", "files.tar", "configuration.json"]
    assert found.rows["compliance_user"]["rows"] == found.people["people"] == people
    assert "compliance_datakey" not in found.rows
    assert found.schema["migrations"]
    assert reading.verify(made.key) == found == reading.check(stores.named(settings.BACKUP_STORES[1]), made.key)
    made.refresh_from_db()
    assert made.verified_ok is True

    dump = b"".join(reading.extract(store, made.key, "database.dump"))
    assert dump.startswith(b"PGDMP")
    with tarfile.open(fileobj=io.BytesIO(b"".join(reading.extract(store, made.key, "files.tar")))) as files:
        assert "audit/checkpoints/1.jsonl" in files.getnames()
    told = b"".join(reading.extract(store, made.key, "configuration.json")).decode()
    assert json.loads(told)["settings"]["ENVIRONMENT"] == settings.ENVIRONMENT
    for secret in (settings.SECRET_KEY, settings.BACKUP_KEYS()[0].hex()):
        assert secret not in told
    assert json.loads(key_copies.read(store))["keys"][0]["scope"].endswith("0001")
    assert b"0000-4000-8000" not in b"".join(path.read_bytes() for path in places[0].rglob("*") if path.is_file())


@pytest.mark.django_db(transaction=True)
def test_figures_are_those_of_the_rows_in_whatever_order(places: list[Path]) -> None:
    def now() -> dict[str, Any]:
        with connection.cursor() as cursor:
            return figures.table_checksums(cursor)

    cast.alice()
    before = now()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE compliance_user SET name = name")  # another order on the disk
    assert now() == before
    User.objects.update(name="Nora")
    changed = now()
    assert changed["compliance_user"]["rows"] == before["compliance_user"]["rows"]
    assert changed["compliance_user"]["sum"] != before["compliance_user"]["sum"]


@pytest.mark.django_db(transaction=True)
def test_a_store_that_fails_is_left_out_and_told_and_without_the_first_there_is_none(
    places: list[Path], settings: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    bad = str(tmp_path / "file" / "backups")
    settings.BACKUP_STORES = [str(places[0]), bad]
    operator = cast.otto()
    made = backups.create(type=Backup.Type.MANUAL)
    assert made.stores == [str(places[0])]
    assert bad in made.failure
    assert Notice.objects.get(user=operator).title == "A store was left out of a backup"
    settings.BACKUP_STORES = [bad, str(places[1])]
    with pytest.raises(backups.BackupFailed) as failed:
        backups.create(type=Backup.Type.MANUAL)
    row = Backup.objects.get(state=Backup.State.FAILED)
    assert row.failure == failed.value.words[:200]
    assert list(stores.named(str(places[1])).list("backups/")) == []
    with pytest.raises(backups.NotWaiting):
        backups.make(row.pk)


@pytest.mark.django_db
def test_one_that_is_asked_for_is_made_once(places: list[Path], django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks() as later:
        waiting = backups.request(type=Backup.Type.MANUAL, name="x")
    assert len(later) == 1
    assert backups.settle() == 0
    Backup.objects.filter(pk=waiting.pk).update(requested_at=clock.now() - timedelta(days=1))
    operator = cast.otto()
    assert backups.settle() == 1
    waiting.refresh_from_db()
    assert waiting.state == "failed"
    assert Notice.objects.get(user=operator).title == "A backup could not be made"


def killed_at(step: str) -> int:
    """A process of its own makes a backup and is killed in the middle of this step; returns by which signal."""
    put = replicas.Replicas.put

    def stop(self: replicas.Replicas, name: str, chunks: Iterable[bytes], **how: Any) -> None:
        def some() -> Iterator[bytes]:
            for chunk in chunks:
                yield chunk
                os.kill(os.getpid(), signal.SIGKILL)

        put(self, name, some() if name.endswith(step) else chunks, **how)

    connection.close()
    child = os.fork()
    if not child:
        _inherited = connection.connection  # not to be used, nor closed: what it holds would outlive this process
        connection.connection = None
        replicas.Replicas.put = stop  # type: ignore[method-assign]  # in that process alone
        try:
            backups.create(type=Backup.Type.MANUAL)
        finally:
            os._exit(1)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("step", ["database.dump", "files.tar", "configuration.json", "data-keys", "manifest.json"])
def test_a_killed_backup_leaves_nothing_that_looks_finished(places: list[Path], settings: Any, step: str) -> None:
    assert killed_at(step) == signal.SIGKILL
    row = Backup.objects.get()
    assert (row.state, reading.list_manifests()) == ("running", [])
    until(lambda: backups.broken_off(row), "the server did not notice")
    operator = cast.otto()
    assert backups.settle() == 1
    row.refresh_from_db()
    assert (row.state, row.failure) == ("failed", "The process that made it was ended.")
    assert row.failure in Notice.objects.get(user=operator).text
    assert not backups.broken_off(row)
    assert pruning.prune().unfinished == []
    for place in places:
        age(place, days=2)
    left = any(True for _ in stores.primary().list("backups/"))
    assert pruning.prune().unfinished == ([row.key] if left else [])
    assert [path for place in places for path in place.rglob("*") if path.is_file() and "keys" not in str(path)] == []
    assert backups.create(type=Backup.Type.MANUAL).state == "complete"


def age(place: Path, *, days: int) -> None:
    then = time.time() - days * 86400
    for path in place.rglob("*"):
        os.utime(path, (then, then))


@pytest.mark.django_db(transaction=True)
def test_one_that_is_made_is_not_taken_for_a_broken_one(places: list[Path]) -> None:
    seen: list[bool] = []
    made = backups.create(
        type=Backup.Type.MANUAL, progress=lambda _: seen.append(backups.broken_off(Backup.objects.get()))
    )
    assert seen
    assert not any(seen)
    made.refresh_from_db()
    assert not backups.broken_off(made)


@pytest.mark.django_db(transaction=True)
def test_one_that_is_stopped_says_so(places: list[Path]) -> None:
    def stop(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backups.create(type=Backup.Type.MANUAL, progress=stop)
    row = Backup.objects.get()
    assert (row.state, row.failure) == ("failed", "It was stopped before it was complete.")
    assert reading.list_manifests() == []


@pytest.mark.django_db(transaction=True)
def test_one_killed_after_its_manifest_is_complete(places: list[Path]) -> None:
    made = backups.create(type=Backup.Type.MANUAL)
    Backup.objects.filter(pk=made.pk).update(state="running", manifest_sha256="", stores=[], finished_at=None)
    assert backups.settle() == 1
    again = Backup.objects.get()
    assert (again.state, again.manifest_sha256, again.stores) == ("complete", made.manifest_sha256, made.stores)


def kept_for(at: datetime, *, type: str = SCHEDULED, kind: str = FULL) -> int:  # noqa: A002  # as there
    return (pruning.keep_until(type=type, kind=kind, at=at) - at).days


@pytest.mark.django_db
def test_the_first_of_a_week_month_and_year_are_kept_for_longer() -> None:
    days: dict[str, int] = {}
    moments = [datetime(2026, 1, 1, 0, 20, tzinfo=UTC) + n * timedelta(hours=12) for n in range(140)]
    for at in [*moments, datetime(2027, 1, 1, 0, 20, tzinfo=UTC), datetime(2027, 1, 1, 6, 20, tzinfo=UTC)]:
        days[f"{at:%Y-%m-%d %H}"] = kept_for(at)
        row = Backup(type=SCHEDULED, environment="test", as_of=at, state="pruned", name="x")
        row.save(force_insert=True)
    by_days = {number: [day for day, kept in days.items() if kept == number] for number in (2557, 366, 35, 7)}
    assert by_days[2557] == ["2026-01-01 00", "2027-01-01 00"]
    assert by_days[366] == ["2026-02-01 00", "2026-03-01 00"]
    assert by_days[35][:3] == ["2026-01-05 00", "2026-01-12 00", "2026-01-19 00"]
    assert all(datetime.fromisoformat(day[:10]).weekday() == 0 for day in by_days[35])
    assert sum(map(len, by_days.values())) == len(days)
    at = datetime(2026, 5, 5, tzinfo=UTC)
    assert kept_for(at, type=Backup.Type.MANUAL) == kept_for(at, type=Backup.Type.PRE_RESTORE) == 90
    assert kept_for(at, type=Backup.Type.FORENSIC) == 2557
    assert kept_for(at, kind=Backup.Kind.BASE, type=Backup.Type.MANUAL) == 7


@pytest.mark.django_db
def test_prune_takes_nothing_from_a_backup_that_is_made_meanwhile(
    places: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    where = [str(place) for place in places]
    made = {"key": "k", "kind": "base", "state": "complete", "manifest_sha256": "0", "environment": "t"}

    def meanwhile(store: stores.Store, *, dry_run: bool) -> int:
        now = clock.now()
        Backup.objects.create(name=store.name[-30:], as_of=now, finished_at=now, keep_until=now, stores=where, **made)
        return 0

    monkeypatch.setattr(wal, "prune", meanwhile)
    assert pruning.prune().failed == []
    assert [(one.state, one.stores) for one in Backup.objects.all()] == [("complete", where)] * len(places)


@pytest.mark.django_db(transaction=True)
def test_prune_removes_what_is_past_its_time_and_never_the_newest_that_was_read_back(
    places: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, read, new = (backups.create(type=Backup.Type.MANUAL, name=name) for name in ("old", "read", "new"))
    reading.verify(read.key)
    for place in stores.stores():
        with pytest.raises(Retained, match="kept until"):
            place.delete(manifests.object_name(old.key, "manifest.json"))
    assert pruning.prune().removed == []
    later = clock.now() + timedelta(days=91)
    monkeypatch.setattr(clock, "now", lambda: later)
    dry = pruning.prune(dry_run=True)
    assert (sorted(dry.removed), dry.kept) == (sorted([old.key, new.key]), [read.key])
    assert len(reading.list_manifests()) == 3
    done = pruning.prune()
    assert (done.removed, done.kept, done.failed) == (dry.removed, dry.kept, [])
    assert [one.key for one in reading.list_manifests()] == [read.key]
    states = dict(Backup.objects.values_list("name", "state"))
    assert states == {"old": "pruned", "read": "complete", "new": "pruned"}


@pytest.mark.django_db(transaction=True)
def test_the_command(places: list[Path]) -> None:
    made = json.loads(run("create", "--name", "by hand", "--reason", "to try it", "--json"))
    assert (made["state"], made["stores"]) == ("complete", [str(place) for place in places])
    assert "by hand" in run("list")
    listed = json.loads(run("list", "--store", str(places[1]), "--json"))
    assert [one["key"] for one in listed["backups"]] == [made["key"]]
    assert json.loads(run("verify", "--json"))["ok"] is True
    assert "1 kept" in run("prune")
    path = places[0] / "backups" / made["key"] / "database.dump"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CommandError, match="ends too early") as refused:
        run("verify", made["key"])
    assert refused.value.returncode == 3
    assert Backup.objects.get().verified_ok is False
    run("verify", made["key"], "--store", str(places[1]))
    with pytest.raises(CommandError, match="no such store") as failed:
        run("verify", "--store", "/elsewhere")
    assert failed.value.returncode == 1
    (later := places[0] / "backups" / "29991122T160300Z-0a1b2c3d").mkdir()
    (later / "manifest.json").write_text("{}\n")
    with pytest.raises(CommandError, match="no signature of ours") as newest:
        run("verify")
    assert newest.value.returncode == 3, "an older one that is whole is not what was asked for"
    with pytest.raises(CommandError, match="no backup of that key") as unknown:
        run("verify", "20261122T160300Z-0a1b2c3d")
    assert unknown.value.returncode == 1
    for name in ("create", "list", "verify", "prune"):
        with pytest.raises(SystemExit) as helped:
            run(name, "--help")
        assert helped.value.code == 0


@pytest.mark.django_db
def test_a_manifest_that_is_not_believed_is_shown_and_left_alone(places: list[Path]) -> None:
    path = places[0] / "backups" / "20261122T160300Z-0a1b2c3d" / "manifest.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}\n")
    with pytest.raises(SystemExit) as code:
        run("list")
    assert code.value.code == 3
    with pytest.raises(SystemExit):
        run("prune")
    assert path.exists()


def test_files_are_copied_as_long_as_they_were(tmp_path: Path, settings: Any) -> None:
    (tmp_path / "content" / "deep").mkdir(parents=True)
    (tmp_path / "content" / "deep" / "a.md").write_bytes(b"x" * 513)
    (tmp_path / "content" / "empty").write_bytes(b"")
    (tmp_path / "content" / "link").symlink_to("/etc/passwd")
    settings.AUDIT_CHECKPOINT_FILES, settings.AUDIT_PUBLIC_KEYS_FILE = [], ""
    contents.register_file("content", lambda: tmp_path / "content")
    try:
        data = b"".join(contents.files_tar())
    finally:
        contents._extra.pop("content")
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert [name for name in tar.getnames() if name.startswith("content/")] == [
            "content/deep/a.md",
            "content/empty",
        ]
        copied = tar.extractfile("content/deep/a.md")
        assert copied is not None
        assert copied.read() == b"x" * 513


@pytest.mark.django_db(transaction=True)
def test_files_come_back_whole_or_not_at_all(places: list[Path], settings: Any, tmp_path: Path) -> None:
    (tmp_path / "ours" / "modules").mkdir(parents=True)
    (tmp_path / "ours" / "modules" / "hipaa.md").write_text("Our own words.\n")
    settings.TRAINING_CONTENT = str(tmp_path / "ours")
    made = backups.create(type=Backup.Type.MANUAL, name="Files", reason="a test")
    back = tmp_path / "back"
    assert "training/content/modules/hipaa.md" in run("files", made.key, str(back))
    assert (back / "audit/checkpoints/1.jsonl").read_text() == "a line\n"
    assert (back / "training/content/modules/hipaa.md").read_text() == "Our own words.\n"
    assert json.loads((back / "configuration.json").read_text())["settings"]["ENVIRONMENT"] == settings.ENVIRONMENT
    with pytest.raises(CommandError, match="no backup of that key"):
        run("files", "20260101T000000Z-00000000", str(tmp_path / "other"))
    with pytest.raises(CommandError, match="nothing is overwritten"):
        run("files", made.key, str(back))
    path = places[0] / "backups" / made.key / "files.tar"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))  # one of 256 ends with any byte that is written here
    with pytest.raises(CommandError, match=r"files\.tar was altered") as refused:
        run("files", made.key, str(tmp_path / "other"))
    assert refused.value.returncode == 3
    assert sorted(one.name for one in tmp_path.iterdir() if "other" in one.name) == []


@pytest.mark.django_db
def test_each_monday_those_who_answer_for_backups_are_told() -> None:
    operator, other = cast.otto(), cast.alice()
    text, worry = status_notice.status(clock.now())
    assert worry
    assert "There is no backup." in text
    row = Backup(name="x", environment="t", state="complete", manifest_sha256="0", verified_ok=True, size=2**30)
    row.as_of = row.finished_at = clock.now() - timedelta(hours=3)
    row.save(force_insert=True)
    Drill.objects.create(state="passed", rto_seconds=41, rpo_seconds=2)
    assert status_notice.send_weekly() >= 1
    notice = Notice.objects.get(user=operator)
    assert notice.level == Notice.Level.INFO
    assert "3 h old, read back whole" in notice.text
    assert "passed, in 41 s" in notice.text
    assert "1.0 GiB" in notice.text
    assert not Notice.objects.filter(user=other).exists()


@pytest.mark.django_db(transaction=True)
def test_a_task_that_fails_tells_the_operators(places: list[Path], settings: Any, tmp_path: Path) -> None:
    from compliance import tasks

    operator = cast.otto()
    tasks.make_scheduled_backup()
    made = Backup.objects.get()
    assert (made.type, made.state, made.verified_ok) == (SCHEDULED, "complete", True)
    tasks.make_backup(str(made.pk))  # once only
    path = places[0] / "backups" / made.key / "files.tar"
    path.write_bytes(path.read_bytes() + b"\0")
    tasks.verify_backup_again()
    (tmp_path / "file").write_text("")
    settings.BACKUP_STORES = [str(tmp_path / "file" / "x")]
    tasks.make_scheduled_backup()
    titles = set(Notice.objects.filter(user=operator).values_list("title", flat=True))
    assert titles == {"A backup could not be read back", "A backup could not be made"}
    settings.BACKUP_STORES = [str(places[0])]
    with pytest.raises(Altered):
        reading.check(stores.primary(), made.key)


@pytest.mark.django_db(transaction=True)
def test_without_its_key_a_backup_is_neither_whole_nor_damaged(places: list[Path], settings: Any) -> None:
    made = backups.create(type=Backup.Type.MANUAL)
    reading.verify(made.key)
    ours, settings.BACKUP_KEYS = settings.BACKUP_KEYS, lambda: [bytes(32)]
    with pytest.raises(WrongKey):
        reading.verify(made.key)
    assert Backup.objects.values_list("verified_ok", flat=True).get() is None
    settings.BACKUP_KEYS = ours
    reading.verify(made.key)
    assert Backup.objects.values_list("verified_ok", flat=True).get() is True


@pytest.mark.django_db(transaction=True)
def test_each_night_the_one_that_was_read_longest_ago_is_read_again(places: list[Path]) -> None:
    from compliance import tasks

    old, new = (backups.create(type=Backup.Type.MANUAL, name=name) for name in ("old", "new"))
    for one in (old, new, old, new):
        tasks.verify_backup_again()
        assert Backup.objects.order_by("verified_at").exclude(verified_at=None).last() == one


@pytest.mark.django_db(transaction=True)
def test_what_the_schedule_missed_is_made_up_for(places: list[Path], settings: Any) -> None:
    first = backups.catch_up()
    assert first is not None
    assert (first.type, first.kind, first.state) == (SCHEDULED, FULL, "waiting")
    assert backups.catch_up() is None, "it waits"
    backups.make(first.pk)
    hour = timedelta(hours=1)

    def aged(backup: Backup, by: timedelta, **also: Any) -> None:
        then = clock.now() - by
        Backup.objects.filter(pk=backup.pk).update(requested_at=then, as_of=then, **also)

    aged(first, 6 * hour)
    assert backups.catch_up() is None, "the next one is only just due"
    aged(first, 7 * hour)
    stores_, settings.BACKUP_STORES = settings.BACKUP_STORES, []
    assert backups.catch_up() is None, "there is nowhere to put it"
    settings.BACKUP_STORES = stores_
    second = backups.catch_up()
    assert second is not None
    aged(second, hour / 2, state="failed")
    assert backups.catch_up() is None, "it was tried just now"
    aged(second, 2 * hour)
    assert backups.catch_up() is not None
