"""multilingual-e5-small (MIT), the encoder a new installation starts with.

Wang et al. 2024, Multilingual E5 Text Embeddings: a question and a passage are told apart by the word before them; mean
of the tokens, at unit length. The weights are built at installation (chat/llm/build/e5.py). It reads Latin and Greek
script.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from chat.llm import files, network

if TYPE_CHECKING:
    from chat.llm.network import Network, Vectors

NAME = "multilingual-e5-small-int8-1"
DIMENSIONS = 384
MAX_TOKENS = 512
_GONE = (*range(1, 9), 0x0B, *range(0x0E, 0x20), 0x7F, 0x8F, 0x9F)
_SPACES = (
    *(0x09, 0x0A, 0x0C, 0x0D, 0x1680, *range(0x200B, 0x2010), 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD),
    *range(0xE000, 0xF900),
)
_NORMAL = {0: None, **dict.fromkeys(_GONE), **dict.fromkeys(_SPACES, " ")}
"""What the model's normalization does beside NFKC. Private-use characters have no piece, but for the special ones."""


@cache
def _tokenizer() -> Any:
    return network.tokenizer(files.checked("e5.tokenizer.json"))


@cache
def _network() -> Network:
    return network.Network("e5", width=DIMENSIONS)


def _normal(text: str) -> str:
    return unicodedata.normalize("NFKC", text).translate(_NORMAL)


def encoded(texts: Sequence[str]) -> list[list[int]]:
    """Token ids of each text as the model reads them: at most MAX_TOKENS, the two special ones among them."""
    found: list[list[int]] = [one.ids for one in _tokenizer().encode_batch([_normal(text) for text in texts])]
    return [ids if len(ids) <= MAX_TOKENS else [*ids[: MAX_TOKENS - 1], ids[-1]] for ids in found]


class E5:
    """The encoder (chat.llm.encoders)."""

    name = NAME
    dimensions = DIMENSIONS
    max_tokens = MAX_TOKENS

    def tokens(self, text: str) -> list[int]:
        """Token ids of a text, without the two special ones and the word before it."""
        ids: list[int] = _tokenizer().encode(_normal(text), add_special_tokens=False).ids
        return ids

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """One unit vector per text, in order. What lies past MAX_TOKENS is not read."""
        import numpy as np

        found = network.each(_network().run, encoded([f"passage: {text}" for text in texts]))
        return np.stack(found) if found else np.zeros((0, DIMENSIONS), np.float32)

    def embed_query(self, text: str) -> list[float]:
        """The unit vector of a question."""
        return self.embed_queries([text])[0]

    def embed_queries(self, texts: Sequence[str]) -> list[list[float]]:
        """Those of several, at once."""
        return [
            vector.tolist() for vector in network.each(_network().run, encoded([f"query: {text}" for text in texts]))
        ]
