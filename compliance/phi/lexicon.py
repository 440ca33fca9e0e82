"""What is known of words: our own lists (lists/*.txt) and the files built at installation (built/, see build.py).

Read once, then only looked at. A built file that is missing or not the one the manifest names refuses all masking.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import file_digest
from pathlib import Path
from typing import NamedTuple

from compliance.phi.normalise import fold
from compliance.phi.types import PhiUnavailable

HERE = Path(__file__).parent
BUILT = HERE / "built"
MANIFEST = HERE / "built.sha256"
PHRASES = ("us_places", "us_counties", "cities", "hospitals", "drugs", "medical")
_LISTS = HERE / "lists"
_LONGEST_PHRASE = 8  # words
_CLINICAL_ENDING = re.compile(
    r".{2,}(?:itis|osis|[ae]mia|uria|omas?|pathy|ectomy|otomy|ostomy|plasty|algia|plegia|penia|trophy|megaly"
    r"|scopy|graphy|grams?"
    r"|pril|sartan|olol|statins?|mabs?|nibs?|cillin|m[yi]cin|cycline|azoles?|oxacin|idine|prazole|dipine"
    r"|gliptin|flozin|glutide|parin"
    r"|xaban|gatran|semide|thiazide|zepam|zolam|triptan|setron|vir|afil|lukast|terol|sone|olone|caine|barbital"
    r"|mide|zine|pine|tine|rine"
    r"|ism|[ts]ions?|ments?|ness|logy|logists?)$"
)
_PLAIN_ENDING = re.compile(r".{2,}(?:ics?|al|ary|ory|ous|ive|ity|ities|ings?|ed|ly|[ai]ble|[ae]nce|ency)$")


class LexiconError(PhiUnavailable):
    """The built word lists are not those of this version; the message says what to run."""


class Facts(NamedTuple):
    """What the built lists say of one word. Tiers are the number of digits of a count: 0 unknown, 3 some hundreds."""

    surname: int = 0  # bearers of the family name in the US
    given: int = 0  # US births with the given name since 1925
    odds: int = 0  # power of two, see Lexicon.name_odds
    word: int = 0  # uses in a hundred million words of English
    drug: int = 0
    medical: int = 0  # in disease and anatomy terms, spelt small
    eponym: int = 0  # in disease terms, spelt with a capital
    listed_given: int = 0  # on Faker's lists of given names; 2: English or American
    listed_surname: int = 0


_NOTHING = Facts()


@dataclass(frozen=True, slots=True)
class Lexicon:
    """All words folded (lower case, no accents); phrases are folded words with one space between."""

    ordinary: frozenset[str]
    clinical: frozenset[str]
    ambiguous: frozenset[str]
    eponyms: frozenset[str]
    heads: frozenset[str]
    cities: frozenset[str]
    regions: frozenset[str]
    facilities: frozenset[str]
    streets: frozenset[str]
    no_places: frozenset[str]  # capitalised after "at" and yet no facility: ED, Baseline
    generic: frozenset[str]  # words any facility may have in its name
    first_names: frozenset[str]
    surnames: frozenset[str]
    facts: dict[str, Facts]
    phrases: dict[str, dict[str, int]]  # by name of the list: phrase to tier (1 where there is none)

    def everyday(self, low: str) -> bool:
        """A word of the language or of the clinic, whatever else it may be."""
        parts = low.split("-")
        if any(part in self.clinical for part in parts):
            return True
        return any(part in self.ordinary for part in parts) and (len(parts) == 1 or self.ambiguous.isdisjoint(parts))

    def eponym(self, low: str) -> bool:
        """A person clinical language has taken over; one half of a double name is enough."""
        return low in self.eponyms or any(part in self.eponyms for part in low.split("-")[1:])

    def name_word(self, low: str) -> bool:
        """A known first or family name; each half of a double name counts."""
        return any(part in self.first_names or part in self.surnames for part in (low, *low.split("-")))

    def first_name(self, low: str) -> bool:
        return low in self.first_names or low.partition("-")[0] in self.first_names

    def surname(self, low: str) -> bool:
        return any(part in self.surnames for part in (low, *low.split("-")))

    def clinical_form(self, low: str) -> bool:
        """An ending of drugs, diseases and abstract nouns on a word no name list knows."""
        return bool(_CLINICAL_ENDING.fullmatch(low)) and not self.name_word(low)

    def plain_form(self, low: str) -> bool:
        """As clinical_form, and endings of everyday adjectives and verbs too."""
        return self.clinical_form(low) or (bool(_PLAIN_ENDING.fullmatch(low)) and not self.name_word(low))

    # -- the built lists

    def about(self, low: str) -> Facts:
        """The facts of a word; of O'Brien, Al-Hassan and Ji-hoon also as one word, as the counts have them."""
        found = self.facts.get(low)
        if found is None and ("'" in low or "-" in low):
            found = self.facts.get(low.replace("'", "").replace("-", ""))
        return found or _NOTHING

    def surname_tier(self, low: str) -> int:
        """0 for no family name, else the digits of the number of Americans who bear it: 3 (rare) to 7."""
        return self.about(low).surname

    def given_tier(self, low: str) -> int:
        """0 for no given name, else the digits of the number of US births since 1925: 1 (rare) to 7."""
        return self.about(low).given

    def word_tier(self, low: str) -> int:
        """0 for no English word, else the digits of its uses in a hundred million words: 1 (rare) to 7 ("the")."""
        return self.about(low).word

    def name_odds(self, low: str) -> float:
        """The share of Americans who bear a name over the share it has of English text; 0.0 for no name.

        Half for May, 32 for Rose, 128 for James. A word that text uses for little else than the name has 50 or more.
        """
        facts = self.about(low)
        return 2.0**facts.odds if facts.surname or facts.given else 0.0

    def drug(self, low: str) -> bool:
        """A drug name, one word or a phrase."""
        return bool(self.about(low).drug) or low in self.phrases["drugs"]

    def medical_word(self, low: str) -> bool:
        """A word of diseases, anatomy or drugs that is not a person's name there."""
        facts = self.about(low)
        return bool(facts.medical or facts.drug) or low in self.clinical

    def medical_phrase(self, lows: Sequence[str]) -> int:
        """How many of the leading words make the longest term or drug that holds a name: "west nile virus"; 0: none."""
        return _leading(lows, self.phrases["medical"]) or _leading(lows, self.phrases["drugs"])

    def us_place(self, low: str) -> int:
        """0, or the digits of the population of the largest US place of that name: 3 to 7."""
        return self.phrases["us_places"].get(low, 0)

    def world_city(self, low: str) -> int:
        """0, or the digits of the population of the largest city of that name outside the US: 5 to 8."""
        return self.phrases["cities"].get(low, 0)

    def us_county(self, low: str) -> bool:
        """The name of a US county, without that word."""
        return low in self.phrases["us_counties"]

    def hospital_at(self, lows: Sequence[str]) -> int:
        """How many of the leading words make the longest known hospital or nursing facility; 0 for none."""
        return _leading(lows, self.phrases["hospitals"])


