"""The fields that describe a document: checked where an author wrote them, cut to size where they are derived."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from chat.corpus.formats.types import LIMITS, Malformed, Source

MAY_BE_EMPTY = {"title", "section", "source", "url", "licence", "specialty", "owner", "evidence_grade"}
WEB = re.compile(r"https?://[^\s<>\"']+\Z", re.IGNORECASE)
"""Readers click on it: any other scheme could run something."""
HALF = re.compile("[\ud800-\udfff]")
"""What JSON and YAML can write and no database takes."""
OPTIONAL = {"kind", "specialty", "owner", "evidence_grade"}


def utf8(content: bytes) -> str:
    """The content as text. Raises Malformed when it is no UTF-8."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Malformed(0, "the file is not UTF-8 text") from None


def strings(row: Any, names: Iterable[str], *, line: int, optional: Iterable[str] = ()) -> dict[str, str]:
    """The named fields of what an author wrote, without surrounding space. Raises Malformed at the first bad one."""
    if not isinstance(row, dict):
        raise Malformed(line, "expected an object with named fields")
    missing_is_fine = {*OPTIONAL, *optional}
    found = {}
    for name in names:
        value = row.get(name)
        if value is None and name in missing_is_fine:
            continue
        if wrong := _wrong(value, name):
            raise Malformed(line, wrong)
        found[name] = str(value) if name == "text" else str(value).strip()
    return found


def _wrong(value: Any, name: str) -> str:
    """What is wrong with a field; empty for one that is fine."""
    limit = LIMITS["external_id" if name == "id" else name]
    if value is None:
        return f"the field “{name}” is missing"
    if not isinstance(value, str):
        return f"the field “{name}” must be text"
    if "\x00" in value or HALF.search(value):
        return f"the field “{name}” holds {'a NUL' if chr(0) in value else 'half a'} character"
    if not value.strip() and name not in MAY_BE_EMPTY:
        return "the document has no text" if name == "text" else f"the field “{name}” is empty"
    if len(value) > limit:
        return f"the field “{name}” is longer than {limit:,} characters"
    if name == "url" and value.strip() and not WEB.match(value.strip()):
        return "the field “url” must begin with https:// or http://"
    return ""


def day(row: dict[str, Any], name: str) -> date | None:
    """A date as YAML reads it. Raises Malformed for anything else."""
    value = row.get(name)
    if isinstance(value, datetime):
        return value.date()
    if value is None or isinstance(value, date):
        return value
    raise Malformed(1, f"{name} must be a date such as 2026-11-21")


def source(fields: dict[str, Any], **more: Any) -> Source:
    """A document of fields as written, where the external id is called `id`."""
    described = {name: value for name, value in fields.items() if name != "id"}
    return Source(external_id=fields["id"], **described, **more)


def cut(text: str, name: str) -> str:
    """A derived value on one line, no longer than the field may be."""
    line, limit = " ".join(text.replace("\x00", "").split()), LIMITS[name]
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def beginning(text: str) -> str:
    """A stand-in for a missing title."""
    return " ".join(text.split()[:10])[:100]


def identifier(name: str) -> str:
    """The external id of a document that names none: its file's name, without what says the format."""
    return re.sub(r"[\W_]+", "-", _stem(name).lower()).strip("-")[:200] or "document"


def title_of(name: str) -> str:
    """A title made of a file's name."""
    return cut(re.sub(r"[-_]+", " ", _stem(name)), "title") or "Document"


def web(address: str) -> str:
    """The address, or nothing when it is not one of the web."""
    return address.strip() if len(address) <= LIMITS["url"] and WEB.match(address.strip()) else ""


def _stem(name: str) -> str:
    return re.sub(r"(?<=.)\.[A-Za-z]\w{0,7}$", "", re.split(r"[\\/]", name)[-1])
