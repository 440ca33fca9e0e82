"""Misspelled names: Damerau and Levenshtein's edits within a guard, so that no word is bent into a medicine.

A word is only ever read as a name when it is close to the names of one single medicine, clearly closer than to any
other, keeps its first letter (long words with one slip excepted), and is no word of the language in its own right.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping

SHORTEST = 5
TWO_EDITS = 8
"""From this length on (of the shorter of the two words) two edits are believed."""
LONGEST = 40
"""No name is longer; such a word is not compared."""
SHORTENED = 6
"""Letters of a name that is cut off."""
FREQUENT = "*"
"""Marks an ordinary word that is so frequent that a misspelling as near to it is rather that word."""
FAR = 3
"""Edits that are suggested where the word is long and begins with the same two letters."""
LONG = 10
ALIKE = 6
"""A word of LONG letters that begins with ALIKE letters of one name, and ends as it does, may lack a syllable."""
REMEMBERED = 20_000
"""Words whose comparison is kept."""
LOOK_ALIKE = tuple(
    frozenset(group.split())
    for group in (
        "celexa celebrex cerebyx",
        "lamictal lamisil lomotil",
        "zyrtec zantac xanax zyprexa",
        "losec lasix luvox",
        "prednisone prednisolone",
        "quinine quinidine",
        "clonidine klonopin clonazepam",
        "dopamine dobutamine",
        "hydralazine hydroxyzine",
        "glipizide glyburide",
        "bupropion buspirone",
        "tramadol trazodone toradol",
        "vincristine vinblastine vinorelbine",
        "carboplatin cisplatin",
        "nifedipine nicardipine nimodipine",
        "keppra kaletra",
        "paxil plavix taxol",
        "prozac prograf prilosec",
        "diovan dilantin",
        "lantus latuda",
        "actos actonel",
        "zocor zoloft zofran",
    )
)
"""Names that are mistaken for each other in practice (lists of look-alike names are kept by patient safety bodies)."""
_SPELLED = (
    (re.compile(r"ph"), "f"),
    (re.compile(r"(?<=[rt])h"), ""),
    (re.compile(r"oe|ae"), "e"),
    (re.compile(r"ck|q(?=u)"), "k"),
    (re.compile(r"c(?=[eiy])"), "s"),
    (re.compile(r"c"), "k"),
    (re.compile(r"^x|z"), "s"),
    (re.compile(r"x"), "ks"),
    (re.compile(r"y"), "i"),
    (re.compile(r"(.)\1"), r"\1"),
    (re.compile(r"(?<=.{5})e$"), ""),
)
"""Spellings that sound alike: what a name keeps when it is written by ear."""


def sound(word: str) -> str:
    """A word as it sounds, near enough for comparing."""
    for pattern, plain in _SPELLED:
        word = pattern.sub(plain, word)
    return word


def _consonants(word: str) -> str:
    return "".join(letter for letter in sound(word) if letter not in "aeiou")


def distance(a: str, b: str, limit: int) -> int:
    """Edits (a letter put in, left out, changed, or two neighbours exchanged) between two words; above `limit`,
    `limit` + 1."""
    if abs(len(a) - len(b)) > limit:
        return limit + 1
    while a and b and a[0] == b[0]:
        a, b = a[1:], b[1:]
    while a and b and a[-1] == b[-1]:
        a, b = a[:-1], b[:-1]
    older: list[int] = []
    old = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(old[j] + 1, row[-1] + 1, old[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
        older, old = old, row
    return min(old[-1], limit + 1)


def _letters(word: str) -> int:
    mask = 0
    for letter in word:
        mask |= 1 << (ord(letter) - 97)
    return mask


class Spelling:
    """The words names are made of, each with what it stands for; words of one meaning never compete.

    `ordinary` words are none of them, the frequent ones marked (see FREQUENT). `shortened` are names that are also
    written cut off.
    """

    def __init__(self, words: Mapping[str, str], ordinary: Collection[str], shortened: Collection[str] = ()) -> None:
        self._meaning = {w: m for w, m in words.items() if len(w) >= SHORTEST and w.isascii() and w.isalpha()}
        self._ordinary = frozenset(word.rstrip(FREQUENT) for word in ordinary)
        self._written: dict[tuple[str, int], list[tuple[int, str]]] = defaultdict(list)
        self._heard: dict[tuple[str, int], list[tuple[int, str, str]]] = defaultdict(list)
        self._tails: dict[str, list[str]] = defaultdict(list)
        self._plain: dict[tuple[str, int], list[tuple[int, str]]] = defaultdict(list)
        for word in sorted(word.rstrip(FREQUENT) for word in ordinary if word.endswith(FREQUENT)):
            self._plain[word[0], len(word)].append((_letters(word), word))
        for word in sorted(self._meaning):
            heard = sound(word)
            self._written[heard[0], len(word)].append((_letters(word), word))
            self._heard[heard[0], len(heard)].append((_letters(heard), heard, word))
            if len(word) >= TWO_EDITS:
                self._tails[word[1:]].append(word)
        self._beginnings: dict[str, set[str]] = defaultdict(set)
        for word in shortened:
            for length in range(SHORTENED, len(word) - 1):
                self._beginnings[word[:length]].add(word)
        self._alike: dict[str, list[str]] = defaultdict(list)
        for word in self._meaning:
            if len(word) >= LONG:
                self._alike[word[:ALIKE]].append(word)
        self._known: dict[str, str | None] = {}

    def nearest(self, word: str) -> str | None:
        """The name a word in small letters was meant as. An ordinary word, and one of other letters, is none."""
        if word not in self._known:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[word] = self._nearest(word)
        return self._known[word]

    def _nearest(self, word: str) -> str | None:
        if not _comparable(word) or word in self._ordinary:
            return None
        for reach in (1, 2) if len(word) >= TWO_EDITS else (1,):
            ranked = sorted(self._costs(word, reach))
            believed = [(cost, name) for cost, name in ranked if cost <= _limit(word, name)]
            if believed:
                best, name = believed[0]
                rivals = {self._meaning[other] for cost, other in ranked if cost <= best}
                sure = len(rivals) == 1 and not self._mistakable(word, name, best)
                return name if sure and not self._rather_plain(word, best) else None
        return self._whole(word) or self._far(word)

    def _far(self, word: str) -> str | None:
        """The one long name that the word is but for a syllable: "ciproflaxin"."""
        names = [
            name
            for name in self._alike.get(word[:ALIKE], ())
            if LONG <= len(word) < len(name) - 1 and name[-2:] == word[-2:] and distance(word, name, FAR) <= FAR
        ]
        alone = len({self._meaning[name] for name in names}) == 1 and not self._mistakable(word, names[0], FAR)
        return min(names) if alone else None

    def plain(self, word: str) -> bool:
        """Whether it is an ordinary word."""
        return word in self._ordinary

    def _mistakable(self, word: str, name: str, cost: int) -> bool:
        """Whether a name that is mistaken for this one in practice is but one edit farther, unless the ear tells: the
        same sound, or of a long word the same consonants."""
        told = sound(word) == sound(name) or (len(word) >= LONG and _consonants(word) == _consonants(name))
        return not told and any(
            self._meaning.get(other) != self._meaning[name] and distance(word, other, cost + 1) <= cost + 1
            for group in LOOK_ALIKE
            if name in group
            for other in group
        )

    def _rather_plain(self, word: str, cost: int) -> bool:
        """Whether a word is as near to a frequent one: "diabets" is no tablet."""
        letters = _letters(word)
        return any(
            distance(word, plain, cost) <= cost
            for length in range(len(word) - cost, len(word) + cost + 1)
            for mask, plain in self._plain.get((word[0], length), ())
            if (letters ^ mask).bit_count() <= 2 * cost
        )

    def _whole(self, word: str) -> str | None:
        """The name that a long word is the beginning of, if it is of one alone: "phenobarb"."""
        names = self._beginnings.get(word, ())
        return min(names) if len({self._meaning[name] for name in names}) == 1 else None

    def suggest(self, word: str) -> tuple[str, ...]:
        """Names a word may have been meant as, the nearest first, with more slack than `nearest` has."""
        if not _comparable(word):
            return ()
        found = self._costs(word, 2 if len(word) < TWO_EDITS else FAR)
        ranked = sorted(found, key=lambda one: (one[0], -_alike(word, one[1]), one[1]))
        return tuple(dict.fromkeys(name for _, name in ranked))

    def _costs(self, word: str, reach: int) -> Iterator[tuple[int, str]]:
        """Names within `reach` edits, or written by ear, with what it costs to believe each."""
        heard, letters = sound(word), _letters(word)
        for length in range(len(word) - reach, len(word) + reach + 1):
            for mask, name in self._written.get((heard[0], length), ()):
                if (letters ^ mask).bit_count() <= 2 * reach and (reach < FAR or word[1] == name[1]):
                    cost = distance(word, name, reach)
                    if cost <= reach:
                        yield cost, name
        yield from self._by_ear(heard, 1 if len(word) >= TWO_EDITS - 1 and reach > 1 else 0)
        if len(word) >= TWO_EDITS - 1:
            yield from self._other_beginning(word)

    def _by_ear(self, heard: str, reach: int) -> Iterator[tuple[int, str]]:
        """Names that sound the same, or but for one edit."""
        letters = _letters(heard)
        for length in range(len(heard) - reach, len(heard) + reach + 1):
            for mask, sounds, name in self._heard.get((heard[0], length), ()):
                if (letters ^ mask).bit_count() <= 2 * reach:
                    cost = distance(heard, sounds, reach)
                    if cost <= reach:
                        yield 1 + cost, name

    def _other_beginning(self, word: str) -> Iterator[tuple[int, str]]:
        """Long names that differ in the first letter and no other."""
        for tail in sorted({word, word[1:], word[2:], word[:1] + word[2:]}):
            for name in self._tails.get(tail, ()):
                if name[0] != word[0] and distance(word, name, 1) == 1:
                    yield 1, name


def _alike(a: str, b: str) -> int:
    """Letters the two begin with."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _comparable(word: str) -> bool:
    return SHORTEST <= len(word) <= LONGEST and word.isascii() and word.isalpha()


def _limit(word: str, name: str) -> int:
    """How many edits are believed between the two."""
    return 2 if min(len(word), len(name)) >= TWO_EDITS else 1
