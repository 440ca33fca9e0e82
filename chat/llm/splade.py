"""SPLADE-tiny (Apache-2.0), a learned sparse encoder: which words of the vocabulary a text is about, and how much.

Formal et al. 2021, SPLADE v2. The words are those of all-MiniLM-L6-v2's tokenizer; the weights are built at
installation (chat/llm/build/splade.py). Two texts are alike by the inner product of their weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from chat.llm import minilm, network

if TYPE_CHECKING:
    from chat.llm.network import Network

NAME = "splade-tiny-int8-1"
WORDS = 30522
TERMS = 192
"""Of a text the words of the greatest weight, at most so many."""


@cache
def _network() -> Network:
    return network.Network("splade", width=128)


def embed(texts: Sequence[str]) -> list[Mapping[int, float]]:
    """For each text its words, by number in the vocabulary, with their weights."""
    return network.each(_weights, minilm.encoded(texts))


def _weights(tokens: Sequence[int]) -> Mapping[int, float]:
    import numpy as np

    weights = _network().run(tokens)
    found = np.flatnonzero(weights > 0)
    if len(found) > TERMS:
        found = found[np.argsort(-weights[found], kind="stable")[:TERMS]]
    return {int(word): float(weights[word]) for word in np.sort(found)}
