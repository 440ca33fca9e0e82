"""Disaster recovery: restores every table from a backup after the live database was lost (backup restore --everything).

What was revoked or used after the backup is unknown. So all sessions and tokens end, pending links and recovery codes
become void, one-time codes of the current time are rejected, and an audit event names the seals that are missing. Data
keys are read from the copy beside the backups, not from the dump: one that was destroyed does not return.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from django.db import DatabaseError, transaction
from django.db.models import Value
from django.db.models.functions import Greatest
from django_otp.plugins.otp_static.models import StaticToken

from clinchat.lib import clock
from compliance import free_text, phi
from compliance.access import epoch, sessions
from compliance.audit import gaps
from compliance.continuity import maintenance, write_guard
from compliance.continuity.backup import key_copies, reading
from compliance.continuity.refusals import ContinuityError
from compliance.continuity.restore import carry_over, databases, loading, restoring, sources
from compliance.continuity.storage import stores
from compliance.continuity_forms import LONGEST_REASON
from compliance.models import Authenticator, Backup, OneTimeLink, PlannedMaintenance, Restore
from compliance.models.factors import STEP_SECONDS, TOLERANCE

State = Restore.State
NO_REASON = "Not kept: it could not be checked for patient identifiers."
WAS_RUNNING = "It was running when the backup was made."
MAYBE_OBSOLETE = "The database was brought back: whether it still held was not known."


class DatabaseNotLost(ContinuityError):
    """The live database has users, and `Request.replace` does not name it."""

    def __init__(self, live: str) -> None:
        super().__init__(
            f"The database {live} holds people: it is not lost. Restore without --everything, which keeps what was "
            f"revoked since. To replace it all the same, add --replace-live {live}."
        )


class AuditTrailMismatch(ContinuityError):
    """The checkpoint files on this machine do not belong to the audit trail in the backup."""

    def __init__(self) -> None:
        super().__init__(
            "The newest checkpoint of the audit trail is of another trail, or not signed by a key that is believed. "
            "Nothing was changed. Put the checkpoints of the lost database in their place, then restore."
        )


@dataclass(frozen=True)
class Request:
    """What an operator asks for. `key`: of the backup; `replace`: the name of a live database that may be replaced."""

    key: str
    reason: str
    """Unmasked: masking needs the hospital's terms, which are in the database that is to be restored."""
    to_time: datetime | None = None
    replace: str = ""


def restore_everything(request: Request) -> Restore:
    """Restore the whole database; ClinChat stays read-only until the restore is accepted. Raises ContinuityError."""
    restore_id = uuid.uuid4()
    names = restoring.database_names(restore_id)
    with databases.restore_lock(restore_id) as lock:
        _require_lost(lock.control, names.live, request.replace)
        if request.to_time is not None:  # else open_source verifies it
            sources.verify(request.key)
        try:
            with sources.open_source(request.key, request.to_time) as source:
                databases.create(lock.control, names.new, like=names.live)
                with databases.connect(names.new) as new:
                    functions = carry_over.extension_functions(new)
                    loading.load(source, names.new, loading.table_of_contents(source, without_acl_on=functions))
                    restoring.require_same_rows(source.rows, restoring.row_figures(new))
                databases.copy_settings(lock.control, names.new, like=names.live)
                with databases.as_default(names.new), write_guard.unguarded():
                    restore = _secure(restore_id, request, source.as_of)
            databases.close_connections()
            databases.switch_over(lock.control, live=names.live, new=names.new, previous=names.previous)
        finally:
            databases.drop(lock.control, names.new)
    return restore


def _require_lost(control: psycopg.Connection, live: str, replace: str) -> None:
    if not databases.exists(control, live) or replace == live:
        return
    with databases.connect(live) as connection, suppress(psycopg.errors.UndefinedTable):
        if connection.execute("SELECT FROM compliance_user WHERE NOT is_service LIMIT 1").rowcount:
            raise DatabaseNotLost(live)


def _secure(restore_id: uuid.UUID, request: Request, as_of: datetime) -> Restore:
    """In the new database: revoke what may be outdated, start read-only mode, and record the restore as done."""
    data_keys = key_copies.restore(stores.primary())
    report = {"data_keys": data_keys} | _revoke_everything()
    _close_unfinished()
    with transaction.atomic():
        backup = _ensure_backup_row(request.key)
        restore = Restore.objects.create(
            pk=restore_id,
            backup=backup,
            to_time=request.to_time,
            emergency=True,
            reason=_masked(request.reason),
            state=State.DONE,
            started_at=clock.now(),
            finished_at=clock.now(),
            report={"everything": True, "as_of": as_of.isoformat(), **report},
        )
        maintenance.start(reason=restoring.BEING_RESTORED, kind=maintenance.Kind.RESTORE)
        epoch.bump()
    try:
        gaps.note_restore(restore_id=str(restore_id), backup_key=request.key, as_of=as_of)
    except gaps.Unfit:
        raise AuditTrailMismatch from None
    return restore


def _masked(reason: str) -> str:
    """Masked with the terms of the restored database; NO_REASON where they cannot be read."""
    try:
        return free_text.masked(reason, where="restore.reason", longest=LONGEST_REASON)
    except (phi.PhiUnavailable, DatabaseError):
        return NO_REASON


@transaction.atomic
def _revoke_everything() -> dict[str, int]:
    """End or void every credential that may have been revoked or used since the backup. Returns the counts."""
    step = int(clock.now().timestamp()) // STEP_SECONDS + TOLERANCE
    return {
        "sessions_ended": sessions.end_all(None, reason="a backup was restored"),
        "links_voided": OneTimeLink.objects.live().update(voided_at=clock.now()),
        "recovery_codes_voided": StaticToken.objects.all().delete()[0],
        "authenticators": Authenticator.objects.update(last_t=Greatest("last_t", Value(step))),
    }


@transaction.atomic
def _close_unfinished() -> None:
    """Close the rows of restores and backups that were unfinished at the moment of the backup."""
    restores = Restore.objects.all()
    restores.filter(state=State.REQUESTED).update(state=State.CANCELLED)
    restores.filter(state__in=(State.APPROVED, State.RUNNING)).update(state=State.FAILED, failure=WAS_RUNNING)
    restores.filter(state=State.DONE).update(state=State.ACCEPTED)
    running = Backup.objects.filter(state__in=(Backup.State.WAITING, Backup.State.RUNNING))
    running.update(state=Backup.State.FAILED, failure=WAS_RUNNING)
    plans = PlannedMaintenance.objects.filter(state=PlannedMaintenance.State.PLANNED)
    plans.update(state=PlannedMaintenance.State.MISSED, closed_at=clock.now(), failure=MAYBE_OBSOLETE)
    with suppress(maintenance.Refused):
        maintenance.end(kind=maintenance.Kind.RESTORE)


def _ensure_backup_row(key: str) -> Backup:
    """Create or complete the row of this backup: its own dump has it as still running, or not at all."""
    store = stores.primary()
    manifest, digest = reading.manifest_and_digest(store, key)
    fields: dict[str, Any] = {
        "key": key,
        "kind": manifest.kind,
        "type": manifest.type,
        "name": manifest.name,
        "environment": manifest.environment,
        "state": Backup.State.COMPLETE,
        "as_of": manifest.as_of,
        "finished_at": manifest.made_at,
        "keep_until": manifest.keep_until,
        "size": manifest.size,
        "manifest_sha256": digest,
        "stores": [store.name],
        "failure": "",
    }
    return Backup.objects.update_or_create(pk=manifest.id, defaults=fields)[0]
