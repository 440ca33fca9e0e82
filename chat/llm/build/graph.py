"""A BERT encoder as a graph of the operators that ONNX Runtime runs fastest on a CPU.

Weights are int8 and signed, one scale for each output; activations become unsigned 8-bit numbers as they come
(DynamicQuantizeMatMul). That pair runs on the dot-product instructions of current processors (VNNI), at four times
the rate of 32-bit numbers; weights that are unsigned, or 4 bits wide, run at a quarter of it. A text is run alone:
without a mask, attention takes its fast way, and what a text gives does not depend on the texts beside it.

One scale for a whole activation is too coarse where a few numbers are ten times the others, as in these models. So
the neurons known to give such numbers stay in 32 bits, and the channels known to hold them are divided by a power of
two before and their weights multiplied by it (Xiao et al. 2023, SmoothQuant). outliers.json names both;
bench/outliers.py finds them. Cosine with the model in 32 bits: .9996 (E5) and .9989 (MiniLM), .9975 and .9950 without.

Processors without VNNI add pairs of products in 16 bits; 2 in 100,000 of these sums do not fit and are cut (reckoned
for E5: cosine .997 with what VNNI gives). Weights of 7 bits would never be cut and cost as much on every machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chat.llm.build.onnx_file import MICROSOFT, Array, Graph

WIDEST = 127


@dataclass(frozen=True, slots=True)
class Dense:
    """`weights` are inputs by outputs."""

    weights: Array
    bias: Array


@dataclass(frozen=True, slots=True)
class Norm:
    gain: Array
    shift: Array


@dataclass(frozen=True, slots=True)
class Layer:
    query: Dense
    key: Dense
    value: Dense
    attended: Dense
    attended_norm: Norm
    up: Dense
    down: Dense
    norm: Norm


@dataclass(frozen=True, slots=True)
class Bert:
    """`positions` hold the vector of the first token type as well: there is no second one in one text."""

    words: Array
    positions: Array
    norm: Norm
    layers: Sequence[Layer]
    heads: int
    epsilon: float


@dataclass(frozen=True, slots=True)
class Outliers:
    """Of one layer: neurons that stay in 32 bits; channels and the power of two they are divided by, as they enter
    attention and as they enter the neurons."""

    neurons: Sequence[int] = ()
    attention: Mapping[int, int] = field(default_factory=dict)
    up: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> Outliers:
        attention, up = ({int(c): e for c, e in kept[name].items()} for name in ("attention", "up"))
        return cls(kept["neurons"], attention, up)


def table(words: Array) -> bytes:
    """The word vectors for chat.llm.network: for each word its scale and its numbers in 8 bits."""
    scales = _scales(words, axis=1)
    rows = np.zeros(len(words), np.dtype([("scale", "<f4"), ("numbers", "i1", words.shape[1])]))
    rows["scale"], rows["numbers"] = scales, _rounded(words, scales[:, None])
    return rows.tobytes()


def mean_of(bert: Bert, outliers: Sequence[Outliers], *, less: Array | None = None) -> bytes:
    """From the vectors of a text's words ("words") to the mean of what the last layer gives, at unit length.

    `less` is taken from each unit vector, which is then brought to unit length again.
    """
    graph = Graph()
    hidden = layers(graph, bert, outliers)
    axis = graph.constant("axis", np.array([1], np.int64))
    found = graph.node("ReduceMean", [hidden, axis], "mean", keepdims=0)
    if less is not None:
        found = graph.node("LpNormalization", [found], "unit", axis=-1, p=2)
        found = graph.node("Sub", [found, graph.constant("less", less.astype(np.float32))], "centered")
    graph.node("LpNormalization", [found], "embedding", axis=-1, p=2)
    size = bert.words.shape[1]
    return graph.serialized(inputs={"words": ("float32", ("texts", "tokens", size))}, output="embedding")


def layers(graph: Graph, bert: Bert, outliers: Sequence[Outliers]) -> str:
    """Adds everything from the input "words" to the last layer; gives back the name of its output."""
    one, zero = (graph.constant(name, np.array([n], np.int64)) for name, n in (("one", 1), ("zero", 0)))
    tokens = graph.node("Gather", [graph.node("Shape", ["words"], "shape"), one], "tokens")
    positions = graph.constant("positions", bert.positions.astype(np.float32))
    positions = graph.node("Slice", [positions, zero, tokens], "here")
    hidden = _normed(graph, "embedded", "words", positions, bert.norm, bert.epsilon)
    for number, (layer, known) in enumerate(zip(bert.layers, outliers, strict=True)):
        hidden = _layer(graph, f"{number}", hidden, layer, known, bert)
    return hidden


def _layer(graph: Graph, name: str, hidden: str, layer: Layer, known: Outliers, bert: Bert) -> str:
    size = len(layer.query.weights)
    entering, factors = _narrowed(graph, f"{name}.attention", hidden, known.attention, size)
    parts = [
        dense(graph, f"{name}.{part}", entering, one, factors)
        for part, one in (("query", layer.query), ("key", layer.key), ("value", layer.value))
    ]
    found = graph.node("MultiHeadAttention", parts, f"{name}.heads", domain=MICROSOFT, num_heads=bert.heads)
    found = dense(graph, f"{name}.attended", found, layer.attended)
    hidden = _normed(graph, f"{name}.middle", found, hidden, layer.attended_norm, bert.epsilon)

    apart = np.array(sorted(known.neurons), np.int64)
    others = np.setdiff1d(np.arange(len(layer.up.bias)), apart)
    entering, factors = _narrowed(graph, f"{name}.up", hidden, known.up, size)
    up = Dense(layer.up.weights[:, others], layer.up.bias[others])
    found = graph.node("Gelu", [dense(graph, f"{name}.up", entering, up, factors)], f"{name}.gelu")
    found = dense(graph, f"{name}.down", found, Dense(layer.down.weights[others], layer.down.bias))
    if len(apart):
        few = exact(graph, f"{name}.few", hidden, Dense(layer.up.weights[:, apart], layer.up.bias[apart]))
        few = graph.node("Gelu", [few], f"{name}.few.gelu")
        few = exact(graph, f"{name}.back", few, Dense(layer.down.weights[apart], np.zeros(0)))
        found = graph.node("Add", [found, few], f"{name}.both")
    return _normed(graph, f"{name}.out", found, hidden, layer.norm, bert.epsilon)


def dense(graph: Graph, name: str, entering: str, layer: Dense, factors: Array | None = None) -> str:
    """The layer in 8 bits. `factors` are what its inputs were divided by."""
    weights = layer.weights if factors is None else layer.weights * factors[:, None]
    scales = _scales(weights, axis=0)
    inputs = [
        entering,
        graph.constant(f"{name}.weights", _rounded(weights, scales)),
        graph.constant(f"{name}.scales", scales),
        graph.constant(f"{name}.zeros", np.zeros(len(scales), np.int8)),
        graph.constant(f"{name}.bias", layer.bias.astype(np.float32)),
    ]
    return graph.node("DynamicQuantizeMatMul", inputs, f"{name}.result", domain=MICROSOFT)


def exact(graph: Graph, name: str, entering: str, layer: Dense) -> str:
    """The layer in 32 bits; an empty bias is left out."""
    weights = graph.constant(f"{name}.weights", layer.weights.astype(np.float32))
    found = graph.node("MatMul", [entering, weights], f"{name}.product")
    if not len(layer.bias):
        return found
    return graph.node("Add", [found, graph.constant(f"{name}.bias", layer.bias.astype(np.float32))], f"{name}.result")


def normed(graph: Graph, name: str, entering: str, norm: Norm, epsilon: float) -> str:
    gain, shift = graph.constant(f"{name}.gain", norm.gain), graph.constant(f"{name}.shift", norm.shift)
    return graph.node("LayerNormalization", [entering, gain, shift], name, axis=-1, epsilon=epsilon)


def _normed(graph: Graph, name: str, one: str, other: str, norm: Norm, epsilon: float) -> str:
    # ONNX Runtime's fused SkipLayerNormalization takes five times as long as these two on a CPU.
    return normed(graph, name, graph.node("Add", [one, other], f"{name}.sum"), norm, epsilon)


def _narrowed(
    graph: Graph, name: str, entering: str, channels: Mapping[int, int], size: int
) -> tuple[str, Array | None]:
    if not channels:
        return entering, None
    factors = np.ones(size, np.float32)
    for channel, exponent in channels.items():
        factors[channel] = 2.0**exponent
    return graph.node("Mul", [entering, graph.constant(f"{name}.narrow", 1 / factors)], f"{name}.entering"), factors


def _scales(weights: Array, *, axis: int) -> Array:
    scales: Array = (np.abs(weights).max(axis) / WIDEST).astype(np.float32)
    scales[scales == 0] = 1
    return scales


def _rounded(weights: Array, scales: Array) -> Array:
    rounded: Array = np.clip(np.round(weights / scales), -WIDEST, WIDEST).astype(np.int8)
    return rounded
