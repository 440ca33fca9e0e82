"""Parsers: the bytes of a file in, documents in canonical text out. Nothing here imports Django.

Canonical text is Markdown-like: `#` headings, `- ` and `1. ` items, pipe tables with a header row; all else is derived
from it by chat.corpus.structure. Run as `python -m chat.corpus.formats` this package is the process that parses.
"""

from chat.corpus.formats.types import (
    EXCERPT,
    GRADES,
    KINDS,
    LIMITS,
    MARKDOWN,
    MAX_BYTES,
    MAX_CHARS,
    MAX_DOCUMENTS,
    MAX_PAGES,
    TEXT,
    Hidden,
    Malformed,
    Options,
    Problem,
    Reading,
    Source,
)

__all__ = [
    "EXCERPT",
    "GRADES",
    "KINDS",
    "LIMITS",
    "MARKDOWN",
    "MAX_BYTES",
    "MAX_CHARS",
    "MAX_DOCUMENTS",
    "MAX_PAGES",
    "TEXT",
    "Hidden",
    "Malformed",
    "Options",
    "Problem",
    "Reading",
    "Source",
]
