"""Orders the retrieved passages with a small learned model over what speaks for each of them.

The model is a sum of decision trees (LambdaMART: Burges 2010), trained by bench/train.py on labelled questions and kept
as numbers in weights/rerank.npz. It sees scores, ranks and agreements, never words: it knows no document, no question.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from chat.language import intents, names
from chat.pipeline.types import Passage, Understanding

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix = NDArray[np.float32]

WEIGHTS = Path(__file__).parent / "weights" / "rerank.npz"
WEIGHTS_SHA256 = "1ead07cca8b875b23fb20723420d3d95f9c2a48832dddba86c4e2b94a75627ab"
FEATURES = (
    "near",  # cosine with the best reading
    "near_gap",  # the same, against the best of all passages
    "dense",  # cosine with the question as asked
    "strong",  # BM25 with the best reading, as a share of the best of all
    "lexical",  # BM25 with the question as asked, as a share of the best of all
    "coverage",
    "fused",
    "title",
    "title_share",
    "agreement",  # of its section with what is asked for
    "rarest",
    "titled_near",  # the best "near" of the passages under the same title, and so on
    "titled_strong",
    "titled_coverage",
    "titled_agreement",
    "document_near",
    "titled",  # passages under the same title among those retrieved
    "document",  # of the same document
)
COVERED, AGREES = 0.25, 0.05
"""What the share of the question's words, and the section asked for, weigh beside the cosine among the passages of one
document."""
ALIKE = 0.9
"""Share of their words (Jaccard) two passages have in common that say the same."""
DUPLICATES_AMONG = 30
"""Passages from the best on that are compared with each other."""


@dataclass(frozen=True)
class Trees:
    """Each row is a tree, each column a node: go left where the feature is at most the threshold; -1 is a leaf."""

    feature: NDArray[np.int16]
    threshold: Matrix
    left: NDArray[np.int16]
    right: NDArray[np.int16]
    value: Matrix

    def score(self, rows: Matrix) -> Matrix:
        """The summed values of the leaves that each row falls into."""
        import numpy as np

        # Places in the flattened arrays: take() is twice as fast as indexing by row and column.
        root = np.arange(len(self.feature)) * self.feature.shape[1]
        row = np.arange(len(rows))[:, None] * rows.shape[1]
        node = np.broadcast_to(root, (len(rows), len(root)))
        while True:
            feature = self.feature.take(node)
            inner = feature >= 0
            if not inner.any():
                scores: Matrix = self.value.take(node).sum(axis=1)
                return scores
            goes_left = rows.take(row + np.maximum(feature, 0)) <= self.threshold.take(node)
            node = np.where(inner, root + np.where(goes_left, self.left.take(node), self.right.take(node)), node)


@cache
def trees() -> Trees:
    """The trained model. Raises RuntimeError when the file is not the one this version was tested with."""
    import numpy as np

    content = WEIGHTS.read_bytes()
    if hashlib.sha256(content).hexdigest() != WEIGHTS_SHA256:
        raise RuntimeError(f"{WEIGHTS.name} is not the file ClinChat was tested with")
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return Trees(**{name: file[name] for name in ("feature", "threshold", "left", "right", "value")})


def rerank(passages: Sequence[Passage], understood: Understanding) -> list[Passage]:
    """The passages with `score` set, best first, those that repeat a better one left out and counted in `copies`.

    Equal scores: the more certain evidence first, then the later review.
    """
    if not passages:
        return []
    scores = within_documents(passages, trees().score(features(passages, understood)), understood)
    scored = [replace(p, score=score) for p, score in zip(passages, scores, strict=True)]
    return _distinct(sorted(scored, key=lambda p: (-round(p.score, 4), -p.grade, -p.reviewed, p.chunk)))


def within_documents(passages: Sequence[Passage], scores: Iterable[float], understood: Understanding) -> list[float]:
    """The scores, those of each document handed out among its passages by what speaks for each passage itself.

    The trees have learned from documents: they tell which one answers, and not which of its passages does.
    """

    def evidence(passage: Passage) -> float:
        agrees = intents.agreement(understood.intents, passage.section)
        return passage.signals.dense + COVERED * passage.signals.coverage + AGREES * agrees

    given = [float(score) for score in scores]
    places: dict[UUID, list[int]] = {}
    for place, passage in enumerate(passages):
        places.setdefault(passage.document, []).append(place)
    out = list(given)
    for own in places.values():
        order = sorted(own, key=lambda place: -evidence(passages[place]))
        for place, score in zip(order, sorted((given[place] for place in own), reverse=True), strict=True):
            out[place] = score
    return out


def features(passages: Sequence[Passage], understood: Understanding) -> Matrix:
    """What the model sees of each passage, in the order of FEATURES."""
    import numpy as np

    def column(values: Any) -> Matrix:
        return np.array(list(values), dtype=np.float32)

    def share(values: Matrix) -> Matrix:
        shares: Matrix = values / max(float(values.max()), 1e-6)
        return shares

    def best(values: Matrix, group: Any) -> Matrix:
        highest = np.full(int(group.max()) + 1, -np.inf, dtype=np.float32)
        np.maximum.at(highest, group, values)
        spread: Matrix = highest[group]
        return spread

    near = column(p.signals.dense for p in passages)
    strong = share(column(p.signals.lexical for p in passages))
    coverage = column(p.signals.coverage for p in passages)
    agreement = column(intents.agreement(understood.intents, p.section) for p in passages)
    titled = _groups([names.key(p.title) for p in passages])
    document = _groups([p.document for p in passages])
    columns = [
        near,
        near - near.max(),
        column(p.dense for p in passages),
        strong,
        share(column(p.lexical for p in passages)),
        coverage,
        column(p.fused for p in passages),
        column(p.signals.title for p in passages),
        column(p.signals.title_share for p in passages),
        agreement,
        column(p.signals.rarest for p in passages),
        best(near, titled),
        best(strong, titled),
        best(coverage, titled),
        best(agreement, titled),
        best(near, document),
        np.bincount(titled)[titled].astype(np.float32),
        np.bincount(document)[document].astype(np.float32),
    ]
    return np.stack(columns, axis=1)


def _groups(keys: Sequence[Hashable]) -> Any:
    import numpy as np

    number = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    return np.array([number[key] for key in keys])


def _distinct(passages: list[Passage]) -> list[Passage]:
    """Of passages in several documents that say the same in the same words the best one stays."""
    kept: list[Passage] = []
    words: list[frozenset[str]] = []
    copies: dict[int, int] = {}
    for place, passage in enumerate(passages):
        if place >= DUPLICATES_AMONG:
            kept.append(passage)
            continue
        own = frozenset(passage.text.lower().split())
        same = next(
            (i for i, other in enumerate(words) if kept[i].document != passage.document and _alike(own, other)), None
        )
        if same is None:
            kept.append(passage)
            words.append(own)
        else:
            copies[same] = copies.get(same, 0) + 1
    return [replace(p, copies=copies[i]) if i in copies else p for i, p in enumerate(kept)]


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    if not ALIKE * len(other) <= len(one) <= len(other) / ALIKE:
        return False
    return len(one & other) >= ALIKE * len(one | other)
