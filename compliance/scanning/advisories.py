"""Published advisories about the packages of the lock (pip-audit).

Without the network it says "no known vulnerabilities" and ends well. So nothing it says is believed unless it reports a
package with a known vulnerability, asked for beside the others.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from packaging.utils import canonicalize_name

from clinchat.lib import clock
from compliance.scanning import packages, tools
from compliance.scanning.types import Finding, Reading, Scan, Unusable

NAME: Final = "pip-audit"
SOURCES: Final = {"pypi": "the advisories of PyPI", "osv": "the advisories of OSV"}
SEEDS: Final = (("paramiko", "1.17.0"), ("mako", "1.0.0"), ("tornado", "6.0"))
"""Versions with vulnerabilities known for years. The first whose package the lock does not name is asked for."""
UNREACHABLE: Final = "the advisory source could not be reached"
LIMIT: Final = 240


def run(tree: Path) -> Scan:
    return tools.scanned(NAME, lambda folder: _work(tree, folder))


def _work(tree: Path, folder: Path) -> Reading:
    version = tools.version(tree, "pip-audit")
    try:
        lock = packages.lock_in_use(tree)
        asked = packages.locked(lock.path)
    except packages.LockUnusable:
        raise Unusable("the lock of the requirements is missing or not in order") from None
    seed = next(one for one in SEEDS if one[0] not in asked)
    for source, words in SOURCES.items():
        # The seed alone first: a source that cannot be reached is not asked for hundreds of packages.
        if seeded(_ask(tree, folder, source, dict([seed])), seed):
            printed = _ask(tree, folder, source, {**asked, seed[0]: seed[1]})
            found = read(printed, asked, seed)
            return Reading(version, f"{words}, for requirements/{lock.path.name}", found, clock.now().date())
    raise Unusable(UNREACHABLE)


def _ask(tree: Path, folder: Path, source: str, asked: dict[str, str]) -> bytes:
    listed = folder / "asked.txt"
    listed.write_text("".join(f"{name}=={version}\n" for name, version in sorted(asked.items())))
    words = (
        "--format",
        "json",
        "--vulnerability-service",
        source,
        "--no-deps",
        "--disable-pip",
        "--progress-spinner",
        "off",
    )
    return tools.call(tree, "pip-audit", *words, "--requirement", listed, home=folder, limit=LIMIT)


def seeded(printed: bytes, seed: tuple[str, str]) -> bool:
    """Whether the vulnerable package is reported with at least one advisory."""
    if not printed.strip():
        return False
    answers = tools.document(printed)["dependencies"]
    return any((one["name"], one.get("version")) == seed and bool(one.get("vulns")) for one in answers)


def read(printed: bytes, asked: dict[str, str], seed: tuple[str, str]) -> list[Finding]:
    """Advisories about the packages asked for. Raises Unusable unless the seed is reported and none was skipped."""
    if not seeded(printed, seed):
        raise Unusable(UNREACHABLE)
    answers = tools.document(printed)["dependencies"]
    looked_up = {(canonicalize_name(one["name"]), one["version"]) for one in answers if "vulns" in one}
    missed = len(set(asked.items()) - looked_up)
    if missed:
        raise Unusable(f"{missed} of {len(asked)} packages could not be looked up")
    return [_finding(one, told) for one in answers if one["name"] != seed[0] for told in one["vulns"]]


def _finding(one: dict[str, Any], told: dict[str, Any]) -> Finding:
    """The source does not say how severe it is: an advisory counts as high until somebody has read it."""
    fixed = ", ".join(map(str, told.get("fix_versions", ()))) or "no version yet"
    return Finding(
        NAME, str(told["id"]), "high", f"{one['name']}=={one['version']}", f"Published advisory; fixed in: {fixed}."
    )
