"""Celery tasks of the audit trail. Sealing has a queue of its own: nothing may hold it up, and its key is nobody else's."""

from __future__ import annotations

from celery import shared_task

from clinchat.lib.queues import Queues


@shared_task(queue=Queues.SEALING, soft_time_limit=50, time_limit=60)
def seal_events() -> None:
    from compliance.audit import seal

    seal.seal_all()


@shared_task(queue=Queues.SEALING, soft_time_limit=20, time_limit=30)
def make_months() -> None:
    from compliance.audit import partitions

    partitions.ensure()


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=290, time_limit=300)
def verify_recent() -> None:
    from compliance.audit import verify

    verify.run(verify.Scope.INCREMENTAL)


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=3500, time_limit=3600)
def verify_all() -> None:
    from compliance.audit import verify

    verify.run(verify.Scope.FULL)
