"""Lines of all pages as headings, paragraphs, lists and tables: without running heads, with words put together."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import TypeGuard

from chat.corpus.formats.canonical import Writer
from chat.corpus.formats.html import marker
from chat.corpus.formats.pdf_page import Grid, Line, Page

MARGIN = 0.12
"""The part of a page's height at its top and bottom where running heads and page numbers stand."""
DASH = "-\u2013\u2014"
NUMBER = re.compile(
    rf"(?:page|p\.|seite|[{DASH}|])?\s*(?:\d{{1,4}}|[ivxlc]{{1,6}})\s*(?:(?:of|/|von)\s*\d{{1,4}})?\s*[{DASH}|]?",
    re.IGNORECASE,
)
BULLET = re.compile(rf"([•▪●◦○‣\u2043∙·■□▸►➢✓\uf0b7*{DASH}])\s+(?=\S)")
ORDERED = re.compile(r"(\d{1,2})[.)]\s+(?=\S)|\(?([a-hA-H]|[ivx]{1,4})\)\s+(?=\S)")
WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
BROKEN = re.compile(r"([^\W\d_]{2,})[-\u00ad\u2010]$")
HALVES = {
    *("non", "anti", "low", "high", "long", "short", "self", "well", "post", "pre", "co", "beta", "alpha", "half"),
    *("double", "single", "first", "second", "third", "evidence", "risk", "dose", "drug", "follow", "meta", "x"),
}
"""First parts of words that are written with a hyphen also within a line."""
LARGER = 1.12
LONGEST_HEADING = 160


@dataclass
class Paragraph:
    """Text being put together; `breaks` are (offset, page) where another page begins."""

    lines: list[Line] = field(default_factory=list)
    item: str = ""
    depth: int = 0


def write(pages: list[Page], writer: Writer) -> None:
    """Hand the text of all pages to the writer in order."""
    _drop_furniture(pages)
    lines = [item for page in pages for item in page.items if isinstance(item, Line)]
    flow = Flow(writer, _Sizes.of(lines), Counter(w.lower() for line in lines for w in WORD.findall(line.text)))
    for page in pages:
        flow.page(page)
    flow.close()


def _drop_furniture(pages: list[Page]) -> None:
    """Remove what stands at the top or bottom of many pages, and page numbers."""
    places: dict[str, set[int]] = defaultdict(set)
    edges = {page.number: [line for line in page.items if _edge(line, page)] for page in pages}
    for number, found in edges.items():
        for line in found:
            places[_shape(line)].add(number)
    enough = max(3, len(pages) * 0.3) if len(pages) > 2 else 2
    for page in pages:
        drop = {
            id(line)
            for line in edges[page.number]
            if NUMBER.fullmatch(line.text) or (len(pages) > 1 and len(places[_shape(line)]) >= enough)
        }
        page.items = [item for item in page.items if id(item) not in drop]


def _edge(line: Line | Grid, page: Page) -> TypeGuard[Line]:
    return isinstance(line, Line) and (line.bottom < MARGIN * page.height or line.top > (1 - MARGIN) * page.height)


def _shape(line: Line) -> str:
    """A running head and its place, without the number of its page."""
    words = re.sub(r"\d+", "#", line.text.lower())
    return f"{round(line.top / 6)} {words}"


@dataclass
class _Sizes:
    """Which sizes of letters are headings: the largest is the first level."""

    body: float
    levels: dict[float, int]

    @classmethod
    def of(cls, lines: list[Line]) -> _Sizes:
        letters: Counter[float] = Counter()
        for line in lines:
            letters[round(line.size * 2) / 2] += len(line.text)
        body = letters.most_common(1)[0][0] if letters else 10.0
        larger = sorted((size for size in letters if size >= LARGER * body), reverse=True)
        groups: list[list[float]] = []
        for size in larger:
            if groups and groups[-1][-1] - size < 0.06 * size:
                groups[-1].append(size)
            else:
                groups.append([size])
        return cls(body, {size: min(level, 4) for level, group in enumerate(groups, 1) for size in group})

    def level(self, line: Line) -> int:
        """Of a heading; 0 for text."""
        text = line.text
        if len(text) > LONGEST_HEADING or not any(c.isalpha() for c in text) or BULLET.match(text):
            return 0
        level = self.levels.get(round(line.size * 2) / 2, 0)
        if level:
            return level
        lowest = min(max(self.levels.values(), default=1) + 1, 5)
        plain = text.rstrip()[-1] not in ".;,:" and len(text) <= 100 and line.size >= 0.95 * self.body
        shouted = text.isupper() and sum(c.isalpha() for c in text) > 5 and len(line.segments) == 1
        return lowest if plain and (line.bold or shouted) and not text[:1].islower() else 0


