"""Celery tasks. They take ids only: no text may ever reach the broker."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import current_app, shared_task
from celery.signals import task_failure, worker_process_init

from clinchat.lib.queues import Queues


@shared_task(queue=Queues.ANSWERS, soft_time_limit=50, time_limit=55)
def answer_turn(turn_id: str) -> None:
    from chat import streams
    from chat.pipeline.run import run

    pk = UUID(turn_id)
    if run(pk, publish=streams.publisher(pk)):
        streams.publish_ending(pk)


@task_failure.connect(sender=answer_turn)
def _worker_died(exception: BaseException, args: Any, **_: Any) -> None:
    """Runs in the parent of a killed worker process: its reader learns at once instead of after the lease."""
    from chat import services
    from chat.pipeline.errors import Lost
    from compliance import audit

    if isinstance(exception, (WorkerLostError, TimeLimitExceeded)):
        with audit.bind(kind=audit.ActorKind.SERVICE, name="worker"):
            services.fail(turn_id=UUID(args[0]), reason=Lost.__name__)


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=50, time_limit=60)
def fail_lost_answers() -> None:
    from chat import services

    services.fail_lost()


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=290, time_limit=300)
def forget_values() -> None:
    from chat import services

    services.forget_values()


@shared_task(queue=Queues.EMBEDDING, soft_time_limit=3600, time_limit=3660)
def embed_waiting_chunks() -> None:
    from chat.corpus import embedding

    embedding.embed_waiting()


@worker_process_init.connect
def _warm(**_: Any) -> None:
    """The first question must not wait for the model to load; a worker that answers none does without its memory."""
    if Queues.ANSWERS in current_app.amqp.queues.consume_from:
        from chat.llm import minilm

        minilm.warm()
