"""The extractive answerer: the best sentences of the best passages, word for word. No model writes anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chat.corpus import structure
from chat.llm import minilm
from chat.pipeline.types import Draft, Passage, Sentence

if TYPE_CHECKING:
    from chat.llm.minilm import Vectors

PASSAGES = 6
STATEMENTS = 4
WORDS = range(4, 91)
FLOOR = 0.30
"""Cosine with the question below which a sentence is never shown."""
NEAR_BEST = 0.80
"""Share of the best sentence's score a further one must reach."""
SAME = 0.90
"""Cosine of two sentences that say the same; the better one stays."""
PASSAGE_WEIGHT = 0.8


def extract(passages: Sequence[Passage], question: Sequence[float]) -> Draft:
    """At most STATEMENTS sentences: the best first, the others after it, by document and in the order of the source."""
    found = [item for passage in passages[:PASSAGES] for item in candidates(passage)]
    found = list({(p.version, start): (p, start, end) for p, start, end in reversed(found)}.values())[::-1]
    if not found:
        return Draft(())
    vectors = minilm.embed([f"{p.title}. {_slice(p, start, end)}" for p, start, end in found])
    cosines = [float(c) for c in vectors @ minilm.array(question)]
    scored = [
        (Sentence(p, _slice(p, start, end), start, end, cosine + PASSAGE_WEIGHT * p.score), cosine, i)
        for i, ((p, start, end), cosine) in enumerate(zip(found, cosines, strict=True))
    ]
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
