"""Orders the retrieved passages by the scores themselves, not only by their ranks, and judges whether they suffice.

The numbers are fitted on labelled questions and can be fitted again with bench/fit.py; they are data, not taste.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from chat.pipeline.types import Passage

COVERAGE_WEIGHT = 0.3
"""How much holding the question's rare words adds to likeness of meaning (both 0 to 1)."""
INTERCEPT, DENSE, COVERAGE = -6.589, 8.899, 4.202
"""Logistic regression on `signals`."""
THRESHOLD = 0.18
"""Below this ClinChat abstains; it turns away 5 % of the answerable labelled questions."""


def rerank(passages: Sequence[Passage]) -> list[Passage]:
    """The passages with `score` set, best first. Ties keep the order of retrieval."""
    scored = [replace(p, score=p.dense + COVERAGE_WEIGHT * p.coverage + p.fused) for p in passages]
    return sorted(scored, key=lambda p: -p.score)


def signals(passages: Sequence[Passage]) -> tuple[float, float]:
    """What tells an answerable question from one whose answer is not here: best cosine, best coverage on top."""
    return max(p.dense for p in passages), max(p.coverage for p in passages[:5])


def confidence(passages: Sequence[Passage]) -> float:
    """Fitted probability that the reranked passages hold the answer."""
    if not passages:
        return 0.0
    dense, coverage = signals(passages)
    return 1 / (1 + math.exp(-(INTERCEPT + DENSE * dense + COVERAGE * coverage)))
