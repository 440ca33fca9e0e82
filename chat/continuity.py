"""The chat app's part of a restore: which models come from the backup, and what must not come back with them."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import models, transaction

from chat import releases, retention
from chat.models import (
    Calibration,
    Chunk,
    Citation,
    Collection,
    Conversation,
    Document,
    DocumentVersion,
    EmbeddingIndex,
    Evaluation,
    Feedback,
    Finding,
    IndexProof,
    InteractionAlert,
    InteractionCheck,
    LabelledQuestion,
    Listing,
    Posting,
    Release,
    ReleaseChange,
    Term,
    Turn,
    Upload,
    Vector,
    Word,
)
from compliance.continuity import plan
from compliance.continuity.restore.carry_over import PreviousDatabase, after_restore, restore_from_backup
from compliance.models import User

logger = logging.getLogger("clinchat.continuity")

STAYS: Final = {
    "DrugTable": "which release of the interaction table is in use was decided by people, for safety",
    "LocalInteraction": "a warning that two people put in force stays, and one that was ended does not return",
}
"""Models of this app that are carried over from the live database, and why."""
_WITHDRAWN: Final = """
SELECT DISTINCT ON (l.document_id) l.document_id, l.until_id, r.kind, r.reason, r.created_by_id
FROM chat_listing AS l LEFT JOIN chat_release AS r ON r.id = l.until_id
ORDER BY l.document_id, l.since_at DESC
"""
_MASKED: Final[dict[type[models.Model], tuple[str, ...]]] = {
    Conversation: ("title",),
    Turn: ("question", "spellings", "medicines", "days", "blocks", "evidence"),
    Feedback: ("comment",),
    InteractionCheck: ("result",),
    InteractionAlert: ("note",),
}
"""Fields that a report of missed words masks again, for good (chat.remasking). The first one tells whether it did."""


def _proven_at() -> datetime | None:
    return IndexProof.objects.order_by("at").values_list("at", flat=True).last()


def register() -> None:
    restore_from_backup(
        *(Calibration, Chunk, Citation, Collection, Conversation, Document, DocumentVersion, EmbeddingIndex),
        *(Evaluation, Feedback, Finding, IndexProof, InteractionAlert, InteractionCheck, LabelledQuestion, Listing),
        *(Posting, Release, ReleaseChange, Term, Turn, Upload, Vector, Word),
    )
    after_restore(keep_away)
    plan.recorded("chat.tasks.prove_index", _proven_at)


@transaction.atomic
def keep_away(previous: PreviousDatabase) -> None:
    """The after_restore hook: what was purged is removed again; later masking, the readers of documents and
    collections, and withdrawals of documents are applied again."""
    _purge(previous)
    for model, fields in _MASKED.items():
        _keep_words(previous, model, fields)
    for readable in (Collection, Document):
        _keep_readers(previous, readable)
    _withdraw(previous)


def _purge(previous: PreviousDatabase) -> None:
    """Remove what is not in the live database: users cannot delete a conversation, a check or a proof of the index, so
    it was purged or erased."""
    retention.remove_rows(_missing(previous, Conversation.objects.filter(created_at__lt=previous.as_of)))
    retention.remove_checks(_missing(previous, InteractionCheck.objects.filter(turn=None, at__lt=previous.as_of)))
    IndexProof.objects.filter(pk__in=_missing(previous, IndexProof.objects.filter(at__lt=previous.as_of))).delete()


def _missing(previous: PreviousDatabase, restored: models.QuerySet[Any]) -> list[Any]:
    """Primary keys of these restored rows that the live database does not have."""
    keys = list(restored.values_list("pk", flat=True))
    live = previous.rows(restored.model, keys=keys)
    return [pk for pk in keys if pk not in live]


def _keep_words(previous: PreviousDatabase, model: type[models.Model], fields: tuple[str, ...]) -> None:
    """Take over the live text where it differs: it was masked again since the backup."""
    live = previous.rows(model, fields[0])
    rows = model._default_manager  # noqa: SLF001  # documented by Django
    restored = rows.values_list("pk", fields[0]).iterator()
    differing = [pk for pk, text in restored if pk in live and live[pk] != (text,)]
    for pk, masked in previous.rows(model, *fields, keys=differing).items():
        rows.filter(pk=pk).update(**dict(zip(fields, masked, strict=True)))


def _keep_readers(previous: PreviousDatabase, model: type[Collection | Document]) -> None:
    """Take over who may read from the live database: that is an access decision, not content."""
    live = previous.rows(model, "readers", "departments")
    for row in model.objects.all():
        readers, departments = live.get(row.pk, (row.readers, row.departments))
        if (readers, departments) != (row.readers, row.departments):
            model.objects.filter(pk=row.pk).update(readers=readers, departments=departments)


def _withdraw(previous: PreviousDatabase) -> None:
    """Withdraw again the documents withdrawn since the backup, with the same person and reason."""
    withdrawn: dict[UUID, tuple[str, UUID | None, list[UUID]]] = {}
    for document, release, kind, reason, by in previous.live.execute(_WITHDRAWN):
        if kind == Release.Kind.WITHDRAWAL:
            withdrawn.setdefault(release, (reason, by, []))[2].append(document)
    for reason, who, documents in withdrawn.values():
        searched = Document.objects.filter(pk__in=documents, listings__until=None, listings__isnull=False)
        if again := list(searched.distinct()):
            releases.withdraw(documents=again, reason=reason, by=User.objects.filter(pk=who).first() if who else None)
            logger.warning("%d documents that were withdrawn stay withdrawn", len(again))
