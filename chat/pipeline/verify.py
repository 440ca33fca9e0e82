"""Reads every quote again from the stored version. What is not there byte for byte is not shown."""

from __future__ import annotations

from chat.models import DocumentVersion
from chat.pipeline.types import Draft, Question, Sentence, Verdict


def verify(draft: Draft, question: Question) -> Verdict:
    """Keep the sentences whose quote stands at its offsets in a version that the reader may still read, and that is
    searched: now, or when the question asks as of."""
    versions = DocumentVersion.objects.readable_by(question.reader)
    if question.as_of:
        versions = versions.as_of(question.as_of)
    else:
        versions = versions.filter(status=DocumentVersion.Status.PUBLISHED)
    versions = versions.filter(pk__in={s.passage.version for s in draft.sentences})
    texts = dict(versions.values_list("pk", "text"))
    kept = tuple(s for s in draft.sentences if _stands(s, texts.get(s.passage.version)))
    return Verdict(kept, removed=len(draft.sentences) - len(kept))


def _stands(sentence: Sentence, stored: str | None) -> bool:
    return stored is not None and stored[sentence.start : sentence.end].encode() == sentence.text.encode()
