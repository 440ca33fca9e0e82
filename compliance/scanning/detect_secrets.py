"""Keys and passwords that were written into files (detect-secrets), in the whole checkout, documents and tests too.

What it takes for a secret and is none is listed in reviewed_secrets.toml, with the reason. Comments in the files switch
nothing off.
"""

from __future__ import annotations

import secrets
import shutil
import string
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from compliance.scanning import files, tools
from compliance.scanning.types import Finding, NotProved, Reading, Scan, Severity

NAME: Final = "detect-secrets"
REVIEWED: Final = Path(__file__).with_name("reviewed_secrets.toml")
GUESSES: Final = frozenset(("Base64 High Entropy String", "Hex High Entropy String", "Secret Keyword"))
"""Kinds that go by how a word looks, or by what stands beside it. The others know the shape of a key."""
COMMENTS: Final = "detect_secrets.filters.allowlist.is_line_allowlisted"
SHORT: Final = 8
"""Characters of a hash in the list: a whole one would look like a secret."""
STALE: Final = "reviewed-nothing"


@dataclass(frozen=True)
class Review:
    path: str
    kind: str
    reason: str
    hashes: frozenset[str]
    """The first characters of each. Empty: whatever of this kind is in the file."""

    def covers(self, said: dict[str, Any]) -> bool:
        same = (self.path, self.kind) == (said["filename"], said["type"])
        return same and (not self.hashes or said["hashed_secret"][:SHORT] in self.hashes)


def run(tree: Path) -> Scan:
    return tools.scanned(NAME, lambda folder: _work(tree, folder))


def reviews(path: Path = REVIEWED) -> tuple[date, list[Review]]:
    """The day of the review, and what it let pass."""
    read = tomllib.loads(path.read_text())
    entries = [
        Review(one["path"], one["kind"], one["reason"], frozenset(one.get("hashes", ()))) for one in read["entry"]
    ]
    return read["reviewed"], entries


def _work(tree: Path, folder: Path) -> Reading:
    version = tools.version(tree, "detect-secrets")
    day, let_pass = reviews()
    given = files.everything(tree)
    # A copy, with the seeds beside it: files outside the folder it runs in are left out without a word.
    _copy(tree, given, folder)
    seeds = write_seeds(folder)
    words = ("scan", "--all-files", "--no-verify", "--disable-filter", COMMENTS)
    printed = tools.call(tree, "detect-secrets", *words, *given, *seeds, home=folder, cwd=folder)
    found, idle = read(printed, seeds, let_pass)
    found += [_stale(one) for one in idle if (tree / one.path).exists()]
    return Reading(version, "the detectors of detect-secrets itself, and a reviewed list of exceptions", found, day)


def _copy(tree: Path, given: Sequence[Path], folder: Path) -> None:
    for path in given:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(tree / path, folder / path)


def write_seeds(folder: Path) -> dict[Path, str]:
    """Files with invented secrets, made anew for each run, by their names: each with the kind that must be reported."""
    letters = "".join(secrets.choice(string.ascii_uppercase) for _ in range(16))
    texts = {
        "seeded.py": (f'ACCESS = "AKIA{letters}"\n', "AWS Access Key"),
        "seeded.pem": ("-----BEGIN " + "RSA PRIVATE KEY-----\n", "Private Key"),
        "seeded.yaml": (f'database_password: "{secrets.token_urlsafe(24)}"\n', "Secret Keyword"),
    }
    seeds = {Path("seeded", name): kind for name, (_, kind) in texts.items()}
    (folder / "seeded").mkdir()
    for name, (text, _) in texts.items():
        (folder / "seeded" / name).write_text(text)
    return seeds


def read(printed: bytes, seeds: dict[Path, str], let_pass: Sequence[Review]) -> tuple[list[Finding], list[Review]]:
    """Findings that no review covers, and reviews that cover nothing. Raises NotProved unless every seed is found."""
    said = [one for results in tools.document(printed)["results"].values() for one in results]
    seen = {(Path(one["filename"]), one["type"]) for one in said}
    if not seen >= set(seeds.items()):
        raise NotProved
    ours = [one for one in said if Path(one["filename"]) not in seeds]
    open_ones = [_finding(one) for one in ours if not any(review.covers(one) for review in let_pass)]
    return open_ones, [review for review in let_pass if not any(review.covers(one) for one in ours)]


def _finding(said: dict[str, Any]) -> Finding:
    kind = str(said["type"])
    severity: Severity = "medium" if kind in GUESSES else "critical"
    place = f"{said['filename']}:{int(said['line_number'])}"
    return Finding(NAME, kind.lower().replace(" ", "-"), severity, place, f"Looks like a secret: {kind}.")


def _stale(review: Review) -> Finding:
    title = f"A reviewed exception covers nothing: {review.path}, {review.kind}."
    return Finding(NAME, STALE, "low", f"compliance/scanning/{REVIEWED.name}:1", title)
