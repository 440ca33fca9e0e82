"""The record that each check can fail: for which code of it the tests turned it red. It ships with the release.

`make mutations` breaks on purpose what each check looks at, and writes the record anew. A check whose code has changed
since, or that never failed, is not on it.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from compliance.controls.registry import Look, registered

FILE: Final = Path(__file__).with_name("proven.json")


def digest(look: Look) -> str:
    """SHA-256 of the module that a check is in: its helpers are part of what was tried."""
    return _of_file(inspect.getsourcefile(look) or "")


@lru_cache(maxsize=64)
def _of_file(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def record() -> Mapping[str, str]:
    """The digest under which each check was turned red. Raises OSError and ValueError without a usable file."""
    found = json.loads(FILE.read_text(encoding="utf-8"))
    return {str(key): str(value) for key, value in found["checks"].items()}


def unproven() -> list[str]:
    """Checks that exist and were not turned red in the form they have now."""
    known = record()
    return sorted(key for key, one in registered().items() if one.look and known.get(key) != digest(one.look))


def write(caught: Iterable[str]) -> int:
    """Keep what the tests caught; returns how many. Those that were not caught this time are dropped."""
    known = registered()
    looks = {key: known[key].look for key in sorted(set(caught)) if key in known}
    checks = {key: digest(look) for key, look in looks.items() if look}
    FILE.write_text(json.dumps({"checks": checks}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return len(checks)


def main(path: str) -> None:
    """python -m compliance.controls.proofs FILE: one JSON object a line, {"check": KEY}."""
    import django

    django.setup()
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    # nosemgrep: print-in-portal  # a number, for whoever runs make mutations
    sys.stdout.write(f"{write(json.loads(line)['check'] for line in lines)} checks were turned red.\n")


if __name__ == "__main__":
    main(sys.argv[1])
