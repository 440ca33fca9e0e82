"""What a dump holds, and how parts of it are loaded: by the list that pg_restore makes of it.

A dump is read from its stream as often as needed. Nothing of it is written to a disk but the names of what it holds.
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

_LINE: Final = re.compile(r"(?P<id>\d+); \d+ \d+ (?P<said>.+)")
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
"""Of these it matters here what they are; of two that begin alike, the longer first."""
_LAST: Final = frozenset(
    {"INDEX", "INDEX ATTACH", "CONSTRAINT", "FK CONSTRAINT", "TRIGGER", "EVENT TRIGGER", "RULE", "ACL"}
)
_PLAIN: Final = ("--no-owner", "--no-comments", "--no-publications", "--no-subscriptions")


class NotADump(ContinuityError):
    """pg_restore does not read it."""

    def __init__(self) -> None:
        super().__init__("The backup holds no dump that this PostgreSQL's pg_restore can read.")


class Source(Protocol):
    """Where a dump comes from. Each call of `read` gives the same dump from its beginning."""

    def read(self) -> Iterator[bytes]: ...


@dataclass(frozen=True)
class Entry:
    """One line of the list. `name` is the table's, or of an index its own, or the one that rights are on."""

    line: str
    kind: str
    name: str


def contents(source: Source, *, but_rights_on: frozenset[str] = frozenset()) -> list[Entry]:
    """Everything the dump says it holds, in its order. Raises NotADump.

    Rights on functions of an extension are left out: only a superuser gives them, where the extension is made.
    """
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "list")
        try:
            programs.feed("pg_restore", ["--list", "--file", listed], source.read())
            lines = listed.read_text(encoding="utf-8").splitlines()
        except (programs.ProgramFailed, FileNotFoundError):
            raise NotADump from None
    found = [entry for line in lines if (entry := _entry(line))]
    return [entry for entry in found if entry.kind != "ACL" or entry.name not in but_rights_on]


def load(source: Source, database: str, entries: Iterable[Entry]) -> None:
    """Make these entries in the database, in their order. Raises programs.ProgramFailed at the first that fails."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "list")
        wanted.write_text("".join(f"{entry.line}\n" for entry in entries), encoding="utf-8")
        args = ["--exit-on-error", *_PLAIN, "--dbname", database, "--use-list", wanted]
        programs.feed("pg_restore", args, source.read(), conninfo=programs.owner_conninfo(database))


@dataclass(frozen=True)
class Parts:
    """A dump in two: what can be loaded while people still read the live database, and what waits for its rows."""

    first: list[Entry]
    last: list[Entry]


def divided(entries: Iterable[Entry], *, taken: frozenset[str], kept_indexes: frozenset[str]) -> Parts:
    """First all definitions, the rows of the tables `taken` and their indexes, a vector index among them, which takes
    minutes; last the indexes of the tables that are kept, foreign keys, triggers and rights."""
    parts = Parts([], [])
    for entry in entries:
        if entry.kind in {"TABLE DATA", "STATISTICS DATA"} and entry.name not in taken:
            continue
        early = entry.kind not in _LAST
        early = early or (entry.kind == "CONSTRAINT" and entry.name in taken)
        early = early or (entry.kind == "INDEX" and entry.name not in kept_indexes)
        (parts.first if early else parts.last).append(entry)
    return parts


def _entry(line: str) -> Entry | None:
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    said = found["said"]
    kind = next((kind for kind in _KINDS if said.startswith(f"{kind} ")), said.split(" ", 1)[0])
    words = said.removeprefix(kind).split()  # schema, in rights a kind, name, and then an owner or a further name
    name = words[2:3] if kind == "ACL" else words[1:2]
    return Entry(line, kind, name[0].partition("(")[0] if name else "")
