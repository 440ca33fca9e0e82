"""HTML: what a reader of the page sees, as canonical text. Scripts and forms are gone, hidden text is listed."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from chat.corpus.formats import fields, grid, styles
from chat.corpus.formats.canonical import Writer, raised
from chat.corpus.formats.types import MARKDOWN, Malformed, Options, Source

CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([\w-]{1,40})", re.IGNORECASE)
DROPPED = {
    *("script", "style", "noscript", "template", "iframe", "frame", "frameset", "object", "embed", "applet", "param"),
    *("svg", "canvas", "audio", "video", "source", "track", "map", "head", "link", "meta", "base", "title"),
    *("input", "select", "option", "textarea", "button", "datalist", "img", "picture", "nav", "dialog", "annotation"),
}
ROLES = {"navigation", "search", "banner", "contentinfo", "dialog", "alertdialog"}
INLINE = {
    *("a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "dfn", "em", "font", "i", "kbd"),
    *("label", "mark", "q", "ruby", "rt", "samp", "small", "span", "strong", "sub", "sup", "time", "tt", "u", "var"),
    *("wbr", "ins", "del", "s", "strike", "br", "math", "mi", "mn", "mo", "mrow", "msup", "msub", "mtext", "nobr"),
    "output",
}
STRUCK = {"del", "s", "strike"}
LAYOUT = {"table", "h1", "h2", "h3", "h4"}
"""A table with one of these in it is there for the layout of the page."""
LONG_COMMENT = 4
"""Shorter ones say where a block of the page ends."""
SPACE = re.compile(r"\s+")


def parse(content: bytes, options: Options) -> Iterator[tuple[int, Source | Malformed]]:
    """One document of a page."""
    sys.setrecursionlimit(5000)  # the parser's own depth is 256; each level takes a few calls
    root = tree(decoded(content))
    writer = Writer()
    Walk(writer, rules(root)).run(_main(root))
    text, _ = writer.render()
    named = " ".join("".join(root.findtext(".//title") or "").split())
    title = writer.title() or named or fields.title_of(options.name)
    yield (
        1,
        Source(
            fields.identifier(options.name),
            fields.cut(title, "title"),
            text,
            MARKDOWN,
            url=fields.web(_canonical(root)),
            hidden=tuple(writer.hidden),
        ),
    )


def decoded(content: bytes) -> str:
    """The page as text, in the encoding it names, else UTF-8, else the one of old Windows as browsers do."""
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if content.startswith(mark):
            return content.decode(encoding, "replace")
    match = CHARSET.search(content[:4096])
    for encoding in ("utf-8", match[1].decode("ascii", "ignore") if match else "cp1252", "cp1252"):
        try:
            return content.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    return content.decode("latin-1")


def tree(text: str) -> Any:
    """The root element. Raises Malformed for a page that is nested too deeply to be read whole."""
    from lxml import etree
    from lxml import html as lxml_html

    parser = lxml_html.HTMLParser(encoding="utf-8", huge_tree=False, no_network=True, remove_pis=True)
    text = re.sub(r"\A\s*<\?xml[^>]{0,200}\?>", "", text).replace("\x00", "")
    try:
        root = lxml_html.document_fromstring(text.encode("utf-8", "replace"), parser=parser)
    except etree.LxmlError:
        raise Malformed(1, "this is not a page that can be read") from None
    if any("depth" in entry.message.lower() for entry in parser.error_log):
        raise Malformed(1, "the page is nested too deeply")
    return root


def table_rows(table: Any, text_of: Any) -> Iterator[list[grid.Cell]]:
    """The cells of a table of the HTML model, which JATS has too; those of tables inside it are not its own."""
    for row in table.iter():
        if name(row) != "tr" or _nearest(row, "table") is not table:
            continue
        in_head = _nearest(row, "thead") is not None
        yield [
            grid.Cell(text_of(cell), _span(cell, "colspan"), _span(cell, "rowspan"), head=in_head or name(cell) == "th")
            for cell in row
            if name(cell) in {"td", "th"}
        ]


def rules(root: Any) -> dict[str, dict[str, str]]:
    return styles.sheet("\n".join(style.text or "" for style in root.iter("style")))


@dataclass
class Walk:
    """Goes through the elements of a page in order and hands what is seen to the writer."""

    writer: Writer
    rules: dict[str, dict[str, str]] = field(default_factory=dict)
    _line: list[str] = field(default_factory=list)
    _lists: list[int | None] = field(default_factory=list)
    """The next number of each list that is open, None without numbers."""
    _item: tuple[int, str] | None = None
    _verbatim: bool = False

    def run(self, element: Any, look: styles.Look | None = None) -> None:
        self._element(element, look or styles.Look(), "")
        self._flush()

    def _element(self, element: Any, look: styles.Look, hidden: str) -> None:
        tag = name(element)
        if not tag:
            if element.tag is _comment() and len((element.text or "").split()) >= LONG_COMMENT:
                self.writer.hide("comment", element.text)
            return
        if tag in DROPPED or (element.get("role") or "").lower() in ROLES:
            return
        style = self._style(element, tag)
        how = hidden or ("hidden" if element.get("hidden") is not None else styles.unseen(style))
        how = how or ("struck out" if tag in STRUCK else "")
        look = styles.seen_as(style, look)
        handler = None if how else HANDLERS.get(tag)
        if handler:
            handler(self, element, look)
        elif tag in INLINE or how:
            self._content(element, look, how)
        else:
            self._flush()
            self._content(element, look, how)
            self._flush()

    def _content(self, element: Any, look: styles.Look, how: str) -> None:
        self._text(element.text, look, how)
        for child in element:
            self._element(child, look, how)
            self._text(child.tail, look, how)

    def _text(self, text: str | None, look: styles.Look, how: str) -> None:
        if not text:
            return
        if how:
            self.writer.hide(how, text)
        elif text.strip() and styles.same(look):
            self.writer.hide("white", text)
        else:
            self._line.append(text if self._verbatim else SPACE.sub(" ", text))

    def _flush(self) -> None:
        text = "".join(self._line).strip()
        self._line.clear()
        if text and self._item:
            (depth, marker), self._item = self._item, None
            self.writer.item(text, depth=depth, marker=marker)
        elif text:
            self.writer.paragraph(text)

    def heading(self, element: Any, look: styles.Look) -> None:
        self._flush()
        self._content(element, look, "")
        text = "".join(self._line)
        self._line.clear()
        self.writer.heading(int(name(element)[1]), text)

    def listing(self, element: Any, look: styles.Look) -> None:
        self._flush()
        if not self._lists:
            self.writer.separate()
        start = element.get("start") or "1"
        self._lists.append((int(start) if start.isdecimal() else 1) if name(element) == "ol" else None)
        self._content(element, look, "")
        self._flush()
        self._lists.pop()

    def entry(self, element: Any, look: styles.Look) -> None:
        self._flush()
        number = self._lists[-1] if self._lists else None
        self._item = (max(len(self._lists) - 1, 0), marker(number))
        if number is not None:
            self._lists[-1] = number + 1
        self._content(element, look, "")
        self._flush()
        self._item = None

    def terms(self, element: Any, look: styles.Look) -> None:
        """A list of definitions: each is one item with its term in front."""
        self._flush()
        self.writer.separate()
        term = ""
        for child in element.iter("dt", "dd"):
            if _nearest(child, "dl") is not element:
                continue
            text = self.inline(child, look)
            if name(child) == "dt":
                term = text
            else:
                self.writer.item(f"{term.rstrip(':')}: {text}" if term and text else text or term)

    def table(self, element: Any, look: styles.Look) -> None:
        self._flush()
        inner = {name(child) for child in element.iterdescendants()}
        if inner & LAYOUT or (element.get("role") or "") in {"presentation", "none"}:
            self._content(element, look, "")
            self._flush()
            return
        for caption in element.iter("caption"):
            self.writer.paragraph(self.inline(caption, look))
        rows, heads = grid.spread(table_rows(element, lambda cell: self._cell(cell, element, look)))
        self.writer.table(rows, heads=heads or None)

    def _cell(self, cell: Any, table: Any, look: styles.Look) -> str:
        above = []
        parent = cell.getparent()
        while parent is not None and parent is not table:
            above.append(parent)
            parent = parent.getparent()
        for element in reversed(above):
            style = self._style(element, name(element))
            look = styles.seen_as(style, look)
            if how := styles.unseen(style) or ("hidden" if element.get("hidden") is not None else ""):
                self.writer.hide(how, "".join(cell.itertext()))
                return ""
        return self.inline(cell, look)

    def inline(self, element: Any, look: styles.Look | None = None) -> str:
        """What is seen of an element, on one line."""
        inner = Writer(hidden=self.writer.hidden)
        Walk(inner, self.rules).run(element, look)
        return " ".join(block.text for block in inner.blocks)

    def exponent(self, element: Any, look: styles.Look) -> None:
        start = len(self._line)
        self._content(element, look, "")
        self._line[start:] = [raised("".join(self._line[start:]))]

    def line_break(self, _element: Any, _look: styles.Look) -> None:
        self._line.append("\n")

    def quoted(self, element: Any, look: styles.Look) -> None:
        self._line.append("“")
        self._content(element, look, "")
        self._line.append("”")

    def pre(self, element: Any, look: styles.Look) -> None:
        self._flush()
        before, self._verbatim = self._verbatim, True
        self._content(element, look, "")
        self._verbatim = before
        self._flush()

    def _style(self, element: Any, tag: str) -> dict[str, str]:
        style: dict[str, str] = {}
        if self.rules:
            names = [f".{one}" for one in (element.get("class") or "").lower().split()[:20]]
            names += [f"#{element.get('id').lower()}"] if element.get("id") else []
            for selector in (tag, *names, *(tag + one for one in names)):
                style.update(self.rules.get(selector, {}))
        if color := element.get("color") if tag == "font" else None:
            style["color"] = color.lower()
        if ground := element.get("bgcolor"):
            style["background-color"] = ground.lower()
        style.update(styles.declarations(element.get("style") or ""))
        return style


HANDLERS: dict[str, Callable[[Walk, Any, styles.Look], None]] = {
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), Walk.heading),
    **dict.fromkeys(("ul", "ol", "menu"), Walk.listing),
    "li": Walk.entry,
    "dl": Walk.terms,
    "table": Walk.table,
    "sup": Walk.exponent,
    "br": Walk.line_break,
    "q": Walk.quoted,
    "pre": Walk.pre,
}


def name(element: Any) -> str:
    return element.tag.rpartition("}")[2].lower() if isinstance(element.tag, str) else ""


def marker(number: int | None) -> str:
    """Of a list item; numbers past 99 would not be read as one."""
    return f"{number}." if number is not None and 0 <= number <= 99 else "-"


def _comment() -> Any:
    from lxml import etree

    return etree.Comment


def _nearest(element: Any, tag: str) -> Any:
    parent = element.getparent()
    while parent is not None and name(parent) != tag:
        parent = parent.getparent()
    return parent


def _span(cell: Any, side: str) -> int:
    value = (cell.get(side) or "1").strip()
    return max(int(value), 1) if value.isdecimal() and len(value) < 6 else 1


def _main(root: Any) -> Any:
    """The part of the page that is the document, where the page says so and it is not just a teaser."""
    body = root.find(".//body")
    whole = body if body is not None else root
    for path in (".//main", ".//*[@role='main']", ".//article"):
        found = root.findall(path)
        if len(found) == 1 and len(found[0].text_content()) >= 0.4 * len(whole.text_content()):
            return found[0]
    return whole


def _canonical(root: Any) -> str:
    for link in root.iter("link"):
        if (link.get("rel") or "").lower() == "canonical":
            return link.get("href") or ""
    return ""
