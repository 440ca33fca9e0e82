"""Make the small form of the table from the full one: python -m chat.interactions.build FOLDER

FOLDER holds the full form: drugs, combinations, classes, aliases, rules and interactions as JSON lines, manifest.json.
The small form is written to chat/interactions/data, and refused where it does not give the same pairs again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from chat.interactions import expand, release
from chat.interactions.table import Table

Row = dict[str, Any]
COPIED = ("drugs", "combinations", "classes", "aliases")
TEXTS = ("mechanism", "effect", "management")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m chat.interactions.build", description=__doc__)
    parser.add_argument("source", type=Path, metavar="FOLDER")
    source: Path = parser.parse_args().source
    full = _rows(source / "interactions.jsonl")
    small = compact(full, _rows(source / "rules.jsonl"), _rows(source / "classes.jsonl"), _rows(source / "drugs.jsonl"))
    for name in COPIED:
        shutil.copyfile(source / f"{name}.jsonl", release.SHIPPED / f"{name}.jsonl")
    for name in ("rules", "findings"):
        _write(release.SHIPPED / f"{name}.jsonl", small[name])
    (release.SHIPPED / "ndfrt.txt").write_text("".join(f"{line}\n" for line in small["ndfrt"]))
    manifest = json.loads((source / "manifest.json").read_text())
    manifest["files"] = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name in release.FILES
        if (data := (release.SHIPPED / name).read_bytes())
    }
    manifest["pairs"] = {"rows": len(full), "sha256": release.digest(full)}
    (release.SHIPPED / "manifest.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    again = list(Table(release.shipped()).rows())
    for mine, theirs in zip(again, full, strict=True):
        if mine != theirs:
            raise SystemExit(f"{theirs['a']} with {theirs['b']} does not come out the same:\n{mine}\n{theirs}")
    print(f"{len(full)} pairs in {len(small['rules'])} rules and {len(small['findings'])} findings")


def compact(full: list[Row], rules: list[Row], classes: list[Row], drugs: list[Row]) -> dict[str, list[Any]]:
    """The rules with what they say and cover, the findings, and the pairs the VA's list names."""
    names = {drug["id"]: drug["name"] for drug in drugs}
    bare = expand.Rules.of(rules, classes)
    covers = defaultdict(set)
    for row in full:
        for rule in row["rules"]:
            covers[rule].add((row["a"], row["b"]))
    says = _words_of_rules(bare, full, names)
    small = []
    for rule in rules:
        key = rule["id"]
        made, wanted = bare.pairs(key), covers[key]
        extra = {"not": sorted(made - wanted), "also": sorted(wanted - made)}
        kept = {k: v for k, v in rule.items() if k not in {*TEXTS, "pairs", "severity_varies"}}
        text = says.get(key) or {field: rule[field] for field in TEXTS}
        small.append({**kept, "says": text, **{k: v for k, v in extra.items() if v}})
    known = expand.Rules.of(small, classes)
    added = expand.added_members(classes)
    grouped: dict[tuple[str, ...], dict[str, list[tuple[str, str]]]] = defaultdict(lambda: defaultdict(list))
    for row in full:
        finding = _finding(known, row, names, added)
        grouped[tuple(row["rules"])][json.dumps(finding, ensure_ascii=False)].append((row["a"], row["b"]))
    findings = []
    for group in sorted(grouped):
        for n, (kind, pairs) in enumerate(sorted(grouped[group].items(), key=lambda kind: (-len(kind[1]), kind[0]))):
            findings.append({"rules": list(group), **json.loads(kind), **({"pairs": pairs} if n else {})})
    return {"rules": small, "findings": findings, "ndfrt": _cited(full)}


def _words_of_rules(rules: expand.Rules, full: list[Row], names: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """What most of the pairs that only one rule covers say, with marks for the names."""
    seen: dict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)
    for row in full:
        own = [name for name in row["rules"] if name != expand.CITED]
        if len(own) == 1:
            seen[own[0]][tuple(_marked(rules, row, names).values())] += 1
    return {name: dict(zip(TEXTS, found.most_common(1)[0][0], strict=True)) for name, found in seen.items()}


def _marked(rules: expand.Rules, row: Row, names: Mapping[str, str]) -> dict[str, str]:
    """The texts of a pair with marks where its names stand."""
    first, second = _seated(rules, row["rules"], row)
    marks = sorted(((names[first], "A"), (names[second], "B")), key=lambda pair: -len(pair[0]))
    return {field: _mark(row[field], marks) for field in TEXTS}


def _seated(rules: expand.Rules, names: Iterable[str], row: Row) -> tuple[str, str]:
    """The pair with the one first that is on the first side of these rules."""
    first = rules.first(tuple(names), row["a"], row["b"])
    return first, row["b"] if first == row["a"] else row["a"]


def _mark(text: str, marks: Iterable[tuple[str, str]]) -> str:
    for name, mark in marks:
        start = name[:1].upper() + name[1:]
        if text.startswith(start):
            text = f"{{{mark}^}}" + text[len(start) :]
        text = re.sub(rf"(?<![\w{{]){re.escape(name)}(?![\w}}])", f"{{{mark}}}", text)
    return text


def _finding(rules: expand.Rules, row: Row, names: Mapping[str, str], added: Mapping[str, frozenset[str]]) -> Row:
    """What is said of a pair, in the form that is the same for as many pairs as possible."""
    texts = {field: row[field] for field in TEXTS}
    finding: Row = {"says": _marked(rules, row, names)}
    first, second = _seated(rules, row["rules"], row)
    for name in row["rules"]:
        if name != expand.CITED:
            one, other = _seated(rules, [name], row)
            if expand.said(rules, {"as": name}, names, one, other) == texts:
                finding, first, second = {"as": name}, one, other
                break
    finding["severity"] = row["severity"]
    finding["sources"] = [_source(rules, row, source) for source in row["sources"]]
    for side, drug in (("A", first), ("B", second)):
        if found := row.get("a_class" if drug == row["a"] else "b_class"):
            finding[side] = found
    for key in ("severity_note", "onc_non_interruptive", "mechanism_stated"):
        if key in row:
            finding[key] = row[key]
    if row.get("class_extension", []) != expand.added(row, added):
        finding["class_extension"] = row["class_extension"]
    if (row["alert"] == "interruptive") != (row["severity"] in {"contraindicated", "major"}):
        finding["alert"] = row["alert"]
    return finding


def _source(rules: expand.Rules, row: Row, source: Row) -> str | Row:
    """The rule a source belongs to; the source itself where the pair has one that none of its rules has."""
    if source["name"] == expand.CITED_SOURCE:
        return expand.CITED
    for name in row["rules"]:
        if name != expand.CITED and source in rules.rows[name]["sources"]:
            number = rules.rows[name]["sources"].index(source)
            return f"{name}#{number}" if number else name
    return source


def _cited(full: list[Row]) -> list[str]:
    """The pairs of the VA's list, each with how it writes them where the pair cites it."""
    lines = []
    for row in full:
        if expand.CITED in row["rules"]:
            found = [source["ref"] for source in row["sources"] if source["name"] == expand.CITED_SOURCE]
            lines.append("\t".join((row["a"], row["b"], *found)))
    return lines


def _rows(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _write(path: Path, rows: Iterable[Row]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows))


if __name__ == "__main__":
    main()
