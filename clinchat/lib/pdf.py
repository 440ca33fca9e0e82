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

    from clinchat.lib.charts import Bars, Chart

FONTS: Final = Path(__file__).parent / "fonts"
MARGIN: Final = 15
BODY, SMALL = 9.0, 7.5
LINE: Final = 4.0
WIDTH: Final = 215.9 - 2 * MARGIN
LINES_OF_A_ROW: Final = 30
"""A row with more is split: half a page, whatever its letters are."""
CHARACTER: Final = 1.75
"""Millimeters of a wide character of a table; more fit in a line."""


GREYS: Final = (60, 190, 120, 225, 90, 160)
"""Of the parts of bars, so that neighbors differ on any printer."""


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

    def title(self, text: str) -> None:
        """Of a table or a few lines: smaller than a heading, and never alone at the end of a page."""
        pdf = self._pdf
        pdf.ln(2)
        if pdf.will_page_break(18):
            pdf.add_page()
        pdf.set_font(pdf.family, "B", BODY)
        pdf.multi_cell(0, 6, _clean(text), new_x="LMARGIN", new_y="NEXT")
        pdf.set_font(pdf.family, "", BODY)

    def paragraph(self, text: str) -> None:
        pdf = self._pdf
        pdf.set_font(pdf.family, "", BODY)
        pdf.multi_cell(0, 5, _clean(text), align="L", new_x="LMARGIN", new_y="NEXT")

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

    def bars(self, chart: Bars) -> None:
        """What clinchat.lib.charts.bars made, in greys, with its key below."""
        pdf, scale = self._pdf, WIDTH / chart.width
        self._room(chart.title, chart.height * scale + 8)
        top = pdf.get_y()
        pdf.set_font(pdf.family, "", SMALL)
        for bar in chart.bars:
            y = top + bar.y * scale
            pdf.set_xy(MARGIN, y)
            pdf.cell(chart.left * scale - 2, chart.bar * scale, _clean(bar.name), align="R")
            for part in bar.segments:
                self._part(part.number)
                pdf.rect(MARGIN + part.x * scale, y, max(part.width * scale, 0.2), chart.bar * scale, style="F")
                if part.figure:
                    pdf.set_text_color(255 if part.number == 1 else 0)
                    pdf.set_xy(MARGIN + part.x * scale, y)
                    pdf.cell(part.width * scale, chart.bar * scale, part.figure)
                    pdf.set_text_color(0)
        pdf.set_xy(MARGIN, top + chart.height * scale + 1)
        for number, words in chart.key:
            self._part(number)
            pdf.rect(pdf.get_x(), pdf.get_y() + 1, 3, 3, style="F")
            pdf.set_x(pdf.get_x() + 4)
            pdf.cell(pdf.get_string_width(_clean(words)) + 6, 5, _clean(words))
        pdf.set_xy(MARGIN, pdf.get_y() + (7 if chart.key else 1))
        self._plain()

    def lines(self, chart: Chart) -> None:
        """What clinchat.lib.charts.chart made."""
        pdf, scale = self._pdf, WIDTH / chart.width
        self._room(chart.title, chart.height * scale + 3)
        top = pdf.get_y()
        pdf.set_font(pdf.family, "", SMALL)
        pdf.set_draw_color(200)
        for one in chart.grid:
            y = top + one.y * scale
            pdf.line(MARGIN + chart.left * scale, y, MARGIN + chart.right * scale, y)
            pdf.set_xy(MARGIN, y - 2)
            pdf.cell(one.x * scale, 4, one.words, align="R")
        for one in chart.below:
            pdf.set_xy(MARGIN + one.x * scale - 12, top + one.y * scale - 3)
            pdf.cell(24, 4, _clean(one.words), align="C")
        pdf.set_draw_color(0)
        for line in chart.lines:
            dots = [(MARGIN + dot.x * scale, top + dot.y * scale) for dot in line.dots]
            pdf.polyline(dots)
            for x, y in dots:
                pdf.set_fill_color(0)
                pdf.ellipse(x - 0.7, y - 0.7, 1.4, 1.4, style="F")
            pdf.set_xy(MARGIN + line.label.x * scale, top + line.label.y * scale - 3)
            pdf.cell(40, 4, _clean(line.name))
        pdf.set_xy(MARGIN, top + chart.height * scale + 2)
        self._plain()

    def _room(self, title: str, height: float) -> None:
        """Below its title the whole picture stands on one page."""
        pdf = self._pdf
        pdf.ln(2)
        if pdf.will_page_break(height + 6):
            pdf.add_page()
        pdf.set_font(pdf.family, "B", BODY)
        pdf.multi_cell(0, 6, _clean(title), new_x="LMARGIN", new_y="NEXT")

    def _plain(self) -> None:
        """What follows a picture looks as before it: cells of tables take the color that was filled with last."""
        self._pdf.set_fill_color(255)
        self._pdf.set_draw_color(0)
        self._pdf.set_font(self._pdf.family, "", BODY)

    def _part(self, number: int) -> None:
        self._pdf.set_fill_color(GREYS[(number - 1) % len(GREYS)])

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
