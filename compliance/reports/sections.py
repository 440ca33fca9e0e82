"""The parts of a monthly report, and who fills them in. Everything in them is plain values: pages and paper show it.

compliance does not know the tables of other apps: they register what they know (`add`) when the process starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

from django.db.models import Model, QuerySet

MOST_ROWS: Final = 200
"""Rows of a table; how many more there were is said."""
TITLES: Final = {
    "score": "Score",
    "findings": "Open findings",
    "incidents": "Incidents",
    "access": "Access review",
    "audit": "Audit analysis",
    "encryption": "Encryption",
    "phi": "PHI",
    "training": "Training",
    "backups": "Backups and drills",
}
"""In the order of the report."""

Cell: TypeAlias = str | int | float | None
"""A time is written as `at` writes it: the same whoever reads it, wherever."""


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` on and before `end`, in UTC. One that is `provisional` ends at the moment the report was made."""

    month: date
    start: datetime
    end: datetime
    provisional: bool = False

    @property
    def last(self) -> datetime:
        """The last moment of it: where things stood then."""
        return self.end - timedelta(microseconds=1)

    def inside(self, name: str) -> dict[str, datetime]:
        """Conditions of a queryset: the column `name` lies in the period."""
        return {f"{name}__gte": self.start, f"{name}__lt": self.end}

    def audit(self, **conditions: str) -> str:
        """Where the events of the period with these conditions are shown."""
        days = {"since": self.start.date().isoformat(), "until": self.last.date().isoformat()}
        return f"/compliance/audit/?{urlencode({**days, **conditions})}"


def month_of(month: date) -> Period:
    """A whole month. Whichever day of it is given."""
    first = datetime(month.year, month.month, 1, tzinfo=UTC)
    return Period(first.date(), first, _next(first))


def _next(first: datetime) -> datetime:
    return first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)


@dataclass(slots=True)
class Section:
    """One part. Facts are a name, a value and where the rows that were counted are shown."""

    key: str
    notes: list[str] = field(default_factory=list)
    facts: list[list[Cell]] = field(default_factory=list)
    charts: list[dict[str, Any]] = field(default_factory=list)
    tables: list[dict[str, Any]] = field(default_factory=list)

    def note(self, words: str) -> None:
        self.notes.append(words)

    def fact(self, name: str, value: Cell, url: str = "") -> None:
        self.facts.append([name, value, url])

    def bars(
        self, title: str, parts: Sequence[str], values: Iterable[tuple[str, Sequence[int]]], *, first: str
    ) -> None:
        """Bars one below the other; nothing where there is nothing to draw."""
        rows = [(name, list(numbers)) for name, numbers in values]
        if any(sum(numbers) for _, numbers in rows):
            self.charts.append({"kind": "bars", "title": title, "parts": list(parts), "values": rows, "first": first})

    def line(self, title: str, name: str, values: Iterable[tuple[str, float]], *, first: str) -> None:
        """A line over time of values from 0 to 100."""
        rows = [[when, value] for when, value in values]
        if len(rows) > 1:
            self.charts.append({"kind": "line", "title": title, "name": name, "values": rows, "first": first})

    def table(self, title: str, head: Sequence[str], rows: Iterable[Sequence[Cell]], *, none: str = "None.") -> None:
        """`none` is said where there are no rows."""
        filled = [list(row) for row in rows]
        self.tables.append(
            {
                "title": title,
                "head": list(head),
                "rows": filled[:MOST_ROWS],
                "more": max(0, len(filled) - MOST_ROWS),
                "none": none,
            }
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "title": TITLES[self.key],
            "notes": self.notes,
            "facts": self.facts,
            "charts": self.charts,
            "tables": self.tables,
        }


Fill: TypeAlias = Callable[[Section, Period], None]
_fills: dict[str, list[Fill]] = {key: [] for key in TITLES}


def add(key: str, fill: Fill) -> None:
    """`fill` writes what it knows into the section `key`. Adding it again changes nothing."""
    if fill not in _fills[key]:
        _fills[key].append(fill)


def collected(period: Period) -> list[dict[str, Any]]:
    """Every section, filled by all who know something of it."""
    made = []
    for key in TITLES:
        section = Section(key)
        for fill in _fills[key]:
            fill(section, period)
        made.append(section.as_dict())
    return made


def at(moment: datetime | None) -> str:
    """2026-11-14 13:05 UTC"""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if moment else ""


def day(value: date | None) -> str:
    return value.isoformat() if value else ""


def counted(rows: QuerySet[Model], *fields: str) -> dict[Any, int]:
    """How many rows there are of each value, or of each combination of values."""
    from django.db.models import Count

    found = rows.order_by().values_list(*fields).annotate(n=Count("*"))
    return {(key[0] if len(fields) == 1 else tuple(key)): n for *key, n in found}
