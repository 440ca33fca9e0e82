"""Celery tasks of compliance. Sealing and recovery have queues of their own: nothing holds them up, and their keys stay
with the processes that take them."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID

from celery import shared_task
from django.db.models import F

from clinchat.lib.queues import Queues
from compliance.continuity.refusals import StoreFailed

if TYPE_CHECKING:
    from compliance.models import AuditVerification

logger = logging.getLogger("clinchat.audit")


@shared_task(queue=Queues.SEALING, soft_time_limit=50, time_limit=60)
def seal_events() -> None:
    from compliance.audit import seal, signing

    try:
        seal.seal_all()
    except signing.KeyUnusable as error:
        logger.error("nothing is sealed: %s", error.line, extra={"code": "AUDIT_KEY"})


@shared_task(
    queue=Queues.RECOVERY,
    soft_time_limit=50,
    time_limit=60,
    autoretry_for=(StoreFailed,),
    default_retry_delay=60,
    max_retries=60,
)
def write_data_keys() -> None:
    """The copy of the data keys beside the backups, written anew; tried for an hour where a store does not answer."""
    from compliance.continuity.backup import key_copies

    key_copies.write()


@shared_task(queue=Queues.RECOVERY, soft_time_limit=6 * 3600 - 60, time_limit=6 * 3600)
def make_backup(backup_id: str) -> None:
    from compliance.continuity.backup import backups

    try:
        with suppress(backups.BackupFailed):  # it is on record, and told
            backups.make(backup_id)
            verify_backup(backup_id)
    except backups.NotWaiting:
        logger.warning("this backup was begun before", extra={"code": "BACKUP"})


@shared_task(queue=Queues.RECOVERY, soft_time_limit=6 * 3600 - 60, time_limit=6 * 3600)
def make_scheduled_backup() -> None:
    from compliance.continuity.backup import backups
    from compliance.models import Backup

    with suppress(backups.BackupFailed):  # it is on record, and told
        verify_backup(str(backups.create(type=Backup.Type.SCHEDULED).pk))


@shared_task(queue=Queues.RECOVERY, soft_time_limit=6 * 3600 - 60, time_limit=6 * 3600)
def verify_backup_again() -> None:
    """The one that was read back longest ago: a store may lose something without a word."""
    from compliance.models import Backup

    kept = Backup.objects.filter(state=Backup.State.COMPLETE)
    if (backup := kept.order_by(F("verified_at").asc(nulls_first=True), "as_of").first()) is not None:
        verify_backup(str(backup.pk))


@shared_task(queue=Queues.RECOVERY, soft_time_limit=6 * 3600 - 60, time_limit=6 * 3600)
def verify_backup(backup_id: str) -> None:
    from compliance.continuity import status_notice
    from compliance.continuity.backup import reading
    from compliance.continuity.refusals import ContinuityError
    from compliance.models import Backup

    backup = Backup.objects.get(pk=backup_id)
    try:
        reading.verify(backup.key)
    except ContinuityError as error:
        status_notice.unreadable(f"{backup.name}: {error.words}")


@shared_task(queue=Queues.RECOVERY, soft_time_limit=3600 - 60, time_limit=3600)
def prune_backups() -> None:
    from compliance.continuity.backup import pruning

    pruning.prune()


@shared_task(queue=Queues.RECOVERY, soft_time_limit=50, time_limit=60)
def settle_backups() -> None:
    from compliance.continuity.backup import backups

    backups.settle()
    backups.catch_up()


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=50, time_limit=60)
def tell_of_backups() -> None:
    from compliance.continuity import status_notice

    status_notice.send_weekly()


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=1770, time_limit=1800)
def purge_expired() -> None:
    from compliance.continuity.deletion import retention

    retention.purge(dry_run=False)


@shared_task(queue=Queues.SEALING, soft_time_limit=20, time_limit=30)
def make_months() -> None:
    from compliance.audit import partitions

    partitions.ensure()


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=290, time_limit=300)
def verify_recent() -> None:
    from compliance.models import AuditVerification

    _verify(AuditVerification.Scope.INCREMENTAL)


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=3500, time_limit=3600)
def verify_all() -> None:
    from compliance.models import AuditVerification

    _verify(AuditVerification.Scope.FULL)


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=170, time_limit=180)
def run_checks() -> None:
    from compliance.controls import running

    running.run_due()


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=170, time_limit=180)
def run_all_checks() -> None:
    from compliance.controls import running

    running.run_all()


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=50, time_limit=60)
def run_control(control_id: str) -> None:
    from compliance.controls import running

    running.run_control(control_id)


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=290, time_limit=300)
def make_monthly_report() -> None:
    from compliance.reports import monthly

    monthly.make_due()


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=50, time_limit=60)
def send_mail() -> None:
    from compliance import mail

    mail.send_waiting()


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=50, time_limit=60)
def remind_of_emergencies() -> None:
    from compliance.access import emergency

    emergency.remind()


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=50, time_limit=60)
def remind_of_mask_reports() -> None:
    from compliance import mask_reports

    mask_reports.remind()


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=290, time_limit=300)
def review_accounts() -> None:
    from compliance.access import people, role_changes

    role_changes.expire()
    people.close_dormant()


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=290, time_limit=300)
def review_roles() -> None:
    from compliance.access import recertification

    recertification.suspend_overdue()
    recertification.open_if_due()


def _verify(scope: AuditVerification.Scope) -> None:
    from compliance.audit import signing, verify

    try:
        verify.run(scope)
    except signing.KeyUnusable as error:
        logger.error("nothing is verified: %s", error.line, extra={"code": "AUDIT_KEY"})


@shared_task(queue=Queues.RECOVERY, soft_time_limit=1780, time_limit=1800)
def check_integrity() -> None:
    from compliance.continuity import integrity

    integrity.run()


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=50, time_limit=60)
def end_sessions() -> None:
    from compliance.access import sessions

    sessions.expire_all()


@shared_task(queue=Queues.RECOVERY, soft_time_limit=6 * 3600, time_limit=6 * 3600 + 600)
def run_restore(restore_id: str) -> None:
    from compliance.continuity.restore import restoring

    restoring.run(UUID(restore_id))


@shared_task(queue=Queues.RECOVERY, soft_time_limit=290, time_limit=300)
def settle_recovery() -> None:
    from compliance.continuity.restore import recovery

    recovery.settle()


@shared_task(queue=Queues.SEALING, soft_time_limit=50, time_limit=60)
def follow_plan() -> None:
    """Where no backup, drill or check holds it up: a maintenance begins at its time."""
    from compliance.continuity import planned

    planned.follow()


@shared_task(queue=Queues.RECOVERY, soft_time_limit=3 * 3600, time_limit=3 * 3600 + 600)
def run_drill() -> None:
    from compliance.continuity.drill import drills
    from compliance.continuity.restore import databases

    with suppress(databases.DrillInProgress):
        drills.run()


@shared_task(queue=Queues.RECOVERY, soft_time_limit=290, time_limit=300)
def run_keepers_checks() -> None:
    """Those that only the process with the backup key can make."""
    from compliance.controls import running

    running.run_due(keeper=True)
