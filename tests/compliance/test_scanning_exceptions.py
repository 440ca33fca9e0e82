"""Exceptions from what the scanners say are few, name one rule each, and carry their reason."""

from __future__ import annotations

import re
from pathlib import Path

from compliance import scanning
from compliance.scanning import containers, detect_secrets, files, semgrep
from tests.deploy.reading import ROOT

MOST = 16
ANY = re.compile(r"nosec\b|nosem(?:grep)?\b")
ALLOWED = re.compile(r"# nosec B\d{3}  # \w.{8,}$|(?:#|--) nosemgrep: [a-z-]+  # \w.{8,}$")
OURS = {Path("compliance/scanning")}


def test_every_exception_names_its_rule_and_its_reason() -> None:
    found = [
        f"{path}:{number}: {line.strip()}"
        for path in files.shipped(ROOT, ".py", ".html", ".js")
        if path.parent not in OURS
        for number, line in enumerate((ROOT / path).read_text().splitlines(), start=1)
        if ANY.search(line)
    ]
    assert found, "the guard scans nothing"
    assert [one for one in found if not ALLOWED.search(one)] == []
    assert len(found) <= MOST


def test_no_file_switches_a_scanner_off() -> None:
    for name in (".bandit", ".semgrepignore", ".hadolint.yaml", ".secrets.baseline", "bandit.yaml"):
        assert not list(ROOT.glob(name)), f"{name} would be read by whoever runs the tool by hand"
    assert "[tool.bandit" not in (ROOT / "pyproject.toml").read_text()


def test_reviewed_secrets() -> None:
    day, entries = detect_secrets.reviews()
    assert day.year >= 2026
    assert len({(one.path, one.kind) for one in entries}) == len(entries)
    for one in entries:
        assert (ROOT / one.path).is_file(), one.path
        assert len(one.reason.split()) >= 2, one.path
        assert one.hashes or one.kind in detect_secrets.GUESSES, f"{one.path}: name the hash of a {one.kind}"
        assert all(re.fullmatch(r"[0-9a-f]{8}", digest) for digest in one.hashes), one.path


def test_the_rules_of_the_house() -> None:
    ours = semgrep.rules()
    assert len(ours) >= 40
    assert len({rule.id for rule in ours}) == len(ours)
    for rule in ours:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)+", rule.id), rule.id
        assert rule.message.endswith("."), rule.id
        assert rule.bad.strip() != rule.good.strip(), rule.id
    assert semgrep.reviewed().year >= 2026
    document = (ROOT / "docs/scanning.md").read_text()
    assert f"| {len(ours)} rules of the house," in document
    assert f"`deploy/compose.yaml` ({len(containers.RULES)} rules of ours)" in document
    assert all(f"| `{name}` |" in document for name in scanning.SCANNERS)
