"""Repairs misspelled words with the words of the library itself: Damerau & Levenshtein's edits, the likeliest first.

A word the library holds is never changed, nor one that names a disease or medicine elsewhere. Slips of the keyboard
(letters exchanged, doubled, or hit beside the right key) cost less than others, frequent words are preferred.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chat.language import names
from compliance.phi import lexicon

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHORTEST = 4
TWO_EDITS = 8
"""From this length on, two edits are believed."""
PROPER = 7
"""A capitalised word inside a sentence is a name as a rule; only one this long is repaired."""
ENGLISH = 2
"""Tier of compliance.phi's word counts from which a word is one of the language, though the library lacks it."""
EDIT_COST, RARITY = 2.2, 0.35
"""What an edit costs against how often the library uses the word (natural logarithm of the passages)."""
OTHER_BEGINNING = 0.6
LIMITS = {1: 2.3, 2: 3.2}
"""Highest cost that is believed, by number of edits. Set on the misspelled questions of the development set."""
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_KEYS = {letter: (row, column + row * 0.4) for row, keys in enumerate(_ROWS) for column, letter in enumerate(keys)}
_REPAIRABLE = re.compile(r"[A-Za-z]?[a-z]{3,29}")


@dataclass(frozen=True)
class Vocabulary:
    """The library's words, in how many passages each stands, and how often each letter of the alphabet is in it."""

    words: Sequence[str]
    passages: Sequence[int]
    lengths: NDArray[np.int16]
    letters: NDArray[np.int8]


def vocabulary(rows: Iterable[tuple[str, int]]) -> Vocabulary:
    """From (word, passages); words of other characters than a to z are left out."""
    import numpy as np

    kept = [(word, n) for word, n in rows if word.isascii() and word.isalpha() and word.islower()]
    letters = np.zeros((len(kept), 26), dtype=np.int8)
    if kept:
        lengths = np.array([len(word) for word, _ in kept], dtype=np.int16)
        flat = np.frombuffer("".join(word for word, _ in kept).encode(), dtype=np.uint8) - ord("a")
        np.add.at(letters, (np.repeat(np.arange(len(kept)), lengths), flat), 1)
    else:
        lengths = np.zeros(0, dtype=np.int16)
    return Vocabulary([word for word, _ in kept], [n for _, n in kept], lengths, letters)


def without(known: Vocabulary, word: str) -> Vocabulary:
    """The vocabulary less one of its words."""
    return vocabulary((w, n) for w, n in zip(known.words, known.passages, strict=True) if w != word)


def repairable(word: str, *, inside: bool) -> bool:
    """Whether a word the library does not hold may be a misspelling: not a code, a short form or somebody's name."""
    if not _REPAIRABLE.fullmatch(word) or len(word) < SHORTEST or (word[0].isupper() and inside and len(word) < PROPER):
        return False
    low, words = word.lower(), lexicon.lexicon()
    return not (names.is_word(low) or words.word_tier(low) >= ENGLISH or words.drug(low) or words.medical_word(low))


def correct(word: str, known: Vocabulary) -> str | None:
    """The word that was meant, if one is likely enough and no medicine could be mistaken for another."""
    import numpy as np

    word = word.lower()
    most = 2 if len(word) >= TWO_EDITS else 1
    own = np.bincount(np.frombuffer(word.encode(), dtype=np.uint8) - ord("a"), minlength=26).astype(np.int8)
    near = np.flatnonzero(np.abs(known.lengths - len(word)) <= most)
    near = near[np.abs(known.letters[near] - own).sum(axis=1) <= 2 * most]
    ranked: list[tuple[float, str, int]] = []
    for i in near:
        other = known.words[i]
        same_beginning = other[0] == word[0]
        if not _may_be_within(word, other, most if same_beginning else 1):
            continue
        edits, cost = distance(word, other)
        if edits not in LIMITS or edits > (most if same_beginning else 1):
            continue
        total = EDIT_COST * cost - RARITY * math.log(known.passages[i]) + (0 if same_beginning else OTHER_BEGINNING)
        if total < LIMITS[edits]:
            ranked.append((total, other, edits))
    if not ranked:
        return None
    best = min(ranked)
    rivals = [other for _, other, edits in ranked if edits <= best[2] and other != best[1]]
    if names.is_medicine(best[1]) and any(names.is_medicine(other) for other in rivals):
        return None
    return best[1]


def _may_be_within(one: str, other: str, edits: int) -> bool:
    """False when the words differ too much for so few edits: a cheap look at their ends before the whole sum."""
    shorter = min(len(one), len(other))
    ahead = next((i for i in range(shorter) if one[i] != other[i]), shorter)
    rest = shorter - ahead
    behind = next((i for i in range(rest) if one[-1 - i] != other[-1 - i]), rest)
    differ = max(len(one), len(other)) - ahead - behind
    return differ <= 2 if edits == 1 else ahead + behind > 1


def distance(wrong: str, right: str) -> tuple[int, float]:
    """Edits between two words, and what they cost; neighbouring letters exchanged count as one."""
    before: list[tuple[int, float]] = []
    row = [(j, float(j)) for j in range(len(right) + 1)]
    for i, letter in enumerate(wrong, 1):
        line = [(i, float(i))]
        for j, other in enumerate(right, 1):
            doubled = i > 1 and wrong[i - 2] == letter
            single = j > 1 and right[j - 2] == other
            options = [
                row[j - 1] if letter == other else _plus(row[j - 1], 0.7 if _beside(letter, other) else 1.1),
                _plus(row[j], 0.7 if doubled else 1.0),
                _plus(line[j - 1], 0.7 if single else 0.9),
            ]
            if i > 1 and j > 1 and letter == right[j - 2] and wrong[i - 2] == other:
                options.append(_plus(before[j - 2], 0.6))
            line.append(min(options, key=lambda option: option[1]))
        before, row = row, line
    return row[-1]


def _plus(so_far: tuple[int, float], cost: float) -> tuple[int, float]:
    return so_far[0] + 1, so_far[1] + cost


def _beside(one: str, other: str) -> bool:
    if one not in _KEYS or other not in _KEYS:
        return False
    (row, column), (row2, column2) = _KEYS[one], _KEYS[other]
    return abs(row - row2) <= 1 and abs(column - column2) <= 1.3
