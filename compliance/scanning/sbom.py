"""The bill of materials (CycloneDX) of the environment that runs, and where it differs from the lock.

The tool writes the document; what it lists is held against what Python itself finds, and that against the lock.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from packaging.utils import canonicalize_name

from compliance.scanning import packages, tools
from compliance.scanning.types import Finding, NotProved, Reading, Scan, Severity, Unusable

NAME: Final = "sbom"
SEED: Final = ("clinchat-seeded-package", "0.0.1")
SEVERITIES: Final[dict[str, Severity]] = {"version": "high", "extra": "medium", "missing": "medium"}


def run(tree: Path, output: Path | None = None) -> Scan:
    """`output`: where the document goes. An error writes none."""
    return tools.scanned(NAME, lambda folder: _work(tree, folder, output))


def _work(tree: Path, folder: Path, output: Path | None) -> Reading:
    version = tools.version(tree, "cyclonedx-bom")
    here = seed(folder / "seeded")
    words = ("environment", sys.executable, "--output-format", "JSON", "--output-file", "-", "--no-validate")
    printed = tools.call(tree, "cyclonedx-py", *words, home=folder, env={"PYTHONPATH": str(here)})
    have = packages.installed()
    document = read(printed, have)
    try:
        lock = packages.lock_in_use(tree)
        found = differences(lock, here)
    except packages.LockUnusable:
        raise Unusable("the lock of the requirements is missing or not in order") from None
    if output:
        _write(document, output)
    source = f"requirements/{lock.path.name}, for {lock.why}"
    return Reading(version, source, found)


def _write(document: dict[str, Any], output: Path) -> None:
    try:
        output.write_text(json.dumps(document, indent=1) + "\n")
    except OSError:
        raise Unusable("the bill of materials could not be written to that file") from None


def seed(folder: Path) -> Path:
    """A folder for sys.path in which a package is installed that no lock names."""
    info = folder / f"{SEED[0].replace('-', '_')}-{SEED[1]}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {SEED[0]}\nVersion: {SEED[1]}\n")
    return folder


def read(printed: bytes, have: dict[str, list[str]]) -> dict[str, Any]:
    """The document without the seeded package. Raises Unusable unless it lists that and just what is installed."""
    said = tools.document(printed)
    if said.get("bomFormat") != "CycloneDX":
        raise Unusable("its output is not what it should be")
    listed = {(canonicalize_name(one["name"]), one["version"]) for one in said["components"]}
    if SEED not in listed:
        raise NotProved
    if listed - {SEED} != {(name, version) for name, versions in have.items() for version in versions}:
        raise Unusable("the document does not list what is installed")
    seeded = {one["bom-ref"] for one in said["components"] if canonicalize_name(one["name"]) == SEED[0]}
    kept = [one for one in said["components"] if one["bom-ref"] not in seeded]
    needs = [one for one in said.get("dependencies", []) if one["ref"] not in seeded]
    return {**said, "components": kept, "dependencies": needs}


def differences(lock: packages.Lock, seeded: Path) -> list[Finding]:
    found = packages.differences(lock.path, [*sys.path, str(seeded)])
    proof = packages.Difference("extra", *SEED)
    if proof not in found:
        raise NotProved
    return [_finding(one) for one in found if one != proof]


def _finding(one: packages.Difference) -> Finding:
    place = f"{one.package}=={one.installed or one.locked}"
    return Finding(NAME, f"package-{one.kind}", SEVERITIES[one.kind], place, one.line)
