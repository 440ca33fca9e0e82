"""A stored text as a page to read: its structure, its pages, and the words that are marked where they stand."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from uuid import UUID

from django.db.models import Case, When
from django.urls import reverse

from chat.corpus import structure
from chat.corpus.structure import Shape
from chat.models import Document, DocumentVersion

SNIPPET = 240
LONG = 60_000
"""Characters from which on a text is shown in parts."""
PART = 30_000
"""About how many of them a part has."""
MOST_CONTENTS = 80
"""Headings a table of contents lists; with more of them only the upper levels."""


@dataclass(frozen=True)
class Mark:
    """Words to be marked; `anchor` is the id of the first of them on the page."""

    start: int
    end: int
    anchor: str


@dataclass(frozen=True)
class Run:
    """A piece of text that is marked or not. `anchors` are ids that begin here, `page` the page that does."""

    text: str
    marked: bool = False
    anchors: tuple[str, ...] = ()
    page: int | None = None


@dataclass(frozen=True)
class Item:
    """An entry of a list; `number` as it is written, `depth` from 0 to 3."""

    runs: tuple[Run, ...]
    number: str
    depth: int


@dataclass
class Block:
    """What the page shows in order. `kind` is heading, page, paragraph, list or table; the other fields follow it.

    `number` counts the tables of a part.
    """

    kind: str
    runs: tuple[Run, ...] = ()
    level: int = 0
    anchor: str = ""
    page: int = 0
    number: int = 0
    items: list[Item] = field(default_factory=list)
    head: list[tuple[Run, ...]] = field(default_factory=list)
    rows: list[list[tuple[Run, ...]]] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(run.text for run in self.runs)


@dataclass(frozen=True)
class Part:
    """What of a long text one page shows; `label` says where it stands in the whole."""

    number: int
    start: int
    end: int
    label: str


@dataclass(frozen=True)
class Entry:
    """A line of a table of contents: a heading and the part it stands in."""

    text: str
    level: int
    anchor: str
    part: int


@dataclass(frozen=True)
class Page:
    """One part of a version, ready to be shown, with the way to the others. Short texts have one part."""

    blocks: list[Block]
    part: Part
    parts: list[Part]
    contents: list[Entry]

    @property
    def previous(self) -> Part | None:
        return self.parts[self.part.number - 2] if self.part.number > 1 else None

    @property
    def next(self) -> Part | None:
        return self.parts[self.part.number] if self.part.number < len(self.parts) else None


@dataclass(frozen=True)
class _Heading:
    start: int
    end: int
    level: int
    text: str

    @property
    def anchor(self) -> str:
        return f"s-{self.start}"


def page(version: DocumentVersion, *, part: int | None = None, marks: Sequence[Mark] = ()) -> Page:
    """The part with that number, else the one the first mark begins in, else the first."""
    headings = _headings(version)
    cut = parts(version)
    shown = next((p for p in cut if p.number == part), None)
    if shown is None:
        at = marks[0].start if marks else 0
        shown = next((p for p in cut if p.start <= at < p.end), cut[0])
    blocks = list(_blocks(version, headings, shown, marks))
    contents = _contents(headings, cut, version.title) if len(cut) > 1 else []
    return Page(blocks, shown, cut, contents)


def parts(version: DocumentVersion) -> list[Part]:
    """How a text is divided into pages on the screen: at headings where they lie well, else between paragraphs."""
    text, pages = version.text, version.pages
    cuts = [0]
    if len(text) > LONG:
        starts = [heading.start for heading in _headings(version)]
        while len(text) - cuts[-1] > PART * 3 // 2:
            cuts.append(_cut(text, starts, cuts[-1]))
    spans = list(pairwise([*cuts, len(text)]))
    found = []
    for number, (start, end) in enumerate(spans, 1):
        first = structure.page_of(pages, start) if pages else None
        last = structure.page_of(pages, max(start, end - 1)) if pages else None
        label = f"Part {number} of {len(spans)}"
        if last:
            label += f", page {last}" if first in {None, last} else f", pages {first} to {last}"
        found.append(Part(number, start, end, label))
    return found


def part_of(cut: Sequence[Part], offset: int) -> int:
    """The number of the part an offset stands in."""
    return next((part.number for part in cut if part.start <= offset < part.end), cut[-1].number)


def _cut(text: str, headings: list[int], start: int) -> int:
    earliest, latest = start + PART * 2 // 3, start + PART * 4 // 3
    i = bisect_left(headings, earliest)
    if i < len(headings) and headings[i] <= latest:
        return headings[i]
    for gap in ("\n\n", "\n", " "):
        at = text.find(gap, start + PART, latest)
        if at >= 0:
            return at + len(gap)
    return latest


def _headings(version: DocumentVersion) -> list[_Heading]:
    if version.format != DocumentVersion.Format.MARKDOWN:
        return []
    found = structure.HEADING.finditer(version.text)
    return [_Heading(m.start(), m.end(), min(max(len(m[1]), 2), 4), m[2]) for m in found]


def _contents(headings: Iterable[_Heading], cut: Sequence[Part], title: str) -> list[Entry]:
    """The headings, without the lower levels where there are too many; the parts alone where there are none."""
    named = [heading for heading in headings if heading.text != title]
    for deepest in (4, 3, 2):
        kept = [heading for heading in named if heading.level <= deepest]
        if len(kept) <= MOST_CONTENTS:
            return [Entry(h.text, h.level, h.anchor, part_of(cut, h.start)) for h in kept]
    return []


# ── Blocks ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _blocks(
    version: DocumentVersion, headings: Sequence[_Heading], part: Part, marks: Sequence[Mark]
) -> Iterator[Block]:
    inside = [heading for heading in headings if part.start <= heading.start < part.end]
    ends = [*(heading.start for heading in inside), part.end]
    runs = _Runs(version, part, marks)
    if part.number == 1 and not inside and version.section:
        yield Block("heading", runs=(Run(version.section),), level=2, anchor="s-0")
    yield from _body(runs, part.start, ends[0])
    for heading, end in zip(inside, ends[1:], strict=True):
        yield from runs.pages_before(heading.start)
        if heading.text != version.title or runs.marks(heading.start, heading.end):
            text = runs.of(heading.end - len(heading.text), heading.end)
            yield Block("heading", runs=text, level=heading.level, anchor=heading.anchor)
        yield from _body(runs, heading.end, end)


def _body(runs: _Runs, start: int, end: int) -> Iterator[Block]:
    """Paragraphs, lists and tables of a slice without headings."""
    text = runs.text
    open_: Block | None = None
    last = start
    for block in structure.blocks(text, start, end):
        kind = _KINDS[block.shape]
        apart = open_ and (
            open_.kind != kind
            or (kind == "table" and (block.shape is Shape.HEAD or _blank(text, last, block.start)))
            or runs.page_begins(last, block.start)
        )
        if open_ and apart:
            yield open_
            open_ = None
        if open_ is None:
            yield from runs.pages_before(block.start)
            runs.tables += kind == "table"
            open_ = Block(kind, number=runs.tables)
        if kind == "list":
            marker = structure.MARKER.match(text, block.start, block.end)
            begin = marker.end() if marker else block.start
            number = text[block.start : begin].strip()
            bullet = number in structure.BULLETS
            open_.items.append(Item(runs.of(begin, block.end), "" if bullet else number, min(block.depth // 2, 3)))
        elif kind == "table":
            cells = [runs.of(*span, cell=True) for span in structure.cells(text, block.start, block.end)]
            if block.shape is Shape.HEAD:
                open_.head = cells
            else:
                open_.rows.append(cells)
        else:
            yield Block(kind, runs=runs.of(block.start, block.end))
            open_ = None
        last = block.end
    if open_:
        yield open_


_KINDS = {Shape.PARAGRAPH: "paragraph", Shape.ITEM: "list", Shape.HEAD: "table", Shape.ROW: "table"}


def _blank(text: str, start: int, end: int) -> bool:
    return structure.BLANK_LINE.search(text, start, end) is not None


class _Runs:
    """Cuts spans of the text at the marks and where pages begin. Each anchor and each page is given out once."""

    def __init__(self, version: DocumentVersion, part: Part, marks: Sequence[Mark]) -> None:
        self.text = version.text
        self.tables = 0
        self._marks = sorted(marks, key=lambda mark: (mark.start, mark.end))
        self._anchored: set[str] = set()
        self._pages = version.pages
        self._next = bisect_left(version.pages, part.start)  # index of the first page that is not announced yet
        if part.number > 1 and version.pages and self._begun(part.start) == self._next - 1:
            self._next -= 1  # the part begins inside a page: say which

    def _begun(self, offset: int) -> int:
        return bisect_right(self._pages, offset) - 1

    def marks(self, start: int, end: int) -> list[Mark]:
        """Those that lie in a span, if only in part."""
        return [mark for mark in self._marks if mark.start < end and mark.end > start]

    def page_begins(self, start: int, end: int) -> bool:
        """Whether a page begins between two blocks."""
        return self._next < len(self._pages) and start <= self._pages[self._next] <= end

    def pages_before(self, offset: int) -> Iterator[Block]:
        """The heading of the page a block begins on, unless it was given; pages without text are left out."""
        begun = self._begun(offset)
        if begun >= self._next:
            self._next = begun + 1
            yield Block("page", page=begun + 1, anchor=f"page-{begun + 1}")

    def of(self, start: int, end: int, *, cell: bool = False) -> tuple[Run, ...]:
        near = self.marks(start, end)
        begin = {p for p in self._pages[self._next : self._begun(end - 1) + 1] if p > start} if end > start else set()
        cuts = {start, end} | begin | {at for mark in near for at in (mark.start, mark.end) if start < at < end}
        return tuple(self._run(a, b, near, cell) for a, b in pairwise(sorted(cuts)))

    def _run(self, start: int, end: int, near: list[Mark], cell: bool) -> Run:
        over = [mark for mark in near if mark.start < end and mark.end > start]
        anchors = tuple(dict.fromkeys(mark.anchor for mark in over if mark.anchor not in self._anchored))
        self._anchored.update(anchors)
        page = None
        if self._next < len(self._pages) and start >= self._pages[self._next]:
            page = self._begun(start) + 1
            self._next = page
        text = self.text[start:end]
        return Run(text.replace("\\|", "|") if cell else text, bool(over), anchors, page)


# ── Elsewhere ────────────────────────────────────────────────────────────────────────────────────────────────────


def snippet(text: str) -> str:
    """The beginning of a passage on one line, cut at a word; attributions and list markers are left out, unless there
    is nothing else.
    """
    spans = [text[start:end] for start, end in structure.sentences(text)]
    line = " ".join(" ".join([s for s in spans if not structure.is_attribution(s)] or spans).split())
    return line if len(line) <= SNIPPET else line[:SNIPPET].rsplit(" ", 1)[0] + "…"


def title(document: Document) -> str:
    """What a document is called now: by its current version, else by its latest."""
    named = document.versions.order_by(Case(When(status="published", then=0), default=1), "-number")
    return named.values_list("title", flat=True).first() or document.external_id


def address(document_id: UUID) -> str:
    return reverse("document", args=[document_id])
