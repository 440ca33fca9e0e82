"""One page of a PDF as lines and tables in reading order, and what on it a reader would not see."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from statistics import median
from typing import Any

from chat.corpus.formats.canonical import Writer, raised
from chat.corpus.formats.types import Malformed

TINY = 2.5
"""Letters of so few points are not read by anybody."""
WHITE = 0.95
ALIKE = 0.04
WORD_GAP = 0.17
"""In parts of the letter size: a wider gap is a space, and one wider than SEGMENT_GAP parts columns or cells."""
SEGMENT_GAP = 1.0
CELL_GAP = 1.8
RAISED_SIZE = 0.9
BOLD = re.compile(r"bold|black|heavy|semib|demi", re.IGNORECASE)
INVISIBLE = {3, 7}
"""Text rendering modes that paint nothing (ISO 32000-1, table 106)."""
INVISIBLE_TAG = "\x00invisible"
MAX_EDGES = 4_000
MAX_LETTERS = 60_000
UNKNOWN = re.compile(r"\(cid:\d+\)|[\ue000-\uf8ff\ufffd]")
BULLETS = {"\uf0b7": "•", "\uf0a7": "▪", "\uf0d8": "▸", "\uf076": "▪", "\uf02d": "–", "\uf0fc": "▪"}  # noqa: RUF001  # a dash
FEWEST = 6
"""So many lines on each side make columns; fewer are a table or an address."""


@dataclass
class Segment:
    """Letters of one line that stand together."""

    chars: list[dict[str, Any]]

    @cached_property
    def x0(self) -> float:
        return float(min(c["x0"] for c in self.chars))

    @cached_property
    def x1(self) -> float:
        return float(max(c["x1"] for c in self.chars))

    @cached_property
    def size(self) -> float:
        sizes = Counter(round(c["size"], 1) for c in self.chars if not c["text"].isspace())
        return float(sizes.most_common(1)[0][0]) if sizes else float(self.chars[0]["size"])

    @cached_property
    def top(self) -> float:
        return float(median(c["top"] for c in self.chars))

    @cached_property
    def bottom(self) -> float:
        return float(median(c["bottom"] for c in self.chars))

    @cached_property
    def bold(self) -> bool:
        letters = [c for c in self.chars if c["text"].isalpha()]
        return bool(letters) and sum(_is_bold(c["fontname"]) for c in letters) > 0.8 * len(letters)

    def forget(self) -> None:
        """Keep what is known of the letters, not the letters: those of 500 pages take gigabytes."""
        _ = self.x0, self.x1, self.top, self.bottom, self.size, self.bold, self.text
        self.chars = []

    @cached_property
    def text(self) -> str:
        """With spaces where there is room for one, and exponents as such."""
        out: list[str] = []
        high: list[str] = []
        before: dict[str, Any] | None = None
        for char in sorted(self.chars, key=lambda c: c["x0"]):
            up = char["size"] < RAISED_SIZE * self.size and char["bottom"] < self.bottom - 0.15 * self.size
            if high and not up:
                out.append(raised("".join(high)))
                high = []
            if before is not None and char["x0"] - before["x1"] > WORD_GAP * self.size and not char["text"].isspace():
                (high if up and high else out).append(" ")
            text = BULLETS.get(char["text"], char["text"])
            (high if up else out).append("□" if UNKNOWN.fullmatch(text) else text)
            before = char
        return " ".join("".join([*out, raised("".join(high))]).split())


@dataclass
class Line:
    """A line of a column; `segments` are its parts where wide gaps divide it."""

    segments: list[Segment]
    page: int
    left: float = 0.0
    right: float = 0.0
    """Where the column it stands in begins and ends."""
    dotted: bool = False
    """Whether a drawn bullet stands before it."""

    @cached_property
    def text(self) -> str:
        return " ".join(segment.text for segment in self.segments).strip()

    @cached_property
    def x0(self) -> float:
        return self.segments[0].x0

    @cached_property
    def x1(self) -> float:
        return self.segments[-1].x1

    @cached_property
    def top(self) -> float:
        return min(segment.top for segment in self.segments)

    @cached_property
    def bottom(self) -> float:
        return max(segment.bottom for segment in self.segments)

    @cached_property
    def size(self) -> float:
        return max(self.segments, key=lambda segment: len(segment.text)).size

    @cached_property
    def bold(self) -> bool:
        return all(segment.bold for segment in self.segments)


@dataclass
class Grid:
    """A table with ruled lines."""

    rows: list[list[str]]
    x0: float
    x1: float
    top: float
    bottom: float
    page: int


@dataclass
class Page:
    number: int
    height: float
    items: list[Line | Grid] = field(default_factory=list)
    letters: int = 0
    unknown: int = 0
    pictured: bool = False
    """Whether a picture covers most of it."""


def read(page: Any, number: int, writer: Writer) -> Page:
    """What is on a page; hidden text goes to the writer."""
    found = Page(number, float(page.height))
    found.pictured = _covered(page)
    chars = _visible(page, number, writer)
    found.letters = sum(not c["text"].isspace() for c in chars)
    found.unknown = sum(bool(UNKNOWN.fullmatch(c["text"])) and c["text"] not in BULLETS for c in chars)
    if not chars:
        return found
    grids = _tables(page, chars, number)
    loose = [c for c in chars if not any(_inside(c, grid) for grid in grids)]
    dots = _dots(page)
    parts: list[Segment | Grid] = [*_segments(loose), *grids]
    for region in _columns(parts, 0.0, float(page.width)):
        found.items += _rows(region, number)
    for line in found.items:
        if isinstance(line, Line):
            for segment in line.segments:
                segment.forget()
            line.dotted = any(d["x1"] <= line.x0 + 1 <= d["x1"] + 25 and _beside(d, line) for d in dots)
    return found


def _visible(page: Any, number: int, writer: Writer) -> list[dict[str, Any]]:
    """The letters a reader sees, each once, in the order of the file."""
    chars = page.chars
    if len(chars) > MAX_LETTERS:
        raise Malformed(0, f"page {number} has more than {MAX_LETTERS:,} letters")
    hiding = _Hiding(page, painted=any(c.get("tag") != INVISIBLE_TAG and not c["text"].isspace() for c in chars))
    kept: list[dict[str, Any]] = []
    seen: set[tuple[str, int, int]] = set()
    hidden: list[tuple[str, list[str]]] = []
    last: dict[str, Any] | None = None
    for char in chars:
        if how := hiding.how(char):
            if not hidden or hidden[-1][0] != how:
                hidden.append((how, []))
            below = last is not None and abs(char["top"] - last["top"]) > 0.5 * char["size"]
            hidden[-1][1].append(" " * below + char["text"])
            last = char
            continue
        # Some programs print a letter twice to make it bold.
        place = (char["text"], round(char["x0"]), round(char["top"]))
        if place not in seen or char["text"].isspace():
            seen.add(place)
            kept.append(char)
    for how, letters in hidden:
        writer.hide(how, "".join(letters), number)
    return kept


class _Hiding:
    """What on a page could hide a letter."""

    def __init__(self, page: Any, *, painted: bool) -> None:
        self._box = page.bbox
        self._painted = painted
        self._grounds = [(r, _shade(r.get("non_stroking_color"))) for r in page.rects if r.get("fill")][:2000]
        self._pictures = page.images[:200]

    def how(self, char: dict[str, Any]) -> str:
        """Empty for a letter that is seen."""
        x0, top, x1, bottom = self._box
        x, y = (char["x0"] + char["x1"]) / 2, (char["top"] + char["bottom"]) / 2
        if not (x0 <= x <= x1 and top <= y <= bottom):
            return "off-page"
        if char.get("tag") == INVISIBLE_TAG and self._painted:  # alone it is the text under a scan
            return "invisible"
        if char["size"] < TINY:
            return "tiny"
        if not char["upright"]:
            return "rotated"
        return "white" if _unseen(char, x, y, self._grounds, self._pictures) else ""


def _unseen(char: dict[str, Any], x: float, y: float, grounds: list[Any], pictures: list[Any]) -> bool:
    """Whether a letter has the color of what is behind it: paper, or the smallest box around it."""
    shade = _shade(char.get("non_stroking_color"))
    if shade is None:
        return False
    around = [(r, s) for r, s in grounds if r["x0"] <= x <= r["x1"] and r["top"] <= y <= r["bottom"]]
    if around:
        box, ground = min(around, key=lambda pair: pair[0]["width"] * pair[0]["height"])
        return ground is not None and _alike(shade, ground) and box["height"] > 1
    on_picture = any(p["x0"] <= x <= p["x1"] and p["top"] <= y <= p["bottom"] for p in pictures)
    return min(shade) > WHITE and not on_picture


def _shade(color: Any) -> tuple[float, float, float] | None:
    """A color as red, green and blue from 0 to 1; None where it is a pattern or unknown."""
    values = tuple(color) if isinstance(color, (tuple, list)) else (color,)
    try:
        return _rgb(values)
    except TypeError:  # a pattern, which is no key of a cache
        return None


@lru_cache(4096)
def _is_bold(font: str) -> bool:
    return BOLD.search(font) is not None


@lru_cache(4096)
def _rgb(values: tuple[Any, ...]) -> tuple[float, float, float] | None:
    if not values or not all(isinstance(v, (int, float)) for v in values):
        return None
    if len(values) == 1:
        return (float(values[0]),) * 3
    if len(values) == 3:
        return float(values[0]), float(values[1]), float(values[2])
    if len(values) == 4:
        cyan, magenta, yellow, black = (float(v) for v in values)
        return (1 - cyan) * (1 - black), (1 - magenta) * (1 - black), (1 - yellow) * (1 - black)
    return None


def _alike(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(abs(a - b) <= ALIKE for a, b in zip(one, other, strict=True))


def _dots(page: Any) -> list[dict[str, Any]]:
    """Small filled shapes as browsers draw before the items of a list."""
    shapes = [*page.curves[:MAX_EDGES], *page.rects[:MAX_EDGES]]
    return [s for s in shapes if 1.5 < s["width"] < 8 and 0.7 < s["width"] / max(s["height"], 0.1) < 1.4]


def _beside(dot: dict[str, Any], line: Line) -> bool:
    return bool(line.top <= (dot["top"] + dot["bottom"]) / 2 <= line.bottom)


def _covered(page: Any) -> bool:
    area = float(page.width * page.height)
    return any((p["x1"] - p["x0"]) * (p["bottom"] - p["top"]) > 0.5 * area for p in page.images[:200])


def _tables(page: Any, chars: list[dict[str, Any]], number: int) -> list[Grid]:
    """Tables with ruled lines that hold text in at least two rows and two columns."""
    if not 4 <= len(page.edges) <= MAX_EDGES:
        return []
    kept = {id(char) for char in chars}
    seen = page.filter(lambda obj: obj["object_type"] != "char" or id(obj) in kept)
    grids = []
    for table in seen.find_tables():
        rows = [[_joined(cell or "") for cell in row] for row in table.extract()]
        rows = [row for row in rows if any(row)]
        columns = {i for row in rows for i, cell in enumerate(row) if cell}
        cells = sum(len(row) for row in rows)
        if len(rows) >= 2 and len(columns) >= 2 and sum(map(bool, (c for row in rows for c in row))) >= 0.3 * cells:
            x0, top, x1, bottom = table.bbox
            grids.append(Grid(rows, float(x0), float(x1), float(top), float(bottom), number))
    return grids


def _joined(cell: str) -> str:
    return " ".join(re.sub(r"(?<=[a-z])-\n(?=[a-z])", "", cell).split())


def _inside(char: dict[str, Any], grid: Grid) -> bool:
    middle, height = (char["x0"] + char["x1"]) / 2, (char["top"] + char["bottom"]) / 2
    return bool(grid.x0 <= middle <= grid.x1 and grid.top <= height <= grid.bottom)


def _segments(chars: list[dict[str, Any]]) -> list[Segment]:
    """First as the file has them, one letter after the other; then what stands side by side is put together."""
    runs: list[list[dict[str, Any]]] = []
    for char in chars:
        last = runs[-1][-1] if runs else None
        size = max(char["size"], last["size"]) if last else 0
        if last and _level(char, last) and -0.6 * size <= char["x0"] - last["x1"] <= 0.6 * size:
            runs[-1].append(char)
        elif not char["text"].isspace():
            runs.append([char])
    segments = sorted((Segment(run) for run in runs), key=lambda s: (round(s.bottom), s.x0))
    merged: list[Segment] = []
    for segment in segments:
        for other in reversed(merged[-12:]):
            gap = max(segment.x0 - other.x1, other.x0 - segment.x1)
            if _level_segments(segment, other) and gap <= SEGMENT_GAP * max(segment.size, other.size):
                merged[merged.index(other)] = Segment([*other.chars, *segment.chars])
                break
        else:
            merged.append(segment)
    return [segment for segment in merged if segment.text]


def _level(one: dict[str, Any], other: dict[str, Any]) -> bool:
    overlap = min(one["bottom"], other["bottom"]) - max(one["top"], other["top"])
    return bool(overlap > 0.4 * min(one["bottom"] - one["top"], other["bottom"] - other["top"]))


def _level_segments(one: Segment | Grid, other: Segment | Grid) -> bool:
    overlap = min(one.bottom, other.bottom) - max(one.top, other.top)
    return overlap > 0.5 * min(one.bottom - one.top, other.bottom - other.top)


def _columns(parts: list[Segment | Grid], left: float, right: float, depth: int = 0) -> Iterable[list[Segment | Grid]]:
    """Regions in reading order: what crosses the gutter divides the page into bands, each read column by column."""
    gutter = _gutter(parts, left, right) if depth < 3 else None
    if gutter is None:
        if parts:
            yield parts
        return
    crossing = sorted((p for p in parts if p.x0 < gutter < p.x1), key=lambda p: p.top)
    rest = [p for p in parts if not p.x0 < gutter < p.x1]
    above: list[Segment | Grid] = []
    for part in [*crossing, None]:
        band = [p for p in rest if part is None or p.bottom <= part.top + 2]
        rest = [p for p in rest if part is not None and p.bottom > part.top + 2]
        if band and above:
            yield above
            above = []
        first, second = [p for p in band if p.x1 <= gutter], [p for p in band if p.x0 >= gutter]
        first, tail = _without_tail(first, second)
        yield from _columns(first, left, gutter, depth + 1)
        yield from _columns(second, gutter, right, depth + 1)
        above += [*tail, *([part] if part is not None else [])]
    if above:
        yield above


def _without_tail(first: list[Segment | Grid], second: list[Segment | Grid]) -> tuple[list[Any], list[Any]]:
    """Parts a column from what stands below both columns, where a gap at about the same height ends them."""
    if not first or not second:
        return first, []
    end = max(p.bottom for p in second)
    ordered = sorted(first, key=lambda p: p.top)
    best, cut = 0.0, 0
    for i in range(1, len(ordered)):
        bottom = max(p.bottom for p in ordered[:i])
        gap = ordered[i].top - bottom
        if abs(bottom - end) <= 30 and ordered[i].top >= end - 2 and gap > max(best, 6.0):
            best, cut = gap, i
    return (ordered[:cut], ordered[cut:]) if cut else (first, [])


def _gutter(parts: list[Segment | Grid], left: float, right: float) -> float | None:
    """Where a gap between two columns of text is; None where there is one column, or a table of short cells."""
    segments = [p for p in parts if isinstance(p, Segment)]
    if len(segments) < 2 * FEWEST:
        return None
    best: tuple[float, float] | None = None
    width = right - left
    run: list[float] = []
    for x in (left + width * step / 100 for step in range(20, 81)):
        before = [s for s in segments if s.x1 <= x]
        after = [s for s in segments if s.x0 >= x]
        across = len(segments) - len(before) - len(after)
        if (
            min(len(before), len(after)) >= FEWEST
            and across <= 0.6 * min(len(before), len(after))
            and _is_text(before, after, x, left, right)
        ):
            run.append(x)
        else:
            run = []
        if run and (best is None or len(run) > best[0]):
            best = (len(run), run[len(run) // 2])
    return best[1] if best else None


def _is_text(before: list[Segment], after: list[Segment], x: float, left: float, right: float) -> bool:
    """Whether both sides are lines of running text, most of which fill half of their column or more."""
    for side, width in ((before, x - min(s.x0 for s in before)), (after, max(s.x1 for s in after) - x)):
        lengths = _lengths(side)
        if len(lengths) < FEWEST or median(lengths) < 0.5 * width:
            return False
    overlap = min(max(s.bottom for s in before), max(s.bottom for s in after))
    return overlap > max(min(s.top for s in before), min(s.top for s in after)) and left < x < right


def _lengths(side: list[Segment]) -> list[float]:
    """The longest run of words of each line; wide gaps as between cells end a run."""
    lengths: list[float] = []
    start = end = bottom = 0.0
    for segment in sorted(side, key=lambda s: (round(s.bottom), s.x0)):
        level = abs(segment.bottom - bottom) < 0.4 * segment.size
        if lengths and level and segment.x0 - end <= CELL_GAP * segment.size:
            end = segment.x1
        else:
            if not lengths or not level:
                lengths.append(0.0)
            start, end = segment.x0, segment.x1
        bottom = segment.bottom
        lengths[-1] = max(lengths[-1], end - start)
    return lengths


def _rows(region: list[Segment | Grid], number: int) -> list[Line | Grid]:
    """Lines of a region from top to bottom; segments on one level are one line."""
    items: list[Line | Grid] = []
    left, right = min(p.x0 for p in region), max(p.x1 for p in region)
    for part in sorted(region, key=lambda p: (p.bottom if isinstance(p, Segment) else p.top, p.x0)):
        if isinstance(part, Grid):
            items.append(part)
            continue
        last = items[-1] if items else None
        if isinstance(last, Line) and any(_level_segments(part, segment) for segment in last.segments):
            items[-1] = Line(_cells([*last.segments, part]), number, left, right)
        else:
            items.append(Line([part], number, left, right))
    return items


def _cells(segments: list[Segment]) -> list[Segment]:
    """The segments of a line from left to right, those put together that only justified setting draws apart."""
    cells: list[Segment] = []
    for segment in sorted(segments, key=lambda s: s.x0):
        if cells and segment.x0 - cells[-1].x1 <= CELL_GAP * segment.size:
            cells[-1] = Segment([*cells[-1].chars, *segment.chars])
        else:
            cells.append(segment)
    return cells
