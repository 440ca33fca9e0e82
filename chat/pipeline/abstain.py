"""Judges whether the library holds the answer, before anything is quoted: a logistic function of what the search found.

Fitted on labelled questions, at each release on those of the installation (chat/calibration.py), else as shipped in
weights/abstain.json. The threshold follows from how many answerable questions may go unanswered.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from chat.language import names
from chat.pipeline.types import Passage, Understanding

if TYPE_CHECKING:
    import numpy as np

WEIGHTS = Path(__file__).parent / "weights" / "abstain.json"
"""By embedding model: the weights and the threshold at which 5 % of the answerable labelled questions are declined."""
TOP = 5
"""Passages that must hold the words."""
RIDGE = 1.0
ROUNDS = 50
STEM = 6
SHORTEST = 3
SIGNALS = (
    "near",  # the highest cosine
    "rarest_absent",  # its rarest word is in none of them
    "unknown",  # share of its IDF mass that the library does not hold at all
    "score",  # of the reranking
)


@dataclass(frozen=True)
class Judgement:
    """`probability` that the passages hold the answer, whether it is enough, and the question's words they lack."""

    probability: float
    answered: bool
    missing: tuple[str, ...]


def features(understood: Understanding, passages: Sequence[Passage]) -> dict[str, float]:
    """The signals of a question whose passages are given best first."""
    if not passages:
        return dict.fromkeys(SIGNALS, 0.0) | {"rarest_absent": 1.0, "unknown": 1.0}
    first = passages[:TOP]
    mass = sum(weight for _, weight in understood.words) or 1.0
    heaviest = max(understood.words, key=lambda word: word[1], default=("", 0.0))[0]
    return {
        "near": max(p.signals.dense for p in passages),
        "rarest_absent": float(heaviest in missing(understood, first)),
        "unknown": sum(weight for word, weight in understood.words if word in understood.unknown) / mass,
        "score": passages[0].score,
    }


def missing(understood: Understanding, passages: Sequence[Passage]) -> list[str]:
    """Words of the question that none of the passages has, in any form, nor the titles and headings above them."""
    text = " ".join(f"{p.title} {p.section} {p.text}" for p in passages).lower()
    stems = {_stem(word) for word in re.findall(r"\w+", text)}
    return [word for word, _ in understood.words if len(word) >= SHORTEST and _stem(word.lower()) not in stems]


def _stem(word: str) -> str:
    return names.singular(word)[:STEM]


def judge(
    understood: Understanding, passages: Sequence[Passage], weights: Mapping[str, float], threshold: float
) -> Judgement:
    """Whether to answer from the passages, which are given best first."""
    held = probability(weights, features(understood, passages)) if passages else 0.0
    return Judgement(held, held >= threshold and bool(passages), tuple(missing(understood, passages[:TOP])))


def probability(weights: Mapping[str, float], row: Mapping[str, float]) -> float:
    total = weights["intercept"] + sum(weights.get(name, 0.0) * value for name, value in row.items())
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))


def knows(model: str) -> bool:
    """Whether ClinChat comes with weights for an embedding model."""
    return model in _shipped()


def shipped(model: str) -> tuple[Mapping[str, float], float]:
    """The weights and the threshold ClinChat comes with, for an embedding model; those of the default for any other."""
    every = _shipped()
    return every.get(model) or next(iter(every.values()))


@cache
def _shipped() -> dict[str, tuple[dict[str, float], float]]:
    found = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return {model: (one["weights"], one["threshold"]) for model, one in found.items()}


def fit(rows: Sequence[Mapping[str, float]], answerable: Sequence[bool]) -> dict[str, float]:
    """Weights by signal, and the intercept: logistic regression by iteratively reweighted least squares, with a ridge
    over the signals brought to one scale. The probabilities are those of the labelled questions' own mixture."""
    import numpy as np

    matrix = np.array([[row[name] for name in SIGNALS] for row in rows])
    mean, spread = matrix.mean(axis=0), matrix.std(axis=0)
    spread[spread < 1e-9] = 1.0
    scaled = np.hstack([np.ones((len(rows), 1)), (matrix - mean) / spread])
    wanted = np.array(answerable, dtype=float)
    ridge = np.diag([0.0] + [RIDGE] * len(SIGNALS))
    weights = np.zeros(len(SIGNALS) + 1)
    for _ in range(ROUNDS):
        held = 1 / (1 + np.exp(-np.clip(scaled @ weights, -30, 30)))
        slope = scaled.T @ (wanted - held) - ridge @ weights
        curve = (scaled * (held * (1 - held) + 1e-9)[:, None]).T @ scaled + ridge + 1e-9 * np.eye(len(weights))
        step = np.linalg.solve(curve, slope)
        weights += step
        if np.abs(step).max() < 1e-8:
            break
    return _unscaled(weights, mean, spread)


def _unscaled(weights: np.ndarray, mean: np.ndarray, spread: np.ndarray) -> dict[str, float]:
    plain = weights[1:] / spread
    return {"intercept": float(weights[0] - plain @ mean)} | dict(zip(SIGNALS, map(float, plain), strict=True))
