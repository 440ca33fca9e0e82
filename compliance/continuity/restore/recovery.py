"""Who may have a backup restored, and what becomes of it: two people, a name typed out, and an undo.

The work itself is compliance.continuity.restore.restoring, in the worker that keeps backups. ClinChat stays read-only
until somebody has looked at what came back, and accepts or undoes it.
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
BACK_TO: Final = (Backup.Type.PRE_DEPLOYMENT, Backup.Type.PRE_RESTORE)
"""What an emergency goes back to."""
SOON: Final = timedelta(minutes=1)
INTERRUPTED: Final = "It was interrupted. Nothing was changed."
_NOBODY: Final = UUID(int=0)


class Refused(Exception):
    """Nothing was decided. `words` say why, to the person."""

    words: ClassVar[str]


class NotComplete(Refused):
    words = "That backup is not complete, or was removed. Choose another one."


class OtherName(Refused):
    words = "The name is not the one of this snapshot. Type it as it is written there."


class NeedsMoment(Refused):
    words = "This copy is for going back to a moment. Name the moment."


class OutOfReach(Refused):
    """`words` say from when to when one can go back."""

    words = "No moment after this snapshot can be brought back: the log in the store does not reach one."

    def __init__(self, reach: tuple[datetime, datetime] | None = None) -> None:
        super().__init__()
        if reach is not None:
            first, last = wal.format_time(wal.ceil_second(reach[0])), wal.format_time(reach[1])
            self.words = f"That moment cannot be brought back. Name one from {first} to {last}."  # type: ignore[misc]


class AlreadyOpen(Refused):
    words = "Another restore is open. Decide about that one first."


class SamePerson(Refused):
    words = "A second person must approve: not the one who asked."


class Decided(Refused):
    words = "That was decided already."


class NotDone(Refused):
    words = "The restore is not done, so there is nothing to accept or to undo yet."


class NothingToGoBackTo(Refused):
    words = "There is no snapshot from before a deployment or a restore."


class NoWayBack(Refused):
    words = "No snapshot was made before it, so it cannot be undone."


@dataclass(frozen=True)
class Status:
    """Where things stand. `step` is told by the server and so only while somebody works."""

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
    """Ask that a backup be restored, to `to_time` if given. `actor` is None for a command, which asks nobody else.

    The caller has masked `reason`. Raises Refused.
    """
    backup = Backup.objects.filter(pk=backup_id, state=Backup.State.COMPLETE).first()
    if backup is None:
        raise NotComplete
    if typed_name.strip() != backup.name:
        raise OtherName
    _require_reach(backup, to_time)
    state = State.REQUESTED if actor else State.APPROVED
    return _open(
        Restore(backup=backup, to_time=to_time, emergency=emergency, reason=reason, requested_by=actor, state=state)
    )


def rollback_target() -> Backup | None:
    """What an emergency rollback goes back to: the newest snapshot from before a deployment or a restore, unless it was
    found damaged when it was read back."""
    return Backup.objects.good(Backup.Kind.FULL).filter(type__in=BACK_TO).first()


def request_rollback(*, typed_name: str, reason: str, actor: User) -> Restore:
    """Ask for the emergency rollback. It takes the same two people. Raises Refused."""
    target = rollback_target()
    if target is None:
        raise NothingToGoBackTo
    return request(backup_id=target.pk, typed_name=typed_name, reason=reason, actor=actor, emergency=True)


@transaction.atomic
def approve(*, restore_id: UUID, actor: User) -> Restore:
    """The second person's word; the work begins. Raises SamePerson, Decided."""
    restore = _decide(restore_id, State.REQUESTED)
    if restore.requested_by_id == actor.pk:
        raise SamePerson
    _become(restore, State.APPROVED, actor)
    transaction.on_commit(partial(_begin, restore.pk))
    return restore


@transaction.atomic
def cancel(*, restore_id: UUID, actor: User) -> Restore:
    """Withdraw or refuse it; either person may. Raises Decided."""
    restore = _decide(restore_id, State.REQUESTED)
    _become(restore, State.CANCELLED, actor)
    return restore


@transaction.atomic
def accept(*, restore_id: UUID, actor: User | None) -> Restore:
    """What came back is good: people may write again, and the old database is removed. Raises NotDone and Decided."""
    restore = _decide(restore_id, State.DONE)
    restore.state = State.ACCEPTED
    restore.save(update_fields=["state"])
    with suppress(maintenance.Refused):
        maintenance.end(actor=actor, kind=maintenance.Kind.RESTORE)
    transaction.on_commit(_settle_soon)
    return restore


