"""Lines over time, curves and bars, drawn as SVG by the server. Each has its table, with the same in words.

A line differs from the others by its dashes and by its name at the end, never by color alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 58, 170, 14, 30
MOST_LABELS = 5
APART = 18
"""Height of a line's name: two of them may not stand on each other."""


@dataclass(frozen=True)
class Point:
    """`x` and `y` from 0 to 1; `words` are what a reader sees when pointing at it."""

    x: float
    y: float
    words: str = ""
    marked: bool = False


@dataclass(frozen=True)
class Line:
    name: str
    points: Sequence[Point]


@dataclass(frozen=True)
class Label:
    x: float
    y: float
    words: str


@dataclass(frozen=True)
class Dot:
    x: float
    y: float
    words: str
    marked: bool


@dataclass(frozen=True)
class Drawn:
    """One line in the coordinates of the picture. `number` from 1 chooses its dashes."""

    number: int
    name: str
    path: str
    dots: Sequence[Dot]
    label: Label


@dataclass(frozen=True)
class Cell:
    """Of the table: what stands in it, and the name of its column for a narrow screen."""

    name: str
    words: str


@dataclass(frozen=True)
class Chart:
    """Everything the template components/_chart.html needs. `head` and `rows` are the table."""

    title: str
    lines: Sequence[Drawn]
    grid: Sequence[Label]
    below: Sequence[Label]
    upright: Label | None
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM
    top: int = TOP


def chart(
    title: str,
    lines: Sequence[Line],
    *,
    below: Sequence[tuple[float, str]],
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    upright: tuple[float, str] | None = None,
    top: float = 1,
) -> Chart:
    """Lines over a field of 0 to 1 in both directions. `title` states what they show.

    `below` are places along the lower edge with their words, `upright` a place to mark from top to bottom, and `top` is
    the share that the upper edge stands for.
    """
    kept = [line for line in lines if line.points]
    ends = _apart([_y(line.points[-1].y) for line in kept])
    drawn = [
        Drawn(
            number=number,
            name=line.name,
            path=" ".join(f"{'L' if n else 'M'}{_x(p.x):g} {_y(p.y):g}" for n, p in enumerate(line.points)),
            dots=[Dot(_x(p.x), _y(p.y), p.words, p.marked) for p in line.points if p.words],
            label=Label(WIDTH - RIGHT + 10, end + 4, line.name),
        )
        for number, (line, end) in enumerate(zip(kept, ends, strict=True), 1)
    ]
    step = max(1, -(-(len(below) - 1) // (MOST_LABELS - 1)))
    return Chart(
        title=title,
        lines=drawn,
        grid=[Label(LEFT - 8, _y(share), f"{share * top:.0%}") for share in (0, 0.25, 0.5, 0.75, 1)],
        below=[Label(_x(at), HEIGHT - 8, words) for at, words in list(below)[::step]],
        upright=Label(_x(upright[0]), TOP, upright[1]) if upright else None,
        head=head,
        rows=[[Cell(name, words) for name, words in zip(head, row, strict=True)] for row in rows],
    )


def places(number: int) -> list[float]:
    """So many places from the left edge to the right one, equally far from each other."""
    return [0.5] if number == 1 else [n / (number - 1) for n in range(number)]


def _x(share: float) -> float:
    return round(LEFT + 6 + share * (WIDTH - LEFT - RIGHT - 12), 1)


def _y(share: float) -> float:
    return round(HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP), 1)


def _apart(heights: Sequence[float]) -> list[float]:
    """The heights, moved so that names beside them can be read, in the order given."""
    order = sorted(range(len(heights)), key=lambda n: heights[n])
    placed: dict[int, float] = {}
    last = float("-inf")
    for n in order:
        last = placed[n] = max(heights[n], last + APART)
    lowest: float = HEIGHT - BOTTOM
    for n in reversed(order):  # none below the field: what stands in the way moves up, and nothing else
        placed[n] = min(placed[n], lowest)
        lowest = placed[n] - APART
    return [placed[n] for n in range(len(heights))]


# ── Bars ───────────────────────────────────────────────────────────────────────────────────────────────────────

BAR, GAP = 22, 10
LETTER = 8.8
"""Room for one letter of a name before the bars, in the largest size it has."""
FIGURE = 26
"""A part of a bar that is narrower shows no number; the table has it."""


@dataclass(frozen=True)
class Segment:
    """One part of a bar. `number` from 1 chooses its look, which every second one also shows by hatching."""

    number: int
    x: float
    width: float
    words: str
    figure: str

    @property
    def hatched(self) -> bool:
        return self.number % 2 == 0


@dataclass(frozen=True)
class Bar:
    name: str
    y: float
    segments: Sequence[Segment]


@dataclass(frozen=True)
class Bars:
    """Everything the template components/_bars.html needs. `key` are the parts by number; none where there is one."""

    title: str
    bars: Sequence[Bar]
    key: Sequence[tuple[int, str]]
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    height: int
    left: int
    width: int = WIDTH
    bar: int = BAR


def bars(title: str, parts: Sequence[str], values: Sequence[tuple[str, Sequence[int]]], *, first: str) -> Bars:
    """Bars one below the other, each of `parts` side by side, to one scale. `first` heads the names in the table."""
    most = max((sum(numbers) for _, numbers in values), default=0) or 1
    left = round(16 + LETTER * max((len(name) for name, _ in values), default=0))
    drawn = []
    for row, (name, numbers) in enumerate(values):
        x, segments = float(left), []
        for part, (words, number) in enumerate(zip(parts, numbers, strict=True), 1):
            width = round(number / most * (WIDTH - left - 10), 1)
            if number:
                figure = f"{number:,}" if width >= FIGURE else ""
                segments.append(Segment(part, round(x, 1), width, f"{name}, {words.lower()}: {number:,}", figure))
            x += width
        drawn.append(Bar(name, GAP + row * (BAR + GAP), segments))
    return Bars(
        title=title,
        bars=drawn,
        key=list(enumerate(parts, 1)) if len(parts) > 1 else [],
        head=[first, *parts],
        rows=[
            [Cell(first, name), *(Cell(part, f"{n:,}") for part, n in zip(parts, numbers, strict=True))]
            for name, numbers in values
        ],
        height=GAP + len(values) * (BAR + GAP),
        left=left,
    )
