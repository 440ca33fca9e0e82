"""What the table says of medicines and pairs of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Severity(StrEnum):
    CONTRAINDICATED = "contraindicated"
    MAJOR = "major"
    MODERATE = "moderate"
    MINOR = "minor"

    @property
    def rank(self) -> int:
        """4 for the gravest, 1 for the least."""
        return _RANKS[self]


_RANKS = {severity: rank for rank, severity in enumerate(reversed(Severity), 1)}


class Alert(StrEnum):
    """How an interaction is shown: it interrupts, or it is one closed line."""

    INTERRUPTIVE = "interruptive"
    PASSIVE = "passive"
    REFERENCE = "reference"


USUAL_ALERT = {
    Severity.CONTRAINDICATED: Alert.INTERRUPTIVE,
    Severity.MAJOR: Alert.INTERRUPTIVE,
    Severity.MODERATE: Alert.PASSIVE,
    Severity.MINOR: Alert.REFERENCE,
}


@dataclass(frozen=True, slots=True)
class Source:
    name: str
    ref: str


@dataclass(frozen=True, slots=True)
class Local:
    """How a hospital changed the table for a pair. `shipped` is the severity in the table; None: the pair is not there.

    It counts until the day of `expires` is over.
    """

    id: str
    shipped: Severity | None
    reason: str
    expires: date


@dataclass(frozen=True, slots=True)
class Interaction:
    """Two ingredients in alphabetical order, and what happens when they are given together.

    `a_class` and `b_class` are the classes they stand for where the source speaks of a class, `extension` those of the
    two that were added to it because the source lists no such product. `note`: why the severity is not the source's;
    `products`: those that hold both.
    """

    a: str
    b: str
    severity: Severity
    alert: Alert
    mechanism: str
    effect: str
    management: str
    sources: tuple[Source, ...]
    rules: tuple[str, ...] = ()
    a_class: str = ""
    b_class: str = ""
    extension: tuple[str, ...] = ()
    note: str = ""
    mechanism_stated: bool = True
    non_interruptive: bool = False
    products: tuple[str, ...] = ()
    local: Local | None = None

    @property
    def pair(self) -> tuple[str, str]:
        return (self.a, self.b)


@dataclass(frozen=True, slots=True)
class Drug:
    """An ingredient. `covered`: the sources of the table speak of it at all."""

    id: str
    name: str
    covered: bool
    common: bool
    high_alert: str
    brands: tuple[str, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DrugClass:
    id: str
    label: str
    members: tuple[str, ...]
