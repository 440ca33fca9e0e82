"""Reads documents from files. Every malformed place is reported with file and line; nothing is guessed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from chat.models.library import DocumentVersion, Kind

FRONT_MATTER = re.compile(r"\A---\r?\n(.*?)^---[ \t]*\r?\n", re.DOTALL | re.MULTILINE)
TEXT_FIELDS = {
    "id": 200,
    "title": 500,
    "section": 300,
    "text": 5_000_000,
    "source": 500,
    "url": 1000,
    "licence": 300,
}
MARKDOWN_FIELDS = {
    "id": 200,
    "title": 500,
    "kind": 20,
    "specialty": 100,
    "source": 500,
    "url": 1000,
    "licence": 300,
    "owner": 200,
}
MAY_BE_EMPTY = {"title", "section", "source", "url", "licence", "specialty", "owner"}
OPTIONAL = {"kind", "specialty", "owner"}


@dataclass(frozen=True)
class Source:
    """One document as read from a file, before anything is stored."""

    external_id: str
    title: str
    text: str
    format: str = DocumentVersion.Format.TEXT
    section: str = ""
    kind: str = Kind.ARTICLE
    specialty: str = ""
    source: str = ""
    url: str = ""
    licence: str = ""
    owner: str = ""
    reviewed: date | None = None
    review_by: date | None = None


@dataclass(frozen=True)
class Problem:
    """What is wrong and where; `line` counts from 1."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.what}"


@dataclass
class Reading:
    """All documents of a path, or all problems found in it."""

    sources: list[Source] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class Malformed(Exception):
    """A row or file does not follow the format; `line` and `what` say where and how."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line, self.what = line, what


def read(path: Path) -> Reading:
    """Read a .jsonl or .md file, or every such file below a folder, in name order. Never raises for content."""
    reading = Reading()
    files = sorted(p for p in path.rglob("*") if p.suffix in READERS) if path.is_dir() else [path]
    if not files:
        reading.problems.append(Problem(str(path), 1, "the folder holds no .jsonl or .md file"))
    seen: dict[str, str] = {}
    for file in files:
        reader = READERS.get(file.suffix)
        if reader is None:
            reading.problems.append(Problem(str(file), 1, "the file name must end in .jsonl or .md"))
            continue
        try:
            content = file.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            reading.problems.append(Problem(str(file), 1, "the file is not UTF-8 text"))
            continue
        except OSError:
            reading.problems.append(Problem(str(file), 1, "the file cannot be read"))
            continue
        for line, item in reader(content):
            if isinstance(item, Malformed):
                reading.problems.append(Problem(str(file), item.line, item.what))
            elif item.external_id in seen:
                reading.problems.append(
                    Problem(
                        str(file),
                        line,
                        f"id “{item.external_id}” was already used in {seen[item.external_id]}",
                    )
                )
            else:
                seen[item.external_id] = f"{file.name}, line {line}"
                reading.sources.append(item)
    return reading


def jsonl(content: str) -> Iterator[tuple[int, Source | Malformed]]:
    """Rows {"id","title","section","text","source","url","licence"}; further keys are ignored.

    A row whose title is empty is shown under its section or the beginning of its text.
    """
    for line, raw in enumerate(content.split("\n"), 1):
        if raw.strip():
            try:
                row = json.loads(raw)
                fields = _strings(row, TEXT_FIELDS, line)
                fields["title"] = fields["title"] or fields["section"] or _beginning(fields["text"])
                yield line, _source(fields)
            except json.JSONDecodeError as error:
                yield line, Malformed(line, f"not valid JSON at character {error.pos + 1}")
            except Malformed as problem:
                yield line, problem


def markdown(content: str) -> Iterator[tuple[int, Source | Malformed]]:
    """One document: YAML front matter between --- lines, then Markdown."""
    content = content.replace("\r\n", "\n")
    match = FRONT_MATTER.match(content)
    try:
        if match is None:
            raise Malformed(1, "front matter between two --- lines is missing at the top")
        row = _front_matter(match[1])
        fields = _strings(row, MARKDOWN_FIELDS, 1)
        body = content[match.end() :]
        if not body.strip():
            raise Malformed(content.count("\n", 0, match.end()) + 1, "the document has no text")
        if not fields["title"]:
            raise Malformed(1, "the field “title” is empty")
        if fields.get("kind", Kind.ARTICLE) not in Kind.values:
            raise Malformed(1, f"kind must be one of {', '.join(Kind.values)}")
        yield (
            1,
            replace(
                _source({**fields, "text": body.strip("\n") + "\n"}),
                format=DocumentVersion.Format.MARKDOWN,
                reviewed=_date(row, "reviewed"),
                review_by=_date(row, "review_by"),
            ),
        )
    except Malformed as problem:
        yield problem.line, problem


READERS = {".jsonl": jsonl, ".md": markdown}


def _source(fields: dict[str, str]) -> Source:
    described: dict[str, Any] = {name: value for name, value in fields.items() if name != "id"}
    return Source(external_id=fields["id"], **described)


def _beginning(text: str) -> str:
    """A stand-in for a missing title."""
    return " ".join(text.split()[:10])[:100]


def _front_matter(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 2 if error.problem_mark else 1
        raise Malformed(line, "the front matter is not valid YAML") from None


def _strings(row: Any, limits: dict[str, int], line: int) -> dict[str, str]:
    if not isinstance(row, dict):
        raise Malformed(line, "expected an object with named fields")
    found = {}
    for name, limit in limits.items():
        value = row.get(name)
        if value is None and name in OPTIONAL:
            continue
        if value is None:
            raise Malformed(line, f"the field “{name}” is missing")
        if not isinstance(value, str):
            raise Malformed(line, f"the field “{name}” must be text")
        if "\x00" in value:
            raise Malformed(line, f"the field “{name}” holds a NUL character")
        if not value.strip() and name not in MAY_BE_EMPTY:
            raise Malformed(line, "the document has no text" if name == "text" else f"the field “{name}” is empty")
        if len(value) > limit:
            raise Malformed(line, f"the field “{name}” is longer than {limit:,} characters")
        found[name] = value if name == "text" else value.strip()
    return found


def _date(row: dict[str, Any], name: str) -> date | None:
    value = row.get(name)
    if value is None or isinstance(value, date):
        return value
    raise Malformed(1, f"{name} must be a date such as 2026-11-21")
