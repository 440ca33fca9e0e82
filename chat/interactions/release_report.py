"""What one release of the table changes, compared with another: the report that is read before it is applied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from chat.interactions.table import Table
from chat.interactions.types import Alert, Severity
from chat.models import LocalInteraction

Pair = tuple[str, str]
Grade = tuple[Severity, Alert]
Report = dict[str, Any]
SHOWN: Final = 200
"""Pairs of a kind that are named, the gravest first. All of them are counted."""
NAMES_SHOWN: Final = 100


@dataclass(frozen=True)
class Outline:
    """What of a release is compared: its pairs without their words, its medicines, and how old its sources are."""

    version: str
    sha256: str
    pairs: Mapping[Pair, Grade]
    names: Mapping[str, str]
    covered: frozenset[str]
    sources: Mapping[str, str]

    @classmethod
    def of(cls, table: Table) -> Outline:
        return cls(
            version=table.version,
            sha256=table.release.sha256,
            pairs=table.graded(),
            names={drug.id: drug.name for drug in table.drugs.values()},
            covered=frozenset(drug.id for drug in table.drugs.values() if drug.covered),
            sources=sources(table),
        )


def sources(table: Table) -> dict[str, str]:
    """The sources of a release, and when each of them was made, as its manifest says."""
    stated = table.release.manifest.get("source_dates", {})
    return {str(name): str(date) for name, date in stated.items()} if isinstance(stated, dict) else {}


def compare(before: Outline, after: Outline) -> Report:
    """What changes from one to the other, as it is kept beside a release and shown."""
    both = before.pairs.keys() & after.pairs.keys()
    ranked = {pair: after.pairs[pair][0].rank - before.pairs[pair][0].rank for pair in both}
    shown_otherwise = [p for p in both if not ranked[p] and before.pairs[p][1] != after.pairs[p][1]]
    return {
        "against": before.version,
        "against_sha256": before.sha256,
        "pairs": {"before": len(before.pairs), "after": len(after.pairs)},
        "added": _pairs(after.pairs.keys() - before.pairs.keys(), before, after),
        "removed": _pairs(before.pairs.keys() - after.pairs.keys(), before, after),
        "raised": _pairs((pair for pair in both if ranked[pair] > 0), before, after),
        "lowered": _pairs((pair for pair in both if ranked[pair] < 0), before, after),
        "shown_otherwise": _pairs(shown_otherwise, before, after),
        "medicines": {
            "added": _medicines(after.names.keys() - before.names.keys(), after),
            "removed": _medicines(before.names.keys() - after.names.keys(), before),
            "covered": _medicines((after.covered - before.covered) & before.names.keys(), after),
            "uncovered": _medicines((before.covered - after.covered) & after.names.keys(), after),
        },
        "sources": [
            {"name": name, "before": before.sources.get(name, ""), "after": after.sources.get(name, "")}
            for name in sorted({*before.sources, *after.sources})
        ],
    }


def _pairs(pairs: Iterable[Pair], before: Outline, after: Outline) -> Report:
    """How many, how many of them interrupt on either side, and those of them by name."""
    found = sorted(pairs)
    loud = [pair for pair in found if _interrupts(before, pair) or _interrupts(after, pair)]
    loud.sort(key=lambda pair: -max(_rank(before, pair), _rank(after, pair)))
    graded = Counter((after.pairs.get(pair) or before.pairs[pair])[0] for pair in found)
    names = {**before.names, **after.names}
    return {
        "count": len(found),
        "by_severity": {severity.value: graded[severity] for severity in Severity if graded[severity]},
        "interruptive": len(loud),
        "examples": [
            {"a": names[a], "b": names[b], "before": _word(before, (a, b)), "after": _word(after, (a, b))}
            for a, b in loud[:SHOWN]
        ],
    }


def _interrupts(outline: Outline, pair: Pair) -> bool:
    return pair in outline.pairs and outline.pairs[pair][1] == Alert.INTERRUPTIVE


def _rank(outline: Outline, pair: Pair) -> int:
    return outline.pairs[pair][0].rank if pair in outline.pairs else 0


def _word(outline: Outline, pair: Pair) -> str:
    return outline.pairs[pair][0].value if pair in outline.pairs else ""


def _medicines(drugs: Iterable[str], outline: Outline) -> Report:
    names = sorted((outline.names[drug] for drug in drugs), key=str.casefold)
    return {"count": len(names), "examples": names[:NAMES_SHOWN]}


def local(rows: Iterable[LocalInteraction], before: Outline, after: Outline) -> list[dict[str, Any]]:
    """The hospital's changes whose pair or medicine the release says something else of. Ids, not names of people."""
    names = {**before.names, **after.names}
    found = []
    for row in rows:
        pair = (row.a, row.b)
        was, becomes = _word(before, pair), _word(after, pair)
        unknown = [names.get(drug, drug) for drug in pair if drug not in after.names]
        if was != becomes or unknown:
            found.append(
                {
                    "id": str(row.pk),
                    "a": names.get(row.a, row.a),
                    "b": names.get(row.b, row.b),
                    "severity": row.severity,
                    "before": was,
                    "after": becomes,
                    "agrees": becomes == row.severity,
                    "lacks_words": not becomes and not row.effect,
                    "unknown": unknown,
                }
            )
    return found
