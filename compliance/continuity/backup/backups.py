"""The life of a backup: requested (WAITING), made (RUNNING), COMPLETE or FAILED; and recovery from killed processes.

The process that makes a backup holds an advisory lock in the database as long as it lives. A killed one leaves a row in
state RUNNING and objects without manifest: `broken_off` recognizes that at once, `settle` corrects the row within a
minute, and `pruning.prune` removes the objects.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import connection as default
from django.db import transaction
from django.db.models import Q
from kombu.exceptions import OperationalError

from clinchat.lib import clock
from compliance.continuity import maintenance, programs, status_notice
from compliance.continuity.backup import store_identity
from compliance.continuity.backup.making import BackupWriter, Progress, set_retention
from compliance.continuity.backup.manifests import Manifest, folder_name, sha256
from compliance.continuity.backup.reading import manifest_and_digest
from compliance.continuity.plan import BACKUP_EVERY
from compliance.continuity.refusals import ContinuityError, Refused
from compliance.continuity.storage import keys
from compliance.continuity.storage.replicas import Replicas
from compliance.continuity.storage.stores import stores
from compliance.models import Backup, User

logger = logging.getLogger("clinchat.continuity")

REQUEST_EXPIRES: Final = timedelta(hours=6)
"""A backup that nobody began to make by then fails."""
OVERDUE_AFTER: Final = BACKUP_EVERY + timedelta(minutes=15)
"""Age of the newest full backup at which `catch_up` requests one."""
RETRY_AFTER: Final = timedelta(hours=1)
"""Time after a request in which `catch_up` makes no other, so that a failing backup is not retried at once."""
_APPLICATION: Final = "clinchat-backup"
_LOCK_IS_HELD: Final = """
SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND (classid::bigint << 32) | objid::bigint = %s
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class BackupFailed(ContinuityError):
    """The backup could not be made; `words` say why."""


class NotWaiting(ContinuityError):
    """There is no such backup, or it is no longer in state WAITING."""


def request(
    *,
    type: str,  # noqa: A002  # the name of the column
    name: str = "",
    reason: str = "",
    actor: User | None = None,
    kind: str = Backup.Kind.FULL,
) -> Backup:
    """Request a backup: a row, and a task for the worker that makes it. For callers in a transaction too."""
    with transaction.atomic():
        backup = _create_row(type=type, name=name, reason=reason, actor=actor, kind=kind)
        transaction.on_commit(partial(_enqueue, backup))
    return backup


def _enqueue(backup: Backup) -> None:
    from compliance.tasks import make_backup

    try:
        make_backup.delay(str(backup.pk))
    except OperationalError:
        _mark_failed(backup, "The task queue does not answer. Try again later.")


def create(
    *,
    type: str,  # noqa: A002
    name: str = "",
    reason: str = "",
    actor: User | None = None,
    kind: str = Backup.Kind.FULL,
    progress: Progress = lambda _: None,
) -> Backup:
    """Request a backup and make it in this process; not inside a transaction. Raises as `make`."""
    backup = _create_row(type=type, name=name, reason=reason, actor=actor, kind=kind)
    return make(backup.pk, progress=progress)


def make(backup_id: UUID | str, *, progress: Progress = lambda _: None) -> Backup:
    """Make a backup in state WAITING. Raises NotWaiting, and BackupFailed, whose words are in the row too."""
    backup = Backup.objects.filter(pk=backup_id, state=Backup.State.WAITING).first()
    if backup is None:
        raise NotWaiting("This backup was begun before.")
    try:
        with _locked_connection(backup) as connection:
            return _make(backup, connection, progress)
    except NotWaiting:
        raise
    except ContinuityError as error:
        raise _mark_failed(backup, error.words) from None
    except psycopg.Error:
        raise _mark_failed(backup, "The database could not be read, or did not answer.") from None
    except (KeyboardInterrupt, SystemExit):
        _mark_failed(backup, "It was stopped before it was complete.")
        raise
    except BaseException as error:
        _mark_failed(backup, f"It broke off: {type(error).__name__}.")
        raise


def _create_row(*, type: str, name: str, reason: str, actor: User | None, kind: str) -> Backup:  # noqa: A002
    return Backup.objects.create(
        type=type,
        kind=kind,
        name=(name or f"{Backup.Type(type).label}, {clock.now():%Y-%m-%d %H:%M} UTC")[:80],
        reason=reason[:300],
        environment=settings.ENVIRONMENT,
        made_by=actor,
    )


def _make(backup: Backup, connection: psycopg.Connection, progress: Progress) -> Backup:
    backup.started_at, backup.state = clock.now(), Backup.State.RUNNING
    backup.key = folder_name(str(backup.pk), backup.started_at)
    waiting = Backup.objects.filter(pk=backup.pk, state=Backup.State.WAITING)
    if not waiting.update(started_at=backup.started_at, state=backup.state, key=backup.key):
        raise NotWaiting("This backup was begun before.")
    replicas = store_identity.replicas()
    writer = BackupWriter(backup, connection=connection, replicas=replicas, key=keys.newest(), progress=progress)
    manifest, data = writer.run()
    _mark_complete(backup, manifest, sha256(data), replicas)
    logger.info("backup %s is complete: %.1f MiB", backup.key, manifest.size / 2**20, extra={"code": "BACKUP"})
    return backup


