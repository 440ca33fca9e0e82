"""Writes down how a turn ended: answer, citations and evidence, all in one transaction or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction

from chat.corpus import structure
from chat.models import Citation, Turn
from chat.pipeline.types import Ending, Outcome, Passage, Question, Reader, Sentence
from clinchat import __version__
from clinchat.lib import clock

ANSWERER = "extractive-2"
MOST_UNKNOWN = 3
CLOSEST = 3
"""Passages shown, as no answer, when ClinChat abstains."""


def blocks(sentences: tuple[Sentence, ...], unknown: list[str]) -> list[dict[str, Any]]:
    """The answer as structured parts: the lead, then the other statements under the title of each further document.

    Words the library does not know end it: what is quoted cannot be about them.
    """
    parts: list[dict[str, Any]] = []
    document = sentences[0].passage.document if sentences else None
    for n, sentence in enumerate(sentences, 1):
        if sentence.passage.document != document:
            document = sentence.passage.document
            parts.append({"kind": "h3", "text": sentence.passage.title, "claim": "", "cites": []})
        kind = "p" if n == 1 else "li"
        parts.append({"kind": kind, "text": sentence.text, "claim": f"c{n}", "cites": [n]})
    return [*parts, *_about(unknown)] if sentences else parts


def _about(unknown: list[str]) -> list[dict[str, Any]]:
    if not unknown:
        return []
    named = ", ".join(f"“{word}”" for word in unknown[:MOST_UNKNOWN])
    text = f"No document contains {named}. Check the spelling; the statements above are about the rest."
    return [
        {"kind": "h3", "text": "Not in your library", "claim": "", "cites": []},
        {"kind": "p", "text": text, "claim": "", "cites": []},
    ]


def also(instead: Iterable[Sequence[str]]) -> list[str]:
    """What was searched besides the words of the question, as its reader is told: acetaminophen (for Tylenol)"""
    return [f"{searched} (for {asked})" for searched, asked in instead]


@transaction.atomic
def record(turn: Turn, *, question: Question, outcome: Outcome) -> bool:
    """Store the outcome of a running turn. False, and nothing is written, when somebody else has ended the turn, or has
    masked more of its question since it was read."""
    ended = Turn.objects.filter(pk=turn.pk, status=Turn.Status.RUNNING, question=turn.question).update(
        status=Turn.Status(outcome.ending.value),
        reason=outcome.reason,
        finished_at=clock.now(),
        blocks=blocks(outcome.verdict.kept, outcome.unknown),
        evidence=evidence(question, outcome),
    )
    if not ended:
        return False
    Citation.objects.bulk_create(_citations(turn, outcome))
    return True


def evidence(question: Question, outcome: Outcome) -> dict[str, Any]:
    """What is needed to produce the answer again, or to name what has changed since."""
    return {
        "app": __version__,
        "question_sha256": hashlib.sha256(question.text.encode()).hexdigest(),
        "answerer": ANSWERER,
        "embedding_model": outcome.model,
        "interactions": outcome.interactions,
        "collections": [str(c) for c in question.collections],
        "confidence": round(outcome.confidence, 4),
        "passages": [_passage(p) for p in outcome.passages],
        "removed": outcome.verdict.removed,
        "unknown": outcome.unknown,
        "missing": outcome.missing,
        "searched_also": [list(p) for p in outcome.understood.instead] if outcome.understood else [],
        "timings_ms": outcome.timings_ms,
    }


def forget(turn: Turn) -> None:
    """Keep of what an answer says about its question only words that are still in it. Does not save the turn."""
    if not turn.evidence:
        return
    named: list[str] = turn.evidence.get("unknown", [])
    readable = Question(turn.question, Reader(())).words
    left = [one for one in named if one in readable]
    if turn.blocks and named:
        turn.blocks = [*turn.blocks[: -len(_about(named))], *_about(left)]
    missing = [one for one in turn.evidence.get("missing", []) if one in turn.question]
    digest = hashlib.sha256(turn.question.encode()).hexdigest()
    # What was searched besides may have been made from the words that are masked now.
    kept = {"unknown": left, "missing": missing, "searched_also": [], "question_sha256": digest}
    turn.evidence = {**turn.evidence, **kept}


def _passage(passage: Passage) -> dict[str, Any]:
    return {
        "chunk": passage.chunk,
        "version": str(passage.version),
        "sha256": passage.sha256,
        "score": round(passage.score, 4),
        "dense": round(passage.dense, 4),
        "lexical": round(passage.lexical, 4),
    }


def _citations(turn: Turn, outcome: Outcome) -> list[Citation]:
    if outcome.ending is Ending.ABSTAINED:
        quoted = [(0, p, p.start, p.start + len(p.text), p.text) for p in best_of_each(outcome.passages)[:CLOSEST]]
    else:
        quoted = [(n, s.passage, s.start, s.end, s.text) for n, s in enumerate(outcome.verdict.kept, 1)]
    return [
        Citation(
            turn=turn,
            n=n,
            position=position,
            version_id=passage.version,
            chunk_id=passage.chunk,
            section=passage.section,
            page=structure.page_of(passage.pages, start),
            start=start,
            end=end,
            quote=quote,
            sha256=hashlib.sha256(quote.encode()).hexdigest(),
        )
        for position, (n, passage, start, end, quote) in enumerate(quoted, 1)
    ]


def best_of_each(passages: list[Passage]) -> list[Passage]:
    """The best passage of each document, the best document first."""
    best: dict[UUID, Passage] = {}
    for passage in passages:
        best.setdefault(passage.document, passage)
    return list(best.values())