@cache
def lexicon() -> Lexicon:
    """The lists, read on first use; `warm()` calls this before the first question arrives. Raises LexiconError."""
    try:
        return _read()
    except OSError:
        raise LexiconError("A word list is not there. Install ClinChat again.") from None


def _read() -> Lexicon:
    verify()
    facts, phrases = _facts(), {name: _tiers(name) for name in PHRASES}
    ordinary, clinical, ambiguous = own_words("ordinary"), own_words("clinical"), own_words("ambiguous")
    regions, first_names = own_phrases("regions"), own_words("first_names")
    return Lexicon(
        ordinary=ordinary,
        clinical=clinical,
        ambiguous=ambiguous,
        eponyms=own_words("eponyms"),
        heads=own_words("heads"),
        cities=own_phrases("cities"),
        regions=regions,
        facilities=own_phrases("facilities"),
        streets=own_words("streets"),
        no_places=own_words("no_places"),
        generic=own_words("generic"),
        first_names=first_names.union(low for low, known in facts.items() if known.listed_given),
        surnames=own_words("surnames").union(low for low, known in facts.items() if known.listed_surname),
        facts=facts,
        phrases=phrases,
    )


@cache
def hashes() -> dict[str, str]:
    """The SHA-256 of every word list, ours and built, by file name."""
    files = [*sorted(_LISTS.glob("*.txt")), *sorted(BUILT.glob("*.txt"))]
    return {f"{path.parent.name}/{path.name}": _digest(path) for path in files}


def own_words(name: str) -> frozenset[str]:
    return frozenset(fold(word) for line in listed(name) for word in line.split())


def own_phrases(name: str) -> frozenset[str]:
    return frozenset(fold(phrase.strip()) for line in listed(name) for phrase in line.split("|"))


def listed(name: str) -> Iterator[str]:
    """The lines of one of our own lists, without comments."""
    for line in (_LISTS / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            yield line


def verify() -> None:
    """Every built file is the one the manifest names. Raises LexiconError."""
    for line in MANIFEST.read_text(encoding="ascii").splitlines():
        digest, name = line.split()
        path = BUILT / name
        if not path.is_file():
            raise LexiconError(f"The word list {name} is not there. Run: make setup")
        if _digest(path) != digest:
            raise LexiconError(f"The word list {name} is not the one this version was built with. Run: make setup")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _facts() -> dict[str, Facts]:
    """words.txt: a line for each set of facts, then all words it is true of."""
    facts: dict[str, Facts] = {}
    with (BUILT / "words.txt").open(encoding="utf-8") as lines:
        for line in lines:
            known, _, words = line.rstrip("\n").partition("\t")
            facts.update(dict.fromkeys(words.split(" "), Facts(*map(int, known.split(" ")))))
    return facts


def _tiers(name: str) -> dict[str, int]:
    """A list of phrases: a line for each tier, then all its phrases."""
    tiers: dict[str, int] = {}
    for line in (BUILT / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        tier, _, phrases = line.partition("\t")
        tiers.update(dict.fromkeys(phrases.split("|"), int(tier)))
    return tiers


def _leading(lows: Sequence[str], among: dict[str, int]) -> int:
    for count in range(min(len(lows), _LONGEST_PHRASE), 1, -1):
        if " ".join(lows[:count]) in among:
            return count
    return 0
