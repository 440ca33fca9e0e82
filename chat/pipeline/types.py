"""What the stages hand to each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from compliance import phi

Publish = Callable[[str, dict[str, Any]], None]
_WORD = re.compile(r"[^\W\d_][\w-]{4,39}")


@dataclass(frozen=True)
class Reader:
    """Whose permission a search has: the collections, and within them what names their roles and department.

    chat.access.reader makes one for a person. `everything` is for measurements by who runs this installation.
    """

    collections: tuple[UUID, ...]
    roles: tuple[str, ...] = ()
    department: str = ""
    everything: bool = False


@dataclass(frozen=True)
class Question:
    """A masked question, who asks it, and `turn`, what it is asked for, if anything is.

    `as_of` searches what was searched at that time; None: what is searched now.
    """

    text: str
    reader: Reader
    turn: UUID | None = None
    as_of: datetime | None = None

    @property
    def collections(self) -> tuple[UUID, ...]:
        return self.reader.collections

    @property
    def searched(self) -> str:
        """The text without the tokens that stand for identifiers: they mean nothing to the library."""
        return phi.without_tokens(self.text)

    @property
    def words(self) -> list[str]:
        """Its words that are long enough to be missed in a library, each once."""
        return list(dict.fromkeys(_WORD.findall(self.searched)))


@dataclass(frozen=True)
class Reading:
    """One way to read a question. `said` is what of it was exchanged for `meant`; both empty: nothing was."""

    text: str
    said: str = ""
    meant: str = ""


@dataclass(frozen=True)
class Understanding:
    """What the search makes of a question: the readings it is searched in, the first as it was asked but for its
    spelling, and the parts it asks for (chat/language/intents.py). `corrected` holds (as asked, as searched), `words`
    the words that count, each with its IDF; those that the other readings exchange do not, and `unknown` are those of
    them that the library does not hold in any form. `strange`: what its reader is told the library does not hold."""

    readings: tuple[Reading, ...]
    intents: tuple[str, ...] = ()
    corrected: tuple[tuple[str, str], ...] = ()
    words: tuple[tuple[str, float], ...] = ()
    unknown: tuple[str, ...] = ()
    strange: tuple[str, ...] = ()

    @property
    def also(self) -> tuple[str, ...]:
        """What was searched besides the words of the question, for its reader."""
        return tuple(dict.fromkeys([*(right for _, right in self.corrected), *(r.meant for r in self.readings[1:])]))

    @property
    def instead(self) -> tuple[tuple[str, str], ...]:
        """(as searched, as asked), once for each word or name that was searched otherwise too."""
        pairs = [(right, wrong) for wrong, right in self.corrected]
        for reading in self.readings[1:]:
            pairs += zip(reading.meant.split("; "), reading.said.split("; "), strict=False)
        return tuple(dict.fromkeys(pairs))


@dataclass(frozen=True)
class Vectored:
    """A question as a vector, and the index of the embedding model that made it. `others`: its other readings.

    `sparse` are its weights by the learned sparse model, where that is asked for (chat.corpus.sparse).
    """

    index: int
    model: str
    values: Sequence[float]
    others: tuple[Sequence[float], ...] = ()
    sparse: str | None = None


@dataclass(frozen=True)
class Signals:
    """What speaks for a passage besides its scores with the question as asked. Of several readings the best counts.

    `title` is how much of a reading's IDF mass the title holds, `title_share` how many of the title's words the reading
    has, both 0 to 1; `rarest`: the passage holds the rarest word of a reading; `kin`: found only because its document
    is called like one that was found.
    """

    dense: float = 0.0
    lexical: float = 0.0
    coverage: float = 0.0
    title: float = 0.0
    title_share: float = 0.0
    rarest: bool = False
    kin: bool = False


@dataclass(frozen=True)
class Passage:
    """A chunk that may hold the answer. `start` is its offset in the version's text, `pages` where the pages of the
    version begin; scores as in retrieve.py. `grade` of the evidence (4 is high, 0 not stated) and day it was `reviewed`
    (as a number) decide only between equals; `copies`: other documents that say the same in the same words."""

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
    pages: tuple[int, ...]
    sha256: str
    dense: float
    lexical: float
    coverage: float
    fused: float
    signals: Signals = Signals()
    grade: int = 0
    reviewed: int = 0
    score: float = 0.0
    copies: int = 0


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
    """Everything `record` needs, filled in as the stages go. `interactions`: the check of the medicines and the version
    of its table; empty: there was none."""

    ending: Ending = Ending.FAILED
    reason: str = ""
    verdict: Verdict = Verdict((), 0)
    passages: list[Passage] = field(default_factory=list)
    understood: Understanding | None = None
    unknown: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    confidence: float = 0.0
    model: str = ""
    interactions: dict[str, str] = field(default_factory=dict)
    timings_ms: dict[str, float] = field(default_factory=dict)
