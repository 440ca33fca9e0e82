"""PubMed XML: title and abstract of each record of a set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chat.corpus.formats import fields, xml
from chat.corpus.formats.canonical import Writer
from chat.corpus.formats.types import MARKDOWN, Malformed, Options, Source


def parse(content: bytes, _options: Options) -> Iterator[tuple[int, Source | Malformed]]:
    """One document for each record; one without an abstract has its title for text."""
    root = xml.tree(content)
    records = [root] if xml.name(root) == "PubmedArticle" else list(xml.find_all(root, "PubmedArticle"))
    if not records:
        raise Malformed(1, "the file holds no PubMed record")
    for record in records:
        line = record.sourceline or 1
        try:
            yield line, _record(record, line)
        except Malformed as problem:
            yield line, Malformed(problem.line or line, problem.what)


def _record(record: Any, line: int) -> Source:
    citation = xml.find(record, "MedlineCitation")
    article = xml.find(citation, "Article")
    pmid = xml.text(xml.find(citation, "PMID"))
    if article is None or not pmid.isdecimal():
        raise Malformed(line, "the record has no PMID or no article")
    kinds = {xml.text(kind) for kind in xml.find_all(article, "PublicationTypeList/PublicationType")}
    if "Retracted Publication" in kinds or "Retraction of Publication" in kinds:
        raise Malformed(line, f"the article PMID {pmid} was retracted")
    title = xml.text(xml.find(article, "ArticleTitle")).strip("[]")
    writer = Writer()
    writer.heading(1, title.rstrip("."))
    parts = list(xml.find_all(article, "Abstract/AbstractText"))
    for part in parts:
        label = part.get("Label") or ""
        writer.heading(2, label.capitalize() if label.isupper() else label)
        writer.paragraph(xml.text(part))
    if not parts:
        writer.paragraph(title)
    text, _ = writer.render()
    journal = xml.text(xml.find(article, "Journal/Title"))
    date = xml.find(article, "Journal/JournalIssue/PubDate")
    return Source(
        external_id=f"pmid-{pmid}",
        title=fields.cut(title, "title") or f"PMID {pmid}",
        text=text,
        format=MARKDOWN,
        source=fields.cut(". ".join(filter(None, (journal, xml.year(xml.text(date))))), "source"),
        url=f"https://pubmed.ncbi.nlm.nih.gov/{pmid}/",
        licence=fields.cut(xml.text(xml.find(article, "Abstract/CopyrightInformation")), "licence"),
        hidden=tuple(writer.hidden),
    )
