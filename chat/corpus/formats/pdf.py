"""PDF: text and tables in reading order with their pages. Scans are refused, or read with tesseract where asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from chat.corpus.formats import fields, ocr, pdf_active, pdf_page, pdf_text
from chat.corpus.formats.canonical import Writer
from chat.corpus.formats.types import MARKDOWN, MAX_PAGES, Malformed, Options, Source

MOST_SCANNED = 0.2
"""Of the pages: more pictures without text than this and the document is a scan, fewer are figures and covers."""
MOST_UNKNOWN = 0.1
FEW_LETTERS = 8
ADVICE = "its text can be recognized (OCR): ask for “Read scanned pages” when you send it"
GENERATED = re.compile(
    r"^(?:microsoft (?:word|powerpoint)|untitled|document\d*$|slide \d)|\.(?:docx?|pdf|indd|qxd|tex)$", re.IGNORECASE
)


def parse(content: bytes, options: Options) -> Iterator[tuple[int, Source | Malformed]]:
    document = _open(content)
    count = len(document.pages)
    if count > MAX_PAGES:
        raise Malformed(0, f"the file has {count:,} pages; at most {MAX_PAGES} are read")
    pdf_active.refuse(document.doc, [page.page_obj for page in document.pages])
    writer = Writer()
    pages = []
    for number, page in enumerate(document.pages, 1):
        pages.append(pdf_page.read(page, number, writer))
        page.close()
    scanned = [page for page in pages if page.pictured and page.letters < FEW_LETTERS]
    letters, unknown = sum(page.letters for page in pages), sum(page.unknown for page in pages)
    unreadable = letters and unknown > MOST_UNKNOWN * letters
    if options.ocr and (scanned or unreadable):
        ocr.recognize(content, scanned if not unreadable else pages)
    elif unreadable:
        raise Malformed(0, f"the fonts of this PDF do not say which letters they show; {ADVICE}")
    elif len(scanned) > MOST_SCANNED * count or not letters:
        raise Malformed(0, _refusal(scanned, count))
    else:
        for page in scanned:
            writer.hide("picture", "A picture fills this page; words in it are not read", page.number)
    pdf_text.write(pages, writer)
    text, starts = writer.render()
    title = writer.title() or _named(document.metadata) or fields.title_of(options.name)
    yield (
        1,
        Source(
            fields.identifier(options.name),
            fields.cut(title, "title"),
            text,
            MARKDOWN,
            pages=starts,
            hidden=tuple(writer.hidden),
        ),
    )


def _open(content: bytes) -> Any:
    import pdfplumber
    import pdfplumber.page
    from pdfminer.layout import LTChar
    from pdfminer.pdfdocument import PDFEncryptionError, PDFPasswordIncorrect
    from pdfplumber.utils.exceptions import PdfminerException

    class Marking(pdfplumber.page.PDFPageAggregatorWithMarkedContent):
        """Tells text that is not painted from text that is."""

        unpainted = False

        def render_string(self, textstate: Any, seq: Any, ncs: Any, graphicstate: Any) -> None:
            self.unpainted = textstate.render in pdf_page.INVISIBLE
            super().render_string(textstate, seq, ncs, graphicstate)
            self.unpainted = False

        def tag_cur_item(self) -> None:
            super().tag_cur_item()
            if self.unpainted and self.cur_item._objs:  # noqa: SLF001  # as the class above does
                self.cur_item._objs[-1].tag = pdf_page.INVISIBLE_TAG  # type: ignore[attr-defined]  # noqa: SLF001

    general = pdfplumber.page.Page.process_object

    def process_object(page: Any, obj: Any) -> dict[str, Any]:
        """What is asked of a letter, four times as fast as every attribute it might have."""
        if not isinstance(obj, LTChar) or not isinstance(obj.fontname, str):
            return general(page, obj)
        left, top = page.mediabox[:2]
        color = obj.graphicstate.ncolor
        return {
            "object_type": "char",
            "page_number": page.page_number,
            "text": obj.get_text(),
            "fontname": obj.fontname,
            "size": obj.size,
            "upright": obj.upright,
            "x0": obj.x0 + left,
            "x1": obj.x1 + left,
            "y0": obj.y0,
            "y1": obj.y1,
            "width": obj.width,
            "height": obj.height,
            "top": page.height - obj.y1 + top,
            "bottom": page.height - obj.y0 + top,
            "doctop": page.initial_doctop + page.height - obj.y1 + top,
            "non_stroking_color": color if isinstance(color, tuple) else (color,),
            "tag": getattr(obj, "tag", None),
        }

    pdfplumber.page.Page.process_object = process_object  # type: ignore[method-assign, assignment]
    pdfplumber.page.PDFPageAggregatorWithMarkedContent = Marking  # type: ignore[misc]  # in the process that parses
    try:
        document = pdfplumber.open(BytesIO(content))
        _ = document.pages
    except PdfminerException as error:
        cause = error.args[0] if error.args else None
        if isinstance(cause, (PDFPasswordIncorrect, PDFEncryptionError)):
            raise Malformed(0, "the PDF has a password; save it without one") from None
        raise Malformed(0, "the PDF is damaged and cannot be opened") from None
    return document


def _refusal(scanned: list[pdf_page.Page], count: int) -> str:
    if not scanned:
        return f"the PDF has no text; if it shows some, {ADVICE}"
    if len(scanned) == count:
        return f"the PDF is a scan without text; {ADVICE}"
    numbers = ", ".join(str(page.number) for page in scanned[:10])
    more = " and more" if len(scanned) > 10 else ""
    return f"pages {numbers}{more} of {count} are scans without text; {ADVICE}"


def _named(metadata: dict[str, Any]) -> str:
    title = metadata.get("Title")
    return "" if not isinstance(title, str) or GENERATED.search(title.strip()) else " ".join(title.split())
