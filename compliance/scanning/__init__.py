"""Scanners of the source, the packages and the containers. Each proves itself on a seeded fault in the same run.

A scanner that is missing, hangs, prints what cannot be read or overlooks the seeded fault is an error, never clean.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from compliance.scanning import advisories, bandit, containers, dast, detect_secrets, sbom, semgrep
from compliance.scanning.files import build_digest
from compliance.scanning.types import Finding, Scan

__all__ = ["SCANNERS", "Finding", "Scan", "build_digest", "run_all"]

SCANNERS: Final[Mapping[str, Callable[[Path], Scan]]] = {
    bandit.NAME: bandit.run,
    semgrep.NAME: semgrep.run,
    detect_secrets.NAME: detect_secrets.run,
    sbom.NAME: sbom.run,
    advisories.NAME: advisories.run,
    containers.NAME: containers.run,
    dast.NAME: dast.run,
}


def run_all(tree: Path, only: Collection[str] = (), *, bill: Path | None = None) -> list[Scan]:
    """Run every scanner, or those named in `only`. `bill`: where the bill of materials goes."""
    wanted = {name: run for name, run in SCANNERS.items() if not only or name in only}
    if sbom.NAME in wanted:
        wanted[sbom.NAME] = partial(sbom.run, output=bill)
    return [run(tree) for run in wanted.values()]
