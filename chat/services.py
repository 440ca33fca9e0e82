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

from chat import remasking, streams, tasks
from chat.models import Conversation, Feedback, Turn
from chat.pipeline.errors import Lost, NotQueued
from clinchat.lib import clock
from compliance import mask_reports, masking, phi, vault
from compliance.mask_reports import Reported
from compliance.models import MaskReport, User
from compliance.models.masking import LONGEST_NOTE
from compliance.phi.cover import blank

logger = logging.getLogger(__name__)

QUEUE_PATIENCE = timedelta(minutes=5)
"""A question nobody has picked up by then is taken for lost."""
TITLE_LENGTH = 80


class StillAnswering(Exception):
    """The conversation's last question has no answer yet; one at a time."""


class NotRetriable(Exception):
    """The turn did not fail, or a later question was already asked."""


class NotMasked(Exception):
    """Nothing in the question is masked with this token."""


def ask(
    *,
    author: User,
    text: str,
    submission: UUID,
    conversation: Conversation | None = None,
    medicines: Sequence[str] = (),
) -> Turn:
    """Mask a question, store it and hand it to a worker. The same `submission` twice gives the first turn again.

    `medicines` are the patient's, as chat.medicines read them: names of the table, or masked. Nothing is stored or sent
    when masking fails. Raises phi.PhiUnavailable and StillAnswering.
    """
    known = vault.known(conversation.pk) if conversation else ()
    masked = masking.mask(text, known, where="question")
    try:
        with transaction.atomic():
            if conversation:
                conversation = Conversation.objects.select_for_update().get(pk=conversation.pk)
                masked, known = _as_it_stands(text, masked, known, conversation.pk, where="question")
            days = phi.intervals((*known, *masked.new))
            turn = _store(author, masked, submission, conversation, days, medicines)
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


def medicines(conversation: Conversation) -> str:
    """The patient's medicines beside its last question, one a line: they stand beside the next one as well."""
    last = conversation.turns.order_by("-number").values_list("medicines", flat=True).first()
    return "\n".join(last or ())


def _store(
    author: User,
    masked: phi.Masked,
    submission: UUID,
    conversation: Conversation | None,
    days: dict[str, int],
    medicines: Sequence[str],
) -> Turn:
    now = clock.now()
    if conversation is None:
        conversation = Conversation.objects.create(author=author, title=_title(masked.text))
    else:
        conversation.updated_at = now
        conversation.save(update_fields=["updated_at"])
    vault.store(conversation.pk, masked.new)
    last: int | None = conversation.turns.aggregate(last=Max("number"))["last"]
    return Turn.objects.create(
        conversation=conversation,
        number=(last or 0) + 1,
        submission=submission,
        question=masked.text,
        spellings=remasking.spellings(masked),
        medicines=list(medicines),
        days=remasking.days_beside(masked.text, days),
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
    text, scope = "", turn.conversation_id
    known = vault.known(scope) if comment else ()
    masked = masking.mask(comment, known, where="comment") if comment else None
    with transaction.atomic():
        if masked:
            Conversation.objects.select_for_update().get(pk=scope)
            masked, _ = _as_it_stands(comment, masked, known, scope, where="comment")
            vault.store(scope, masked.new)
            text = masked.text
        feedback, _ = Feedback.objects.update_or_create(
            turn=turn, defaults={"helpful": helpful, "reasons": list(reasons), "comment": text}
        )
    return feedback


def report_missed(*, turn: Turn, words: str, label: str = "", note: str = "") -> MaskReport:
    """Mask words that masking missed, at once and in the whole conversation, and report them to the privacy team.

    An answer that is being written from them is stopped. `label` is a phi.Label, or empty when its author cannot say.
    Raises remasking.NotThere and AlreadyMasked, and phi.PhiUnavailable for a note that cannot be masked.
    """
    author, scope, known = turn.conversation.author, turn.conversation_id, vault.known(turn.conversation_id)
    note = _note(note, words, known)
    with transaction.atomic():
        done = remasking.cover(turn, words=words, label=phi.Label(label or phi.Label.OTHER_ID))
        Conversation.objects.filter(pk=scope).update(title=_title(done.first_question))
        for changed in done.turns:
            transaction.on_commit(partial(streams.forget, changed))
            _end(changed, Turn.Status.STOPPED)
        missed = Reported(mask_reports.Kind.MISSED, scope, turn.pk, done.token, words, label, note)
        return mask_reports.file(missed, by=author)


def report_wrong(*, turn: Turn, token: str, note: str = "") -> MaskReport:
    """Report something masked that is no identifier; it stays masked. Raises NotMasked and phi.PhiUnavailable."""
    author, scope, known = turn.conversation.author, turn.conversation_id, vault.known(turn.conversation_id)
    entity = next((e for e in known if e.token == token and e.value), None)
    if entity is None or token not in phi.tokens_of(turn.question):
        raise NotMasked
    note = _note(note, entity.value, known)
    wrong = Reported(mask_reports.Kind.WRONG, scope, turn.pk, token, entity.value, entity.label, note)
    return mask_reports.file(wrong, by=author)


def _note(note: str, words: str, known: Sequence[phi.Entity]) -> str:
    """For the privacy team: without the words themselves, and without what is masked in the conversation."""
    return masking.note(blank(note, words, "…"), known, where="mask-report")[:LONGEST_NOTE]


def _as_it_stands(
    text: str, masked: phi.Masked, known: Sequence[phi.Entity], scope: UUID, *, where: str
) -> tuple[phi.Masked, tuple[phi.Entity, ...]]:
    """What was masked before its conversation was locked, with what others stored and reported in between; and what is
    known now. To be called under that lock. Raises phi.PhiUnavailable."""
    now = vault.known(scope)
    if now != known:
        masked = masking.mask(text, now, where=where)
    return remasking.cover_reported(masked, now, scope), now


def _title(masked: str) -> str:
    title = " ".join(masked.split())
    return title if len(title) <= TITLE_LENGTH else title[:TITLE_LENGTH].rsplit(" ", 1)[0] + "…"
