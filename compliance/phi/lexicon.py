"""Word lists: our own (lists/*.txt) and the person names Faker carries. Read once, then only looked at."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from compliance.phi.normalise import fold

_LISTS = Path(__file__).parent / "lists"
_FAMILIAR_LOCALES = ("en_US", "en_GB")
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


@dataclass(frozen=True, slots=True)
class Lexicon:
    """All words folded (lower case, no accents)."""

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
    familiar: frozenset[str]  # first names that stand for a person even alone or in lower case
    surnames: frozenset[str]

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


@cache
def lexicon() -> Lexicon:
    """The lists, read on first use; `warm()` calls this before the first question arrives."""
    ordinary, clinical, ambiguous = _words("ordinary"), _words("clinical"), _words("ambiguous")
    locales = [locale for line in _lines("locales") for locale in line.split()]
    first_names = frozenset(_faker("first_name", locales)).union(_words("first_names"))
    surnames = frozenset(_faker("last_name", locales)).union(_words("surnames"))
    familiar = frozenset(_faker("first_name", _FAMILIAR_LOCALES)).union(_words("first_names"))
    cities, regions = _phrases("cities"), _phrases("regions")
    return Lexicon(
        ordinary=ordinary,
        clinical=clinical,
        ambiguous=ambiguous,
        eponyms=_words("eponyms"),
        heads=_words("heads"),
        cities=cities,
        regions=regions,
        facilities=_phrases("facilities"),
        streets=_words("streets"),
        no_places=_words("no_places"),
        generic=_words("generic"),
        first_names=first_names,
        surnames=surnames,
        familiar=frozenset(w for w in familiar - ordinary - clinical - ambiguous - regions if len(w) > 2),
    )


def _lines(name: str) -> Iterator[str]:
    for line in (_LISTS / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            yield line


def _words(name: str) -> frozenset[str]:
    return frozenset(fold(word) for line in _lines(name) for word in line.split())


def _phrases(name: str) -> frozenset[str]:
    return frozenset(fold(phrase.strip()) for line in _lines(name) for phrase in line.split("|"))


def _faker(kind: str, locales: Iterable[str]) -> Iterator[str]:
    """Every list of first or family names a Faker locale holds, folded; compound names by their last word."""
    for locale in locales:
        provider: Any = importlib.import_module(f"faker.providers.person.{locale}").Provider
        for attribute in dir(provider):
            values = getattr(provider, attribute)
            if kind in attribute and isinstance(values, (tuple, list, dict)):
                for value in values:
                    word = fold(value.split()[-1]) if isinstance(value, str) and value.strip() else ""
                    if len(word) > 1 and word[0].isalpha():
                        yield word
