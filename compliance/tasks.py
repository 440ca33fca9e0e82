"""Celery tasks of the audit trail. Sealing has a queue of its own: nothing holds it up, and its key stays with it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from celery import shared_task

from clinchat.lib.queues import Queues

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


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=50, time_limit=60)
def end_sessions() -> None:
    from compliance.access import sessions

    sessions.expire_all()
