"""Celery tasks of training and approvals."""

from __future__ import annotations

from celery import shared_task

from clinchat.lib.queues import Queues


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=50, time_limit=60)
def keep_clearances() -> None:
    from training import clearing

    clearing.settle_suspects()


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=1700, time_limit=1800)
def keep_all_clearances() -> None:
    from training import clearing

    clearing.settle_everybody()


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=50, time_limit=60)
def finish_overdue_attempts() -> None:
    from training import attempts

    attempts.finish_overdue()


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=290, time_limit=300)
def remind_of_requests() -> None:
    from training.approvals import reminding

    reminding.remind()


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=590, time_limit=600)
def remind_of_training() -> None:
    from training import reminding, security_reminders

    reminding.remind()
    security_reminders.remind()


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=110, time_limit=120)
def send_statements() -> None:
    from training import statements

    statements.send_waiting()
