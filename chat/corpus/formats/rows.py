"""JSONL: one document a line, taken exactly as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator

from chat.corpus.formats import fields
from chat.corpus.formats.types import Malformed, Options, Source

ROW = ("id", "title", "section", "text", "source", "url", "licence")


def parse(content: bytes, _options: Options) -> Iterator[tuple[int, Source | Malformed]]:
    """Rows {"id","title","section","text","source","url","licence"}; further keys are ignored.

    A row whose title is empty is shown under its section or the beginning of its text.
    """
    for line, raw in enumerate(fields.utf8(content).split("\n"), 1):
        if raw.strip():
            try:
                row = fields.strings(json.loads(raw), ROW, line=line)
                title = row["title"] or row["section"] or fields.beginning(row["text"])
                yield line, fields.source({**row, "title": title})
            except json.JSONDecodeError as error:
                yield line, Malformed(line, f"not valid JSON at character {error.pos + 1}")
            except (RecursionError, ValueError):  # a number of thousands of digits is no JSON error
                yield line, Malformed(line, "the JSON is nested too deeply, or holds a number without end")
            except Malformed as problem:
                yield line, problem
