"""What the stages hand to each other."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from compliance import phi

Publish = Callable[[str, dict[str, Any]], None]
_WORD = re.compile(r"[^\W\d_][\w-]{4,39}")


@dataclass(frozen=True)
class Question:
    """A masked question and the collections its reader may search; `turn` is what it is asked for, if anything is."""

    text: str
    collections: tuple[UUID, ...]
    turn: UUID | None = None

    @property
    def searched(self) -> str:
        """The text without the tokens that stand for identifiers: they mean nothing to the library."""
        return phi.without_tokens(self.text)

    @property
    def words(self) -> list[str]:
        """Its words that are long enough to be missed in a library, each once."""
        return list(dict.fromkeys(_WORD.findall(self.searched)))


@dataclass(frozen=True)
class Passage:
    """A chunk that may hold the answer. `start` is its offset in the version's text; scores as in retrieve.py."""

    chunk: int
    version: UUID
    number: int
    document: UUID
    external_id: str
    title: str
    kind: str
    section: str
    text: str
    start: int
    sha256: str
    dense: float
    lexical: float
    coverage: float
    fused: float
    score: float = 0.0


@dataclass(frozen=True)
class Sentence:
    """A sentence of a passage; start and end are offsets in the version's text."""

    passage: Passage
    text: str
    start: int
    end: int
    score: float


@dataclass(frozen=True)
class Draft:
    """What an answerer proposes: its best sentence, then the rest in reading order. Empty: no support."""

    sentences: tuple[Sentence, ...]


@dataclass(frozen=True)
class Verdict:
    """What the check left: sentences found byte for byte in the stored version, and how many were removed."""

    kept: tuple[Sentence, ...]
    removed: int


class Ending(StrEnum):
    ANSWERED = "answered"
    ABSTAINED = "abstained"
    FAILED = "failed"


@dataclass
class Outcome:
    """Everything `record` needs, filled in as the stages go."""

    ending: Ending = Ending.FAILED
    reason: str = ""
    verdict: Verdict = Verdict((), 0)
    passages: list[Passage] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    confidence: float = 0.0
    timings_ms: dict[str, float] = field(default_factory=dict)
