"""Tables with merged cells as a plain grid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from chat.corpus.formats.types import Malformed

MAX_SPAN = 100
MAX_ROWS = 5_000
MAX_CELLS = 200_000


@dataclass(frozen=True)
class Cell:
    text: str
    across: int = 1
    down: int = 1
    head: bool = False


def spread(rows: Iterable[list[Cell]]) -> tuple[list[list[str]], int]:
    """The texts of all cells, and how many rows at the top are headers.

    A cell that spans rows stands in each of them, so that every row can be read alone. One that spans columns stands
    in its first, and in each of them where it is a header.
    """
    grid: list[list[str]] = []
    heads = count = 0
    carried: dict[int, tuple[int, str]] = {}
    """By column: in how many rows from here a cell from above still stands, and its text."""
    for row in rows:
        line: list[str] = []
        above, carried = carried, {}
        for cell in [*row, None]:
            while len(line) in above:
                left, text = above.pop(len(line))
                if left > 1:
                    carried[len(line)] = (left - 1, text)
                line.append(text)
            if cell is None:
                break
            for i in range(min(cell.across, MAX_SPAN)):
                text = cell.text if i == 0 or cell.head else ""
                if cell.down > 1:
                    carried[len(line)] = (min(cell.down, MAX_ROWS) - 1, text)
                line.append(text)
        if row and all(cell.head for cell in row) and heads == len(grid):
            heads += 1
        grid.append(line)
        count += len(line)
        if count > MAX_CELLS:
            raise Malformed(0, f"a table has more than {MAX_CELLS:,} cells")
    return grid, heads if heads < len(grid) else 0
