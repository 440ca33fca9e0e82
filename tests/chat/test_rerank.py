"""The learned order of the passages: the model as shipped, how it is evaluated, and what decides between equals."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

import numpy as np  # noqa: TID253  # what the figures are made with
import pytest

from chat.pipeline import rerank
from chat.pipeline.types import Passage, Reading, Signals, Understanding

ASKED = Understanding((Reading("How is asthma treated?"),), ("treatment",))


def passage(
    chunk: int, text: str = "", *, section: str = "Treatment", document: UUID | None = None, **scores: float
) -> Passage:
    signals = Signals(
        dense=scores.get("dense", 0.5), lexical=scores.get("lexical", 5.0), coverage=scores.get("coverage", 0.5)
    )
    return Passage(
        chunk,
        uuid4(),
        1,
        document or uuid4(),
        f"d{chunk}",
        f"Title {chunk}",
        "article",
        section,
        text or f"Words of passage {chunk} and nothing else {chunk}",
        0,
        (),
        "",
        signals.dense,
        signals.lexical,
        signals.coverage,
        scores.get("fused", 0.1),
        signals,
    )


def test_what_speaks_for_a_passage_more_puts_it_first() -> None:
    good = passage(1, dense=0.8, lexical=20.0, coverage=1.0, fused=0.18)
    fair = passage(2, dense=0.5, lexical=5.0, coverage=0.4, fused=0.1)
    poor = passage(3, dense=0.2, lexical=1.0, coverage=0.1, fused=0.02, section="Frequency")
    assert [p.chunk for p in rerank.rerank([poor, fair, good], ASKED)] == [1, 2, 3]


def test_of_two_alike_the_section_that_is_asked_for_wins() -> None:
    found = rerank.rerank([passage(1, section="Frequency"), passage(2, section="Treatment")], ASKED)
    assert [p.section for p in found] == ["Treatment", "Frequency"]


def test_equals_go_by_certainty_then_by_review_then_by_age() -> None:
    one = passage(1)
    titled = [replace(one, chunk=n, document=uuid4(), title="Same") for n in range(1, 5)]
    titled = [replace(p, text=f"{p.chunk} quite another text {p.chunk}") for p in titled]
    same = [titled[0], replace(titled[1], reviewed=20), replace(titled[2], grade=4), replace(titled[3], reviewed=10)]
    assert [p.chunk for p in rerank.rerank(same, ASKED)] == [3, 2, 4, 1]


def test_the_same_text_in_several_documents_is_shown_once_and_counted() -> None:
    text = "Inhaled steroids are the first choice in asthma of adults who wheeze at night."
    better, worse = passage(1, text, dense=0.8), passage(2, text + " Indeed", dense=0.7)
    other = passage(3, "Something else entirely is said about the lungs of children here.")
    found = rerank.rerank([worse, other, better], ASKED)
    assert {p.chunk: p.copies for p in found} == {1: 1, 3: 0}
    within = [replace(better, document=UUID(int=1)), replace(worse, document=UUID(int=1))]
    assert len(rerank.rerank(within, ASKED)) == 2, "of one document both stay: the viewer shows them in their places"


def test_nothing_found_is_nothing_ranked() -> None:
    assert rerank.rerank([], ASKED) == []


def test_the_shipped_model_is_small_whole_and_sees_every_feature_it_names() -> None:
    trees = rerank.trees()
    assert rerank.WEIGHTS.stat().st_size < 500_000
    assert trees.feature.max() < len(rerank.FEATURES)
    assert np.isfinite(trees.value).all()
    assert rerank.features([passage(1)], ASKED).shape == (1, len(rerank.FEATURES))


def test_another_file_of_weights_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    from pathlib import Path

    other = Path(str(tmp_path)) / "rerank.npz"
    other.write_bytes(rerank.WEIGHTS.read_bytes()[:-1] + b"!")
    monkeypatch.setattr(rerank, "WEIGHTS", other)
    with pytest.raises(RuntimeError, match="not the file"):
        rerank.trees.__wrapped__()


def test_trees_are_evaluated_as_scikit_learn_evaluates_them() -> None:
    from sklearn.tree import DecisionTreeRegressor

    from bench.train import _trees

    chance = np.random.default_rng(1)
    rows = chance.normal(size=(300, 5)).astype(np.float32)
    wanted = rows[:, 0] * rows[:, 1] + rows[:, 2]
    fitted = [DecisionTreeRegressor(max_leaf_nodes=n, random_state=0).fit(rows, wanted) for n in (2, 5, 9)]
    trees = _trees([(tree.tree_, tree.tree_.value[:, 0, 0]) for tree in fitted])
    expected = sum(tree.predict(rows) for tree in fitted)
    assert np.allclose(trees.score(rows), expected, atol=1e-4)


def test_training_learns_an_order_and_gives_the_same_bytes_again() -> None:
    from bench import train

    chance = np.random.default_rng(2)
    rows = []
    for _ in range(60):
        features = chance.normal(size=(20, 4)).astype(np.float32)
        gains = np.where(features[:, 2].argsort().argsort() >= 18, 3.0, 0.0)
        rows.append(train.Rows(features, gains))
    model = train.train(rows)
    right = [int(model.score(row.features).argmax() == row.features[:, 2].argmax()) for row in rows]
    assert sum(right) / len(right) > 0.7
    assert train.packed(model) == train.packed(train.train(rows))


def test_within_a_document_the_passage_that_says_it_comes_first() -> None:
    """The trees tell documents apart; their scores stay, and go to the passages by what speaks for each of them."""
    one, other = uuid4(), uuid4()
    found = [
        passage(1, document=one, dense=0.4),
        passage(2, document=other, dense=0.9),
        passage(3, document=one, dense=0.7, coverage=0.9),
        passage(4, document=one, dense=0.7, coverage=0.9, section="Causes"),
    ]
    assert rerank.within_documents(found, [3.0, 1.0, 2.0, 0.5], ASKED) == [0.5, 1.0, 3.0, 2.0]
