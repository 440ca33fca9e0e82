"""Backups: asking for one, making it, and putting right what a killed process left.

One is made by one process at a time; an advisory lock in the database shows that it lives. A process that was killed
leaves a row that says "running" and a folder without manifest: `broken_off` sees through the row at once, `settle` puts
it right within a minute, `prune` removes the folder.
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
from compliance.continuity.backup.making import Making, Progress, keep
from compliance.continuity.backup.manifests import Manifest, key_of, sha256
from compliance.continuity.backup.reading import signed
from compliance.continuity.plan import BACKUP_EVERY
from compliance.continuity.refusals import ContinuityError, Refused
from compliance.continuity.storage import keys
from compliance.continuity.storage.copies import Copies
from compliance.continuity.storage.stores import stores
from compliance.models import Backup, User

logger = logging.getLogger("clinchat.continuity")

WAITS_AT_MOST: Final = timedelta(hours=6)
"""After this time one that was asked for is not made any more."""
MISSED: Final = BACKUP_EVERY + timedelta(minutes=15)
"""So old the newest full backup is when the schedule missed one."""
AGAIN: Final = timedelta(hours=1)
"""After this time one that could not be made is tried again."""
_APPLICATION: Final = "clinchat-backup"
_HELD: Final = """
SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND (classid::bigint << 32) | objid::bigint = %s
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class BackupFailed(ContinuityError):
    """It could not be made. What was written of it is no backup."""


class NotWaiting(ContinuityError):
    """It was begun before, or there is none such."""


def request(
    *,
    type: str,  # noqa: A002  # the name of the column
    name: str = "",
    reason: str = "",
    actor: User | None = None,
    kind: str = Backup.Kind.FULL,
) -> Backup:
    """Ask for a backup, which is made as soon as the process that makes them is free."""
    with transaction.atomic():
        backup = _asked_for(type=type, name=name, reason=reason, actor=actor, kind=kind)
        transaction.on_commit(partial(_send, backup))
    return backup


def _send(backup: Backup) -> None:
    from compliance.tasks import make_backup

    try:
        make_backup.delay(str(backup.pk))
    except OperationalError:
        _failed(backup, "The task queue does not answer. Try again later.")


def create(
    *,
    type: str,  # noqa: A002
    name: str = "",
    reason: str = "",
    actor: User | None = None,
    kind: str = Backup.Kind.FULL,
    progress: Progress = lambda _: None,
) -> Backup:
    """Ask for a backup and make it here and now. In no transaction: others see how far it is. Raises as `make`."""
    backup = _asked_for(type=type, name=name, reason=reason, actor=actor, kind=kind)
    return make(backup.pk, progress=progress)


def make(backup_id: UUID | str, *, progress: Progress = lambda _: None) -> Backup:
    """Make one that waits. Raises NotWaiting, and BackupFailed, whose words the row has as well."""
    backup = Backup.objects.filter(pk=backup_id, state=Backup.State.WAITING).first()
    if backup is None:
        raise NotWaiting("This backup was begun before.")
    try:
        with _alive(backup) as connection:
            return _made(backup, connection, progress)
    except NotWaiting:
        raise
    except ContinuityError as error:
        raise _failed(backup, error.words) from None
    except psycopg.Error:
        raise _failed(backup, "The database could not be read, or did not answer.") from None
    except (KeyboardInterrupt, SystemExit):
        _failed(backup, "It was stopped before it was complete.")
        raise
    except BaseException as error:
        _failed(backup, f"It broke off: {type(error).__name__}.")
        raise


def _asked_for(*, type: str, name: str, reason: str, actor: User | None, kind: str) -> Backup:  # noqa: A002
    return Backup.objects.create(
        type=type,
        kind=kind,
        name=(name or f"{Backup.Type(type).label}, {clock.now():%Y-%m-%d %H:%M} UTC")[:80],
        reason=reason[:300],
        environment=settings.ENVIRONMENT,
        made_by=actor,
    )


def _made(backup: Backup, connection: psycopg.Connection, progress: Progress) -> Backup:
    backup.started_at, backup.state = clock.now(), Backup.State.RUNNING
    backup.key = key_of(str(backup.pk), backup.started_at)
    mine = Backup.objects.filter(pk=backup.pk, state=Backup.State.WAITING)
    if not mine.update(started_at=backup.started_at, state=backup.state, key=backup.key):
        raise NotWaiting("This backup was begun before.")
    copies = Copies(stores())
    done, data = Making(backup, connection=connection, copies=copies, key=keys.newest(), progress=progress).run()
    _complete(backup, done, sha256(data), [store.name for store in copies.stores], "; ".join(copies.lost.values()))
    logger.info("backup %s is complete: %.1f MiB", backup.key, done.size / 2**20, extra={"code": "BACKUP"})
    return backup


