"""all-MiniLM-L6-v2 (Apache-2.0): its tokens are the unit passages are measured in; its vectors the smaller choice.

minilm/tokenizer.json is the upstream tokenizer (sentence-transformers/all-MiniLM-L6-v2); the weights are built at
installation (chat/llm/build/minilm.py). Reimers & Gurevych 2019, Sentence-BERT: mean of the tokens, at unit length.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chat.llm import files, network

if TYPE_CHECKING:
    from chat.llm.network import Network, Vectors

NAME = "all-MiniLM-L6-v2-onnx-int8"
"""As in earlier versions: the weights are the same, and the vectors have a cosine of .998 with theirs."""
DIMENSIONS = 384
MAX_TOKENS = 256
TOKENIZER = Path(__file__).parent / "minilm" / "tokenizer.json"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"


@cache
def _tokenizer() -> Any:
    return network.tokenizer(files.same(TOKENIZER, TOKENIZER_SHA256))


@cache
def _network() -> Network:
    return network.Network("minilm", width=DIMENSIONS)


def tokens(text: str) -> list[int]:
    """Token ids of a text, without the two special ones."""
    ids: list[int] = _tokenizer().encode(text, add_special_tokens=False).ids
    return ids


def encoded(texts: Sequence[str]) -> list[list[int]]:
    """Token ids of each text as the model reads them: at most MAX_TOKENS, [CLS] and [SEP] among them."""
    found: list[list[int]] = [one.ids for one in _tokenizer().encode_batch(list(texts))]
    return [ids if len(ids) <= MAX_TOKENS else [*ids[: MAX_TOKENS - 1], ids[-1]] for ids in found]


class MiniLM:
    """The encoder (chat.llm.encoders)."""

    name = NAME
    dimensions = DIMENSIONS
    max_tokens = MAX_TOKENS

    def tokens(self, text: str) -> list[int]:
        """Token ids of a text, without the two special ones."""
        return tokens(text)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """One unit vector per text, in order. What lies past MAX_TOKENS is not read."""
        import numpy as np

        found = network.each(_network().run, encoded(texts))
        return np.stack(found) if found else np.zeros((0, DIMENSIONS), np.float32)

    def embed_query(self, text: str) -> list[float]:
        """The unit vector of a question."""
        return self.embed_queries([text])[0]

    def embed_queries(self, texts: Sequence[str]) -> list[list[float]]:
        """Those of several, at once."""
        return [vector.tolist() for vector in network.each(_network().run, encoded(texts))]
