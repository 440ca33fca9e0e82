"""From rules about classes of medicines to pairs of ingredients, and the words of each pair.

A release of the table is small because it says things once: a rule names two sides, each an ingredient or a class, and
covers every pair of their members, but for `not` and beside `also`. What is said of a pair that one or several rules
cover is a *finding*. The first finding of a set of rules holds for all pairs these rules cover together; a later one
holds for the pairs it names. chat/interactions/build.py makes both files from the full list of pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

Row = Mapping[str, Any]
CITED = "ndfrt"
"""Stands among the rules of a finding for a pair that the VA's list names by itself."""
CITED_SOURCE = "VA NDF-RT drug interaction (2014 release)"
CLASS = "class:"
_FIELDS = ("mechanism", "effect", "management")


class Seat(NamedTuple):
    """What is said of a pair: the number of a finding, and which ingredient stands on the first side of its rules."""

    finding: int
    first: str


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules with their two sides as sets of ingredients."""

    rows: dict[str, Row]
    sides: dict[str, tuple[frozenset[str], frozenset[str]]]

    @classmethod
    def of(cls, rules: Iterable[Row], classes: Iterable[Row]) -> Rules:
        members = {c["id"]: frozenset((*c["members"], *c.get("extension_members", ()))) for c in classes}
        rows = {rule["id"]: rule for rule in rules}
        return cls(rows, {key: (_side(rule, "a", members), _side(rule, "b", members)) for key, rule in rows.items()})

    def first(self, names: Sequence[str], a: str, b: str) -> str:
        """Which of two ingredients is on the first side of the first of these rules with both; a, where none is."""
        for name in names:
            if name != CITED:
                one, other = self.sides[name]
                if a in one and b in other:
                    return a
                if b in one and a in other:
                    return b
        return a

    def pairs(self, name: str) -> set[tuple[str, str]]:
        """The pairs the rule is about, each in alphabetical order."""
        rule, (one, other) = self.rows[name], self.sides[name]
        found = {(a, b) if a < b else (b, a) for a in one for b in other if a != b}
        found.difference_update(map(tuple, rule.get("not", ())))
        found.update(map(tuple, rule.get("also", ())))
        return found


def _side(rule: Row, side: str, members: Mapping[str, frozenset[str]]) -> frozenset[str]:
    if listed := rule.get(f"{side}_members"):
        return frozenset(listed)
    name: str = rule[side]
    return members[name.removeprefix(CLASS)] if name.startswith(CLASS) else frozenset([name])


def seats(rules: Rules, findings: Sequence[Row], cited: Mapping[tuple[str, str], str]) -> dict[tuple[str, str], Seat]:
    """Every pair that is in the table, and where what is said of it stands."""
    covered: dict[tuple[str, str], list[str]] = {}
    for name in sorted(rules.rows):
        for pair in rules.pairs(name):
            covered.setdefault(pair, []).append(name)
    for pair in cited:
        covered.setdefault(pair, []).append(CITED)
    usual: dict[tuple[str, ...], int] = {}
    named: dict[tuple[str, str], int] = {}
    for number, finding in enumerate(findings):
        if "pairs" in finding:
            named.update(dict.fromkeys(((a, b) for a, b in finding["pairs"]), number))
        else:
            usual[tuple(finding["rules"])] = number
    placed = {}
    for pair, names in covered.items():
        key = tuple(sorted(names))
        number = named.get(pair, usual.get(key, -1))
        if number < 0:
            raise LookupError(f"nothing is said of {pair[0]} with {pair[1]}")
        lead = findings[number].get("as")
        placed[pair] = Seat(number, rules.first((lead,) if lead else key, *pair))
    return placed


def added_members(classes: Iterable[Row]) -> dict[str, frozenset[str]]:
    """Class to the members that its source does not list and that were added as of the same class."""
    return {c["id"]: frozenset(c.get("extension_members", ())) for c in classes}


def added(pair: Row, members: Mapping[str, frozenset[str]]) -> list[str]:
    """The ingredients of a pair that are in the table only as added members of the class they stand for."""
    seats = ((pair["a"], pair.get("a_class")), (pair["b"], pair.get("b_class")))
    return [drug for drug, kind in seats if kind and drug in members[kind]]


def said(rules: Rules, finding: Row, names: Mapping[str, str], first: str, second: str) -> dict[str, str]:
    """Mechanism, effect and management of a pair: the words of a rule or of the finding, with the names filled in."""
    text = rules.rows[finding["as"]]["says"] if "as" in finding else finding["says"]
    return {field: fill(text[field], names[first], names[second]) for field in _FIELDS}


def fill(text: str, first: str, second: str) -> str:
    """{A} and {B} are the names of the first and the second side, {A^} and {B^} the same at the start of a sentence."""
    if "{" not in text:
        return text
    for mark, name in (("A", first), ("B", second)):
        text = text.replace(f"{{{mark}^}}", name[:1].upper() + name[1:]).replace(f"{{{mark}}}", name)
    return text


def sources(rules: Rules, finding: Row, cited: str) -> Iterator[dict[str, str]]:
    """The sources of a pair in their order. `cited` is how the VA's list puts the pair."""
    for name in finding["sources"]:
        if isinstance(name, dict):
            yield dict(name)
        elif name == CITED:
            yield {"name": CITED_SOURCE, "ref": cited}
        else:
            rule, _, number = name.partition("#")
            yield dict(rules.rows[rule]["sources"][int(number or 0)])
