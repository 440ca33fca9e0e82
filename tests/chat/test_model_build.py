"""The graphs that chat.llm.build writes compute what a plain BERT does."""

from __future__ import annotations

import math
from typing import Any

import numpy as np  # noqa: TID253 (nothing here without them)
import onnxruntime  # noqa: TID253
import pytest

from chat.llm.build import e5, graph, onnx_file
from chat.llm.build.graph import Bert, Dense, Layer, Norm, Outliers

HEADS, SIZE, WIDE, EPSILON = 4, 64, 128, 1e-12
LOUD, CHANNEL = [3, 77], 5
OUTLIERS = [Outliers(neurons=LOUD, attention={2: 1}, up={CHANNEL: 4, 9: 1})] * 2
erf = np.vectorize(math.erf)


def network(seed: int) -> Bert:
    """Small and random, with a channel and two neurons whose numbers are far greater, and weigh no more for it."""
    random = np.random.default_rng(seed)

    def dense(inputs: int, outputs: int) -> Dense:
        weights = random.normal(size=(inputs, outputs), scale=inputs**-0.5).astype(np.float32)
        return Dense(weights, random.normal(size=outputs, scale=0.1).astype(np.float32))

    def norm() -> Norm:
        gain = random.uniform(0.5, 1.5, SIZE).astype(np.float32)
        return Norm(gain, random.normal(size=SIZE, scale=0.1).astype(np.float32))

    layers = []
    for _ in range(2):
        query, key, value, attended = (dense(SIZE, SIZE) for _ in range(4))
        middle, up, down = norm(), dense(SIZE, WIDE), dense(WIDE, SIZE)
        middle.shift[CHANNEL] = 30
        up.weights[CHANNEL] /= 30
        up.weights[:, LOUD] *= 30
        down.weights[LOUD] /= 30
        layers.append(Layer(query, key, value, attended, middle, up, down, norm()))
    words = random.normal(size=(50, SIZE)).astype(np.float32)
    return Bert(words, random.normal(size=(32, SIZE)).astype(np.float32), norm(), layers, HEADS, EPSILON)


def plain(bert: Bert, tokens: list[int]) -> Any:
    """The same in 64 bits, by the book."""

    def norm(x: Any, by: Norm) -> Any:
        deviation = np.sqrt(x.var(-1, keepdims=True) + EPSILON)
        return (x - x.mean(-1, keepdims=True)) / deviation * by.gain + by.shift

    def dense(x: Any, by: Dense) -> Any:
        return x @ by.weights.astype(np.float64) + by.bias

    x = norm(bert.words[tokens].astype(np.float64) + bert.positions[: len(tokens)], bert.norm)
    for layer in bert.layers:
        query, key, value = (
            dense(x, part).reshape(len(tokens), HEADS, -1).swapaxes(0, 1)
            for part in (layer.query, layer.key, layer.value)
        )
        likeness = np.exp(query @ key.swapaxes(1, 2) / (SIZE // HEADS) ** 0.5)
        found = (likeness / likeness.sum(-1, keepdims=True) @ value).swapaxes(0, 1).reshape(len(tokens), SIZE)
        x = norm(dense(found, layer.attended) + x, layer.attended_norm)
        up = dense(x, layer.up)
        x = norm(dense(up * 0.5 * (1 + erf(up / 2**0.5)), layer.down) + x, layer.norm)
    return x.mean(0)


def unit(vector: Any) -> Any:
    return vector / np.linalg.norm(vector)


def run(content: bytes, words: Any) -> Any:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(None, {"words": words[None].astype(np.float32)})[0][0]


@pytest.mark.parametrize("length", [1, 7, 32])
def test_the_graph_gives_what_the_network_does(length: int) -> None:
    bert = network(1)
    tokens = list(range(length))
    found = run(graph.mean_of(bert, OUTLIERS), bert.words[tokens])
    assert found @ unit(plain(bert, tokens)) > 0.999


def test_outliers_apart_bring_it_nearer() -> None:
    bert, tokens = network(2), list(range(20))
    wanted = unit(plain(bert, tokens))
    known, unknown = (run(graph.mean_of(bert, of), bert.words[tokens]) for of in (OUTLIERS, [Outliers()] * 2))
    assert 1 - known @ wanted < 0.1 * (1 - unknown @ wanted)


def test_the_common_part_is_taken_off() -> None:
    bert, tokens = network(3), list(range(9))
    less = np.linspace(-0.1, 0.1, SIZE, dtype=np.float32)
    found = run(graph.mean_of(bert, OUTLIERS, less=less), bert.words[tokens])
    assert found @ unit(unit(plain(bert, tokens)) - less) > 0.999


def test_the_table_holds_the_words() -> None:
    words = network(4).words
    rows = np.frombuffer(graph.table(words), np.dtype([("scale", "<f4"), ("numbers", "i1", SIZE)]))
    np.testing.assert_allclose(rows["numbers"] * rows["scale"][:, None], words, atol=np.abs(words).max() / 250)


def test_the_same_network_gives_the_same_bytes() -> None:
    assert graph.mean_of(network(5), OUTLIERS) == graph.mean_of(network(5), OUTLIERS)
    assert graph.mean_of(network(5), OUTLIERS) != graph.mean_of(network(6), OUTLIERS)


def test_constants_are_read_back_as_they_were_written() -> None:
    made = onnx_file.Graph()
    kept: dict[str, Any] = {
        "a": np.arange(-200, 200, dtype=np.float32).reshape(2, 200),
        "b": np.array([-128, 127], np.int8),
        "c": np.array(2**40, np.int64),
    }
    for name, values in kept.items():
        made.constant(name, values)
    made.node("Identity", ["words"], "out")
    content = made.serialized(inputs={"words": ("float32", ("texts", "tokens", 4))}, output="out")
    found = onnx_file.constants(content)
    assert found.keys() == kept.keys()
    for name, values in kept.items():
        np.testing.assert_array_equal(found[name], values)
        assert (found[name].shape, found[name].dtype) == (values.shape, values.dtype)


def test_pieces_of_other_scripts_are_left_out_and_the_numbers_stay_in_order() -> None:
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁heart", "心", "▁αβ", "сердце", "≥", "<mask>"]
    packed = e5.Packed(1, 1, EPSILON, [(piece, -1.0) for piece in pieces], {})
    assert e5.kept(packed) == [0, 1, 2, 3, 4, 6, 8]
