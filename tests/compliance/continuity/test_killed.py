"""A process that is killed at any step, of a restore or of a backup, leaves a usable portal and a true status."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest

from chat.models import Conversation
from compliance.continuity import maintenance, refusals
from compliance.continuity.backup import backups, reading
from compliance.continuity.restore import databases, recovery, restoring, sources
from compliance.continuity.storage import replicas, stores
from compliance.models import Backup, Restore
from tests import cast
from tests.compliance.continuity import portal
from tests.processes import until

pytestmark = pytest.mark.django_db(transaction=True)
KILLED = -9


@pytest.fixture(scope="module")
def snapshot(template: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[UUID]:
    """One portal and one snapshot for all: each test leaves the portal as usable as it found it."""
    with django_db_blocker.unblock(), portal.standing(tmp_path_factory.mktemp("killed")):
        with portal.entered():
            made = portal.snapshot().pk
        yield made


@pytest.fixture(autouse=True)
def live(snapshot: UUID, transactional_db: None) -> Iterator[None]:
    with portal.entered():
        yield


def asked_for(snapshot: UUID) -> UUID:
    backup = Backup.objects.get(pk=snapshot)
    return recovery.request(backup_id=backup.pk, typed_name=backup.name, reason="Test", actor=None).pk


def killed_at(step: str, restore_id: UUID) -> int:
    """Restore in a process of its own, which dies as it begins the step."""
    tell = databases.ServerLock.report

    def last_words(held: databases.ServerLock, what: str) -> None:
        tell(held, what)
        if what == step:
            portal.die()

    with patch.object(databases.ServerLock, "report", last_words):
        return portal.killed(lambda: restoring.run(restore_id))


@pytest.mark.parametrize("step", restoring.STEPS)
def test_a_restore_killed_at_a_step(step: str, snapshot: UUID) -> None:
    restore_id = asked_for(snapshot)
    assert killed_at(step, restore_id) == KILLED
    until(lambda: databases.running_restore() is None, "the server did not notice")
    maintenance.forget()
    assert maintenance.on() == (step != "read-only"), "until it is settled, nothing is written"
    assert recovery.status().open == Restore.objects.get(pk=restore_id, state=Restore.State.RUNNING)
    assert not recovery.status().running, "people still read, and the status does not pretend"
    assert recovery.settle()

    maintenance.forget()
    restore = Restore.objects.get(pk=restore_id)
    assert (restore.state, restore.failure) == (Restore.State.FAILED, recovery.INTERRUPTED)
    assert recovery.status().open is None
    assert not maintenance.on()
    assert portal.there() == {portal.LIVE}
    Conversation.objects.create(author=cast.alice(), title="Since").delete()
    assert recovery.settle() == 0


def test_a_restore_killed_after_the_exchange_is_done(snapshot: UUID) -> None:
    restore_id = asked_for(snapshot)
    Conversation.objects.create(author=cast.alice(), title="Since")
    exchange = databases.switch_over

    def last_deed(*args: Any, **named: Any) -> None:
        exchange(*args, **named)
        portal.die()

    with patch.object(databases, "switch_over", last_deed):
        assert portal.killed(lambda: restoring.run(restore_id)) == KILLED
    until(lambda: databases.running_restore() is None, "the server did not notice")
    assert recovery.settle() == 0
    restore = Restore.objects.get(pk=restore_id)
    assert restore.state == Restore.State.DONE
    assert [one.title for one in Conversation.objects.all()] == ["Before"]
    recovery.accept(restore_id=restore_id, actor=None)
    assert recovery.settle() == 1, "the old database"
    assert portal.there() == {portal.LIVE}


def test_a_restore_killed_in_the_middle_of_its_load(snapshot: UUID) -> None:
    """pg_restore ends with it, and what it had loaded goes."""
    restore_id = asked_for(snapshot)
    read = sources._StoredBackup.read

    def half(source: Any) -> Iterator[bytes]:
        whole = b"".join(read(source))
        yield whole[: len(whole) // 2]
        portal.die()

    with patch.object(sources._StoredBackup, "read", half):
        assert portal.killed(lambda: restoring.run(restore_id)) == KILLED
    until(lambda: databases.running_restore() is None, "the server did not notice")
    assert recovery.settle()
    assert portal.there() == {portal.LIVE}
    assert Restore.objects.get(pk=restore_id).state == Restore.State.FAILED


# ── Backups ───────────────────────────────────────────────────────────────────────────────────────────────────────


def backed_up(part: str, when: str) -> Backup:
    """A backup whose process dies before or after it puts a part into the store; test_backups.py: in the middle."""
    put = replicas.Replicas.put

    def dying(self: replicas.Replicas, name: str, chunks: Iterable[bytes], **named: Any) -> None:
        if not name.endswith(part):
            return put(self, name, chunks, **named)
        if when == "before":
            portal.die()
        put(self, name, chunks, **named)
        return portal.die()

    with patch.object(replicas.Replicas, "put", dying):
        assert portal.killed(lambda: portal.snapshot("Killed")) == KILLED
    return Backup.objects.get(name="Killed", state=Backup.State.RUNNING)


@pytest.mark.parametrize(
    ("part", "when"),
    [("database.dump", "before"), ("manifest.json", "before"), ("manifest.json", "after")],
)
def test_a_backup_killed_at_a_part(part: str, when: str, snapshot: UUID) -> None:
    killed = backed_up(part, when)
    until(lambda: backups.settle() == 1, "the server did not notice")
    killed.refresh_from_db()
    whole = (part, when) == ("manifest.json", "after")
    listed = {one.key for one in reading.list_manifests(stores.primary())}
    assert (killed.state == Backup.State.COMPLETE) == whole == (killed.key in listed)
    if whole:
        assert reading.verify(killed.key).id == str(killed.pk)
    else:
        assert killed.state == Backup.State.FAILED
        with pytest.raises(refusals.Missing):
            reading.verify(killed.key)
    Backup.objects.filter(pk=killed.pk).update(name="Was killed")
    assert backups.settle() == 0
