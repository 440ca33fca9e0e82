"""Builds canonical text out of blocks, and cleans the characters that reach it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from chat.corpus.formats.types import EXCERPT, MAX_CHARS, Hidden, Malformed

MAX_HIDDEN = 200
"""So many places of hidden text are listed for one document; no editor reads more."""
SUPERSCRIPT = str.maketrans("0123456789+-\u2212=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿ")
LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
UNPRINTED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e01ef]+"
)
"""Characters without a picture of their own: soft hyphens, zero widths, directions, tags."""
SMUGGLED, TAGS = 8, 3
"""So many of them in a row carry a message, of tags alone fewer; web pages have one or two at a place."""
SPACE = re.compile(r"[^\S\n]+")


@dataclass(frozen=True)
class Block:
    """A piece of the document. `level` is that of a heading; of a list item how deep it stands.

    `breaks` are offsets in the text at which a further page begins; `page` says that the block begins one.
    """

    kind: str
    text: str
    level: int = 0
    marker: str = "-"
    page: int | None = None
    breaks: tuple[int, ...] = ()


@dataclass
class Writer:
    """Collects the blocks of a document in reading order."""

    blocks: list[Block] = field(default_factory=list)
    hidden: list[Hidden] = field(default_factory=list)
    _length: int = 0

    def heading(self, level: int, text: str) -> None:
        if line := " ".join(self.clean(text).split()).lstrip("#").strip():
            self._add(Block("heading", line, level=min(max(level, 1), 6)))

    def paragraph(self, text: str, breaks: tuple[int, ...] = ()) -> None:
        """`text` may have several lines. With `breaks` it must be clean already, so that they still fit."""
        body = text if breaks else "\n".join(filter(None, (_plain(line) for line in self.clean(text).split("\n"))))
        if body.strip():
            self._add(Block("paragraph", body, breaks=breaks))

    def item(self, text: str, *, depth: int = 0, marker: str = "-", breaks: tuple[int, ...] = ()) -> None:
        body = text if breaks else " ".join(self.clean(text).split())
        if body:
            self._add(Block("item", body, level=min(depth, 5), marker=marker, breaks=breaks))

    def separate(self) -> None:
        """The next list item begins another list."""
        self.blocks.append(Block("gap", ""))

    def table(self, rows: Sequence[Sequence[str]], *, heads: int | None = None) -> None:
        """Cells as text; the first `heads` rows are the header, None: judge by the look of the first."""
        grid = [[" ".join(self.clean(cell).split()).replace("|", "\\|") for cell in row] for row in rows]
        grid = [row for row in grid if any(row)]
        width = max((len(row) for row in grid), default=0)
        grid = [row + [""] * (width - len(row)) for row in grid]
        used = [column for column in range(width) if any(row[column] for row in grid)]
        grid = [[row[column] for column in used] for row in grid]
        if len(grid) < 2 or len(used) < 2:
            for row in grid:
                for cell in filter(None, row):
                    self.paragraph(cell.replace("\\|", "|"))
            return
        if heads is None:
            heads = 1 if _titles(grid[0]) and len(grid) > 1 else 0
        lines = [f"| {' | '.join(row)} |" for row in grid[heads:]]
        if heads:
            merged = [" ".join(dict.fromkeys(filter(None, column))) for column in zip(*grid[:heads], strict=True)]
            lines[:0] = [f"| {' | '.join(merged)} |", f"|{'---|' * len(used)}"]
        self._add(Block("table", "\n".join(lines)))

    def page(self, number: int) -> None:
        """What comes now stands on this page."""
        self.blocks.append(Block("page", "", page=number))

    def hide(self, how: str, text: str, page: int | None = None) -> None:
        """List text that is left out. Pieces of the same kind that follow one another become one entry."""
        words = " ".join(UNPRINTED.sub("", text[: 4 * EXCERPT]).split())
        if not any(c.isalnum() for c in words):
            return
        last = self.hidden[-1] if self.hidden else None
        if last and (last.how, last.page) == (how, page) and len(last.excerpt) + len(words) < EXCERPT:
            self.hidden[-1] = replace(last, excerpt=f"{last.excerpt} {words}")
        elif len(self.hidden) < MAX_HIDDEN:
            self.hidden.append(Hidden(how, words[:EXCERPT], page))

    def clean(self, text: str) -> str:
        """Without characters that have no picture; a message made of them is listed as hidden. Line ends stay."""
        text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
        if UNPRINTED.search(text):
            for match in UNPRINTED.finditer(text):
                if smuggles(match[0]):
                    self.hide("zero-width", unveiled(match[0]))
            text = UNPRINTED.sub("", text)
        for ligature, letters in LIGATURES.items():
            if ligature in text:
                text = text.replace(ligature, letters)
        return SPACE.sub(" ", text)

    def render(self) -> tuple[str, tuple[int, ...]]:
        """The text, and the offsets at which pages begin. Raises Malformed when nothing is in it or too much."""
        # A document with several headings of the first level has no title among them.
        deeper = 1 if sum(block.kind == "heading" and block.level == 1 for block in self.blocks) > 1 else 0
        out: list[str] = []
        pages: list[int] = []
        length = waiting = 0
        before = ""
        for block in self.blocks:
            if block.kind == "page":
                waiting += 1
                continue
            if block.kind == "gap":
                before = ""
                continue
            if out:
                gap = "\n" if before == block.kind == "item" else "\n\n"
                out.append(gap)
                length += len(gap)
            pages += [length] * waiting
            waiting = 0
            prefix = ""
            if block.kind == "heading":
                prefix = "#" * min(block.level + deeper, 6) + " "
            elif block.kind == "item":
                prefix = f"{'  ' * block.level}{block.marker} "
            out.append(prefix + block.text)
            pages += [length + len(prefix) + at for at in block.breaks]
            length += len(prefix) + len(block.text)
            before = block.kind
        if not any(c.isalnum() for piece in out for c in piece):
            raise Malformed(0, "the document has no text")
        text = "".join(out) + "\n"
        pages += [length] * waiting
        return text, (0, *pages[1:]) if pages else ()

    def title(self) -> str:
        """The first heading of the first level, else the first heading, else nothing."""
        headings = [block for block in self.blocks if block.kind == "heading"]
        first = next((block for block in headings if block.level == 1), headings[0] if headings else None)
        return first.text if first else ""

    def _add(self, block: Block) -> None:
        self._length += len(block.text)
        if self._length > MAX_CHARS:
            raise Malformed(0, f"the text is longer than {MAX_CHARS:,} characters")
        self.blocks.append(block)


def raised(text: str) -> str:
    """Superscript: an exponent must not become a digit (10⁹/L), the rest may stand in the line (5th)."""
    bare = text.strip()
    turned = bare.translate(SUPERSCRIPT)
    fits = bare and all(c in "0123456789+-\u2212=()n, " for c in bare)
    return text.replace(bare, turned) if fits else text


def smuggles(run: str) -> bool:
    """Whether characters without a picture that follow one another carry a message."""
    return len(run) >= SMUGGLED or sum(0xE0020 <= ord(c) <= 0xE007E for c in run) >= TAGS


def unveiled(text: str) -> str:
    """What a run of unprinted characters says: tags are ASCII in disguise, other characters are counted."""
    letters = "".join(chr(ord(c) - 0xE0000) for c in text if 0xE0020 <= ord(c) <= 0xE007E)
    return letters or f"{len(text)} characters without width"


def _plain(line: str) -> str:
    """A line of a paragraph that structure will not take for a heading or a row of a table."""
    line = " ".join(line.split())
    if line.startswith("#"):
        line = re.sub(r"^#{1,6} ", "", line)
    return line.strip("|").strip() if line.startswith("|") and line.endswith("|") else line


def _titles(row: Iterable[str]) -> bool:
    """Whether a row looks like names of columns: short, filled, not numbers."""
    cells = list(row)
    filled = all(cells[1:]) and all(len(cell) <= 60 for cell in cells)
    return filled and not any(re.fullmatch(r"[\d.,%<>≤≥±()\s\u2013-]+", cell) for cell in cells if cell)
