"""The tools themselves, where `make scan` has installed them: each finds what is planted in a small tree."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path

import pytest

from compliance import scanning
from compliance.scanning import semgrep, tools
from compliance.scanning.types import NotProved, Scan
from tests.compliance import scratch_tree
from tests.deploy.reading import ROOT

pytestmark = pytest.mark.skipif(
    not (ROOT / tools.FOLDER / "semgrep").exists(), reason="the scanners are not installed: make scan installs them"
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    made = scratch_tree.make(tmp_path / "tree")
    (made / ".venv-scan").symlink_to((ROOT / ".venv-scan").resolve())
    return made


def scan(tree: Path, scanner: str) -> Scan:
    done = scanning.SCANNERS[scanner](tree)
    assert done.state != "error", done.reason
    assert done.proved
    assert done.version
    return done


def rules(done: Scan) -> set[tuple[str, str]]:
    return {(one.rule, one.place) for one in done.findings}


def test_bandit(tree: Path) -> None:
    assert scan(tree, "bandit").state == "clean"
    (tree / "clinchat/one.py").write_text("import yaml\n\nyaml.load(open('x'))  # nosec B101\n")
    assert rules(scan(tree, "bandit")) == {("B506", "clinchat/one.py:3")}
    (tree / "clinchat/one.py").write_text("def (:\n")
    assert scanning.SCANNERS["bandit"](tree).reason == "could not read 1 files"


def test_detect_secrets(tree: Path) -> None:
    reviewed = scan(tree, "detect-secrets")
    assert [one.rule for one in reviewed.findings] == []
    (tree / "docs").mkdir()
    token = secrets.token_hex(20)
    (tree / "docs/one.md").write_text(f"\nAWS_SECRET_ACCESS_KEY = '{token}'  # pragma: allowlist secret\n")
    found = scan(tree, "detect-secrets")
    assert ("secret-keyword", "docs/one.md:2") in rules(found)
    assert token not in repr(found)


def test_hadolint_and_compose(tree: Path) -> None:
    assert scan(tree, "containers").state == "clean"
    (tree / "deploy/Dockerfile").write_text("FROM python:3.11.15\n# hadolint ignore=DL3004\nRUN sudo true\n")
    compose = (tree / "deploy/compose.yaml").read_text()
    (tree / "deploy/compose.yaml").write_text(compose.replace("  read_only: true\n", "", 1))
    found = scan(tree, "containers")
    assert ("DL3004", "deploy/Dockerfile:3") in rules(found)
    assert len([one for one in found.findings if one.rule == "compose-writable-root"]) >= 8


def test_the_bill_of_materials(tmp_path: Path) -> None:
    from compliance.scanning import sbom

    done = sbom.run(ROOT, tmp_path / "bom.json")
    assert (done.state, done.source) == ("clean", "requirements/dev.txt, for tests are installed")
    bill = (tmp_path / "bom.json").read_text()
    assert '"bomFormat": "CycloneDX"' in bill
    assert sbom.SEED[0] not in bill


def test_every_rule_of_the_house_tells_bad_from_good(tree: Path, tmp_path: Path) -> None:
    """One run: the samples of all rules, a planted fault, an excused one, and one in a folder semgrep leaves out."""
    (tree / "clinchat/tests").mkdir()
    (tree / "clinchat/tests/two.py").write_text("requests.get(address, verify=False)\n")
    (tree / "clinchat/one.py").write_text(
        "DEBUG = True\nsession.verify = False  # nosemgrep: certificate-unchecked  # planted\n"
    )
    (tree / "templates/one.html").write_text("<p>{{ answer|safe }}</p>\n")
    (tree / ".semgrepignore").write_text("clinchat/\n")
    found = scan(tree, "semgrep")
    assert rules(found) == {
        ("certificate-unchecked", "clinchat/tests/two.py:1"),
        ("debug-on", "clinchat/one.py:1"),
        ("safe-filter", "templates/one.html:1"),
    }
    assert found.source == f"{len(semgrep.rules())} rules of our own (compliance/scanning/rules)"


def test_a_rule_that_finds_nothing_is_noticed(tree: Path, tmp_path: Path) -> None:
    """The same proof over samples of which one bad one was made good."""
    ours = semgrep.rules()
    ours[7] = replace(ours[7], bad=ours[7].good)
    samples = semgrep.write_samples(ours, tmp_path / "samples")
    words = ("scan", "--metrics=off", "--disable-version-check", "--no-git-ignore", "--quiet", "--json")
    printed = tools.call(tree, "semgrep", *words, "--config", semgrep.RULES, *samples, home=tmp_path)
    with pytest.raises(NotProved):
        semgrep.read(printed, [], samples, ours)
