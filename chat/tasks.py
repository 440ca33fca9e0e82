"""Celery tasks. They take ids only: no text may ever reach the broker."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any
from uuid import UUID

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import current_app, shared_task
from celery.signals import task_failure, worker_process_init

from clinchat.lib.queues import Queues

EMBED_SECONDS = 50


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
    from compliance.continuity import maintenance, write_guard

    if not maintenance.just_over(write_guard.GRACE):  # what waited for it has its turn first
        services.fail_lost()


@shared_task(queue=Queues.EMBEDDING, soft_time_limit=1140, time_limit=1170)
def read_upload(upload_id: str) -> None:
    from chat import uploads

    uploads.read(UUID(upload_id))


@task_failure.connect(sender=read_upload)
def _reader_died(exception: BaseException, args: Any, **_: Any) -> None:
    """Runs in the parent of a killed worker process: another one may read the file at once."""
    from chat import uploads
    from compliance import audit

    if isinstance(exception, (WorkerLostError, TimeLimitExceeded)):
        with audit.bind(kind=audit.ActorKind.SERVICE, name="worker"):
            uploads.give_back(UUID(args[0]))


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=50, time_limit=60)
def read_lost_uploads() -> None:
    from chat import uploads
    from compliance.continuity import maintenance, write_guard

    if not maintenance.just_over(write_guard.GRACE):  # as above
        uploads.read_lost()


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=50, time_limit=60)
def keep_interactions_backup() -> None:
    from chat.interactions import current

    current.keep_fresh()


class _Enough(Exception):
    """The worker's other work waits."""


@shared_task(queue=Queues.EMBEDDING, soft_time_limit=3600, time_limit=3660)
def embed_waiting_chunks() -> None:
    """Not longer than EMBED_SECONDS at a stretch: the same worker reads what people upload. Beat goes on every minute.

    Once nothing waits, the imports that are complete are published, with the evaluation before it.
    """
    from chat import releases

    began = time.monotonic()

    def rest(_: int) -> None:
        if time.monotonic() - began > EMBED_SECONDS:
            raise _Enough

    with suppress(_Enough):
        releases.embed_waiting(progress=rest)


@shared_task(queue=Queues.EMBEDDING, soft_time_limit=1770, time_limit=1800)
def follow_release(release_id: str) -> None:
    from chat import calibration

    calibration.follow(UUID(release_id))


@shared_task(queue=Queues.EMBEDDING, soft_time_limit=1770, time_limit=1800)
def evaluate_collection(collection_id: str) -> None:
    from chat import gate

    gate.evaluate_if_any(UUID(collection_id))


@shared_task(queue=Queues.EMBEDDING, soft_time_limit=3570, time_limit=3600)
def prove_index() -> None:
    from chat import index_proof

    index_proof.prove()


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=110, time_limit=120)
def offer_interaction_table() -> None:
    """Take in the release of a new image, to be read and applied by an editor."""
    from chat.interactions import releases

    releases.offer_shipped()


@shared_task(queue=Queues.MAINTENANCE, soft_time_limit=50, time_limit=60)
def remind_of_interaction_changes() -> None:
    from chat.interactions import changes

    changes.remind()


@worker_process_init.connect
def _warm(**_: Any) -> None:
    """The first question must not wait for the model to load; a worker that answers none does without its memory."""
    if Queues.ANSWERS in current_app.amqp.queues.consume_from:
        from chat import starting
        from chat.corpus import vectors
        from chat.llm import encoders

        starting.load_interactions()
        encoders.get(vectors.active().model).embed_query("warm")
