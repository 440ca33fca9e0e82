"""Where headings, paragraphs, lists, tables and sentences of a stored text begin and end. Offsets count characters."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

HEADING = re.compile(r"^(#{1,6})[ \t]+(\S(?:.*\S)?)[ \t]*$", re.MULTILINE)
BLANK_LINE = re.compile(r"\n[ \t]*\n")
LIST_ITEM = re.compile(r"\n[ \t]*(?=(?:[-*\u2022]|\d{1,2}[.)])[ \t])")
MARKER = re.compile(r"(?:[-*\u2022]|\d{1,2}[.)])[ \t]+")
ROW = re.compile(r"^[ \t]*\|[^\n]*\|[ \t]*$", re.MULTILINE)
RULE = re.compile(r"[ \t]*\|(?:[ \t]*:?-{3,}:?[ \t]*\|)+[ \t]*$", re.MULTILINE)
"""The line between the header row of a table and its body."""
BAR = re.compile(r"(?<!\\)\|")
LINE_END = re.compile(r"(?<=[.:;!?])[ \t]*\n")
# A full stop, then either space and a new beginning, or (text extracted from web pages) no space at all.
STOP = re.compile(r"[.!?][\"')\]\u201d]*(?:\s+(?=[\"'(\[\u201c]?[A-Z0-9])|(?<=[a-z)]\.)(?=[A-Z][a-z]{2}))")
# Single capitals are no abbreviation here: "1 mg/L." and "vitamin K." end sentences, "E. coli" goes on in lower case.
ABBREVIATION = re.compile(
    r"\b(?:Dr|Mr|Mrs|Ms|Prof|St|vs|No|Nos|Fig|Figs|al|approx|ca|cf|e\.g|i\.e|Inc|Jr|Sr|U\.S|spp|sp|subsp|var)\.$"
)
BULLETS = {"-", "*", "\u2022"}
ATTRIBUTION = "Source: "


@dataclass(frozen=True)
class Part:
    """Text under one heading: `section` is its path ("Dosing > Kidney disease"), offsets exclude the heading line."""

    section: str
    heading: str
    level: int
    start: int
    end: int


class Shape(StrEnum):
    PARAGRAPH = "paragraph"
    ITEM = "item"
    HEAD = "head"
    ROW = "row"


@dataclass(frozen=True)
class Block:
    """A paragraph, a list item with its marker, or a row of a table; `depth` of an item counts the spaces before it."""

    shape: Shape
    start: int
    end: int
    depth: int = 0


def parts(text: str, *, markdown: bool, section: str = "") -> list[Part]:
    """The text cut at its headings, in order. Without Markdown it is one part named `section`."""
    if not markdown:
        return [Part(section, section, 2, 0, len(text))] if text.strip() else []
    found: list[Part] = []
    path: list[tuple[int, str]] = []
    start = 0
    headings = list(HEADING.finditer(text))
    for i, match in enumerate([None, *headings]):
        if match is not None:
            level = len(match[1])
            path = [(n, name) for n, name in path if n < level] + [(level, match[2])]
            start = match.end()
        end = headings[i].start() if i < len(headings) else len(text)
        # The first-level heading repeats the title and is left out of the path.
        names = [name for n, name in path if n > 1]
        if text[start:end].strip():
            heading, level = (path[-1][1], path[-1][0]) if path else ("", 1)
            found.append(Part(" > ".join(names) or section, heading, level, start, end))
    return found


def paragraphs(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Spans of the blocks between blank lines, of each list item and table row, without surrounding space."""
    cuts = [m.span() for m in BLANK_LINE.finditer(text, start, end)]
    cuts += [m.span() for m in LIST_ITEM.finditer(text, start, end)]
    if text.find("|", start, end) >= 0:
        for row in ROW.finditer(text, start, end):
            left, right = row.span()
            cuts += [(left, right)] if RULE.match(text, left, right) else [(left, left), (right, right)]
    yield from _between(text, start, end, cuts)


def blocks(text: str, start: int = 0, end: int | None = None) -> Iterator[Block]:
    """The same spans with what they are."""
    last = len(text) if end is None else end
    for left, right in paragraphs(text, start, last):
        if _is_row(text, left, right):
            below = text.find("\n", right, last) + 1
            head = below > 0 and RULE.match(text, below, last) and not text[right:below].strip()
            yield Block(Shape.HEAD if head else Shape.ROW, left, right)
        elif MARKER.match(text, left, right):
            yield Block(Shape.ITEM, left, right, depth=left - text.rfind("\n", 0, left) - 1)
        else:
            yield Block(Shape.PARAGRAPH, left, right)


def cells(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Spans of what stands between the bars of a table row; empty cells are empty spans."""
    bars = [m.start() for m in BAR.finditer(text, start, end)]
    for left, right in pairwise(bars):
        cell = text[left + 1 : right]
        before = len(cell) - len(cell.lstrip()) if cell.strip() else 0
        yield left + 1 + before, left + 1 + before + len(cell.strip())


def page_of(pages: Sequence[int], offset: int) -> int | None:
    """The page, counted from 1, that offset is on; None for a source without pages."""
    return bisect_right(pages, offset) or None


def sentences(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """Spans of the sentences, list markers left out. None crosses a paragraph or list item; a table row is one."""
    for left, right in paragraphs(text, start, len(text) if end is None else end):
        if _is_row(text, left, right):
            yield left, right
            continue
        marker = MARKER.match(text, left, right)
        begin = marker.end() if marker else left
        cuts = [m.span() for m in LINE_END.finditer(text, begin, right)]
        for stop in STOP.finditer(text, begin, right):
            if not ABBREVIATION.search(text, max(begin, stop.start() - 8), stop.start() + 1):
                after = stop.end()
                before = after - len(stop[0]) + len(stop[0].rstrip())
                cuts.append((before, after))
        yield from _between(text, begin, right, cuts)


def is_attribution(text: str) -> bool:
    """Whether a sentence only names where its paragraph comes from; it is shown with a passage, never as an answer."""
    return text.startswith(ATTRIBUTION)


def _is_row(text: str, start: int, end: int) -> bool:
    return text[start] == "|" and end - start > 1 and text[end - 1] == "|" and text.find("\n", start, end) < 0


def _between(text: str, start: int, end: int, cuts: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    at = start
    for left, right in [*sorted(cuts), (end, end)]:
        if right < at:
            continue
        piece = text[at : max(at, left)]
        if piece.strip():
            yield at + len(piece) - len(piece.lstrip()), at + len(piece.rstrip())
        at = right
