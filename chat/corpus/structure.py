"""Where headings, paragraphs and sentences of a stored text begin and end. All offsets count characters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

HEADING = re.compile(r"^(#{1,6})[ \t]+(\S.*?)[ \t]*$", re.MULTILINE)
BLANK_LINE = re.compile(r"\n[ \t]*\n")
LIST_ITEM = re.compile(r"\n[ \t]*(?=(?:[-*\u2022]|\d{1,2}[.)])[ \t])")
MARKER = re.compile(r"(?:[-*\u2022]|\d{1,2}[.)])[ \t]+")
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
    """Spans of the blocks between blank lines and of each list item, without surrounding space."""
    cuts = [m.span() for m in BLANK_LINE.finditer(text, start, end)]
    cuts += [m.span() for m in LIST_ITEM.finditer(text, start, end)]
    yield from _between(text, start, end, cuts)


def sentences(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """Spans of the sentences, list markers left out. A sentence never crosses a paragraph or list item."""
    for left, right in paragraphs(text, start, len(text) if end is None else end):
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


def _between(text: str, start: int, end: int, cuts: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    at = start
    for left, right in [*sorted(cuts), (end, end)]:
        if right < at:
            continue
        piece = text[at : max(at, left)]
        if piece.strip():
            yield at + len(piece) - len(piece.lstrip()), at + len(piece.rstrip())
        at = right
