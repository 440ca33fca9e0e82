"""A text as words with a shape: what the name detector reads instead of one very large pattern."""

from __future__ import annotations

import re
from bisect import bisect_left
from contextvars import ContextVar
from enum import Enum, auto
from typing import NamedTuple

from compliance.phi.normalise import fold

_WORD = re.compile(r"(?<!\w)[^\W\d_]+(?:['-][^\W\d_]+){0,4}(?!\w)")
_PREFIXED = re.compile(r"(?:Mc|Mac|O'|D'|De|Di|La|Le|Van|Von|Fitz)(?=[^\W\d_a-z])")


class Shape(Enum):
    INITIAL = auto()  # J
    CAPITAL = auto()  # Maria, McDonald, El-Sayed
    UPPER = auto()  # LOPEZ, MRN
    LOWER = auto()  # lopez
    OTHER = auto()  # eGFR, scripts without case


class Word(NamedTuple):
    start: int
    end: int
    low: str  # folded, without the possessive
    shape: Shape


_last: ContextVar[tuple[str, list[Word]]] = ContextVar("words", default=("", []))


def read_words(text: str) -> list[Word]:
    """The words of a normal form, in order; a possessive 's is no part of its word."""
    asked, words = _last.get()
    if asked is text:  # the detectors of one text ask one after the other
        return words
    words = []
    for match in _WORD.finditer(text):
        word = match.group()
        if word[-2:].lower() == "'s" and len(word) > 2:
            word = word[:-2]
        words.append(Word(match.start(), match.start() + len(word), fold(word), _shape(word)))
    _last.set((text, words))
    return words


def word_at(words: list[Word], offset: int) -> int | None:
    """The index of the word that begins exactly at this offset."""
    i = bisect_left(words, offset, key=lambda word: word.start)
    return i if i < len(words) and words[i].start == offset else None


def _shape(word: str) -> Shape:
    if len(word) == 1:
        return Shape.INITIAL if word.isupper() else Shape.LOWER
    if word.isupper():
        return Shape.UPPER
    if word.islower():
        return Shape.LOWER
    parts = re.split(r"['-]", _PREFIXED.sub("", word))
    capital = word[0].isupper() and all(p[:1].isupper() or p.islower() for p in parts)
    return Shape.CAPITAL if capital and all(p[1:].islower() or len(p) < 2 for p in parts) else Shape.OTHER
