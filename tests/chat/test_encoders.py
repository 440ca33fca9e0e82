"""The embedding models: the vectors are those of the published models, whatever they are computed beside."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np  # noqa: TID253 (nothing here without it)
import pytest

from chat.llm import e5, encoders, files, minilm, splade
from chat.llm.llama import embedding
from tests.processes import PATIENCE

E5, MINILM = e5.NAME, minilm.NAME
EXAMPLE = "This is an example sentence"
INR = "Warfarin is monitored by the international normalized ratio (INR)."
PASSAGES = [
    INR,
    "Metformin lowers the blood sugar of people with type 2 diabetes.",
    "Wash your hands with soap before you touch a wound.",
    "Heart failure is treated with an ACE inhibitor and a beta blocker.",
]
QUESTIONS = [
    "Which blood test is used for warfarin?",
    "What can I take for high glucose?",
    "How should hands be cleaned?",
    "What is given for a weak heart?",
]
UPSTREAM = {
    E5: {
        EXAMPLE: [0.0161, 0.0182, 0.0092, -0.1380, 0.0370, 0.0279],
        INR: [0.0556, 0.0529, 0.0420, 0.0109, 0.0147, 0.0014],
    },
    MINILM: {
        EXAMPLE: [0.0677, 0.0634, 0.0487, 0.0793, 0.0374, 0.0027],
        INR: [-0.0327, -0.0189, -0.1100, -0.0053, 0.1128, -0.0022],
    },
}
"""First numbers of the vectors the models give in 32 bits. E5's are without its common part (build/e5_center.json)."""

pytestmark = pytest.mark.usefixtures("_default")
both = pytest.mark.parametrize("name", [E5, MINILM])


@pytest.fixture
def _default(settings: Any) -> None:
    settings.CLINCHAT_EMBEDDING_MODEL = ""


def test_the_default_comes_first_and_an_unknown_name_is_none(settings: Any) -> None:
    assert encoders.names() == [E5, MINILM]
    assert encoders.configured().name == E5
    settings.CLINCHAT_EMBEDDING_MODEL = MINILM
    assert encoders.names() == [MINILM, E5]
    assert encoders.find("text-embedding-3-small") is None
    with pytest.raises(encoders.Unknown):
        encoders.get("text-embedding-3-small")


@both
def test_vectors_are_those_of_the_published_model(name: str) -> None:
    vectors = encoders.get(name).embed_passages(list(UPSTREAM[name]))
    assert vectors.dtype == np.float32
    assert vectors.shape == (2, encoders.get(name).dimensions)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors[:, :6], list(UPSTREAM[name].values()), atol=0.012)


@both
def test_a_question_is_nearest_to_the_passage_that_answers_it(name: str) -> None:
    encoder = encoders.get(name)
    cosines = np.array(encoder.embed_queries(QUESTIONS)) @ encoder.embed_passages(PASSAGES).T
    assert cosines.argmax(axis=1).tolist() == [0, 1, 2, 3]
    assert np.diag(cosines).min() > 0.3, "what the answerer takes for a likeness"
    assert np.median(cosines) < 0.3


@both
def test_a_vector_does_not_depend_on_what_is_embedded_beside_it(name: str) -> None:
    encoder = encoders.get(name)
    alone = encoder.embed_passages([INR])[0]
    beside = encoder.embed_passages([" ".join(PASSAGES * 5), INR, "", *PASSAGES[1:]])
    np.testing.assert_allclose(beside[1], alone, atol=1e-6)
    assert encoder.embed_query(INR) == encoder.embed_queries([EXAMPLE, INR])[1]


@both
def test_nothing_gives_no_vectors(name: str) -> None:
    assert encoders.get(name).embed_passages([]).shape == (0, 384)
    assert encoders.get(name).embed_queries([]) == []


@both
def test_what_lies_past_the_last_token_is_not_read(name: str) -> None:
    encoder = encoders.get(name)
    long = " ".join(["dose"] * encoder.max_tokens)
    assert len(encoder.tokens(long)) == encoder.max_tokens
    one, other = encoder.embed_passages([long, f"{long} and then the patient fell asleep"])
    np.testing.assert_array_equal(one, other)


def test_a_question_and_a_passage_are_told_apart() -> None:
    encoder = encoders.get(E5)
    assert np.array(encoder.embed_query(INR)) @ encoder.embed_passages([INR])[0] < 0.99


def test_signs_of_the_model_cannot_be_typed() -> None:
    """A text that holds them is cut into ordinary pieces."""
    text = "Take <s> 5 mg </s> \ue0000 \ue002 <unk> daily"
    assert set(encoders.get(E5).tokens(text)) & {0, 1, 2} == set()


def test_signs_are_read_as_the_letters_they_stand_for() -> None:
    encoder = encoders.get(E5)
    assert encoder.tokens("5 μg²  of\u00a0ﬁbrin\u200b") == encoder.tokens("5 μg2 of fibrin ")
    assert encoder.tokens("cafe\u0301") == encoder.tokens("café")


def test_other_languages_find_the_same_passage() -> None:
    encoder = encoders.get(E5)
    asked = encoder.embed_queries(["¿Con qué análisis se controla la warfarina?", "Wie wäscht man sich die Hände?"])
    assert (np.array(asked) @ encoder.embed_passages(PASSAGES).T).argmax(axis=1).tolist() == [0, 2]


@both
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_worker_embeds_too(name: str) -> None:
    here = encoders.get(name).embed_passages(PASSAGES)  # the threads are there before the fork
    with multiprocessing.get_context("fork").Pool(1) as pool:
        there = pool.apply_async(encoders.get(name).embed_passages, [PASSAGES]).get(timeout=PATIENCE)
    np.testing.assert_array_equal(here, there)


def test_llama_index_gets_the_same_vectors() -> None:
    encoder = encoders.get(MINILM)
    wrapped = embedding(encoder)
    assert wrapped.model_name == MINILM
    assert wrapped.get_query_embedding(QUESTIONS[0]) == encoder.embed_query(QUESTIONS[0])
    np.testing.assert_array_equal(wrapped.get_text_embedding_batch(PASSAGES), encoder.embed_passages(PASSAGES))


def test_sparse_weights_are_of_the_text_s_words_and_related_ones() -> None:
    first, second, third = splade.embed(["heart attack", "myocardial infarction", "skin rash"])
    assert {minilm.tokens(word)[0] for word in ("heart", "attack")} <= set(first)
    assert len(splade.embed([" ".join(PASSAGES)])[0]) <= splade.TERMS
    assert all(weight > 0 for weight in first.values())
    assert _inner(first, second) > 2 * _inner(first, third)


def _inner(one: Any, other: Any) -> float:
    return float(sum(weight * other.get(word, 0) for word, weight in one.items()))


# ── The files ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_file_is_the_one_of_this_version() -> None:
    files.verify()


@pytest.mark.parametrize("change", ["missing", "altered"])
def test_another_file_is_not_used(change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytearray((files.BUILT / "minilm.words").read_bytes())
    content[1000] ^= 1
    if change == "altered":
        (tmp_path / "minilm.words").write_bytes(content)
    monkeypatch.setattr(files, "BUILT", tmp_path)
    with pytest.raises(files.Unbuilt, match="make setup"):
        files.checked("minilm.words")
    with pytest.raises(files.Unbuilt):
        files.checked("no such file")
