"""The check: medicines in, and for each pair or medicine one of four results. It never says that anything is safe.

Interaction: the table holds the pair. None found: both are covered, and the table does not hold the pair. Not covered:
the sources of the table do not speak of the medicine. Not recognized: the words name no medicine of the table.
The same medicines give the same result, in whatever order they come.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, Protocol

from chat.interactions.expand import CLASS
from chat.interactions.names import Entry, Mention, Names
from chat.interactions.types import Drug, DrugClass, Interaction, Severity

MOST_ENTRIES: Final = 30
MOST_MEDICINES: Final = 60
"""In a text, or in all entries of a list together: the pairs of more would take seconds."""


class TooMany(Exception):
    """More medicines than one check takes."""

    def __init__(self, count: int, most: int) -> None:
        super().__init__("TooMany")
        self.count, self.most = count, most


class Lookup(Protocol):
    """What a check asks: the table, or the table with what a hospital changed in it."""

    @property
    def names(self) -> Names: ...
    @property
    def drugs(self) -> Mapping[str, Drug]: ...
    @property
    def classes(self) -> Mapping[str, DrugClass]: ...
    def interaction(self, a: str, b: str) -> Interaction | None: ...


@dataclass(frozen=True, slots=True)
class Medicine:
    """One medicine as it was named: the name it was read as, what it holds, and whether it was a guarded guess."""

    name: str
    ids: tuple[str, ...]
    kind: str

    @property
    def is_class(self) -> bool:
        return self.ids[0].startswith(CLASS)


@dataclass(frozen=True, slots=True)
class Found:
    """An interaction, and how the two sides are called: an ingredient, or a class with `of` member pairs of which
    `among` are in the table; the interaction is then the gravest of them."""

    a: str
    b: str
    interaction: Interaction
    among: int = 1
    of: int = 1

    @property
    def severity(self) -> Severity:
        return self.interaction.severity


@dataclass(frozen=True, slots=True)
class Unknown:
    """An entry that names no medicine of the table, and what it may have meant."""

    text: str
    suggestions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Duplicate:
    """One ingredient that several of the named medicines hold."""

    id: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a check found. `none_found` and `found` name pairs by id, `not_covered` medicines."""

    medicines: tuple[Medicine, ...]
    found: tuple[Found, ...]
    none_found: tuple[tuple[str, str], ...]
    not_covered: tuple[str, ...]
    not_recognised: tuple[Unknown, ...] = ()
    duplicates: tuple[Duplicate, ...] = ()


def check_text(table: Lookup, text: str, beside: Iterable[str] = ()) -> Report:
    """The medicines that a text names, and those of a list `beside` it. Raises TooMany."""
    entries = [table.names.entry(name) for name in beside]
    mentions = [*table.names.find(text), *(mention for entry in entries for mention in entry.mentions)]
    return _report(table, mentions, _unknown(entries))


def check_entries(table: Lookup, entries: Sequence[str]) -> Report:
    """The medicines of a list, usually one in each entry. Raises TooMany."""
    if len(entries) > MOST_ENTRIES:
        raise TooMany(len(entries), MOST_ENTRIES)
    read = [table.names.entry(entry) for entry in entries]
    return _report(table, [mention for entry in read for mention in entry.mentions], _unknown(read))


def _unknown(entries: Iterable[Entry]) -> tuple[Unknown, ...]:
    return tuple(Unknown(entry.text, entry.suggestions) for entry in entries if not entry.mentions)


def _report(table: Lookup, mentions: Sequence[Mention], unknown: tuple[Unknown, ...]) -> Report:
    if (distinct := len({mention.ids for mention in mentions})) > MOST_MEDICINES:
        raise TooMany(distinct, MOST_MEDICINES)
    named: dict[tuple[str, tuple[str, ...]], Medicine] = {}
    for mention in mentions:
        key = (mention.name.casefold(), mention.ids)
        named.setdefault(key, Medicine(mention.name, mention.ids, mention.kind.value))
    medicines = sorted(named.values(), key=lambda medicine: (medicine.name.casefold(), medicine.ids))
    units = sorted({unit for medicine in medicines for unit in medicine.ids})
    together = {frozenset(pair) for medicine in medicines for pair in combinations(medicine.ids, 2)}
    not_covered = [unit for unit in units if not unit.startswith(CLASS) and not table.drugs[unit].covered]
    found, none = [], []
    for a, b in combinations(units, 2):
        if frozenset((a, b)) in together or _belongs(table, a, b):
            continue
        if one := _pair(table, a, b):
            found.append(one)
        elif a not in not_covered and b not in not_covered:
            none.append((a, b))
    found.sort(key=lambda one: (-one.severity.rank, one.a, one.b))
    return Report(tuple(medicines), tuple(found), tuple(none), tuple(not_covered), unknown, _duplicates(medicines))


def _belongs(table: Lookup, a: str, b: str) -> bool:
    """Whether both are classes and one is part of the other: NSAIDs beside COX-2 inhibitors are not two medicines."""
    one, other = set(_members(table, a)), set(_members(table, b))
    return a.startswith(CLASS) and b.startswith(CLASS) and (one <= other or other <= one)


def _members(table: Lookup, unit: str) -> tuple[str, ...]:
    return table.classes[unit.removeprefix(CLASS)].members if unit.startswith(CLASS) else (unit,)


def _pair(table: Lookup, a: str, b: str) -> Found | None:
    pairs = {(min(x, y), max(x, y)) for x in _members(table, a) for y in _members(table, b) if x != y}
    known = [one for pair in sorted(pairs) if (one := table.interaction(*pair))]
    if not known:
        return None
    return Found(a, b, max(known, key=lambda one: one.severity.rank), among=len(known), of=len(pairs))


def _duplicates(medicines: Iterable[Medicine]) -> tuple[Duplicate, ...]:
    holders: dict[str, list[str]] = {}
    for medicine in medicines:
        for unit in medicine.ids:
            holders.setdefault(unit, []).append(medicine.name)
    return tuple(Duplicate(unit, tuple(names)) for unit, names in sorted(holders.items()) if len(names) > 1)
