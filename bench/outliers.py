"""python -m bench.outliers FOLDER: find chat/llm/build/outliers.json and e5_center.json anew, and write them.

FOLDER holds the packages of requirements/models.txt, unpacked; the texts are those of the starter set. Afterwards:
make models, and a new name for the encoders, because their vectors are others.

A channel is an outlier where its greatest number is more than 2.8 times the median channel's; it is divided by the
power of two that brings it back to about twice. Of the neurons of each layer the eight with the greatest numbers stay
in 32 bits. What the vectors of E5 have in common is the mean of those of the starter set: four
fifths of it are taken off, which spreads the cosines, makes them tell more of what is not in the library (area under
the curve .94 instead of .93), and leaves the order of what is found.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np  # noqa: TID253
import onnxruntime  # noqa: TID253

from chat.llm import e5 as e5_encoder
from chat.llm import minilm as minilm_encoder
from chat.llm.build import e5, graph, minilm
from chat.llm.build.__main__ import CENTER, OUTLIERS
from chat.llm.build.graph import Bert, Dense, Norm, Outliers
from chat.llm.build.onnx_file import Array

STARTER = Path("chat/corpus/starter")
MEASURED = 128
NEURONS = 8
COMMON = 0.8


def main() -> None:
    root = Path(sys.argv[1])
    all_texts = list(texts())
    few = all_texts[:: len(all_texts) // MEASURED][:MEASURED]
    multilingual, english = e5.bert(e5.read(root)), minilm.bert(root)
    questions = [f"query: {text[:60]}" for text in few[::4]]
    found = {
        "e5": outliers(multilingual, e5_encoder.encoded([f"passage: {text}" for text in few] + questions)),
        "minilm": outliers(english, minilm_encoder.encoded(few)),
    }
    blocks = (
        f'"{model}": [\n' + ",\n".join(json.dumps(layer) for layer in layers) + "\n]" for model, layers in found.items()
    )
    OUTLIERS.write_text("{\n" + ",\n".join(blocks) + "\n}\n", encoding="ascii")
    known = [Outliers.read(layer) for layer in found["e5"]]
    common = COMMON * mean(multilingual, known, e5_encoder.encoded([f"passage: {text}" for text in all_texts]))
    CENTER.write_text(json.dumps([round(float(number), 5) for number in common]) + "\n", encoding="ascii")


def texts() -> Iterator[str]:
    """The sections of the starter set, with what stands above them."""
    for path in sorted(STARTER.rglob("*.md")):
        content = path.read_text(encoding="utf-8")
        title = re.search(r"^title: (.*)$", content, re.MULTILINE)
        for part in content.split("\n## ")[1:]:
            section, _, body = part.partition("\n")
            yield f"{title[1] if title else ''} - {section}. {body.strip()}"[:900]


def outliers(bert: Bert, encoded: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """Of each layer, as graph.Outliers reads them."""
    greatest: list[list[Array]] = [[np.zeros(1)] * 3 for _ in bert.layers]
    for tokens in encoded:
        for seen, here in zip(greatest, activations(bert, tokens), strict=True):
            seen[:] = [np.maximum(one, np.abs(other).max(0)) for one, other in zip(seen, here, strict=True)]
    return [
        {
            "neurons": sorted(map(int, np.argsort(-neurons, kind="stable")[:NEURONS])),
            "attention": _channels(attention),
            "up": _channels(up),
        }
        for attention, up, neurons in greatest
    ]


def _channels(greatest: Array) -> dict[str, int]:
    exponents = np.round(np.log2(greatest / (2 * np.median(greatest)))).astype(int)
    return {str(channel): int(exponents[channel]) for channel in np.flatnonzero(exponents > 0)}


def activations(bert: Bert, tokens: Sequence[int]) -> Iterator[tuple[Array, Array, Array]]:
    """Of each layer: what enters attention, what enters the neurons, and what the neurons give."""

    def dense(x: Array, by: Dense) -> Array:
        return x @ by.weights + by.bias

    def norm(x: Array, by: Norm) -> Array:
        deviation = np.sqrt(x.var(-1, keepdims=True) + bert.epsilon)
        found: Array = (x - x.mean(-1, keepdims=True)) / deviation * by.gain + by.shift
        return found

    x = norm(bert.words[list(tokens)] + bert.positions[: len(tokens)], bert.norm)
    for layer in bert.layers:
        entering = x
        query, key, value = (
            dense(x, part).reshape(len(tokens), bert.heads, -1).swapaxes(0, 1)
            for part in (layer.query, layer.key, layer.value)
        )
        likeness = query @ key.swapaxes(1, 2) / np.sqrt(query.shape[-1])
        likeness = np.exp(likeness - likeness.max(-1, keepdims=True))
        heads = likeness / likeness.sum(-1, keepdims=True) @ value
        attended = dense(heads.swapaxes(0, 1).reshape(x.shape), layer.attended)
        middle = norm(attended + x, layer.attended_norm)
        up = dense(middle, layer.up)
        neurons = up * 0.5 * (1 + np.tanh(0.7978845608 * (up + 0.044715 * up**3)))
        x = norm(dense(neurons, layer.down) + middle, layer.norm)
        yield entering, middle, neurons


def mean(bert: Bert, known: Sequence[Outliers], encoded: Sequence[Sequence[int]]) -> Array:
    session = onnxruntime.InferenceSession(graph.mean_of(bert, known), providers=["CPUExecutionProvider"])
    total = sum(session.run(None, {"words": bert.words[list(tokens)][None]})[0][0] for tokens in encoded)
    found: Array = total / len(encoded)
    return found


if __name__ == "__main__":
    main()
