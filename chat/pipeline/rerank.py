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
INTERCEPT, DENSE, COVERAGE = -6.123, 7.947, 5.154
"""Logistic regression on the best passage of each question."""
THRESHOLD = 0.17
"""Below this a passage is not quoted from; it turns away 5 % of the answerable labelled questions."""


def rerank(passages: Sequence[Passage]) -> list[Passage]:
    """The passages with `score` set, best first. Ties keep the order of retrieval."""
    scored = [replace(p, score=p.dense + COVERAGE_WEIGHT * p.coverage + p.fused) for p in passages]
    return sorted(scored, key=lambda p: -p.score)


def confidence(passage: Passage) -> float:
    """Fitted probability that the passage holds the answer, from its likeness in meaning and its coverage."""
    return 1 / (1 + math.exp(-(INTERCEPT + DENSE * passage.dense + COVERAGE * passage.coverage)))


def sufficient(passages: Sequence[Passage]) -> list[Passage]:
    """The passages good enough to quote from, in their order. None: ClinChat abstains."""
    return [p for p in passages if confidence(p) >= THRESHOLD]
