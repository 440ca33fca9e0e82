"""One release of the table in memory: its medicines, its classes and its pairs. It reads no database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import Any, Final

from chat.interactions import expand
from chat.interactions.names import Names
from chat.interactions.release import SHIPPED, Damaged, Release
from chat.interactions.types import USUAL_ALERT, Alert, Drug, DrugClass, Interaction, Severity, Source

CLASS: Final = expand.CLASS
ORDINARY_WORDS: Final = SHIPPED / "ordinary_words.txt"


class Table:
    """What a release says. Raises Damaged when its files contradict each other."""

    def __init__(self, release: Release) -> None:
        self.release = release
        drugs, classes = release.rows("drugs.jsonl"), release.rows("classes.jsonl")
        combinations = release.rows("combinations.jsonl")
        try:
            self.drugs = {row["id"]: _drug(row) for row in drugs}
            self.classes = {row["id"]: _class(row) for row in classes}
            self._rules = expand.Rules.of(release.rows("rules.jsonl"), classes)
            self._findings = release.rows("findings.jsonl")
            self._cited = _cited(release.files["ndfrt.txt"].decode())
            self._seats = expand.seats(self._rules, self._findings, self._cited)
            self._added = expand.added_members(classes)
            self._products = _products(combinations)
            self.names = Names(
                drugs=drugs,
                combinations=combinations,
                classes=classes,
                aliases=release.rows("aliases.jsonl"),
                ordinary=ORDINARY_WORDS.read_text().split(),
            )
        except (LookupError, TypeError, ValueError):
            raise Damaged("The files of the release contradict each other.") from None

    @property
    def version(self) -> str:
        return self.release.version

    @cached_property
    def severities(self) -> dict[Severity, int]:
        """How many pairs there are of each severity, the gravest first."""
        found = Counter(self._findings[seat.finding]["severity"] for seat in self._seats.values())
        return {severity: found[severity] for severity in Severity}

    @property
    def pairs(self) -> int:
        return len(self._seats)

    def interaction(self, a: str, b: str) -> Interaction | None:
        """What the table says of two ingredients, in any order; None: it does not hold the pair."""
        pair = (a, b) if a < b else (b, a)
        seat = self._seats.get(pair)
        if seat is None:
            return None
        finding = self._findings[seat.finding]
        first, second = seat.first, pair[1] if seat.first == pair[0] else pair[0]
        text = expand.said(self._rules, finding, self._display, first, second)
        kinds = {first: finding.get("A", ""), second: finding.get("B", "")}
        severity = Severity(finding["severity"])
        row = {"a": pair[0], "b": pair[1], "a_class": kinds[pair[0]], "b_class": kinds[pair[1]]}
        return Interaction(
            **row,
            severity=severity,
            alert=Alert(finding.get("alert", USUAL_ALERT[severity])),
            mechanism=text["mechanism"],
            effect=text["effect"],
            management=text["management"],
            sources=tuple(
                Source(**source) for source in expand.sources(self._rules, finding, self._cited.get(pair, ""))
            ),
            rules=tuple(finding["rules"]),
            extension=tuple(finding.get("class_extension", expand.added(row, self._added))),
            note=finding.get("severity_note", ""),
            mechanism_stated=finding.get("mechanism_stated", True),
            non_interruptive=finding.get("onc_non_interruptive", False),
            products=self._products.get(pair, ()),
        )

    def interactions(self) -> Iterator[Interaction]:
        """All of them, in the order of their pairs."""
        for a, b in sorted(self._seats):
            found = self.interaction(a, b)
            assert found is not None  # noqa: S101  # the pair is one of the table's own
            yield found

    def graded(self) -> dict[tuple[str, str], tuple[Severity, Alert]]:
        """Every pair with its severity and how it is shown, without its words."""
        kinds = [
            (severity, Alert(finding.get("alert", USUAL_ALERT[severity])))
            for finding in self._findings
            for severity in [Severity(finding["severity"])]
        ]
        return {pair: kinds[seat.finding] for pair, seat in self._seats.items()}

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every pair in the full form that the table was made from."""
        for found in self.interactions():
            yield _row(found)

    def onc_pairs(self) -> Iterator[tuple[str, str, int]]:
        """The pairs of the ONC high-priority list, each with the number of its row there."""
        for (a, b), seat in sorted(self._seats.items()):
            for rule in self._findings[seat.finding]["rules"]:
                if rule.startswith("onc"):
                    yield a, b, int(rule.removeprefix("onc"))

    @cached_property
    def _display(self) -> dict[str, str]:
        return {drug.id: drug.name for drug in self.drugs.values()}

    def label(self, name: str) -> str:
        """How an ingredient or a class is called to a reader."""
        return self.classes[name.removeprefix(CLASS)].label if name.startswith(CLASS) else self.drugs[name].name


def _drug(row: expand.Row) -> Drug:
    return Drug(
        id=row["id"],
        name=row["name"],
        covered=row["covered"],
        common=row["common_us"],
        high_alert=row["high_alert"] or "",
        brands=tuple(row["brands"]),
        classes=tuple(row["classes"]),
    )


def _class(row: expand.Row) -> DrugClass:
    members = sorted({*row["members"], *row.get("extension_members", ())})
    return DrugClass(row["id"], row["label"], tuple(members))


def _products(combinations: list[dict[str, Any]]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Pairs of ingredients to the products that hold both."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in combinations:
        for a in row["ingredients"]:
            for b in row["ingredients"]:
                if a < b:
                    found.setdefault((a, b), []).append(row["name"])
    return {pair: tuple(sorted(names)) for pair, names in found.items()}


def _cited(text: str) -> dict[tuple[str, str], str]:
    found = {}
    for line in text.splitlines():
        a, b, *ref = line.split("\t")
        found[(a, b)] = ref[0] if ref else ""
    return found


def _row(found: Interaction) -> dict[str, Any]:
    row: dict[str, Any] = {
        "a": found.a,
        "b": found.b,
        "severity": found.severity.value,
        "mechanism": found.mechanism,
        "effect": found.effect,
        "management": found.management,
        "sources": [{"name": source.name, "ref": source.ref} for source in found.sources],
        "rules": list(found.rules),
        "basis": "class" if found.a_class or found.b_class else "ingredient",
        "alert": found.alert.value,
        "source_count": len({source.name for source in found.sources}),
    }
    optional = {
        "a_class": found.a_class,
        "b_class": found.b_class,
        "class_extension": list(found.extension),
        "severity_note": found.note,
        "onc_non_interruptive": found.non_interruptive,
        "fixed_dose_combination": list(found.products),
    }
    row.update({key: value for key, value in optional.items() if value})
    return row if found.mechanism_stated else {**row, "mechanism_stated": False}