def _complete(backup: Backup, done: Manifest, digest: str, where: list[str], failure: str = "") -> None:
    backup.state, backup.finished_at = Backup.State.COMPLETE, clock.now()
    backup.as_of, backup.keep_until, backup.size = done.as_of, done.keep_until, done.size
    backup.manifest_sha256, backup.stores, backup.failure, backup.progress = digest, where, failure[:200], ""
    backup.save(
        update_fields=[
            *("state", "finished_at", "as_of", "keep_until", "size"),
            *("manifest_sha256", "stores", "failure", "progress"),
        ]
    )
    if failure:
        status_notice.left_out(failure)


def _failed(backup: Backup, words: str) -> BackupFailed:
    """Say so in its row, in the log, and to those who answer for backups."""
    open_ = Backup.objects.filter(pk=backup.pk, state__in=[Backup.State.WAITING, Backup.State.RUNNING])
    if open_.update(state=Backup.State.FAILED, finished_at=clock.now(), failure=words[:200], progress=""):
        logger.error("no backup was made: %s", words, extra={"code": "BACKUP_FAILED"})
        status_notice.failed(words)
    return BackupFailed(words)


def broken_off(backup: Backup) -> bool:
    """Whether its row says that it is being made, and nobody makes it: a killed process could not say so itself.

    Asked of the server, so it is known as soon as the process is gone; `settle` then says what became of it.
    """
    if backup.state != Backup.State.RUNNING:
        return False
    with default.cursor() as cursor:
        cursor.execute(_HELD, [_number(backup)])
        return cursor.fetchone() is None


def settle() -> int:
    """Put right the rows of backups whose process is gone; returns how many. Safe to run at any time.

    What became of one cannot be known while a store does not answer: that one waits for the next time.
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
    for backup in Backup.objects.filter(state=Backup.State.WAITING, requested_at__lt=clock.now() - WAITS_AT_MOST):
        _failed(backup, "Nobody made it: is the process that makes backups running?")
        settled += 1
    return settled


def catch_up() -> Backup | None:
    """Ask for the full backup that the schedule missed: the machine was off, or it failed, or there was never one."""
    now, full = clock.now(), Backup.objects.filter(kind=Backup.Kind.FULL)
    enough = (
        Q(requested_at__gt=now - AGAIN)
        | Q(state__in=[Backup.State.WAITING, Backup.State.RUNNING])
        | Q(state=Backup.State.COMPLETE, as_of__gt=now - MISSED)
    )
    if not settings.BACKUP_STORES or maintenance.on() or full.filter(enough).exists():
        return None
    return request(type=Backup.Type.SCHEDULED)


def _settle(backup: Backup) -> None:
    """One killed between its manifest and its row is a backup like any other. Raises NoKey and StoreFailed."""
    have, found = [], None
    for store in stores():
        with suppress(Refused):
            found = signed(store, backup.key)
            have.append(store)
    if found is None:
        _failed(backup, "The process that made it was ended.")
        return
    copies = Copies(have)
    keep(copies, found[0])
    _complete(backup, *found, [store.name for store in copies.stores], "; ".join(copies.lost.values()))


@contextmanager
def _alive(backup: Backup) -> Iterator[psycopg.Connection]:
    """The owner's connection, which holds the lock that shows that somebody makes this backup."""
    way: dict[str, Any] = programs.parameters() | {"application_name": _APPLICATION}
    with psycopg.connect(**way, autocommit=True) as connection:
        (got,) = connection.execute("SELECT pg_try_advisory_lock(%s)", [_number(backup)]).fetchone() or (False,)
        if not got:
            raise NotWaiting("This backup is being made.")
        yield connection


@contextmanager
def _lock(backup: Backup) -> Iterator[bool]:
    """Whether nobody makes it; while this is true, nobody begins to."""
    with default.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_number(backup)])
        free = bool(cursor.fetchone()[0])
        try:
            yield free
        finally:
            if free:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_number(backup)])


def _number(backup: Backup) -> int:
    """What PostgreSQL calls the lock of this backup."""
    return int.from_bytes(backup.pk.bytes[:8], "big", signed=True)
