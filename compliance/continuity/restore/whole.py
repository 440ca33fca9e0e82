"""Bringing back a database that was lost: everything comes from a backup, and nobody is believed until they sign in.

What was revoked or used up after the backup is unknown. So every session and token ends, every pending link and
recovery code is void, no one-time code of this moment counts, and the trail says which of its seals are missing. Data
keys come from beside the backup, not out of it: one that was destroyed does not return.
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
from compliance.continuity import maintenance, wall
from compliance.continuity.backup import key_copies, reading
from compliance.continuity.refusals import ContinuityError
from compliance.continuity.restore import databases, keeping, loading, restoring, sources
from compliance.continuity.storage import stores
from compliance.continuity_forms import LONGEST_REASON
from compliance.models import Authenticator, Backup, OneTimeLink, Restore
from compliance.models.factors import STEP_SECONDS, TOLERANCE

State = Restore.State
NO_REASON = "Not kept: it could not be checked for patient identifiers."
OVER = "It was running when the backup was made."


class HoldsPeople(ContinuityError):
    """The database is not lost, and nobody said that it is to be replaced."""

    def __init__(self, live: str) -> None:
        super().__init__(
            f"The database {live} holds people: it is not lost. Restore without --everything, which keeps what was "
            f"revoked since. To replace it all the same, add --replace-live {live}."
        )


class OtherTrail(ContinuityError):
    """The checkpoints on this machine are of another audit trail than the backup's."""

    def __init__(self) -> None:
        super().__init__(
            "The newest checkpoint of the audit trail is of another trail, or not signed by a key that is believed. "
            "Nothing was changed. Put the checkpoints of the lost database in their place, then restore."
        )


@dataclass(frozen=True)
class Lost:
    """What is known of everything that is to come back."""

    key: str
    reason: str
    """As it was typed: it is masked once there is a database to know the hospital's terms by."""
    to_time: datetime | None = None
    replace: str = ""


def bring_back(lost: Lost) -> Restore:
    """Restore everything, and leave ClinChat read-only until somebody accepts. Raises ContinuityError."""
    restore_id = uuid.uuid4()
    there = restoring.names(restore_id)
    with databases.hold(restore_id) as held:
        _require_lost(held.control, there.live, lost.replace)
        if lost.to_time is not None:  # else it is read when it is opened
            sources.check(lost.key)
        try:
            with sources.opened(lost.key, lost.to_time) as source:
                databases.create(held.control, there.new, like=there.live)
                with databases.connect(there.new) as new:
                    rights = keeping.extension_functions(new)
                    loading.load(source, there.new, loading.contents(source, but_rights_on=rights))
                    restoring.require_equal(source.rows, restoring.rows_of(new))
                databases.copy_settings(held.control, there.new, like=there.live)
                with databases.inside(there.new), wall.elsewhere():
                    restore = _make_safe(restore_id, lost, source.as_of)
            databases.leave()
            databases.exchange(held.control, live=there.live, new=there.new, before=there.before)
        finally:
            databases.drop(held.control, there.new)
    return restore


def _require_lost(control: psycopg.Connection, live: str, replace: str) -> None:
    if not databases.exists(control, live) or replace == live:
        return
    with databases.connect(live) as connection, suppress(psycopg.errors.UndefinedTable):
        if connection.execute("SELECT FROM compliance_user WHERE NOT is_service LIMIT 1").rowcount:
            raise HoldsPeople(live)


def _make_safe(restore_id: uuid.UUID, lost: Lost, as_of: datetime) -> Restore:
    came = key_copies.restore(stores.primary())
    report = {"data_keys": came} | _shut_out()
    _end_what_ran()
    with transaction.atomic():
        backup = _on_record(lost.key)
        restore = Restore.objects.create(
            pk=restore_id,
            backup=backup,
            to_time=lost.to_time,
            emergency=True,
            reason=_masked(lost.reason),
            state=State.DONE,
            started_at=clock.now(),
            finished_at=clock.now(),
            report={"everything": True, "as_of": as_of.isoformat(), **report},
        )
        maintenance.start(reason=restoring.BEING_RESTORED, kind=maintenance.Kind.RESTORE)
        epoch.bump()
    try:
        gaps.note_restore(restore_id=str(restore_id), backup_key=lost.key, as_of=as_of)
    except gaps.Unfit:
        raise OtherTrail from None
    return restore


def _masked(reason: str) -> str:
    """By the terms of the database that came back; where they cannot be read it is back all the same."""
    try:
        return free_text.masked(reason, where="restore.reason", longest=LONGEST_REASON)
    except (phi.PhiUnavailable, DatabaseError):
        return NO_REASON


@transaction.atomic
def _shut_out() -> dict[str, int]:
    """Nothing that may have been revoked or used since opens anything."""
    step = int(clock.now().timestamp()) // STEP_SECONDS + TOLERANCE
    return {
        "sessions_ended": sessions.end_all(None, reason="a backup was restored"),
        "links_voided": OneTimeLink.objects.live().update(voided_at=clock.now()),
        "recovery_codes_voided": StaticToken.objects.all().delete()[0],
        "authenticators": Authenticator.objects.update(last_t=Greatest("last_t", Value(step))),
    }


@transaction.atomic
def _end_what_ran() -> None:
    """What the backup caught in the middle."""
    restores = Restore.objects.all()
    restores.filter(state=State.REQUESTED).update(state=State.CANCELLED)
    restores.filter(state__in=(State.APPROVED, State.RUNNING)).update(state=State.FAILED, failure=OVER)
    restores.filter(state=State.DONE).update(state=State.ACCEPTED)
    running = Backup.objects.filter(state__in=(Backup.State.WAITING, Backup.State.RUNNING))
    running.update(state=Backup.State.FAILED, failure=OVER)
    with suppress(maintenance.Refused):
        maintenance.end(kind=maintenance.Kind.RESTORE)


def _on_record(key: str) -> Backup:
    """The row of the backup itself, which in its own dump is still being made."""
    store = stores.primary()
    found, digest = reading.manifest_and_digest(store, key)
    known: dict[str, Any] = {
        "key": key,
        "kind": found.kind,
        "type": found.type,
        "name": found.name,
        "environment": found.environment,
        "state": Backup.State.COMPLETE,
        "as_of": found.as_of,
        "finished_at": found.made_at,
        "keep_until": found.keep_until,
        "size": found.size,
        "manifest_sha256": digest,
        "stores": [store.name],
        "failure": "",
    }
    return Backup.objects.update_or_create(pk=found.id, defaults=known)[0]