def _mark_complete(backup: Backup, manifest: Manifest, digest: str, replicas: Replicas) -> None:
    """Record the backup and the stores that hold it; notify where a store was left out."""
    failure = "; ".join(replicas.failures.values())
    backup.state, backup.finished_at = Backup.State.COMPLETE, clock.now()
    backup.as_of, backup.keep_until, backup.size = manifest.as_of, manifest.keep_until, manifest.size
    backup.manifest_sha256, backup.stores = digest, [store.name for store in replicas.stores]
    backup.failure, backup.progress = failure[:200], ""
    backup.save(
        update_fields=[
            *("state", "finished_at", "as_of", "keep_until", "size"),
            *("manifest_sha256", "stores", "failure", "progress"),
        ]
    )
    if failure:
        status_notice.left_out(failure)


def _mark_failed(backup: Backup, words: str) -> BackupFailed:
    """Record the failure in row and log, notify the operators, and return the exception to raise."""
    unfinished = Backup.objects.filter(pk=backup.pk, state__in=[Backup.State.WAITING, Backup.State.RUNNING])
    if unfinished.update(state=Backup.State.FAILED, finished_at=clock.now(), failure=words[:200], progress=""):
        logger.error("no backup was made: %s", words, extra={"code": "BACKUP_FAILED"})
        status_notice.failed(words)
    return BackupFailed(words)


def broken_off(backup: Backup) -> bool:
    """Whether the row says RUNNING, but the process that made the backup is gone: nobody holds its advisory lock.

    True as soon as the server has noticed the end of the connection; `settle` then corrects the row.
    """
    if backup.state != Backup.State.RUNNING:
        return False
    with default.cursor() as cursor:
        cursor.execute(_LOCK_IS_HELD, [_lock_id(backup)])
        return cursor.fetchone() is None


def settle() -> int:
    """Correct the rows of backups whose process is gone, and fail expired requests; returns how many rows it changed.

    Idempotent and safe at any time. While a store does not answer the outcome is unknown: the row waits for the next
    run.
    """
    settled = 0
    for backup in Backup.objects.filter(state=Backup.State.RUNNING):
        try:
            with _lock(backup) as free:
                if free and Backup.objects.filter(pk=backup.pk, state=Backup.State.RUNNING).exists():
                    _settle(backup)
                    settled += 1
        except ContinuityError as error:
            logger.warning("backup %s is not settled: %s", backup.key, error.words, extra={"code": "BACKUP"})
    for backup in Backup.objects.filter(state=Backup.State.WAITING, requested_at__lt=clock.now() - REQUEST_EXPIRES):
        _mark_failed(backup, "Nobody made it: is the process that makes backups running?")
        settled += 1
    return settled


def catch_up() -> Backup | None:
    """Request a full backup where the schedule missed one: the machine was off, it failed, or there was never one."""
    now, full = clock.now(), Backup.objects.filter(kind=Backup.Kind.FULL)
    enough = (
        Q(requested_at__gt=now - RETRY_AFTER)
        | Q(state__in=[Backup.State.WAITING, Backup.State.RUNNING])
        | Q(state=Backup.State.COMPLETE, as_of__gt=now - OVERDUE_AFTER)
    )
    if not settings.BACKUP_STORES or maintenance.on() or full.filter(enough).exists():
        return None
    return request(type=Backup.Type.SCHEDULED)


def _settle(backup: Backup) -> None:
    """COMPLETE where its manifest is in a store (killed before it could update the row), else FAILED.

    Raises NoKey and StoreFailed.
    """
    holding, found = [], None
    for store in stores():
        store_identity.require(store)
        with suppress(Refused):
            found = manifest_and_digest(store, backup.key)
            holding.append(store)
    if found is None:
        _mark_failed(backup, "The process that made it was ended.")
        return
    replicas = Replicas(holding)
    manifest, digest = found
    set_retention(replicas, manifest)
    _mark_complete(backup, manifest, digest, replicas)


@contextmanager
def _locked_connection(backup: Backup) -> Iterator[psycopg.Connection]:
    """A connection of the owner that holds the advisory lock of this backup. Raises NotWaiting where it is taken."""
    conninfo: dict[str, Any] = programs.owner_conninfo() | {"application_name": _APPLICATION}
    with psycopg.connect(**conninfo, autocommit=True) as connection:
        (acquired,) = connection.execute("SELECT pg_try_advisory_lock(%s)", [_lock_id(backup)]).fetchone() or (False,)
        if not acquired:
            raise NotWaiting("This backup is being made.")
        yield connection


@contextmanager
def _lock(backup: Backup) -> Iterator[bool]:
    """Try to take the advisory lock of this backup for the block; yields whether it was free."""
    with default.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_lock_id(backup)])
        free = bool(cursor.fetchone()[0])
        try:
            yield free
        finally:
            if free:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_lock_id(backup)])


def _lock_id(backup: Backup) -> int:
    """The key of the advisory lock of this backup."""
    return int.from_bytes(backup.pk.bytes[:8], "big", signed=True)
