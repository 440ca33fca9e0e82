"""The workflow of a restore: requested by one person, approved by a second, carried out, then accepted or undone.

The work itself is in compliance.continuity.restore.restoring and runs in the worker of the queue "recovery". ClinChat
stays read-only until somebody has inspected the result and accepts or undoes it.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import ClassVar, Final
from uuid import UUID

from django.db import IntegrityError, transaction
from kombu.exceptions import OperationalError

from clinchat.lib import clock
from compliance.continuity import maintenance
from compliance.continuity.point_in_time import wal
from compliance.continuity.restore import databases, restoring
from compliance.models import Backup, Restore, User, WalShipping

State = Restore.State
ROLLBACK_TYPES: Final = (Backup.Type.PRE_DEPLOYMENT, Backup.Type.PRE_RESTORE)
"""Types of backups that an emergency rollback may restore."""
REQUEUE_AFTER: Final = timedelta(minutes=1)
"""An approved restore that has not begun by then is enqueued again."""
INTERRUPTED: Final = "It was interrupted. Nothing was changed."
_NO_RESTORE: Final = UUID(int=0)
"""Holds the restore lock while `settle` cleans up."""


class Refused(Exception):
    """The request or decision was refused and nothing changed. `words` is the message for the person."""

    words: ClassVar[str]


class BackupNotComplete(Refused):
    words = "That backup is not complete, or was removed. Choose another one."


class NameMismatch(Refused):
    words = "The name is not the one of this snapshot. Type it as it is written there."


class TargetTimeRequired(Refused):
    words = "This copy is for going back to a moment. Name the moment."


class TargetTimeOutOfRange(Refused):
    """Outside `recoverable_range`, which `words` state."""

    words = "No moment after this snapshot can be brought back: the log in the store does not reach one."

    def __init__(self, reach: tuple[datetime, datetime] | None = None) -> None:
        super().__init__()
        if reach is not None:
            first, last = wal.format_time(wal.ceil_second(reach[0])), wal.format_time(reach[1])
            self.words = f"That moment cannot be brought back. Name one from {first} to {last}."  # type: ignore[misc]


class AnotherRestoreOpen(Refused):
    words = "Another restore is open. Decide about that one first."


class SamePerson(Refused):
    words = "A second person must approve: not the one who asked."


class AlreadyDecided(Refused):
    words = "That was decided already."


class NotFinished(Refused):
    words = "The restore is not done, so there is nothing to accept or to undo yet."


class NoRollbackTarget(Refused):
    words = "There is no snapshot from before a deployment or a restore."


class NotUndoable(Refused):
    words = "No snapshot was made before it, so it cannot be undone."


@dataclass(frozen=True)
class Status:
    """The open restore (not yet decided or accepted), the last one before it, and whether a process carries one out.

    `step` is empty unless one does: it is read from the lock (databases.running_restore).
    """

    open: Restore | None
    last: Restore | None
    running: bool
    step: str
    read_only: bool


def request(
    *,
    backup_id: UUID,
    typed_name: str,
    reason: str,
    actor: User | None,
    to_time: datetime | None = None,
    emergency: bool = False,
) -> Restore:
    """Request a restore of the backup, or with `to_time` a recovery to that moment. Raises Refused.

    `actor` is None for the command line, where no second person approves. The caller has masked `reason`.
    """
    backup = Backup.objects.filter(pk=backup_id, state=Backup.State.COMPLETE).first()
    if backup is None:
        raise BackupNotComplete
    if typed_name.strip() != backup.name:
        raise NameMismatch
    _require_in_range(backup, to_time)
    state = State.REQUESTED if actor else State.APPROVED
    return _create(
        Restore(backup=backup, to_time=to_time, emergency=emergency, reason=reason, requested_by=actor, state=state)
    )


def rollback_target() -> Backup | None:
    """The backup that an emergency rollback restores: the newest one made before a deployment or a restore, of those
    not found damaged."""
    return Backup.objects.good(Backup.Kind.FULL).filter(type__in=ROLLBACK_TYPES).first()


def request_rollback(*, typed_name: str, reason: str, actor: User) -> Restore:
    """Request a restore of `rollback_target`. A second person must approve this as well. Raises Refused."""
    target = rollback_target()
    if target is None:
        raise NoRollbackTarget
    return request(backup_id=target.pk, typed_name=typed_name, reason=reason, actor=actor, emergency=True)


@transaction.atomic
def approve(*, restore_id: UUID, actor: User) -> Restore:
    """Approve as the second person, and enqueue the restore. Raises SamePerson, AlreadyDecided."""
    restore = _lock(restore_id, State.REQUESTED)
    if restore.requested_by_id == actor.pk:
        raise SamePerson
    _record_decision(restore, State.APPROVED, actor)
    transaction.on_commit(partial(_enqueue, restore.pk))
    return restore


@transaction.atomic
def cancel(*, restore_id: UUID, actor: User) -> Restore:
    """Cancel a request, by either person. Raises AlreadyDecided."""
    restore = _lock(restore_id, State.REQUESTED)
    _record_decision(restore, State.CANCELLED, actor)
    return restore


@transaction.atomic
def accept(*, restore_id: UUID, actor: User | None) -> Restore:
    """End read-only mode and have the previous database dropped. Raises NotFinished and AlreadyDecided."""
    restore = _lock(restore_id, State.DONE)
    restore.state = State.ACCEPTED
    restore.save(update_fields=["state"])
    with suppress(maintenance.Refused):
        maintenance.end(actor=actor, kind=maintenance.Kind.RESTORE)
    transaction.on_commit(_enqueue_settle)
    return restore


@transaction.atomic
def undo(*, restore_id: UUID, actor: User | None, reason: str) -> Restore:
    """Restore the snapshot that was made before this restore. One person is enough: ClinChat is still read-only, so no
    work is lost. Raises NotFinished, AlreadyDecided, and NotUndoable where the previous database was lost.
    """
    restore = _lock(restore_id, State.DONE)
    if restore.before_id is None:
        raise NotUndoable
    restore.state = State.UNDONE
    restore.save(update_fields=["state"])
    back = _create(
        Restore(backup_id=restore.before_id, undoes=restore, reason=reason, requested_by=actor, state=State.APPROVED)
    )
    if actor is not None:  # the command line runs it itself
        transaction.on_commit(partial(_enqueue, back.pk))
    return back


def settle() -> int:
    """Clean up after killed restores, drop databases that are no longer needed, and enqueue approved restores whose
    message was lost. Returns the number of repairs.

    Does nothing while a restore runs. Needs the database owner, so only the worker of the queue "recovery" calls it.
    """
    try:
        with databases.restore_lock(_NO_RESTORE) as lock:
            interrupted = list(Restore.objects.filter(state=State.RUNNING).values_list("pk", flat=True))
            for restore_id in interrupted:
                restoring.abandon(lock.control, restore_id, failure=INTERRUPTED)
            done = len(interrupted) + _sweep(lock)
    except databases.RestoreInProgress:
        return 0
    for waiting in Restore.objects.filter(state=State.APPROVED, requested_at__lt=clock.now() - REQUEUE_AFTER):
        if (waiting.decided_at or waiting.requested_at) < clock.now() - REQUEUE_AFTER:  # its message was lost
            _enqueue(waiting.pk)
            done += 1
    return done


def _sweep(lock: databases.ServerLock) -> int:
    """Make the live database writable again, and drop databases of failed, accepted and undone restores."""
    live = databases.live_name()
    needed = {
        restoring.database_names(pk).previous
        for pk in Restore.objects.filter(state=State.DONE).values_list("pk", flat=True)
    }
    done = 0
    if databases.is_read_only(lock.control, live):
        databases.close_connections()
        databases.set_writable(lock.control, live)
        done += 1
    pattern = f"^{re.escape(live)}_(restore|before)_[0-9a-f]{{8}}$"
    for (name,) in lock.control.execute("SELECT datname FROM pg_database WHERE datname ~ %s", [pattern]).fetchall():
        if name not in needed:
            databases.drop(lock.control, name)
            done += 1
    return done


def status() -> Status:
    """The state now, with the people and backups of the restores selected."""
    running = databases.running_restore()
    restores = Restore.objects.select_related("backup", "before", "requested_by", "decided_by")
    return Status(
        open=restores.filter(state__in=Restore.OPEN).first(),
        last=restores.exclude(state__in=Restore.OPEN).first(),
        running=running is not None and running.restore_id != str(_NO_RESTORE),
        step=running.step if running else "",
        read_only=maintenance.on(),
    )


def recoverable_range(backup: Backup) -> tuple[datetime, datetime] | None:
    """The first and last moment that `to_time` of a restore of this backup may name; None where there is none.

    From our own rows: PITR needs a base backup made since the shipped WAL has no gap (WalShipping.since).
    """
    log = WalShipping.objects.first()
    base = log and Backup.objects.good(Backup.Kind.BASE).filter(as_of__gte=log.since).order_by("as_of").first()
    if not log or not base or not base.as_of or not backup.as_of:
        return None
    first = max(base.as_of, backup.as_of)
    return (first, log.as_of) if first <= log.as_of else None


def _require_in_range(backup: Backup, to_time: datetime | None) -> None:
    if to_time is None:
        if backup.kind == Backup.Kind.BASE:
            raise TargetTimeRequired
        return
    reach = recoverable_range(backup)
    if reach is None or not reach[0] <= to_time <= reach[1]:
        raise TargetTimeOutOfRange(reach)


def _create(restore: Restore) -> Restore:
    try:
        with transaction.atomic():
            restore.save(force_insert=True)
    except IntegrityError:  # one_open_restore
        raise AnotherRestoreOpen from None
    return restore


def _lock(restore_id: UUID, state: Restore.State) -> Restore:
    """The row, locked, in that state. Raises NotFinished while it is still to be carried out, else AlreadyDecided."""
    restore = Restore.objects.select_for_update().filter(pk=restore_id, state=state).first()
    if restore is None:
        unfinished = Restore.objects.filter(pk=restore_id, state__in=(State.REQUESTED, State.APPROVED, State.RUNNING))
        raise NotFinished if state == State.DONE and unfinished.exists() else AlreadyDecided
    return restore


def _record_decision(restore: Restore, state: Restore.State, actor: User) -> None:
    restore.state, restore.decided_by, restore.decided_at = state, actor, clock.now()
    restore.save(update_fields=["state", "decided_by", "decided_at"])


def _enqueue(restore_id: UUID) -> None:
    from compliance.tasks import run_restore

    with suppress(OperationalError):  # `settle` enqueues it again
        run_restore.delay(str(restore_id))


def _enqueue_settle() -> None:
    from compliance.tasks import settle_recovery

    with suppress(OperationalError):  # beat sends it each minute
        settle_recovery.delay()
