"""A reading as JSON and back. What comes back is checked: the process that parsed has read a hostile file."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from datetime import date
from typing import Any

from chat.corpus.formats.types import (
    EXCERPT,
    GRADES,
    KINDS,
    LIMITS,
    MARKDOWN,
    MAX_DOCUMENTS,
    MAX_PAGES,
    TEXT,
    Hidden,
    Problem,
    Reading,
    Source,
)

DATES = ("effective_from", "reviewed", "review_by")
MAX_WHAT = 500


def pack(readings: list[Reading]) -> bytes:
    found = [asdict(reading) for reading in readings]
    return json.dumps(found, default=date.isoformat, separators=(",", ":")).encode()  # all of it ASCII


def unpack(content: bytes, *, names: list[str]) -> list[Reading]:
    """A reading for each file. Raises ValueError for anything `pack` does not write, or larger than a field may be."""
    try:
        found = json.loads(content.decode("utf-8"))
        return [_reading(one, name) for one, name in zip(found, names, strict=True)]
    except (KeyError, TypeError, AttributeError, RecursionError, UnicodeError):
        raise ValueError("no reading") from None


def _reading(found: dict[str, Any], name: str) -> Reading:
    sources = [_source(row) for row in found["sources"]]
    problems = [Problem(name, _number(row["line"]), _text(row["what"], MAX_WHAT)) for row in found["problems"]]
    media_type = _text(found["media_type"], 200)
    if len(sources) > MAX_DOCUMENTS or (not sources and not problems):
        raise ValueError("a reading of nothing, or of too much")
    return Reading(sources, problems, media_type)


def _source(row: dict[str, Any]) -> Source:
    if set(row) != {field.name for field in fields(Source)}:
        raise ValueError("other fields")
    values: dict[str, Any] = {name: _text(row[name], limit) for name, limit in LIMITS.items()}
    values["format"] = _text(row["format"], 20)
    if values["format"] not in {TEXT, MARKDOWN} or values["kind"] not in KINDS:
        raise ValueError("an unknown kind")
    if values["evidence_grade"] not in {"", *GRADES} or not values["external_id"] or not values["text"].strip():
        raise ValueError("an empty document")
    values |= {name: date.fromisoformat(row[name]) if row[name] is not None else None for name in DATES}
    values["pages"] = tuple(_number(page) for page in row["pages"])
    values["hidden"] = tuple(
        Hidden(_text(h["how"], 50), _text(h["excerpt"], EXCERPT), None if h["page"] is None else _number(h["page"]))
        for h in row["hidden"]
    )
    if list(values["pages"]) != sorted(values["pages"]) or len(values["pages"]) > MAX_PAGES:
        raise ValueError("pages out of order")
    return Source(**values)


def _text(value: Any, most: int) -> str:
    if not isinstance(value, str) or len(value) > most or "\x00" in value:
        raise ValueError("no text, or too long")
    return value.encode("utf-8", "replace").decode()  # no half characters, which no database takes


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 10_000_000:
        raise ValueError("no number")
    return value
