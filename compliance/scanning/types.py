"""What a scanner found, and whether its word counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

Severity = Literal["critical", "high", "medium", "low"]
State = Literal["clean", "findings", "error"]

SEVERITIES: Final[tuple[Severity, ...]] = ("critical", "high", "medium", "low")
TITLE_LENGTH: Final = 200


@dataclass(frozen=True)
class Finding:
    scanner: str
    rule: str
    severity: Severity
    place: str
    """"path:line", relative to the tree, or "package==version"."""
    title: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "title", self.title[:TITLE_LENGTH])


@dataclass(frozen=True)
class Scan:
    """One run of one scanner. Only "clean" is clean: what could not run, or did not prove itself, is an "error"."""

    scanner: str
    state: State
    version: str = ""
    source: str = ""
    """Which rules or advisories were used, in words."""
    source_date: date | None = None
    proved: bool = False
    """It reported the fault that was put before it in the same run."""
    findings: tuple[Finding, ...] = ()
    reason: str = ""
    """Why it is an error, in our own words."""
    seconds: float = 0.0


@dataclass(frozen=True)
class Reading:
    """What a scanner says that ran, was understood and proved itself."""

    version: str
    source: str
    findings: Sequence[Finding]
    source_date: date | None = None


class Unusable(Exception):
    """The scanner's word does not count. `reason` is written by us: it never quotes what the tool printed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotProved(Unusable):
    def __init__(self) -> None:
        super().__init__("did not find the seeded fault")
