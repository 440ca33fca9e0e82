"""Cuts a stored text into passages. llama-index decides where, we keep the offsets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from chat.corpus import structure
from chat.llm import minilm

if TYPE_CHECKING:
    from llama_index.core.node_parser import SentenceSplitter

CHUNK_TOKENS = 200
"""With title and section in front a chunk stays within the 256 tokens the embedding model reads."""
OVERLAP_TOKENS = 30


@dataclass(frozen=True)
class Piece:
    section: str
    start: int
    end: int


@cache
def splitter() -> SentenceSplitter:
    from llama_index.core.node_parser import SentenceSplitter

    def cut(text: str) -> list[str]:
        """Our sentence boundaries as consecutive slices, so that llama-index joins them back verbatim."""
        starts = [start for start, _ in structure.sentences(text)][1:]
        return [text[a:b] for a, b in zip([0, *starts], [*starts, len(text)], strict=True)]

    return SentenceSplitter(
        chunk_size=CHUNK_TOKENS,
        chunk_overlap=OVERLAP_TOKENS,
        tokenizer=minilm.tokens,
        chunking_tokenizer_fn=cut,
        paragraph_separator="\n\n",
    )


def pieces(text: str, *, markdown: bool, section: str = "") -> Iterator[Piece]:
    """The passages of a text in order; each is an exact slice, none crosses a heading, neighbours may overlap."""
    for part in structure.parts(text, markdown=markdown, section=section):
        body = text[part.start : part.end]
        at = 0
        for chunk in splitter().split_text(body):
            found = body.find(chunk, at)
            if found < 0:
                raise ValueError("a chunk is not a slice of its document")
            yield Piece(part.section, part.start + found, part.start + found + len(chunk))
            at = found + 1
