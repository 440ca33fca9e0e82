"""When ClinChat declines: the fit, the judgement, and what is named as missing."""

from __future__ import annotations

import math

import numpy as np  # noqa: TID253  # what the figures are made with
import pytest

from chat.llm import encoders
from chat.pipeline import abstain
from chat.pipeline.types import Reading, Signals, Understanding
from tests.chat.test_rerank import passage

ASKED = Understanding(
    (Reading("Does zyxomab cure asthma?"),),
    ("treatment",),
    (),
    (("zyxomab", 9.0), ("cure", 3.0), ("asthma", 4.0)),
    ("zyxomab",),
)


def rows(chance: np.random.Generator, n: int) -> tuple[list[dict[str, float]], list[bool]]:
    answerable = chance.random(n) < 0.7
    drawn = [{name: float(chance.normal(a)) for name in abstain.SIGNALS} for a in answerable]
    return drawn, [bool(a) for a in answerable]


def test_the_fit_is_that_of_a_second_implementation() -> None:
    from sklearn.linear_model import LogisticRegression

    drawn, answerable = rows(np.random.default_rng(3), 400)
    matrix = np.array([[row[name] for name in abstain.SIGNALS] for row in drawn])
    scaled = (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)
    other = LogisticRegression(C=1 / abstain.RIDGE, tol=1e-10, max_iter=10000).fit(scaled, answerable)
    weights = abstain.fit(drawn, answerable)
    own = [abstain.probability(weights, row) for row in drawn]
    assert np.allclose(own, other.predict_proba(scaled)[:, 1], atol=1e-4)


@pytest.mark.parametrize(
    "answerable", [[True] * 20, [False] * 20, [n >= 10 for n in range(20)]], ids=["all", "none", "parted"]
)
def test_any_labels_can_be_fitted(answerable: list[bool]) -> None:
    drawn = [{name: float(n) for name in abstain.SIGNALS} for n in range(20)]
    weights = abstain.fit(drawn, answerable)
    assert all(math.isfinite(value) for value in weights.values())
    assert all(0 <= abstain.probability(weights, row) <= 1 for row in drawn)


def test_a_signal_that_never_changes_gets_no_weight() -> None:
    drawn, answerable = rows(np.random.default_rng(4), 100)
    for row in drawn:
        row["unknown"] = 0.25
    assert abstain.fit(drawn, answerable)["unknown"] == pytest.approx(0.0)


def test_what_no_passage_says_is_named() -> None:
    passages = [passage(1, "Asthma is treated with steroids."), passage(2, "Cures are unknown.")]
    assert abstain.missing(ASKED, passages) == ["zyxomab"]
    assert abstain.missing(ASKED, []) == ["zyxomab", "cure", "asthma"]


def test_the_rarest_word_counts_only_where_it_stands() -> None:
    there = abstain.features(ASKED, [passage(1, "Zyxomab for asthma")])
    not_there = abstain.features(ASKED, [passage(1, "Steroids for asthma")])
    assert (there["rarest_absent"], not_there["rarest_absent"]) == (0.0, 1.0)
    assert there["unknown"] == pytest.approx(9 / 16)
    assert set(there) == set(abstain.SIGNALS)


@pytest.mark.parametrize("model", [*encoders.names(), "somebody-elses-model"])
def test_the_shipped_judgement_answers_what_is_near_and_declines_what_is_far(model: str) -> None:
    weights, threshold = abstain.shipped(model)
    assert set(weights) == {"intercept", *abstain.SIGNALS}
    known = Understanding((Reading("asthma"),), (), (), (("asthma", 4.0),), ())
    near = passage(1, "Asthma is treated with steroids.", dense=0.75)
    far = passage(1, "Gout is painful.", dense=0.2)
    near, far = (
        type(near)(**{**vars(p), "score": s, "signals": Signals(dense=p.dense)}) for p, s in ((near, 4.0), (far, -3.0))
    )
    assert abstain.judge(known, [near], weights, threshold).answered
    declined = abstain.judge(ASKED, [far], weights, threshold)
    assert not declined.answered
    assert "zyxomab" in declined.missing


def test_without_passages_nothing_is_answered() -> None:
    weights, _ = abstain.shipped(encoders.names()[0])
    assert not abstain.judge(ASKED, [], weights, 0.0).answered
