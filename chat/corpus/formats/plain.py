"""Plain text: taken as it is, line ends aside."""

from __future__ import annotations

from collections.abc import Iterator

from chat.corpus.formats import fields
from chat.corpus.formats.types import MAX_CHARS, Malformed, Options, Source


def parse(content: bytes, options: Options) -> Iterator[tuple[int, Source | Malformed]]:
    """One document; its title is the first line when that is short, else the file's name."""
    text = fields.utf8(content).replace("\r\n", "\n").replace("\r", "\n").strip("\n") + "\n"
    if "\x00" in text:
        raise Malformed(text.count("\n", 0, text.index("\x00")) + 1, "the text holds a NUL character")
    if not text.strip():
        raise Malformed(0, "the document has no text")
    if len(text) > MAX_CHARS:
        raise Malformed(0, f"the text is longer than {MAX_CHARS:,} characters")
    first = text.strip().split("\n", 1)[0].strip()
    short = len(first) <= 120 and not first.endswith((".", ":", ";", ","))
    yield 1, Source(fields.identifier(options.name), first if short else fields.title_of(options.name), text)
