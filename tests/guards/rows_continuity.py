"""What each address of backups, recovery and retention leaves in the audit trail; see test_event_matrix."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from clinchat.lib import clock
from compliance.models import Backup, Erasure, LegalHold, PlannedMaintenance, Restore
from tests import cast
from tests.guards.rows import READ, Row

SNAPSHOT = {"backup_id": "snapshot"}
RESTORE = {"restore_id": "restore"}
DECIDED = {"restore_id": "decided_restore"}
QUEUED = ("sensitive_read", "E")
MADE = ("sensitive_create", "C")
PLAN = {"plan_id": "plan"}
HOLD = {"hold_id": "hold"}
ERASURE = {"erasure_id": "erasure"}
PSEUDONYM = "P-0123456789abcde0"
ROWS: dict[str, Row] = {
    "continuity": Row(),
    "continuity-state": Row(),
    "continuity-backup": Row(leaves=(MADE,), post={}),
    "continuity-drill": Row(leaves=(QUEUED,), post={}),
    "snapshot-new": Row(),
    "snapshot": Row(arguments=SNAPSHOT),
    "snapshot-verify": Row(leaves=(QUEUED,), post={}, arguments=SNAPSHOT),
    "snapshot-restore": Row(post={}, arguments=SNAPSHOT),
    "restores": Row(),
    "rollback": Row(),
    "restore": Row(arguments=RESTORE),
    "restore-approve": Row(post={}, arguments=DECIDED),
    "restore-cancel": Row(leaves=(("sensitive_update", "U"),), post={}, arguments=RESTORE),
    "restore-accept": Row(post={}, arguments=DECIDED),
    "restore-undo": Row(post={}, arguments=DECIDED),
    "api-snapshots": Row(),
    "api-snapshot": Row(arguments=SNAPSHOT),
    "api-recovery-status": Row(),
    "api-restore": Row(),
    "api-restore-approve": Row(arguments=DECIDED),
    "api-restore-cancel": Row(arguments=DECIDED),
    "api-restore-accept": Row(arguments=DECIDED),
    "api-restore-undo": Row(arguments=DECIDED),
    "api-emergency-rollback": Row(),
    "maintenance": Row(),
    "maintenance-start": Row(post={}),
    "maintenance-end": Row(post={}),
    "maintenance-plan": Row(post={}),
    "maintenance-move": Row(post={}, arguments=PLAN),
    "maintenance-cancel": Row(leaves=(("sensitive_update", "U"),), post={}, arguments=PLAN),
    "api-maintenance": Row(),
    "api-maintenance-move": Row(),
    "api-maintenance-cancel": Row(),
    "retention": Row(),
    "holds": Row(leaves=(READ,)),
    "hold-new": Row(),
    "hold-end": Row(arguments=HOLD),
    "erasures": Row(leaves=(READ,)),
    "erasure-new": Row(),
    "erasure-approve": Row(post={}, arguments=ERASURE),
    "erasure-cancel": Row(leaves=(("sensitive_update", "U"),), post={}, arguments=ERASURE),
}


def things() -> dict[str, Any]:
    """One of everything these addresses can name."""
    now, ada, sam = clock.now(), cast.ada(), cast.sam()
    made = {"environment": "local", "state": "complete", "manifest_sha256": "0" * 64, "finished_at": now, "as_of": now}
    backup = Backup.objects.create(name="Matrix", **made)
    restore = Restore.objects.create(backup=backup, reason="Why not.", requested_by=ada)
    decided = Restore.objects.create(backup=backup, reason="Why not.", requested_by=ada, state="cancelled")
    hold = LegalHold.objects.create(kind="patient", subject=PSEUDONYM, reason="A claim.", placed_by=sam)
    coming = now + timedelta(days=9)
    plan = PlannedMaintenance.objects.create(reason="Moved.", starts_at=coming, until=coming + timedelta(hours=1))
    asked = Erasure.objects.create(kind="patient", subject=PSEUDONYM, reason="As asked.", requested_by=sam)
    return {
        "snapshot": backup.pk,
        "restore": restore.pk,
        "decided_restore": decided.pk,
        "plan": plan.pk,
        "hold": hold.pk,
        "erasure": asked.pk,
    }