@dataclass
class Flow:
    """Puts lines together, over the ends of columns and pages."""

    writer: Writer
    sizes: _Sizes
    words: Counter[str]
    _open: Paragraph = field(default_factory=Paragraph)
    _heading: tuple[int, list[Line]] | None = None
    _page: int = 0
    _bullets: list[float] = field(default_factory=list)

    def page(self, page: Page) -> None:
        """The lines of a page; the paragraph that was open may go on in it."""
        items = page.items
        pitch = _pitch([item for item in items if isinstance(item, Line)])
        before: Line | None = None
        self._page = page.number
        first = True
        for item, run in _with_runs(items):
            if run:
                self._break_to(page.number, first)
                self.close()
                self.writer.table([[segment.text for segment in line.segments] for line in run])
                before = None
            elif isinstance(item, Grid):
                self._break_to(page.number, first)
                self.close()
                self.writer.table(item.rows)
                before = None
            elif item is not None:
                self._line(item, before, pitch, first)
                before = item
            else:
                continue
            first = False
        if first:
            self._break_to(page.number, first=True)

    def close(self) -> None:
        """Write what is open."""
        if self._heading:
            level, lines = self._heading
            self._heading = None
            self.writer.heading(level, self._text(lines)[0])
        paragraph, self._open = self._open, Paragraph()
        if not paragraph.lines:
            return
        text, breaks = self._text(paragraph.lines)
        if paragraph.item:
            text, breaks = _without_mark(text, breaks)
            self.writer.item(text, depth=paragraph.depth, marker=paragraph.item, breaks=breaks)
        else:
            self.writer.paragraph(text, breaks)

    def _line(self, line: Line, before: Line | None, pitch: float, first: bool) -> None:
        level = self.sizes.level(line)
        goes_on = first and not level and self._continues(line)
        if first and not goes_on:
            self.close()
            self.writer.page(line.page)
        if level:
            if not (self._heading and self._heading[0] == level and before and _near(line, before, 1.6)):
                self.close()
                self._heading = (level, [])
            self._heading[1].append(line)
            return
        if self._heading:
            self.close()
        mark = "-" if line.dotted else _mark(line.text)
        if mark:
            self.close()
            self._open = Paragraph([line], mark, self._depth(line, before))
        elif goes_on or (before and self._open.lines and self._same(line, before, pitch)):
            self._open.lines.append(line)
        else:
            self.close()
            if not self._open.item:
                self._bullets = self._bullets if _indented(line, self._bullets) else []
            self._open = Paragraph([line])

    def _same(self, line: Line, before: Line, pitch: float) -> bool:
        """Whether a line belongs to the paragraph of the one before."""
        if line.left != before.left or line.top < before.top:  # another column
            return self._continues(line)
        another_size = abs(line.size - before.size) > 0.15 * before.size
        if another_size or not _near(line, before, 1.35 * pitch / max(before.size, 1)):
            return False
        if self._open.item:
            return line.x0 > self._open.lines[0].x0 + 1 or line.text[:1].islower()
        short = before.x1 < before.right - 0.2 * (before.right - before.left)
        ended = before.text[-1:] in ".!?:"
        indented = line.x0 > before.x0 + 0.8 * line.size and ended
        return not (indented or (short and ended))

    def _continues(self, line: Line) -> bool:
        """Whether a line at the top of a column or page goes on with the paragraph that ended the one before."""
        if not self._open.lines or self._heading or line.dotted or _mark(line.text):
            return False
        end = self._open.lines[-1]
        if abs(end.size - line.size) > 0.15 * end.size:
            return False
        return BROKEN.search(end.text) is not None or (end.text[-1:] not in ".!?:;" and line.text[:1].islower())

    def _break_to(self, number: int, first: bool) -> None:
        if first:
            self.close()
            self.writer.page(number)

    def _depth(self, line: Line, before: Line | None) -> int:
        if before is None and not self._open.item:
            self._bullets = [x for x in self._bullets if x < line.x0 + 4]
        known = [x for x in self._bullets if x < line.x0 - 4]
        self._bullets = [*known, line.x0]
        return len(known)

    def _text(self, lines: list[Line]) -> tuple[str, tuple[int, ...]]:
        """Lines as one text, clean, and the offsets at which another page begins in it."""
        text = ""
        breaks: list[int] = []
        for line, before in zip(lines, [None, *lines], strict=False):
            soft = line.text.endswith("\u00ad")
            words = " ".join(self.writer.clean(line.text).split()) + "-" * soft
            broken = BROKEN.search(text)
            if broken and words[:1].islower():
                text = text[:-1] if self._joins(broken[1], words) else text
            elif text and not text.endswith("-"):
                text += " "
            breaks += [len(text)] * (line.page - before.page if before else 0)
            text += words
        return text, tuple(breaks)

    def _joins(self, first: str, rest: str) -> bool:
        """Whether a word divided at the end of a line is written without the hyphen."""
        match = WORD.match(rest)
        second = match[0].lower() if match else ""
        whole, divided = self.words[f"{first}{second}".lower()], self.words[f"{first}-{second}".lower()]
        return whole >= divided if whole or divided else first.lower() not in HALVES


