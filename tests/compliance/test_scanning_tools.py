"""A scanner that is missing, hangs, crashes, prints garbage or overlooks the seeded fault is an error, never clean."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from compliance import scanning
from compliance.scanning import advisories, tools
from compliance.scanning.types import Scan
from tests.compliance import scratch_tree
from tests.compliance.scratch_tree import TOOLS
from tests.processes import until

BAD = "the text of a stranger"
SCANNERS = sorted(TOOLS)
GARBAGE = {
    "nothing": "true",
    "a crash": f"echo '{BAD}' >&2; exit 2",
    "words": f"echo '{BAD}: all is well'",
    "half": "printf '{\"results\": ['",
    "a list": "echo '[]'",
    "a number": "echo 7",
    "an empty object": "echo '{}'",
    "other shapes": 'echo \'{"results": [1], "errors": 0, "metrics": [], "components": 5, "dependencies": {"a": 1}}\'',
    "bytes": r"printf '\377\376\000'",
    "deep": "head -c 200000 /dev/zero | tr '\\0' '['",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return scratch_tree.make(tmp_path)


def assert_error(scan: Scan, scanner: str) -> None:
    assert (scan.scanner, scan.state, scan.proved, scan.findings) == (scanner, "error", False, ())
    assert scan.reason
    assert BAD not in scan.reason


@pytest.mark.parametrize("scanner", SCANNERS)
def test_a_missing_tool(tree: Path, scanner: str) -> None:
    scan = scanning.SCANNERS[scanner](tree)
    assert_error(scan, scanner)
    assert "is not installed (make scan installs it)" in scan.reason


@pytest.mark.parametrize("what", GARBAGE)
@pytest.mark.parametrize("scanner", SCANNERS)
def test_garbage(tree: Path, scanner: str, what: str) -> None:
    scratch_tree.install(tree, TOOLS[scanner], GARBAGE[what])
    assert_error(scanning.SCANNERS[scanner](tree), scanner)


@pytest.mark.parametrize("scanner", SCANNERS)
def test_a_tool_that_hangs(tree: Path, scanner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "LIMIT", 0.1)
    monkeypatch.setattr(advisories, "LIMIT", 0.1)
    scratch_tree.install(tree, TOOLS[scanner], "sleep 60")
    scan = scanning.SCANNERS[scanner](tree)
    assert_error(scan, scanner)
    assert "did not end within" in scan.reason
    assert scan.seconds < 30


def test_what_a_tool_started_ends_with_it(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = tree / "child"
    scratch_tree.install(tree, "bandit", f"sleep 61.5 & echo $! > {started}; sleep 60")
    for limit in (0.2, 2, 20):  # a busy machine needs longer until it has started it
        monkeypatch.setattr(tools, "LIMIT", limit)
        assert scanning.SCANNERS["bandit"](tree).state == "error"
        if started.exists() and started.read_text().strip():
            break
    child = started.read_text().strip()

    def ended() -> bool:
        state = subprocess.run(["ps", "-o", "stat=", "-p", child], capture_output=True, text=True, check=False).stdout
        return not state.strip() or state.strip().startswith("Z")

    until(ended, f"process {child} goes on")


def test_a_tool_that_cannot_be_started(tree: Path) -> None:
    scratch_tree.install(tree, "bandit", "true")
    (tree / ".venv-scan/bin/bandit").chmod(0o644)
    (tree / ".venv-scan/bin/bandit").write_text("#!/nowhere\n")
    assert scanning.SCANNERS["bandit"](tree).reason == "could not be started"


def test_a_tool_learns_no_key_of_ours(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEALING_KEY", "not for tools")
    monkeypatch.setenv("DATABASE_URL", "postgresql://not-for-tools")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    scratch_tree.install(tree, "bandit", f"env > {tree}/seen")
    scanning.SCANNERS["bandit"](tree)
    seen = dict(line.partition("=")[::2] for line in (tree / "seen").read_text().splitlines())
    assert seen["HTTPS_PROXY"] == "http://proxy.example:3128"
    assert not {"SEALING_KEY", "DATABASE_URL"} & set(seen)
    assert "not for tools" not in seen.values()


def test_there_is_no_dynamic_scanner_and_it_says_so(tree: Path) -> None:
    assert_error(scanning.SCANNERS["dast"](tree), "dast")


def test_all_of_them_and_some_of_them(tree: Path) -> None:
    assert [scan.scanner for scan in scanning.run_all(tree)] == list(scanning.SCANNERS)
    assert [scan.scanner for scan in scanning.run_all(tree, ["dast", "bandit"])] == ["bandit", "dast"]
