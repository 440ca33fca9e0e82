"""Cuts a stored text into passages along its structure. llama-index decides where, we keep the offsets.

A passage never crosses a heading; list items and table rows stay whole where they fit. What a passage needs to be
understood but does not hold (the header row of its table, the line that introduces its list) goes with it as its lead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from chat.corpus import structure
from chat.corpus.structure import Block, Shape
from chat.llm import minilm

CHUNK_TOKENS = 200
"""With title and section in front a passage and its lead stay within the 256 tokens the embedding model reads."""
OVERLAP_TOKENS = 30
LEAD_TOKENS = 60
LETTERS = 15
"""More of them to a token is no language."""
WORD = re.compile(r"\S+\s*")
CAPTION = re.compile(r"(?:table|box|figure)\s+\w+", re.IGNORECASE)
TABLE = {Shape.HEAD, Shape.ROW}
FIRST = 0x10000
"""llama-index is given one character for each unit, from this one on: which units it joins is then known exactly."""

Span = tuple[int, int]


@dataclass(frozen=True)
class Piece:
    """A passage: the slice from `start` to `end` of the text, in the part with the ordinal `part`, from 0.

    `lead` is embedded and searched with it, and is no part of it.
    """

    section: str
    start: int
    end: int
    lead: str = ""
    part: int = 0


@dataclass(frozen=True)
class Unit:
    """What is kept together where it fits: a paragraph, a list item, a row.

    `leads` are what it is understood by, the nearest first: header row, then caption; item above, then introduction.
    """

    start: int
    end: int
    tokens: int
    leads: tuple[Span, ...] = ()


def pieces(text: str, *, markdown: bool, section: str = "") -> Iterator[Piece]:
    """The passages of a text in order; each is an exact slice, none crosses a heading, neighbours may overlap."""
    for ordinal, part in enumerate(structure.parts(text, markdown=markdown, section=section)):
        for first, last in _passages(text, part):
            yield Piece(part.section, first.start, last.end, _lead(text, first.leads), ordinal)


def _passages(text: str, part: structure.Part) -> Iterator[tuple[Unit, Unit]]:
    """First and last unit of each passage of a part."""
    groups = list(_groups(text, list(structure.blocks(text, part.start, part.end))))
    if not groups:
        return
    if sum(unit.tokens for group in groups for unit in group) <= CHUNK_TOKENS:
        yield groups[0][0], groups[-1][-1]
        return
    # Every passage of the part leaves room for its longest lead; most parts have none.
    leads = {unit.leads for group in groups for unit in group}
    size = CHUNK_TOKENS - max(_size(_lead(text, spans)) for spans in leads)
    yield from _joined([unit for group in groups for unit in _fitting(text, group, size)], size)


def _joined(units: list[Unit], size: int) -> Iterator[tuple[Unit, Unit]]:
    """llama-index fills passages up to the size with units, the next beginning with the last few of the one before."""
    from llama_index.core.node_parser import SentenceSplitter

    splitter = SentenceSplitter(
        chunk_size=size,
        chunk_overlap=OVERLAP_TOKENS,
        tokenizer=lambda chars: range(sum(units[ord(c) - FIRST].tokens for c in chars)),
        chunking_tokenizer_fn=list,
    )
    for chunk in splitter.split_text("".join(chr(FIRST + i) for i in range(len(units)))):
        yield units[ord(chunk[0]) - FIRST], units[ord(chunk[-1]) - FIRST]


def _groups(text: str, blocks: list[Block]) -> Iterator[list[Unit]]:
    """Units with their leads; an introduction stays with its first item, caption and header with the first row."""
    above: tuple[Span, ...] = ()  # what leads the present table or list
    head: tuple[Span, ...] = ()
    items: list[Block] = []
    group: list[Unit] = []
    for before, block, after in zip([None, *blocks], blocks, [*blocks[1:], None], strict=False):
        leads: tuple[Span, ...] = ()
        if block.shape is Shape.PARAGRAPH:
            above, head, items = _introduction(text, block, after), (), []
        elif block.shape is Shape.ITEM:
            if before and before.shape in TABLE:
                above, head, items = (), (), []
            items = [item for item in items if item.depth < block.depth]
            leads = (*((item.start, item.end) for item in reversed(items)), *above)
            items.append(block)
        else:
            another = block.shape is Shape.HEAD and before is not None and before.shape in TABLE
            if another or (before and before.shape is Shape.ITEM):
                above, head, items = (), (), []
            leads = (*head, *above)
            if block.shape is Shape.HEAD:
                head = ((block.start, block.end),)
        upto = after.start if block.shape is Shape.HEAD and after else block.end  # with the rule below the header
        if block.shape is Shape.PARAGRAPH and above and above[0][0] > block.start:
            yield [Unit(block.start, above[0][0], _size(text[block.start : above[0][0]]))]
            group.append(Unit(*above[0], _size(text[slice(*above[0])])))
        else:
            group.append(Unit(block.start, block.end, _size(text[block.start : upto]), leads))
        if after is None or not (block.shape is Shape.HEAD or (block.shape is Shape.PARAGRAPH and above)):
            yield group
            group = []


def _introduction(text: str, block: Block, after: Block | None) -> tuple[Span, ...]:
    """The sentence of a paragraph that introduces the list or table below it, or the caption of the table."""
    if after is None or after.shape is Shape.PARAGRAPH:
        return ()
    if after.shape in TABLE and CAPTION.match(text, block.start, block.end):
        return ((block.start, block.end),)
    *_, last = structure.sentences(text, block.start, block.end)
    return (last,) if text[last[1] - 1] == ":" else ()


def _fitting(text: str, group: list[Unit], size: int) -> Iterator[Unit]:
    """A group as one unit; where it is too long its units, where one is too long its sentences, and so on down."""
    tokens = sum(unit.tokens for unit in group)
    if tokens <= size:
        yield Unit(group[0].start, group[-1].end, tokens, group[0].leads)
        return
    for unit in group:
        if unit.tokens <= size:
            yield unit
            continue
        starts = [unit.start, *(start for start, _ in structure.sentences(text, unit.start, unit.end))][1:]
        starts[:1] = [unit.start]  # with the marker of the item
        for start, end in pairwise([*starts, unit.end]):
            yield from _words(text, Unit(start, start + len(text[start:end].rstrip()), 0, unit.leads), size)


def _words(text: str, unit: Unit, size: int) -> Iterator[Unit]:
    """A sentence, cut between words where it is too long, and within a word that is."""
    tokens = _size(text[unit.start : unit.end])
    if tokens <= size:
        yield replace(unit, tokens=tokens)
        return
    start, filled = unit.start, 0
    for word in WORD.finditer(text, unit.start, unit.end):
        for left in range(word.start(), word.end(), size):
            right = min(left + size, word.end())
            more = _size(text[left:right])
            if filled + more > size and left > start:
                yield Unit(start, left, filled, unit.leads)
                start, filled = left, 0
            filled += more
    yield Unit(start, unit.end, filled, unit.leads)


def _lead(text: str, spans: tuple[Span, ...]) -> str:
    """What leads a passage, in the order of the text; what is too much is left out, the nearest last."""
    kept: list[Span] = []
    room = LEAD_TOKENS
    for start, end in spans:
        tokens = _size(text[start:end])
        if tokens > room and kept:
            break
        fits = end if tokens <= room else next(u.end for u in _words(text, Unit(start, end, tokens), room))
        room -= min(tokens, room)
        kept.append((start, fits))
    return " ".join(" ".join(text[start:end] for start, end in sorted(kept)).split())


def _size(text: str) -> int:
    """Tokens; a long run of letters that the tokenizer does not know counts by its length."""
    return max(len(minilm.tokens(text)), len(text) // LETTERS) if text else 0
