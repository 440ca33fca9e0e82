"""The only writers of conversations. The database records each change in the transaction that makes it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Max
from kombu.exceptions import OperationalError

from chat import streams, tasks
from chat.models import Conversation, Feedback, Turn
from chat.pipeline.errors import Lost, NotQueued
from clinchat.lib import clock
from compliance import logs, phi, vault
from compliance.models import User

logger = logging.getLogger(__name__)

QUEUE_PATIENCE = timedelta(minutes=5)
"""A question nobody has picked up by then is taken for lost."""
TITLE_LENGTH = 80


class StillAnswering(Exception):
    """The conversation's last question has no answer yet; one at a time."""


class NotRetriable(Exception):
    """The turn did not fail, or a later question was already asked."""


def ask(*, author: User, text: str, submission: UUID, conversation: Conversation | None = None) -> Turn:
    """Mask a question, store it and hand it to a worker. The same `submission` twice gives the first turn again.

    Nothing is stored or sent when masking fails. Raises phi.PhiUnavailable and StillAnswering.
    """
    known = vault.known(conversation.pk) if conversation else ()
    masked = phi.mask(text, known)
    logs.phi_detected(masked.spans, where="question")
    try:
        with transaction.atomic():
            turn = _store(author, masked, submission, conversation)
            transaction.on_commit(partial(streams.publisher(turn.pk), "masked", {"count": len(masked.spans)}))
            transaction.on_commit(partial(_dispatch, turn.pk))
    except IntegrityError:
        first = Turn.objects.filter(submission=submission, conversation__author=author).first()
        if first is not None:
            return first
        if _is_taken(submission, conversation):
            raise StillAnswering from None
        raise  # not a person's doing: the audit trail, for one, refused its event
    return turn


def _store(author: User, masked: phi.Masked, submission: UUID, conversation: Conversation | None) -> Turn:
    now = clock.now()
    if conversation is None:
        conversation = Conversation.objects.create(author=author, title=_title(masked.text))
    else:
        conversation = Conversation.objects.select_for_update().get(pk=conversation.pk)
        conversation.updated_at = now
        conversation.save(update_fields=["updated_at"])
    vault.store(conversation.pk, masked.new)
    last: int | None = conversation.turns.aggregate(last=Max("number"))["last"]
    return Turn.objects.create(
        conversation=conversation,
        number=(last or 0) + 1,
        submission=submission,
        question=masked.text,
        deadline_at=now + QUEUE_PATIENCE,
    )


def _is_taken(submission: UUID, conversation: Conversation | None) -> bool:
    """Whether the form is somebody else's, or the conversation's last question is not answered yet."""
    if Turn.objects.filter(submission=submission).exists():
        return True
    return conversation is not None and Turn.objects.unfinished().filter(conversation=conversation).exists()


def _dispatch(turn_id: UUID) -> None:
    try:
        tasks.answer_turn.delay(str(turn_id))
    except OperationalError as error:
        logger.warning("turn %s not queued: %s", turn_id, type(error).__name__)
        fail(turn_id=turn_id, reason=NotQueued.__name__)


def stop(*, turn: Turn) -> bool:
    """End an unfinished turn at its author's wish. False when it had already ended."""
    return _end(turn.pk, Turn.Status.STOPPED)


def fail(*, turn_id: UUID, reason: str) -> bool:
    """End an unfinished turn as failed, so that its author can retry it. False when it had already ended."""
    return _end(turn_id, Turn.Status.FAILED, reason=reason)


def fail_lost() -> int:
    """End every turn whose worker died or never came. Returns how many."""
    return sum(fail(turn_id=pk, reason=Lost.__name__) for pk in Turn.objects.lost().values_list("pk", flat=True))


def _end(turn_id: UUID, status: Turn.Status, *, reason: str = "") -> bool:
    with transaction.atomic():
        ended = Turn.objects.filter(pk=turn_id, status__in=Turn.UNFINISHED).update(
            status=status, reason=reason, finished_at=clock.now()
        )
        if not ended:
            return False
        transaction.on_commit(partial(streams.publish_ending, turn_id))
    return True


def retry(*, turn: Turn) -> Turn:
    """Queue a failed or stopped turn again. Raises NotRetriable, and StillAnswering while another one is unfinished."""
    try:
        with transaction.atomic():
            queued = Turn.objects.filter(pk=turn.pk, status__in=[Turn.Status.FAILED, Turn.Status.STOPPED]).update(
                status=Turn.Status.QUEUED,
                reason="",
                finished_at=None,
                deadline_at=clock.now() + QUEUE_PATIENCE,
            )
            if not queued:
                raise NotRetriable
            streams.forget(turn.pk)
            transaction.on_commit(partial(_dispatch, turn.pk))
    except IntegrityError:
        if Turn.objects.unfinished().filter(conversation=turn.conversation_id).exists():
            raise StillAnswering from None
        raise
    return turn


def rate(*, turn: Turn, helpful: bool, reasons: Sequence[str] = (), comment: str = "") -> Feedback:
    """Store what the author thought of an answer, replacing an earlier word. The comment is masked first.

    Raises phi.PhiUnavailable.
    """
    masked = phi.mask(comment, vault.known(turn.conversation_id))
    logs.phi_detected(masked.spans, where="comment")
    with transaction.atomic():
        vault.store(turn.conversation_id, masked.new)
        feedback, _ = Feedback.objects.update_or_create(
            turn=turn, defaults={"helpful": helpful, "reasons": list(reasons), "comment": masked.text}
        )
    return feedback


def _title(masked: str) -> str:
    title = " ".join(masked.split())
    return title if len(title) <= TITLE_LENGTH else title[:TITLE_LENGTH].rsplit(" ", 1)[0] + "…"
