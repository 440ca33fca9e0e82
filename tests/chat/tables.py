"""Releases of the interaction table for tests: the shipped one with something changed, and its checksums right."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any

from chat.interactions import release, selftest
from chat.interactions.expand import CITED, Rules
from chat.interactions.release import FILES, MANIFEST, Release
from chat.interactions.table import Table
from tests import remembering

Pair = tuple[str, str]
Rows = list[dict[str, Any]]
ABSENT = ("atorvastatin", "metformin")
"""Not in the table."""
ABSENT_TOO = ("acetaminophen", "metformin")
MAJOR = ("amiodarone", "warfarin")
CONTRAINDICATED = ("clarithromycin", "simvastatin")


@cache
def shipped() -> Table:
    return remembering.table(release.shipped())


@cache
def onc_pair() -> Pair:
    """A pair of the ONC list that the table calls major, and that no known pair of the self-test is."""
    return next(
        (a, b)
        for a, b, _ in shipped().onc_pairs()
        if (found := shipped().interaction(a, b)) and found.severity == "major" and not found.non_interruptive
    )


def changed(
    version: str,
    *,
    severities: Mapping[Pair, str] | None = None,
    without: Collection[Pair] = (),
    beside: Mapping[Pair, str] | None = None,
    drugs: Callable[[Rows], Rows] = list,
    manifest: Mapping[str, Any] | None = None,
) -> Release:
    """The shipped release with other severities, `without` pairs that one rule alone gives, and with those of `beside`,
    each with the name of a rule whose words it gets."""
    found = release.shipped()
    rows = {name: found.rows(name) for name in FILES if name.endswith(".jsonl")}
    rows["drugs.jsonl"] = drugs(rows["drugs.jsonl"])
    rules = {rule["id"]: rule for rule in rows["rules.jsonl"]}
    for pair, severity in (severities or {}).items():
        seat = shipped()._seats[pair]
        rows["findings.jsonl"].append({**rows["findings.jsonl"][seat.finding], "severity": severity, "pairs": [pair]})
    for pair in without:
        [name] = givers(pair)
        rules[name].setdefault("not", []).append(pair)
    for pair, name in (beside or {}).items():
        rules[name].setdefault("also", []).append(pair)
    files = dict(found.files) | {name: lines(kept) for name, kept in rows.items()}
    return sealed(files, version, manifest or {})


def givers(pair: Pair) -> list[str]:
    """The rules that give a pair; the VA's list stands for itself."""
    rules: Rules = shipped()._rules
    named = [CITED] if pair in shipped()._cited else []
    return [*named, *(name for name in rules.rows if pair in rules.pairs(name))]


def lines(rows: Rows) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def sealed(files: Mapping[str, bytes], version: str, other: Mapping[str, Any]) -> Release:
    """With a manifest whose checksums are right."""
    manifest = {**release.shipped().manifest, **other, "version": version}
    manifest["files"] = {name: {"sha256": hashlib.sha256(files[name]).hexdigest()} for name in FILES}
    rough = Release(manifest, files, "")
    table = remembering.table(rough)
    pairs = {"rows": table.pairs, "sha256": remembering.digest(remembering.Rows(table))}
    manifest["pairs"] = pairs | dict(other.get("pairs", {}))
    return release.unpack(packed({**files, MANIFEST: json.dumps(manifest).encode()}))


def packed(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@cache
def next_one() -> Release:
    """A later release: a pair raised, one lowered, one gone, one new, a medicine gone and one newly covered."""
    quiet = next(
        pair
        for pair, (severity, _) in shipped().graded().items()
        if severity == "minor" and len(givers(pair)) == 1 and givers(pair) != [CITED]
    )
    spared = {part for entries, _ in selftest.KNOWN for part in entries}

    def drugs(rows: Rows) -> Rows:
        first = next(row for row in rows if not row["covered"] and row["id"] not in spared)
        return [{**row, "covered": True} if row is first else row for row in rows]

    return changed(
        "2027.02.01",
        severities={MAJOR: "contraindicated", grave(): "moderate"},
        without=[lone()],
        beside={ABSENT_TOO: givers(quiet)[0]},
        drugs=drugs,
        manifest={"source_dates": {**release.shipped().manifest["source_dates"], "ANSM thesaurus": "2026-09"}},
    )


@cache
def lone() -> Pair:
    """A major pair that one rule alone gives, other than the ONC list's and the self-test's."""
    grades = shipped().graded()
    return next(
        pair
        for pair, (severity, _) in sorted(grades.items())
        if severity == "major" and len(given := givers(pair)) == 1 and given[0].startswith("ansm")
    )


@cache
def grave() -> Pair:
    """A contraindicated pair that no known pair of the self-test is, nor of the ONC list."""
    onc = {(a, b) for a, b, _ in shipped().onc_pairs()}
    grades = shipped().graded()
    return next(
        pair
        for pair, (severity, _) in sorted(grades.items())
        if severity == "contraindicated" and pair not in onc and pair != CONTRAINDICATED and "nitroglycerin" not in pair
    )
