"""What a training module consists of, as read from its files or from the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, Final, Self


class Kind(StrEnum):
    SINGLE = "single"
    MULTIPLE = "multiple"
    ORDERING = "ordering"
    MATCHING = "matching"
    NUMERIC = "numeric"
    CASE = "case"


class Difficulty(StrEnum):
    EASY = "easy"
    MEDIUM = "medium"
    HARD = "hard"


class Grading(StrEnum):
    ALL = "all"
    """One point when everything is right, else none."""
    PARTIAL = "partial"
    """A share of the point for what is right."""


SIX: Final = ("hipaa", "phi-handling", "ai-limitations", "system-usage", "error-reporting", "decision-support")
"""The modules without which nobody is cleared, in their order."""


@dataclass(frozen=True)
class Option:
    text: str
    why: str
    right: bool = False


@dataclass(frozen=True)
class Step:
    text: str
    why: str


@dataclass(frozen=True)
class Pair:
    """`left` is empty for an extra right side that fits nothing."""

    right: str
    why: str
    left: str = ""


@dataclass(frozen=True)
class Number:
    """`tolerance` is how far from the value an answer still counts, in the unit."""

    value: str
    why: str
    tolerance: str = "0"
    unit: str = ""


@dataclass(frozen=True)
class Part:
    """One question of a case."""

    question: str
    options: Sequence[Option]


@dataclass(frozen=True)
class Item:
    """One question of the bank. Which of the last six fields it has depends on its kind."""

    key: str
    kind: Kind
    objective: str
    clause: str
    difficulty: Difficulty
    question: str
    grading: Grading = Grading.ALL
    case: str = ""
    options: Sequence[Option] = ()
    steps: Sequence[Step] = ()
    pairs: Sequence[Pair] = ()
    extra: Sequence[Pair] = ()
    numbers: Sequence[Number] = ()
    """The right number, then the usual wrong ones."""
    parts: Sequence[Part] = ()

    def as_dict(self) -> dict[str, Any]:
        """As JSON holds it, without what is empty."""
        return {name: value for name, value in asdict(self).items() if value not in ("", (), [])}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """What `as_dict` made."""
        known = {field.name for field in fields(cls)}
        plain = {name: value for name, value in content.items() if name in known}
        return cls(
            **plain
            | {
                "kind": Kind(plain["kind"]),
                "difficulty": Difficulty(plain["difficulty"]),
                "grading": Grading(plain["grading"]),
                "options": tuple(Option(**one) for one in plain.get("options", ())),
                "steps": tuple(Step(**one) for one in plain.get("steps", ())),
                "pairs": tuple(Pair(**one) for one in plain.get("pairs", ())),
                "extra": tuple(Pair(**one) for one in plain.get("extra", ())),
                "numbers": tuple(Number(**one) for one in plain.get("numbers", ())),
                "parts": tuple(
                    Part(one["question"], tuple(Option(**option) for option in one["options"]))
                    for one in plain.get("parts", ())
                ),
            }
        )


@dataclass(frozen=True)
class Lesson:
    key: str
    title: str
    minutes: int
    objectives: Sequence[str]
    clauses: Sequence[str]
    text: str
    """In the Markdown of training.bank.markdown."""
    question: str
    """With its options, the check that nobody is graded on."""
    options: Sequence[Option]


@dataclass(frozen=True)
class Objective:
    key: str
    text: str


@dataclass(frozen=True)
class Reference:
    key: str
    name: str
    says: str


@dataclass(frozen=True)
class Card:
    heading: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Rules:
    """How an assessment goes. `wait` are seconds after the first, second … failed attempt; `minutes` None: no limit."""

    pass_percent: int
    attempts: int
    wait: Sequence[int]
    minutes: int | None


@dataclass(frozen=True)
class Module:
    """The files of one module. `changed` are the lessons that a material change is about; none: all of them."""

    slug: str
    number: int
    title: str
    purpose: str
    version: str
    change: str
    material: bool
    changed: Sequence[str]
    objectives: Sequence[Objective]
    references: Sequence[Reference]
    rules: Rules
    blueprint: Mapping[str, Mapping[Difficulty, int]]
    card: Sequence[Card]
    lessons: Sequence[Lesson]
    items: Sequence[Item]
    pictures: Mapping[str, str]
    """The SVG files by name."""
    sha256: str
