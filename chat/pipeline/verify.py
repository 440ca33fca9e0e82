"""Reads every quote again from the stored version. What is not there byte for byte is not shown."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from chat.models import DocumentVersion
from chat.pipeline.types import Draft, Sentence, Verdict


def verify(draft: Draft, *, collections: Sequence[UUID]) -> Verdict:
    """Keep the sentences whose quote stands at its offsets in a version that is still published and still readable."""
    versions = DocumentVersion.objects.filter(
        pk__in={s.passage.version for s in draft.sentences},
        status=DocumentVersion.Status.PUBLISHED,
        document__collection__in=collections,
    )
    texts = dict(versions.values_list("pk", "text"))
    kept = tuple(s for s in draft.sentences if _stands(s, texts.get(s.passage.version)))
    return Verdict(kept, removed=len(draft.sentences) - len(kept))


def _stands(sentence: Sentence, stored: str | None) -> bool:
    return stored is not None and stored[sentence.start : sentence.end].encode() == sentence.text.encode()
