"""Attacks on the running portal. There is no scanner for that here, and what did not run is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from compliance.scanning.types import Scan

NAME: Final = "dast"
REASON: Final = "no scanner attacks the running portal; have it tested from outside (docs/scanning.md)"


def run(_tree: Path) -> Scan:
    return Scan(NAME, "error", reason=REASON)
