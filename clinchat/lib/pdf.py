"""Documents as PDF: Letter, 15 mm margins, a title and "as of" on each page, page numbers, tables that repeat heads.

No text makes it fail: what a font does not have is shown as a box, and a cell longer than a page goes on in a new row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from fpdf import FPDF

FONTS: Final = Path(__file__).parent / "fonts"
MARGIN: Final = 15
BODY, SMALL = 9.0, 7.5
LINE: Final = 4.0
WIDTH: Final = 215.9 - 2 * MARGIN
LINES_OF_A_ROW: Final = 30
"""A row with more is split: half a page, whatever its letters are."""
CHARACTER: Final = 1.75
"""Millimeters of a wide character of a table; more fit in a line."""


class Document:
    """Written from top to bottom; `made` is the whole file."""

    def __init__(self, *, title: str, as_of: str) -> None:
        self._pdf = _page_maker()(title=_clean(title), as_of=_clean(as_of))

    def heading(self, text: str) -> None:
        pdf = self._pdf
        pdf.ln(3)
        if pdf.will_page_break(24):
            pdf.add_page()
        pdf.set_font(pdf.family, "B", 12)
        pdf.multi_cell(0, 7, _clean(text), new_x="LMARGIN", new_y="NEXT")
        pdf.set_font(pdf.family, "", BODY)

    def paragraph(self, text: str) -> None:
        pdf = self._pdf
        pdf.set_font(pdf.family, "", BODY)
        pdf.multi_cell(0, 5, _clean(text), new_x="LMARGIN", new_y="NEXT")

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]], *, widths: Sequence[int]) -> None:
        """`widths` are shares of the page. Nothing is drawn where there are no rows."""
        filled = list(rows)
        if not filled:
            return
        pdf, total = self._pdf, sum(widths)
        pdf.set_font(pdf.family, "", SMALL)
        fit = [max(1, int(WIDTH * width / total / CHARACTER)) * LINES_OF_A_ROW for width in widths]
        with pdf.table(
            col_widths=tuple(widths),
            line_height=LINE,
            text_align="LEFT",
            borders_layout="HORIZONTAL_LINES",
            padding=0.7,
        ) as table:
            for cells in (head, *filled):
                for part in _split([_clean(cell) for cell in cells], fit):
                    table.row(part)
        pdf.set_font(pdf.family, "", BODY)

    def made(self) -> bytes:
        return bytes(self._pdf.output())


def _split(cells: Sequence[str], fit: Sequence[int]) -> Iterable[list[str]]:
    """The row, and what does not fit into it as further ones."""
    parts = max((-(-len(cell) // most) for cell, most in zip(cells, fit, strict=True)), default=1) or 1
    for n in range(parts):
        yield [cell[n * most : (n + 1) * most] for cell, most in zip(cells, fit, strict=True)]


def _clean(text: str) -> str:
    """One line without what cannot be drawn: control characters and halves of surrogate pairs."""
    flat = " ".join(text.split())
    return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in flat if c.isprintable())


@cache
def _page_maker() -> Any:
    """The class of documents; its library is loaded when the first one is made."""
    import logging

    from fpdf import FPDF

    logging.getLogger("fpdf").setLevel(logging.ERROR)  # it says which letters a font lacks, and so quotes names
    logging.getLogger("fontTools").setLevel(logging.ERROR)

    class Pages(FPDF):
        def __init__(self, *, title: str, as_of: str) -> None:
            super().__init__(format="Letter", unit="mm")
            self.heading, self.as_of = title, as_of
            self.family = add_fonts(self)
            self.set_margins(MARGIN, MARGIN, MARGIN)
            self.set_auto_page_break(True, margin=MARGIN + 6)
            self.set_title(title)
            self.set_lang("en-US")
            self.alias_nb_pages()
            self.add_page()
            self.set_font(self.family, "", BODY)

        def header(self) -> None:
            self.set_font(self.family, "B", 11)
            self.cell(WIDTH - 60, 6, self.heading[:90])
            self.set_font(self.family, "", SMALL)
            self.cell(60, 6, self.as_of, align="R", new_x="LMARGIN", new_y="NEXT")
            self.set_draw_color(120)
            self.line(MARGIN, self.get_y() + 1, MARGIN + WIDTH, self.get_y() + 1)
            self.set_y(self.get_y() + 4)
            self.set_font(self.family, "", BODY)

        def footer(self) -> None:
            self.set_y(-MARGIN)
            self.set_font(self.family, "", SMALL)
            self.cell(0, 5, f"Page {self.page_no()} of {{nb}}", align="C")

    return Pages


def add_fonts(pdf: FPDF) -> str:
    """The fonts of everything that is printed, plain and bold; returns the name of their family."""
    pdf.add_font("DejaVu", "", FONTS / "DejaVuSans.ttf")
    pdf.add_font("DejaVu", "B", FONTS / "DejaVuSans-Bold.ttf")
    return "DejaVu"
