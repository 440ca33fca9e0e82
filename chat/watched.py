"""The tables of this app whose changes are on record, and what of them is shown.

A field that is named in neither list is recorded as a keyed digest. Passages and the word index are made from the
versions, and citations are part of the answer whose digest is recorded with the turn.
"""

from __future__ import annotations

from chat.models import (
    Calibration,
    Collection,
    Conversation,
    Document,
    DocumentVersion,
    DrugTable,
    EmbeddingIndex,
    Feedback,
    Finding,
    InteractionAlert,
    InteractionCheck,
    LabelledQuestion,
    LocalInteraction,
    Release,
    Turn,
    Upload,
)
from compliance import audit


def register() -> None:
    audit.watch(Conversation, shown=("id", "author", "created_at"), ignored=("updated_at",))
    audit.watch(
        Turn,
        shown=("id", "conversation", "number", "status", "reason", "created_at", "finished_at"),
        ignored=("submission", "deadline_at"),
    )
    audit.watch(Feedback, shown=("turn", "helpful", "reasons", "created_at"), object_id="turn")
    audit.watch(
        Collection,
        shown=("id", "slug", "name", "starter", "readers", "departments"),
        ignored=("live_chunks", "live_length"),
    )
    audit.watch(Document, shown=[f.name for f in Document._meta.concrete_fields])  # noqa: SLF001  # documented by Django
    audit.watch(
        DocumentVersion,
        shown=[f.name for f in DocumentVersion._meta.concrete_fields if f.name not in {"text", "pages"}],  # noqa: SLF001  # as above
        ignored=("pages",),
    )
    audit.watch(Finding, shown=("id", "version", "kind", "label", "settled_by", "settled_at"))
    audit.watch(
        Upload,
        shown=("id", "collection", "document", "size", "sha256", "ocr", "state", "created_at", "created_by", "read_at"),
        ignored=("content", "deadline_at"),
    )
    audit.watch(
        Release,
        shown=[f.name for f in Release._meta.concrete_fields if f.name != "reason"],  # noqa: SLF001  # as above
    )
    audit.watch(LabelledQuestion, shown=("id", "collection", "external_id", "relevant", "added_at", "added_by"))
    audit.watch(EmbeddingIndex, shown=("id", "model", "dimensions", "state", "activated_at"))
    audit.watch(Calibration, shown=("id", "at", "active", "asked", "threshold", "release"))
    audit.watch(
        DrugTable,
        shown=("id", "version", "sha256", "added_at", "added_by", "applied_at", "applied_by", "in_use"),
        ignored=("packed",),
    )
    audit.watch(LocalInteraction, shown=[f.name for f in LocalInteraction._meta.concrete_fields if f.name != "reason"])  # noqa: SLF001  # as above
    audit.watch(
        InteractionCheck,
        shown=("id", "by", "turn", "at", "where", "table", "from_backup", *InteractionCheck.COUNTS),
    )
    audit.watch(InteractionAlert, shown=("id", "check_made", "severity", "response", "reason", "responded_at"))
