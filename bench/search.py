"""Labelled questions asked of the product's own stages, and what came of them; shared by the measurements."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.data import table
from chat.models import Collection
from chat.pipeline import retrieve, understand
from chat.pipeline.types import Passage, Question, Reader, Understanding


@dataclass
class Asked:
    """A labelled question, what was made of it, its passages in the order of fusion, and milliseconds by stage."""

    id: str
    kind: str
    answerable: bool
    relevant: Mapping[str, int]
    text: str
    understood: Understanding
    passages: list[Passage]
    ms: dict[str, float] = field(default_factory=dict)


def ask_all(labelled: Sequence[Mapping[str, Any]], collection: Collection) -> list[Asked]:
    return [ask(row, collection) for row in labelled]


def ask(row: Mapping[str, Any], collection: Collection) -> Asked:
    """As the pipeline asks it, up to and without the reranking."""
    question = Question(row["question"], Reader((collection.pk,), everything=True))
    moments = [time.perf_counter()]
    understood = understand.understand(question)
    moments.append(time.perf_counter())
    vector = retrieve.embed(*(reading.text for reading in understood.readings))
    moments.append(time.perf_counter())
    passages = retrieve.retrieve(question, vector, understood)
    moments.append(time.perf_counter())
    stages = ("understand", "embed", "retrieve")
    ms = {stage: (b - a) * 1000 for stage, a, b in zip(stages, moments, moments[1:], strict=False)}
    relevant = row["relevant"]
    return Asked(row["id"], row["kind"], row["answerable"], relevant, row["question"], understood, passages, ms)


def graded(relevant: Mapping[str, int], ranked: Sequence[str]) -> dict[str, float]:
    """nDCG@10 with gain 2^grade - 1, recall@5 and @10 (of at most so many), MRR@10 and hit@5 of documents in order."""
    ranked = list(dict.fromkeys(ranked))
    gains = [2 ** relevant.get(d, 0) - 1 for d in ranked[:10]]
    best = sorted((2**g - 1 for g in relevant.values()), reverse=True)[:10]
    dcg, ideal = (sum(g / math.log2(i + 2) for i, g in enumerate(gs)) for gs in (gains, best))
    hits = [i for i, d in enumerate(ranked[:10]) if d in relevant]
    return {
        "nDCG@10": dcg / ideal,
        "recall@5": sum(i < 5 for i in hits) / min(5, len(relevant)),
        "recall@10": len(hits) / min(10, len(relevant)),
        "MRR@10": 1 / (hits[0] + 1) if hits else 0.0,
        "hit@5": float(bool(hits) and hits[0] < 5),
    }


def by_kind(asked: Sequence[Asked], ranked: Mapping[str, Sequence[str]]) -> dict[str, dict[str, float]]:
    """Mean figures of the answerable questions, all of them and kind by kind."""
    kinds: dict[str, list[dict[str, float]]] = {"all": []}
    for one in asked:
        if one.answerable:
            figures = graded(one.relevant, ranked.get(one.id, []))
            kinds["all"].append(figures)
            kinds.setdefault(one.kind, []).append(figures)
    return {
        kind: {"n": float(len(rows)), **{name: sum(r[name] for r in rows) / len(rows) for name in rows[0]}}
        for kind, rows in kinds.items()
        if rows
    }


def print_figures(figures: Mapping[str, Mapping[str, float]]) -> None:
    names = ["nDCG@10", "recall@5", "recall@10", "MRR@10", "hit@5"]
    rows = [[kind, f"{row['n']:.0f}", *(f"{row[name]:.3f}" for name in names)] for kind, row in figures.items()]
    table(["questions", "n", *names], rows)
