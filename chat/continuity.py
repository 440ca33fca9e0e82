"""What a restore does to conversations and the knowledge base: what goes back, what stays, what must not come back."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Final
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
from compliance.continuity.restore.keeping import Old, after_restore, takes_back
from compliance.models import User

logger = logging.getLogger("clinchat.continuity")

STAYS: Final = {
    "DrugTable": "which release of the interaction table is in use was decided by people, for safety",
    "LocalInteraction": "a warning that two people put in force stays, and one that was ended does not return",
}
"""Models of this app that a restore leaves as they are, and why."""
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
"""What a report of missed words changes, for good (chat.remasking). The first field tells whether it did."""


def _proven_at() -> datetime | None:
    return IndexProof.objects.order_by("at").values_list("at", flat=True).last()


def register() -> None:
    takes_back(
        *(Calibration, Chunk, Citation, Collection, Conversation, Document, DocumentVersion, EmbeddingIndex),
        *(Evaluation, Feedback, Finding, IndexProof, InteractionAlert, InteractionCheck, LabelledQuestion, Listing),
        *(Posting, Release, ReleaseChange, Term, Turn, Upload, Vector, Word),
    )
    after_restore(keep_away)
    plan.recorded("chat.tasks.prove_index", _proven_at)


@transaction.atomic
def keep_away(old: Old) -> None:
    """Purged conversations stay purged, masked words masked, readers that were shut out outside, and withdrawn
    documents withdrawn."""
    _purge(old)
    for model, fields in _MASKED.items():
        _keep_words(old, model, fields)
    for readable in (Collection, Document):
        _keep_readers(old, readable)
    _withdraw(old)


def _purge(old: Old) -> None:
    """Nobody can delete a conversation: one that is no longer there was removed after its time, or erased."""
    there = old.rows(Conversation)
    made = Conversation.objects.filter(created_at__lt=old.as_of).values_list("pk", flat=True)
    retention.remove_rows([pk for pk in made if pk not in there])


def _keep_words(old: Old, model: type[models.Model], fields: tuple[str, ...]) -> None:
    """A text that differs was masked again since: the words that were missed must not stand there anew."""
    was = old.rows(model, fields[0])
    rows = model._default_manager  # noqa: SLF001  # documented by Django
    told = rows.values_list("pk", fields[0]).iterator()
    other = [pk for pk, text in told if pk in was and was[pk] != (text,)]
    for pk, masked in old.rows(model, *fields, keys=other).items():
        rows.filter(pk=pk).update(**dict(zip(fields, masked, strict=True)))


def _keep_readers(old: Old, model: type[Collection | Document]) -> None:
    """Who may read is no content: as it was decided last."""
    was = old.rows(model, "readers", "departments")
    for row in model.objects.all():
        readers, departments = was.get(row.pk, (row.readers, row.departments))
        if (readers, departments) != (row.readers, row.departments):
            model.objects.filter(pk=row.pk).update(readers=readers, departments=departments)


def _withdraw(old: Old) -> None:
    """Take out again what was withdrawn since, in the name of whoever did, with their reason."""
    withdrawn: dict[UUID, tuple[str, UUID | None, list[UUID]]] = {}
    for document, release, kind, reason, by in old.live.execute(_WITHDRAWN):
        if kind == Release.Kind.WITHDRAWAL:
            withdrawn.setdefault(release, (reason, by, []))[2].append(document)
    for reason, who, documents in withdrawn.values():
        searched = Document.objects.filter(pk__in=documents, listings__until=None, listings__isnull=False)
        if again := list(searched.distinct()):
            releases.withdraw(documents=again, reason=reason, by=User.objects.filter(pk=who).first() if who else None)
            logger.warning("%d documents that were withdrawn stay withdrawn", len(again))