@transaction.atomic
def undo(*, restore_id: UUID, actor: User | None, reason: str) -> Restore:
    """Bring back what was there before: restore the snapshot that was made then. One person; ClinChat is read-only and
    nobody has worked with it since. Raises Decided, and NoWayBack of one that replaced a database that was lost.
    """
    restore = _decide(restore_id, State.DONE)
    if restore.before_id is None:
        raise NoWayBack
    restore.state = State.UNDONE
    restore.save(update_fields=["state"])
    back = _open(
        Restore(backup_id=restore.before_id, undoes=restore, reason=reason, requested_by=actor, state=State.APPROVED)
    )
    if actor is not None:  # a command goes on with it itself
        transaction.on_commit(partial(_begin, back.pk))
    return back


def settle() -> int:
    """Put right what a killed restore left, and remove databases nobody needs. Returns how much there was to do.

    Does nothing while a restore lives. Only for the process that restores: it takes the rights of the owner.
    """
    try:
        with databases.hold(_NOBODY) as held:
            left = list(Restore.objects.filter(state=State.RUNNING).values_list("pk", flat=True))
            for restore_id in left:
                restoring.abandon(held.control, restore_id, failure=INTERRUPTED)
            done = len(left) + _sweep(held)
    except databases.AnotherRuns:
        return 0
    for waiting in Restore.objects.filter(state=State.APPROVED, requested_at__lt=clock.now() - SOON):
        if (waiting.decided_at or waiting.requested_at) < clock.now() - SOON:  # its message was lost
            _begin(waiting.pk)
            done += 1
    return done


def _sweep(held: databases.Hold) -> int:
    """The live database is not frozen when nobody restores; half ones go, and old ones that nobody goes back to."""
    live = databases.live_name()
    needed = {
        restoring.names(pk).before for pk in Restore.objects.filter(state=State.DONE).values_list("pk", flat=True)
    }
    done = 0
    if databases.frozen(held.control, live):
        databases.leave()
        databases.thaw(held.control, live)
        done += 1
    pattern = f"^{re.escape(live)}_(restore|before)_[0-9a-f]{{8}}$"
    for (name,) in held.control.execute("SELECT datname FROM pg_database WHERE datname ~ %s", [pattern]).fetchall():
        if name not in needed:
            databases.drop(held.control, name)
            done += 1
    return done


def status() -> Status:
    """Where things stand now, with the people and backups of the restores."""
    alive = databases.living()
    restores = Restore.objects.select_related("backup", "before", "requested_by", "decided_by")
    return Status(
        open=restores.filter(state__in=Restore.OPEN).first(),
        last=restores.exclude(state__in=Restore.OPEN).first(),
        running=alive is not None and alive.restore_id != str(_NOBODY),
        step=alive.step if alive else "",
        read_only=maintenance.on(),
    )


def reach(backup: Backup) -> tuple[datetime, datetime] | None:
    """The first and the last moment that somebody who goes back to it can name instead of it; None: there is none.

    As our own record has it: the log goes on from a copy of the server's files that was made since it has no gap.
    """
    log = WalShipping.objects.first()
    copy = log and Backup.objects.good(Backup.Kind.BASE).filter(as_of__gte=log.since).order_by("as_of").first()
    if not log or not copy or not copy.as_of or not backup.as_of:
        return None
    first = max(copy.as_of, backup.as_of)
    return (first, log.as_of) if first <= log.as_of else None


def _require_reach(backup: Backup, to_time: datetime | None) -> None:
    if to_time is None:
        if backup.kind == Backup.Kind.BASE:
            raise NeedsMoment
        return
    found = reach(backup)
    if found is None or not found[0] <= to_time <= found[1]:
        raise OutOfReach(found)


def _open(restore: Restore) -> Restore:
    try:
        with transaction.atomic():
            restore.save(force_insert=True)
    except IntegrityError:  # one_open_restore
        raise AlreadyOpen from None
    return restore


def _decide(restore_id: UUID, state: Restore.State) -> Restore:
    restore = Restore.objects.select_for_update().filter(pk=restore_id, state=state).first()
    if restore is None:
        coming = Restore.objects.filter(pk=restore_id, state__in=(State.REQUESTED, State.APPROVED, State.RUNNING))
        raise NotDone if state == State.DONE and coming.exists() else Decided
    return restore


def _become(restore: Restore, state: Restore.State, actor: User) -> None:
    restore.state, restore.decided_by, restore.decided_at = state, actor, clock.now()
    restore.save(update_fields=["state", "decided_by", "decided_at"])


def _begin(restore_id: UUID) -> None:
    from compliance.tasks import run_restore

    with suppress(OperationalError):  # one that no worker hears of is begun by `settle`
        run_restore.delay(str(restore_id))


def _settle_soon() -> None:
    from compliance.tasks import settle_recovery

    with suppress(OperationalError):  # it comes each minute
        settle_recovery.delay()
