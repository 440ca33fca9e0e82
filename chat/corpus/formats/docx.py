"""DOCX: headings, paragraphs, lists, tables and footnotes; what Word would not print is listed as hidden."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from chat.corpus.formats import fields, grid, html, xml
from chat.corpus.formats.canonical import Writer, raised
from chat.corpus.formats.docx_styles import Lists, Shown, Styles, W, look, numbering, value
from chat.corpus.formats.package import Package
from chat.corpus.formats.types import MARKDOWN, Malformed, Options, Source

PASSED_THROUGH = {
    *("hyperlink", "ins", "moveTo", "smartTag", "sdt", "sdtContent", "fldSimple", "customXml", "oMath", "oMathPara"),
    *("dir", "bdo", "AlternateContent", "Choice"),
}
DELETED = {"del", "moveFrom"}
SYMBOLS = dict(
    zip(
        "A3 B3 B1 B0 B4 B9 BB B7 A5 AB AC AD AE AF 44 53 57 61 62 64 65 67 6B 6C 6D 70 73 77".split(),  # noqa: SIM905
        "≤≥±°×≠≈•∞↔←↑→↓ΔΣΩαβδεγκλμπσω",  # noqa: RUF001  # letters and signs that look alike are meant
        strict=True,
    )
)
"""Of the font Symbol: a limit that loses its ≥ is another limit."""
UNKNOWN = "□"


def parse(content: bytes, options: Options) -> Iterator[tuple[int, Source | Malformed]]:
    package = Package(content)
    document = package.tree("word/document.xml")
    body = xml.find(document, "body")
    if body is None:
        raise Malformed(0, "the file is damaged: it has no text part")
    reader = Reader(Styles.of(package.tree("word/styles.xml")), Lists.of(package.tree("word/numbering.xml")))
    reader.blocks(body)
    reader.notes(package)
    comments = package.tree("word/comments.xml")
    for comment in xml.find_all(comments, "comment") if comments is not None else ():
        reader.writer.hide("comment", _all_text(comment))
    text, _ = reader.writer.render()
    title = reader.title or reader.writer.title() or _core_title(package) or fields.title_of(options.name)
    yield (
        1,
        Source(
            fields.identifier(options.name),
            fields.cut(title, "title"),
            text,
            MARKDOWN,
            hidden=tuple(reader.writer.hidden),
        ),
    )


@dataclass
class Reader:
    styles: Styles
    lists: Lists
    writer: Writer = field(default_factory=Writer)
    title: str = ""
    _notes: list[tuple[str, str]] = field(default_factory=list)
    """Kind and id of each note in the order of their marks."""
    _boxes: list[Any] = field(default_factory=list)
    """Text boxes of the paragraph that is read; they follow it."""
    _list: str = ""

    def blocks(self, element: Any) -> None:
        for child in element:
            tag = xml.name(child)
            if tag == "p":
                self._paragraph(child)
            elif tag == "tbl":
                self._table(child)
            elif tag in DELETED:
                self.writer.hide("tracked deletion", _all_text(child))
            elif tag in PASSED_THROUGH:
                self.blocks(child)

    def notes(self, package: Package) -> None:
        """Footnotes and endnotes after the text, with the numbers of their marks."""
        parts: dict[str, dict[str, Any]] = {}
        for kind in ("footnote", "endnote"):
            root = package.tree(f"word/{kind}s.xml")
            parts[kind] = {n.get(f"{W}id"): n for n in xml.find_all(root, kind)} if root is not None else {}
        if self._notes:
            self.writer.heading(2, "Notes")
        for number, (kind, which) in enumerate(self._notes, 1):
            note = parts[kind].get(which)
            text = " ".join(self._text(p, Shown()) for p in xml.find_all(note, "p")) if note is not None else ""
            self.writer.item(text, marker=html.marker(number))

    def _paragraph(self, paragraph: Any) -> None:
        properties = xml.find(paragraph, "pPr")
        style = value(xml.find(properties, "pStyle"))
        base = self.styles.looks.get(style, Shown())
        text = self._text(paragraph, base)
        boxes, self._boxes = self._boxes, []
        outline = value(xml.find(properties, "outlineLvl"))
        level = int(outline) + 1 if outline.isdecimal() and int(outline) < 9 else self.styles.levels.get(style, 0)
        number = numbering(properties) or self.styles.numbers.get(style)
        name = self.styles.names.get(style, "").lower()
        if name == "title" and text.strip():
            self.title = self.title or " ".join(text.split())
            self.writer.heading(1, text)
        elif level:
            # Under a title, headings of the first level are the second level of the document.
            self.writer.heading(level + (1 if self.title else 0), text)
        elif number and text.strip():
            self._item(text, *number)
        elif not name.startswith("toc "):
            self.writer.paragraph(text)
        for box in boxes:
            self.blocks(box)

    def _item(self, text: str, which: str, depth: int) -> None:
        if which != self._list and not depth:
            self.writer.separate()
            self._list = which
        self.writer.item(text, depth=depth, marker=html.marker(self.lists.next(which, depth)))

    def _table(self, table: Any) -> None:
        rows: list[list[str]] = []
        heads = 0
        for row in _children(table, "tr"):
            properties = xml.find(row, "trPr")
            if xml.find(properties, "del") is not None:
                self.writer.hide("tracked deletion", _all_text(row))
                continue
            if xml.find(properties, "tblHeader") is not None and heads == len(rows):
                heads += 1
            rows.append(self._row(row, rows[-1] if rows else [], head=heads == len(rows) + 1))
        self.writer.table(rows, heads=heads if 0 < heads < len(rows) else None)
        boxes, self._boxes = self._boxes, []
        for box in boxes:
            self.blocks(box)

    def _row(self, row: Any, above: list[str], *, head: bool) -> list[str]:
        """The cells; one merged downwards stands in each row, one merged across only in its first column."""
        line: list[str] = []
        for cell in _children(row, "tc"):
            properties = xml.find(cell, "tcPr")
            shading, merge = xml.find(properties, "shd"), xml.find(properties, "vMerge")
            ground = (shading.get(f"{W}fill") or "") if shading is not None else ""
            base = Shown(ground="" if ground == "auto" else ground)
            text = " ".join(filter(None, (self._text(p, base).strip() for p in cell.iter(f"{W}p"))))
            if merge is not None and value(merge) != "restart" and not text and len(line) < len(above):
                text = above[len(line)]
            span = value(xml.find(properties, "gridSpan"))
            across = min(int(span), grid.MAX_SPAN) if span.isdecimal() and len(span) < 5 else 1
            line += [text, *([text if head else ""] * (across - 1))]
        return line

    def _text(self, element: Any, base: Shown) -> str:
        """What is seen of a paragraph, tracked changes taken as accepted."""
        out: list[str] = []
        for child in element:
            tag = xml.name(child)
            if tag == "r":
                out.append(self._run(child, base))
            elif tag in DELETED:
                self.writer.hide("tracked deletion", _all_text(child))
            elif tag in PASSED_THROUGH:
                out.append(self._text(child, base))
            elif tag == "t" and child.text:  # of a formula
                out.append(child.text)
        return "".join(out)

    def _run(self, run: Any, base: Shown) -> str:
        properties = xml.find(run, "rPr")
        style = self.styles.looks.get(value(xml.find(properties, "rStyle")))
        shown = look(properties, merged(base, style) if style else base)
        text = "".join(self._piece(child) for child in run)
        if how := shown.hidden():
            self.writer.hide(how, text)
            return " " if text.strip() else text
        return raised(text) if shown.raised else text

    def _piece(self, child: Any) -> str:
        tag = xml.name(child)
        match tag:
            case "t":
                return child.text or ""
            case "tab" | "ptab":
                return " "
            case "br" | "cr":
                return "\n"
            case "noBreakHyphen":
                return "-"
            case "sym":
                return SYMBOLS.get((child.get(f"{W}char") or "").upper()[-2:], UNKNOWN)
            case "footnoteReference" | "endnoteReference":
                self._notes.append((tag.removesuffix("Reference"), child.get(f"{W}id") or ""))
                return raised(str(len(self._notes)))
            case "delText":
                self.writer.hide("tracked deletion", child.text or "")
            case "drawing" | "pict" | "AlternateContent" | "object":
                self._boxes += _boxes(child)
        return ""


def merged(base: Shown, style: Shown) -> Shown:
    """The look of a character style within the one of a paragraph."""
    return Shown(
        base.vanish or style.vanish,
        base.struck or style.struck,
        style.color or base.color,
        style.size if style.size is not None else base.size,
        style.ground or base.ground,
        base.raised or style.raised,
    )


def _children(element: Any, tag: str) -> Iterator[Any]:
    """Rows of a table or cells of a row, also those in content controls."""
    for child in element:
        if xml.name(child) == tag:
            yield child
        elif xml.name(child) in PASSED_THROUGH:
            yield from _children(child, tag)


def _boxes(element: Any) -> list[Any]:
    """Text boxes in a drawing; Word writes each twice, and the second is for older programs."""
    if xml.name(element) == "AlternateContent":
        element = xml.find(element, "Choice")
    return [e for e in element.iter() if xml.name(e) == "txbxContent"] if element is not None else []


def _all_text(element: Any) -> str:
    return "".join(e.text or "" for e in element.iter() if xml.name(e) in {"t", "delText"})


def _core_title(package: Package) -> str:
    root = package.tree("docProps/core.xml")
    return xml.text(xml.find(root, "title")) if root is not None else ""
