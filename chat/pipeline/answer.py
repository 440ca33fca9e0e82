"""The extractive answerer: the best sentences of the best passages, word for word. No model writes anything."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from chat.corpus import structure
from chat.llm import encoders
from chat.pipeline.types import Draft, Passage, Sentence, Vectored

if TYPE_CHECKING:
    from chat.llm.network import Vectors

PASSAGES = 4
STATEMENTS = 4
WORDS = range(4, 91)
FLOOR = 0.30
"""Cosine with the question below which a sentence is never shown."""
NEAR_BEST = 0.80
"""Share of the best sentence's score a further one must reach."""
SAME = 0.90
"""Cosine of two sentences that say the same; the better one stays."""
PASSAGE_WEIGHT = 0.08
"""What a passage ranked lower costs its sentences, for each point of the reranking's score behind the best."""
BESIDE = 1.0
"""Points a passage that was not found itself, but stands beside one that was, is behind that one."""
OVERLAP_WEIGHT = 0.3
"""What holding all the question's words adds to a sentence's score."""
DANGLING_PENALTY = 0.15
"""Taken from a sentence that leans on the one before it and would mislead alone."""
DANGLING = re.compile(
    r"(?:it|this|these|those|they|he|she|such|other|both|there|then|his|her|their|its|however|therefore|moreover"
    r"|furthermore|in addition|also|but|and|background:|methods?:|objective)\b",
    re.IGNORECASE,
)
STEM = 6
"""Letters of a word that are compared: enough to join "reverse" and "reversal", too few for a stemmer."""
IDLE_WORDS = (
    "the and for with from that this are was were can could should would may must does did has "
    "have had not what how who when where which why patient patients give given"
)
IDLE = frozenset(IDLE_WORDS.split())


def extract(passages: Sequence[Passage], question: str, vector: Vectored, *, beside: Sequence[Passage] = ()) -> Draft:
    """At most STATEMENTS sentences: the best first, the others after it, by document and in the order of the source.

    A sentence scores by likeness to the question, by the question's words it holds, and by its passage's score. Those
    `beside` the best passages may be quoted from too: an answer may go on where a passage was cut.
    """
    best = max((p.score for p in passages), default=0.0)
    read = [*passages[:PASSAGES], *(replace(p, score=p.score - BESIDE) for p in beside)]
    once: dict[tuple[UUID, int], tuple[Passage, int, int]] = {}  # passages overlap
    for item in (item for passage in read for item in candidates(passage)):
        once.setdefault((item[0].version, item[1]), item)
    found = list(once.values())
    if not found:
        return Draft(())
    vectors = encoders.get(vector.model).embed_passages(
        [f"{p.title}. {_slice(p, start, end)}" for p, start, end in found]
    )
    cosines = [float(c) for c in vectors @ encoders.array(vector.values)]
    asked = words(question)
    scored = []
    for i, ((p, start, end), cosine) in enumerate(zip(found, cosines, strict=True)):
        text = _slice(p, start, end)
        score = cosine + PASSAGE_WEIGHT * (p.score - best)
        score += OVERLAP_WEIGHT * len(asked & words(text)) / max(len(asked), 1)
        score -= DANGLING_PENALTY if DANGLING.match(text) else 0
        scored.append((Sentence(p, text, start, end, score), cosine, i))
    return Draft(_reading_order(_choose(scored, vectors)))


def candidates(passage: Passage) -> list[tuple[Passage, int, int]]:
    """Spans (in the version's text) of sentences worth quoting. A line that introduces a list takes its items along."""
    spans = list(structure.sentences(passage.text))
    found = []
    i = 0
    while i < len(spans):
        start, end = spans[i]
        i += 1
        if passage.text[end - 1] == ":":
            while i < len(spans) and passage.text[spans[i][0] - 2 : spans[i][0]].strip() in structure.BULLETS:
                if len(passage.text[start : spans[i][1]].split()) not in WORDS:
                    break
                end = spans[i][1]
                i += 1
        text = passage.text[start:end]
        if len(text.split()) in WORDS and text[-1] not in "?:" and not structure.is_attribution(text):
            found.append((passage, passage.start + start, passage.start + end))
    return found


def words(text: str) -> set[str]:
    """The words that carry meaning, cut to STEM letters."""
    return {w[:STEM] for w in re.findall(r"\w{2,}", text.lower()) if w not in IDLE}


def _slice(passage: Passage, start: int, end: int) -> str:
    return passage.text[start - passage.start : end - passage.start]


def _choose(scored: list[tuple[Sentence, float, int]], vectors: Vectors) -> list[Sentence]:
    chosen: list[tuple[Sentence, int]] = []
    for sentence, cosine, i in sorted(scored, key=lambda item: -item[0].score):
        if cosine < FLOOR or (chosen and sentence.score < NEAR_BEST * chosen[0][0].score):
            continue
        if all(float(vectors[i] @ vectors[j]) < SAME for _, j in chosen):
            chosen.append((sentence, i))
        if len(chosen) == STATEMENTS:
            break
    return [sentence for sentence, _ in chosen]


def _reading_order(chosen: list[Sentence]) -> tuple[Sentence, ...]:
    documents = list(dict.fromkeys(s.passage.document for s in chosen))
    rest = sorted(chosen[1:], key=lambda s: (documents.index(s.passage.document), s.start))
    return (*chosen[:1], *rest)
