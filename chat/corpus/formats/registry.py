"""Which parser reads which type, and where it may run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module

from chat.corpus.formats import sniff
from chat.corpus.formats.types import MAX_DOCUMENTS, Malformed, Options, Problem, Reading, Source

Parser = Callable[[bytes, Options], Iterator[tuple[int, "Source | Malformed"]]]

MODULES = {
    sniff.ROWS: "rows",
    sniff.MARKDOWN: "markdown",
    sniff.PLAIN: "plain",
    sniff.HTML: "html",
    sniff.DOCX: "docx",
    sniff.PDF: "pdf",
    sniff.JATS: "jats",
    sniff.PUBMED: "pubmed",
    sniff.MEDQUAD: "medquad",
    sniff.OPENFDA: "openfda",
}
SIMPLE = {sniff.ROWS, sniff.MARKDOWN, sniff.PLAIN}
"""Read by a few lines of Python of our own: these need no process of their own."""


def parse(content: bytes, media_type: str, options: Options) -> Reading:
    """The documents of a file of a known type. Never raises for content; only the parser needed is imported."""
    reading = Reading(media_type=media_type)
    parser: Parser = import_module(f"chat.corpus.formats.{MODULES[media_type]}").parse
    seen: dict[str, int] = {}
    try:
        for line, item in parser(content, options):
            if isinstance(item, Malformed):
                reading.problems.append(Problem(options.name, item.line, item.what))
            elif item.external_id in seen:
                what = f"id “{item.external_id}” was already used in {options.name}, line {seen[item.external_id]}"
                reading.problems.append(Problem(options.name, line, what))
            else:
                seen[item.external_id] = line
                reading.sources.append(item)
            if media_type not in SIMPLE and len(seen) > MAX_DOCUMENTS:
                raise Malformed(0, f"the file holds more than {MAX_DOCUMENTS:,} documents; split it")
    except Malformed as problem:
        reading.problems.append(Problem(options.name, problem.line, problem.what))
    return reading
