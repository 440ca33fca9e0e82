"""Trains what the search has learned from labelled questions, and writes its two files of weights.

The order (chat.pipeline.rerank): LambdaMART (Burges 2010) with scikit-learn's regression trees. Each tree is fitted to
how much exchanging two passages would change nDCG@10, its leaves set by Newton's step. Then whether to answer at all
(chat.pipeline.abstain), over the scores of models that had not seen the question.

What both learn from: the passages ClinChat retrieves for the questions of ../shared/data/retrieval/dev.jsonl, each a
row of scores and agreements; the label is the grade of the passage's document. Nothing of either is kept.
The figures printed are of questions that were not trained on: five parts, questions that share a relevant document
always in the same part. Run it again when the embedding model changes: its cosines are among what is learned from.
While another model than the default one is searched, only its abstention is written; the order stays.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bench.data import questions
from bench.search import Asked, ask_all, by_kind, print_figures
from chat.corpus import vectors
from chat.llm import encoders
from chat.models import Collection
from chat.pipeline import abstain, rerank
from chat.pipeline.types import Passage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

TREES = 160
LEAVES = 8
SMALLEST_LEAF = 50
LEARNING_RATE = 0.08
FEATURE_SHARE = 0.6
QUESTION_SHARE = 0.8
SHRINK = 5.0
"""Added to the weight of a leaf (L2)."""
CUTOFF = 10
WORTH_COMPARING = 15
"""Of two passages at least one must stand among so many from the top."""
PARTS = 5
SEED = 7
DECLINED = 0.035
"""Share of the answerable labelled questions the shipped threshold declines: with room below the promised 5 %."""


@dataclass(frozen=True)
class Rows:
    """The passages of one question: what the model sees, and the gain (2^grade - 1) of each."""

    features: NDArray[np.float32]
    gains: Numbers


def run(collection: str) -> str | None:
    import numpy as np

    labelled = questions()
    found = Collection.objects.filter(slug=collection, live_chunks__gt=0).first()
    if not labelled or found is None:
        return f"needs ../shared/data and the collection “{collection}” (make demo-corpus loads it)"
    asked = ask_all(labelled, found)
    scored = held_out(asked)
    print("Each question ranked by a model that was not trained on it:")
    print_figures(by_kind(asked, {one.id: [p.external_id for p in scored[one.id]] for one in asked}))
    model = vectors.active().model
    if model == encoders.DEFAULT:
        content = packed(train([_rows(one) for one in asked if one.answerable and one.passages]))
        rerank.WEIGHTS.write_bytes(content)
        print(f"\n{rerank.WEIGHTS}: {len(content)} bytes. Copy to chat/pipeline/rerank.py:")
        print(f'WEIGHTS_SHA256 = "{hashlib.sha256(content).hexdigest()}"')

    rows = [abstain.features(one.understood, scored[one.id]) for one in asked]
    weights = abstain.fit(rows, [one.answerable for one in asked])
    held = [abstain.probability(weights, row) for one, row in zip(asked, rows, strict=True) if one.answerable]
    shipped = json.loads(abstain.WEIGHTS.read_text()) if abstain.WEIGHTS.exists() else {}
    shipped[model] = {
        "weights": {name: round(value, 4) for name, value in weights.items()},
        "threshold": round(float(np.quantile(held, DECLINED)), 4),
    }
    abstain.WEIGHTS.write_text(json.dumps(shipped, indent=1) + "\n")
    print(f"{abstain.WEIGHTS}: {shipped[model]}")
    return None


def held_out(asked: Sequence[Asked]) -> dict[str, list[Passage]]:
    """The passages of each question, ranked and scored by a model that was not trained on it.

    Nothing is trained on questions without an answer; they are scored by all the models, on average.
    """
    rows = {one.id: _rows(one) for one in asked if one.passages}
    part = parts([one for one in asked if one.answerable])
    scores: dict[str, list[Any]] = {one.id: [] for one in asked}
    for held in range(PARTS):
        model = train([rows[name] for name, where in part.items() if where != held and name in rows])
        for name, row in rows.items():
            if part.get(name, held) == held:
                scores[name].append(model.score(row.features))
    ranked = {}
    for one in asked:
        mean = [float(sum(values)) / len(values) for values in zip(*scores[one.id], strict=True)]
        given = rerank.within_documents(one.passages, mean, one.understood)
        scored = [replace(p, score=score) for p, score in zip(one.passages, given, strict=True)]
        ranked[one.id] = sorted(scored, key=lambda p: -p.score)
    return ranked


def _rows(one: Asked) -> Rows:
    import numpy as np

    features = rerank.features(one.passages, one.understood)
    return Rows(features, np.array([2.0 ** one.relevant.get(p.external_id, 0) - 1 for p in one.passages]))


def parts(asked: Sequence[Asked]) -> dict[str, int]:
    """A part for each question; those that share a relevant document share the part."""
    import numpy as np

    leader: dict[str, str] = {}

    def find(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    for one in asked:
        for document in one.relevant:
            leader[find(f"question {one.id}")] = find(f"document {document}")
    groups = sorted({find(f"question {one.id}") for one in asked})
    order = np.random.default_rng(SEED).permutation(len(groups))
    number = {group: int(place) % PARTS for group, place in zip(groups, order, strict=True)}
    return {one.id: number[find(f"question {one.id}")] for one in asked}


# ── LambdaMART ───────────────────────────────────────────────────────────────────────────────────────────────────


def train(rows: Sequence[Rows]) -> rerank.Trees:
    """The same rows give the same trees."""
    import numpy as np
    from sklearn.tree import DecisionTreeRegressor

    rows = [row for row in rows if row.gains.any()]
    chance = np.random.default_rng(SEED)
    features = np.vstack([row.features for row in rows])
    ends = np.cumsum([len(row.gains) for row in rows])
    spans = [slice(end - len(row.gains), end) for end, row in zip(ends, rows, strict=True)]
    scores = np.zeros(len(features))
    grown = []
    for number in range(TREES):
        pull, weight = np.zeros(len(features)), np.zeros(len(features))
        used = np.zeros(len(features), dtype=bool)
        for i in chance.choice(len(rows), int(QUESTION_SHARE * len(rows)), replace=False):
            pull[spans[i]], weight[spans[i]] = lambdas(rows[i].gains, scores[spans[i]])
            used[spans[i]] = True
        tree = DecisionTreeRegressor(
            max_leaf_nodes=LEAVES,
            min_samples_leaf=SMALLEST_LEAF,
            max_features=FEATURE_SHARE,
            random_state=SEED + number,
        ).fit(features[used], pull[used])
        leaves = tree.apply(features)
        count = tree.tree_.node_count
        total = np.bincount(leaves[used], pull[used], minlength=count)
        mass = np.bincount(leaves[used], weight[used], minlength=count)
        value = LEARNING_RATE * total / (mass + SHRINK)
        scores += value[leaves]
        grown.append((tree.tree_, value))
    return _trees(grown)


def lambdas(gains: Numbers, scores: Numbers) -> tuple[Numbers, Numbers]:
    """First and second derivative of each passage of a question: by how much nDCG@10 would change for every exchange
    with a passage of a lower grade, weighted by how wrong the two stand."""
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    place = np.empty(len(scores), dtype=int)
    place[order] = np.arange(len(scores))
    discount = np.where(place < CUTOFF, 1 / np.log2(place + 2), 0.0)
    ideal = sum(gain / math.log2(i + 2) for i, gain in enumerate(sorted(gains, reverse=True)[:CUTOFF]))
    good = np.flatnonzero(gains)  # what is better than something is relevant, and few passages are
    counts = gains[good, None] > gains[None, :]
    counts &= np.minimum(place[good, None], place[None, :]) < WORTH_COMPARING
    change = np.abs((gains[good, None] - gains[None, :]) * (discount[good, None] - discount[None, :])) / ideal
    wrong = 1 / (1 + np.exp(np.clip(scores[good, None] - scores[None, :], -30, 30)))
    push = np.where(counts, change * wrong, 0.0)
    curve = push * (1 - wrong)
    pull, weight = -push.sum(axis=0), curve.sum(axis=0)
    pull[good] += push.sum(axis=1)
    weight[good] += curve.sum(axis=1)
    return pull, weight


def _trees(grown: Sequence[tuple[Any, Numbers]]) -> rerank.Trees:
    import numpy as np

    nodes = max(tree.node_count for tree, _ in grown)

    def stacked(values: Sequence[Any], fill: float, kind: Any) -> Any:
        out = np.full((len(values), nodes), fill, dtype=kind)
        for row, value in zip(out, values, strict=True):
            row[: len(value)] = value
        return out

    return rerank.Trees(
        feature=stacked([np.where(t.children_left < 0, -1, t.feature) for t, _ in grown], -1, np.int16),
        threshold=stacked([t.threshold for t, _ in grown], 0, np.float32),
        left=stacked([np.maximum(t.children_left, 0) for t, _ in grown], 0, np.int16),
        right=stacked([np.maximum(t.children_right, 0) for t, _ in grown], 0, np.int16),
        value=stacked([np.where(t.children_left < 0, v, 0) for t, v in grown], 0, np.float32),
    )


def packed(model: rerank.Trees) -> bytes:
    """As an .npz file, the same bytes for the same numbers."""
    import numpy as np

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        arrays: Mapping[str, Any] = vars(model)
        for name, values in arrays.items():
            one = io.BytesIO()
            np.save(one, values, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), one.getvalue(), zipfile.ZIP_DEFLATED)
    return out.getvalue()
