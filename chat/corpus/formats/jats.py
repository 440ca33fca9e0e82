"""JATS XML, the format of PubMed Central: title, abstract, sections, lists and tables of articles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from chat.corpus.formats import fields, grid, html, xml
from chat.corpus.formats.canonical import Writer, raised
from chat.corpus.formats.types import MARKDOWN, Malformed, Options, Source

SKIPPED = {
    *("ref-list", "graphic", "media", "object-id", "tex-math", "processing-meta", "inline-graphic", "alt-text"),
    *("supplementary-material", "long-desc", "permissions", "fn-group", "ack", "glossary"),
}
CREATIVE = re.compile(r"creativecommons\.org/(?:licenses/([a-z-]+)/(\d\.\d)|(publicdomain/zero)/1\.0)", re.IGNORECASE)
ADDRESSES = {
    "pmcid": "https://pmc.ncbi.nlm.nih.gov/articles/{}/",
    "pmid": "https://pubmed.ncbi.nlm.nih.gov/{}/",
    "doi": "https://doi.org/{}",
}
LABELLED = {"table-wrap", "fig", "boxed-text", "disp-formula", "statement"}


def parse(content: bytes, options: Options) -> Iterator[tuple[int, Source | Malformed]]:
    """One document for each article of the file."""
    root = xml.tree(content)
    articles = [root] if xml.name(root) == "article" else [e for e in root.iter() if xml.name(e) == "article"]
    if not articles:
        raise Malformed(1, "the file holds no article")
    for article in articles:
        line = article.sourceline or 1
        try:
            yield line, _article(article, line, options)
        except Malformed as problem:
            yield line, Malformed(problem.line or line, problem.what)


def _article(article: Any, line: int, options: Options) -> Source:
    front = xml.find(article, "front")
    meta = xml.find(front, "article-meta")
    if meta is None:
        raise Malformed(line, "the article says nothing about itself: article-meta is missing")
    ids = _ids(meta)
    kind = article.get("article-type") or ""
    if kind == "retraction" or "retract" in xml.text(xml.find(meta, "title-group/article-title"))[:12].lower():
        raise Malformed(line, f"{_known_as(ids)} is a retraction or was retracted")
    title = xml.text(xml.find(meta, "title-group/article-title"))
    writer = Writer()
    writer.heading(1, title)
    for abstract in xml.find_all(meta, "abstract"):
        if abstract.get("abstract-type") not in {"graphical", "teaser", "toc"}:
            writer.heading(2, xml.text(xml.find(abstract, "title")) or "Abstract")
            _section(writer, abstract, 3)
    body = xml.find(article, "body")
    if body is not None:
        _section(writer, body, 2)
    text, _ = writer.render()
    if not writer.title() or len(writer.blocks) < 2:
        raise Malformed(line, f"{_known_as(ids)} has no abstract and no text")
    journal = xml.text(xml.find(front, "journal-meta/journal-title-group/journal-title"))
    journal = journal or xml.text(xml.find(front, "journal-meta/journal-title"))
    year = xml.text(xml.find(meta, "pub-date/year"))
    which = next((name for name in ADDRESSES if name in ids), "")
    return Source(
        external_id=fields.cut(_external(ids) or fields.identifier(options.name), "external_id"),
        title=fields.cut(title, "title") or fields.title_of(options.name),
        text=text,
        format=MARKDOWN,
        source=fields.cut(". ".join(filter(None, (journal, year))), "source"),
        url=fields.web(ADDRESSES[which].format(ids[which])) if which else "",
        licence=fields.cut(_licence(meta), "licence"),
        hidden=tuple(writer.hidden),
    )


def _ids(meta: Any) -> dict[str, str]:
    found = {}
    for element in xml.find_all(meta, "article-id"):
        value = xml.text(element)
        match element.get("pub-id-type"):
            case "pmc" | "pmcid" if re.fullmatch(r"(?:PMC)?\d{1,10}", value):
                found["pmcid"] = value if value.startswith("PMC") else f"PMC{value}"
            case "pmid" if value.isdecimal():
                found["pmid"] = value
            case "doi" if value.startswith("10."):
                found["doi"] = value
    return found


def _external(ids: dict[str, str]) -> str:
    return ids.get("pmcid") or (f"pmid-{ids['pmid']}" if "pmid" in ids else ids.get("doi", ""))


def _known_as(ids: dict[str, str]) -> str:
    return f"the article {_external(ids)}".strip()


def _licence(meta: Any) -> str:
    licence = xml.find(meta, "permissions/license")
    if licence is None:
        return xml.text(xml.find(meta, "permissions/copyright-statement"))
    addresses = " ".join(value for element in licence.iter() for value in element.attrib.values())
    match = CREATIVE.search(addresses + " " + " ".join(licence.itertext()))
    if match is None:
        return xml.text(licence)
    return "CC0 1.0" if match[3] else f"CC {match[1].upper()} {match[2]}"


def _section(writer: Writer, element: Any, level: int, depth: int = 0) -> None:
    """Blocks of an abstract, body or section. A title belongs to the section, which has written it."""
    for child in element:
        tag = xml.name(child)
        if tag in SKIPPED or tag in {"", "title", "label"}:
            continue
        if tag == "sec":
            label, title = xml.text(xml.find(child, "label")), _inline(xml.find(child, "title"))
            writer.heading(level, f"{label} {title}".strip())
            _section(writer, child, min(level + 1, 6))
        elif tag == "list":
            _list(writer, child, depth)
        elif tag == "def-list":
            for entry in xml.find_all(child, "def-item"):
                writer.item(f"{_inline(xml.find(entry, 'term'))}: {_inline(xml.find(entry, 'def'))}")
        elif tag in LABELLED:
            _labelled(writer, child, level)
        elif tag == "table":
            rows, heads = grid.spread(html.table_rows(child, _inline))
            writer.table(rows, heads=heads or None)
        elif tag == "p":
            _paragraph(writer, child, level, depth)
        else:
            _section(writer, child, level, depth)


def _paragraph(writer: Writer, element: Any, level: int, depth: int) -> None:
    """A paragraph; lists and tables that stand inside it follow it."""
    inner = [child for child in element if xml.name(child) in {"list", "def-list", *LABELLED}]
    writer.paragraph(_inline(element, without=set(inner)))
    for child in inner:
        holder = child.makeelement("holder")
        holder.append(child)
        _section(writer, holder, level, depth)


def _list(writer: Writer, element: Any, depth: int) -> None:
    if not depth:
        writer.separate()
    ordered = (element.get("list-type") or "") in {"order", "ordered", "alpha-lower", "roman-lower"}
    for number, item in enumerate(xml.find_all(element, "list-item"), 1):
        nested = [child for child in item.iter() if xml.name(child) == "list" and _owner(child) is item]
        text = _inline(item, without={*nested, *(c for c in item if xml.name(c) == "label")})
        writer.item(text, depth=depth, marker=html.marker(number if ordered else None))
        for child in nested:
            _list(writer, child, depth + 1)


def _labelled(writer: Writer, element: Any, level: int) -> None:
    """Table, figure or box: label and caption, then what is in it."""
    caption = xml.find(element, "caption")
    label = xml.text(xml.find(element, "label"))
    named = f"{label.rstrip('.')}. {_inline(caption)}" if label and caption is not None else label or _inline(caption)
    writer.paragraph(named)
    for child in element:
        if xml.name(child) not in {"caption", "label", *SKIPPED}:
            holder = child.makeelement("holder")
            holder.append(child)
            _section(writer, holder, level)


def _owner(element: Any) -> Any:
    parent = element.getparent()
    while parent is not None and xml.name(parent) != "list-item":
        parent = parent.getparent()
    return parent


def _inline(element: Any, without: set[Any] | None = None) -> str:
    """The words of an element on one line; what is in `without` is left out, exponents stay exponents."""
    if element is None:
        return ""
    out: list[str] = [element.text or ""]
    for child in element:
        tag = xml.name(child)
        if child not in (without or ()) and tag and tag not in SKIPPED:
            inner = _inline(child, without)
            glued = tag == "xref" and "".join(out)[-1:].isalnum()  # the number of a reference, set right after a word
            inner = raised(inner) if tag == "sup" or glued else inner
            out.append(f" {inner} " if tag in {"p", "title", "break"} else inner)
        out.append(child.tail or "")
    return " ".join("".join(out).split())