def _with_runs(items: list[Line | Grid]) -> Iterator[tuple[Line | Grid | None, list[Line]]]:
    """Items one by one; lines that together look like a table without rules come as one run."""
    i = 0
    while i < len(items):
        run = _aligned(items[i:])
        if run:
            yield None, run
            i += len(run)
        else:
            yield items[i], []
            i += 1


def _aligned(items: list[Line | Grid]) -> list[Line]:
    """The lines at the beginning that have the same number of parts at the same places: three or more, else none."""
    run: list[Line] = []
    for item in items:
        if not isinstance(item, Line) or len(item.segments) < 2 or _mark(item.text) or len(item.segments[0].text) < 1:
            break
        if run:
            first = run[0].segments
            fits = len(item.segments) == len(first) and all(
                min(abs(a.x0 - b.x0), abs(a.x1 - b.x1), abs(a.x0 + a.x1 - b.x0 - b.x1) / 2) < 8
                for a, b in zip(first, item.segments, strict=True)
            )
            if not fits or item.left != run[0].left or item.top < run[-1].top:
                break
        run.append(item)
    return run if len(run) >= 3 else []


def _pitch(lines: list[Line]) -> float:
    """From line to line in running text."""
    steps = [b.bottom - a.bottom for a, b in pairwise(lines) if 0 < b.bottom - a.bottom < 40]
    return median(steps) if steps else 14.0


def _near(line: Line, before: Line, times: float) -> bool:
    return 0 < line.bottom - before.bottom <= times * max(before.size, line.size)


def _mark(text: str) -> str:
    """How the item of a list that begins here is marked; empty for other text."""
    if BULLET.match(text):
        return "-"
    match = ORDERED.match(text)
    if not match:
        return ""
    return marker(int(match[1])) if match[1] else "-"


def _without_mark(text: str, breaks: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    match = BULLET.match(text)
    if match is None and (found := ORDERED.match(text)) and found[1]:
        match = found
    cut = match.end() if match else 0
    return text[cut:], tuple(max(at - cut, 0) for at in breaks)


def _indented(line: Line, bullets: list[float]) -> bool:
    return bool(bullets) and line.x0 > bullets[0] + 4
