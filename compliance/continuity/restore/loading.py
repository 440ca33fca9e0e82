"""Loads a pg_dump archive in two parts, selected by its table of contents (pg_restore --list and --use-list).

The archive is streamed to pg_restore anew each time. Only the table of contents is written to a disk.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from compliance.continuity import programs
from compliance.continuity.refusals import ContinuityError

_TOC_LINE: Final = re.compile(r"(?P<id>\d+); \d+ \d+ (?P<description>.+)")
_KINDS: Final = (
    "TABLE DATA",
    "TABLE ATTACH",
    "TABLE",
    "INDEX ATTACH",
    "INDEX",
    "FK CONSTRAINT",
    "CHECK CONSTRAINT",
    "CONSTRAINT",
    "TRIGGER",
    "EVENT TRIGGER",
    "RULE",
    "STATISTICS DATA",
    "STATISTICS",
    "ACL",
)
"""Kinds of entries of several words, or that `split` looks at. Of two with the same beginning, the longer first."""
_AFTER_COPY: Final = frozenset(
    {"INDEX", "INDEX ATTACH", "CONSTRAINT", "FK CONSTRAINT", "TRIGGER", "EVENT TRIGGER", "RULE", "ACL"}
)
_OPTIONS: Final = ("--no-owner", "--no-comments", "--no-publications", "--no-subscriptions")


class NotADump(ContinuityError):
    """pg_restore cannot list it."""

    def __init__(self) -> None:
        super().__init__("The backup holds no dump that this PostgreSQL's pg_restore can read.")


class Source(Protocol):
    """A dump that can be read again: each call of `read` streams it from its beginning."""

    def read(self) -> Iterator[bytes]: ...


@dataclass(frozen=True)
class Entry:
    """One line of the table of contents. `name`: of the table, of the index, or for an ACL of what is granted."""

    line: str
    kind: str
    name: str


def table_of_contents(source: Source, *, without_acl_on: frozenset[str] = frozenset()) -> list[Entry]:
    """The entries of the dump, in its order. Raises NotADump.

    Grants on functions of extensions, `without_acl_on`, are left out: only a superuser may restore them.
    """
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "list")
        try:
            programs.feed("pg_restore", ["--list", "--file", listed], source.read())
            lines = listed.read_text(encoding="utf-8").splitlines()
        except (programs.ProgramFailed, FileNotFoundError):
            raise NotADump from None
    found = [entry for line in lines if (entry := _entry(line))]
    return [entry for entry in found if entry.kind != "ACL" or entry.name not in without_acl_on]


def load(source: Source, database: str, entries: Iterable[Entry]) -> None:
    """Restore these entries into the database, in their order. Raises programs.ProgramFailed at the first error."""
    with tempfile.TemporaryDirectory() as folder:
        selected = Path(folder, "list")
        selected.write_text("".join(f"{entry.line}\n" for entry in entries), encoding="utf-8")
        args = ["--exit-on-error", *_OPTIONS, "--dbname", database, "--use-list", selected]
        programs.feed("pg_restore", args, source.read(), conninfo=programs.owner_conninfo(database))


@dataclass(frozen=True)
class Parts:
    """Entries to load before and after the live rows of tables that are carried over are copied."""

    before_copy: list[Entry]
    after_copy: list[Entry]


def split(entries: Iterable[Entry], *, restored_tables: frozenset[str], kept_indexes: frozenset[str]) -> Parts:
    """Before: definitions, and the rows and indexes of `restored_tables`; the vector index takes minutes, while
    people still read. After: indexes of carried-over tables, foreign keys, triggers and grants."""
    parts = Parts([], [])
    for entry in entries:
        if entry.kind in {"TABLE DATA", "STATISTICS DATA"} and entry.name not in restored_tables:
            continue
        before = entry.kind not in _AFTER_COPY
        before = before or (entry.kind == "CONSTRAINT" and entry.name in restored_tables)
        before = before or (entry.kind == "INDEX" and entry.name not in kept_indexes)
        (parts.before_copy if before else parts.after_copy).append(entry)
    return parts


def _entry(line: str) -> Entry | None:
    found = _TOC_LINE.fullmatch(line)
    if found is None:
        return None
    description = found["description"]
    kind = next((kind for kind in _KINDS if description.startswith(f"{kind} ")), description.split(" ", 1)[0])
    words = description.removeprefix(kind).split()  # schema, for an ACL a kind, name, then an owner or a second name
    name = words[2:3] if kind == "ACL" else words[1:2]
    return Entry(line, kind, name[0].partition("(")[0] if name else "")
