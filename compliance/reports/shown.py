"""A monthly report as pages and paper show it: its plain values with charts drawn and numbers written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clinchat.lib import charts, ui_tags
from compliance.models import MonthlyReport
from compliance.reports import monthly
from compliance.reports.monthly import Sealed


@dataclass(frozen=True, slots=True)
class Fact:
    name: str
    words: str
    url: str


@dataclass(frozen=True, slots=True)
class Value:
    """A cell of a table, with the name of its column for a narrow screen."""

    name: str
    words: str
    number: bool


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    head: Sequence[Value]
    rows: Sequence[Sequence[Value]]
    more: int
    none: str


@dataclass(frozen=True, slots=True)
class Part:
    """One section."""

    key: str
    title: str
    notes: Sequence[str]
    facts: Sequence[Fact]
    bars: Sequence[charts.Bars]
    lines: Sequence[charts.Chart]
    tables: Sequence[Table]


@dataclass(frozen=True, slots=True)
class Shown:
    """`seal` is None where the trail has no event of the report, which must not be."""

    report: MonthlyReport
    parts: Sequence[Part]
    seal: Sealed | None

    @property
    def provisional(self) -> bool:
        return bool(self.report.data["provisional"])

    @property
    def title(self) -> str:
        return str(self.report) + (", until now" if self.provisional else "")

    @property
    def period(self) -> str:
        """From when to when, in UTC."""
        data = self.report.data
        return f"{data['from'][:16].replace('T', ' ')} to {data['before'][:16].replace('T', ' ')} UTC"


def shown(report: MonthlyReport) -> Shown:
    return Shown(report, [_part(one) for one in report.data["sections"]], monthly.sealed(report))


def _part(section: dict[str, Any]) -> Part:
    drawn = section["charts"]
    return Part(
        key=section["key"],
        title=section["title"],
        notes=section["notes"],
        facts=[Fact(name, _words(value), url) for name, value, url in section["facts"]],
        bars=[_bars(one) for one in drawn if one["kind"] == "bars"],
        lines=[_line(one) for one in drawn if one["kind"] == "line"],
        tables=[_table(one) for one in section["tables"]],
    )


def _bars(chart: dict[str, Any]) -> charts.Bars:
    values = [(name, numbers) for name, numbers in chart["values"]]
    return charts.bars(chart["title"], chart["parts"], values, first=chart["first"])


def _line(chart: dict[str, Any]) -> charts.Chart:
    values: list[tuple[str, float]] = [(when, value) for when, value in chart["values"]]
    places = charts.places(len(values))
    points = [
        charts.Point(x, value / 100, f"{when}: {value:g}") for x, (when, value) in zip(places, values, strict=True)
    ]
    return charts.chart(
        chart["title"],
        [charts.Line(chart["name"], points)],
        below=[(x, when) for x, (when, _) in zip(places, values, strict=True)],
        head=[chart["first"], chart["name"]],
        rows=[[when, f"{value:g}"] for when, value in values],
    )


def _table(table: dict[str, Any]) -> Table:
    numbers = [
        bool(table["rows"]) and all(isinstance(row[n], (int, float)) for row in table["rows"])
        for n in range(len(table["head"]))
    ]
    return Table(
        title=table["title"],
        head=[Value(name, name, number) for name, number in zip(table["head"], numbers, strict=True)],
        rows=[
            [Value(name, _words(one), number) for name, one, number in zip(table["head"], row, numbers, strict=True)]
            for row in table["rows"]
        ],
        more=table["more"],
        none=table["none"],
    )


def _words(value: str | float | None) -> str:
    match value:
        case None:
            return ""
        case int():
            return ui_tags.count(value)
        case float():
            return f"{value:,.1f}"
        case _:
            return value
