"""Names of one and the same thing: diseases, medicines, and the short forms of the ward.

data/names.txt.gz is made by chat/language/build.py, which names its sources; data/short_forms.txt is written by hand.
"""

from __future__ import annotations

import gzip
import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from compliance.phi import lexicon

DATA = Path(__file__).parent / "data" / "names.txt.gz"
SHORT_FORMS = Path(__file__).parent / "data" / "short_forms.txt"
LONGEST = 9
"""Words of the longest name that is looked for in a question."""
IDLE = frozenset(["of", "the", "and", "with", "in", "to", "due", "by", "a", "an", "or", "for"])
EDGES = IDLE | {""}
_WORDS = re.compile(r"[a-z0-9]+")


def plain(name: str) -> str:
    """Lower case, words only: “Crohn's disease” is “crohn disease”."""
    return " ".join(_WORDS.findall(re.sub(r"['\u2019]s?(?![a-z])", "", name.lower())))


@lru_cache(maxsize=4096)
def key(name: str) -> str:
    """What names that differ only in word order, number and small words have in common."""
    return " ".join(sorted(singular(word) for word in plain(name).split() if word not in IDLE))


def singular(word: str) -> str:
    """A word without the ending of its plural, near enough for comparing."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


@dataclass(frozen=True)
class Mention:
    """Words of a question that name something: positions of its first and past its last word, and its other names."""

    first: int
    end: int
    name: str
    others: tuple[str, ...]
    medicine: bool


@dataclass(frozen=True)
class _Names:
    groups: tuple[tuple[str, ...], ...]
    medicines: frozenset[int]
    by_key: dict[str, list[int]]
    words: frozenset[str]


@cache
def _names() -> _Names:
    groups: list[tuple[str, ...]] = []
    medicines = set()
    by_key: dict[str, list[int]] = defaultdict(list)
    words: set[str] = set()
    with gzip.open(DATA, "rt", encoding="utf-8") as file:
        for i, line in enumerate(file):
            letter, *names = line.rstrip("\n").split("|")
            groups.append(tuple(names))
            if letter == "m":
                medicines.add(i)
            for name in names:
                by_key[key(name)].append(i)
                words.update(name.split())
    return _Names(tuple(groups), frozenset(medicines), dict(by_key), frozenset(words))


def is_word(word: str) -> bool:
    """Whether the word occurs in the name of a disease or medicine: it is then no misspelling of another."""
    return word in _names().words


def is_medicine(word: str) -> bool:
    found = _names()
    return any(group in found.medicines for group in found.by_key.get(key(word), ())) or lexicon.lexicon().drug(word)


def mentions(words: list[str]) -> list[Mention]:
    """The names in a text given word by word, the longest first; none inside another."""
    found = _names()
    lower = [plain(word) for word in words]
    taken = [False] * len(words)
    out = []
    for length in range(min(LONGEST, len(words)), 0, -1):
        for first in range(len(words) - length + 1):
            end = first + length
            if any(taken[first:end]) or lower[first] in EDGES or lower[end - 1] in EDGES:
                continue
            name = " ".join(lower[first:end])
            groups = found.by_key.get(key(name)) if len(name) > 2 else None
            if groups:
                own = key(name)
                # Where it is the preferred name of one thing, it is not taken for a lesser name of another.
                groups = [g for g in groups if key(found.groups[g][0]) == own] or groups
                others = dict.fromkeys(o for g in groups for o in found.groups[g] if key(o) != own)
                out.append(Mention(first, end, name, tuple(others), any(g in found.medicines for g in groups)))
                taken[first:end] = [True] * length
    return out


@cache
def short_forms() -> dict[str, tuple[str, ...]]:
    """What a short form written in capitals stands for on a ward: HTN is hypertension."""
    lines = SHORT_FORMS.read_text(encoding="utf-8").splitlines()
    rows = [line.split("=", 1) for line in lines if line and not line.startswith("#")]
    return {short.strip(): tuple(part.strip() for part in long.split(";")) for short, long in rows}
