"""Known mistakes in Python (bandit): from medium severity and medium confidence on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from compliance.scanning import files, tools
from compliance.scanning.types import Finding, NotProved, Reading, Scan, Severity, Unusable

NAME: Final = "bandit"
SEED: Final = "import hashlib, subprocess\n\n\ndef run(word):\n    subprocess.call(word, shell=True)\n"
SEEDED: Final = "B602"
SEVERITIES: Final[dict[str, Severity]] = {"HIGH": "high", "MEDIUM": "medium"}


def run(tree: Path) -> Scan:
    return tools.scanned(NAME, lambda folder: _work(tree, folder))


def _work(tree: Path, folder: Path) -> Reading:
    version = tools.version(tree, "bandit")
    given = files.shipped(tree, ".py")
    seed = folder / "seeded.py"
    seed.write_text(SEED)
    # An own configuration: no .bandit file and no section of the tree switches a check off.
    settings = folder / "bandit.yaml"
    settings.write_text("{}\n")
    words = ("--quiet", "-ll", "-ii", "--format", "json", "--configfile", settings)
    printed = tools.call(tree, "bandit", *words, *given, seed, home=folder)
    return Reading(version, "the checks of bandit itself", read(printed, given, seed))


def read(printed: bytes, given: list[Path], seed: Path) -> list[Finding]:
    """Findings in the files given. Raises Unusable unless each was read and the seeded fault is reported."""
    said = tools.document(printed)
    if said["errors"]:
        raise Unusable(f"could not read {len(said['errors'])} files")
    tools.all_read([*given, seed], {_plain(name) for name in said["metrics"]})
    results: list[dict[str, Any]] = said["results"]
    if not any(_plain(one["filename"]) == seed and one["test_id"] == SEEDED for one in results):
        raise NotProved
    return [_finding(one) for one in results if _plain(one["filename"]) != seed]


def _plain(name: str) -> Path:
    return Path(name.removeprefix("./"))


def _finding(said: dict[str, Any]) -> Finding:
    place = f"{_plain(said['filename']).as_posix()}:{int(said['line_number'])}"
    # Not its text: that can quote the line.
    name = str(said["test_name"])
    title = "Use of something known to be unsafe" if name == "blacklist" else name.replace("_", " ").capitalize()
    return Finding(NAME, str(said["test_id"]), SEVERITIES[said["issue_severity"]], place, f"{title}.")
