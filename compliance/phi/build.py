"""Build the word lists of compliance/phi/built/ out of the packages of requirements/lexicons.in.

    python -m compliance.phi.build FOLDER [--write-manifest]    (make setup; make lexicons)

FOLDER holds the packages as `pip install --target` unpacks them. The same packages give the same bytes; a result that
differs from compliance/phi/built.sha256 is an error, unless that file is to be written anew.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from compliance.phi import sources
from compliance.phi.lexicon import BUILT, MANIFEST, Facts, listed, own_phrases, own_words
from compliance.phi.normalise import fold
from compliance.phi.sources import phrase

_AMERICANS = 3e8
_WORDS_OF_TEXT = 1e12  # what the counts of English words were counted in
_UNCOUNTED = 300  # bearers assumed of a name that only lists without counts know
_POSSIBLE = 30  # and of a name that no list has, only a rule
_RAREST_WORD = 10_000
_LEAST_LIFT = 3  # times a medical word is commoner in terms than in English
_LONGEST_TERM = 8  # words; lexicon._LONGEST_PHRASE looks no further
_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
_PART_OF_TERM = re.compile(r"[,;:()\[\]/]|\b(?:with|without|due to|and|or|in|as|not|see)\b")
_SPELT_OUT = {"hosp": "hospital", "ctr": "center", "med": "medical", "reg": "regional", "mem": "memorial"}
_SPELT_OUT |= {"rehab": "rehabilitation", "hlth": "health", "comm": "community", "univ": "university"}
_OWNER = """
    llc inc co corp corporation company lp llp ltd pllc opco operations operation operating operator operators
    holdings leasing investments investors properties property associates association acquisition acquisitions
    enterprises ventures partners partnership management tenant realty snf ii iii iv pid licensee opc oper
"""
_KIND = """
    hospital hospitals center centre clinic clinics health healthcare care nursing rehabilitation rehab home facility
    infirmary hospice manor living campus system network
"""
_COMMON = """
    medical the and of at for inc regional memorial general community skilled village services service group post acute
    convalescent assisted senior retirement university city county state district public college long term extended
    behavioral mental psychiatric specialty surgical surgery women womens children childrens veterans heart eye spine
    orthopedic orthopaedic cancer recovery critical access emergency family physical therapy new north south east west
"""
_OWNER_WORDS = frozenset(_OWNER.split())
_KIND_WORDS = frozenset(_KIND.split())
_COMMON_WORDS = _KIND_WORDS | frozenset(_COMMON.split())


def main(arguments: list[str] | None = None) -> int:
    """0: built. 1: the result is not the one the manifest names."""
    parser = argparse.ArgumentParser(prog="python -m compliance.phi.build", description="Build the word lists.")
    parser.add_argument("folder", type=Path, help="where the packages of requirements/lexicons.txt were unpacked")
    parser.add_argument("--write-manifest", action="store_true", help=f"write {MANIFEST.name} instead of checking it")
    given = parser.parse_args(arguments)
    files = build(given.folder)
    manifest = "".join(f"{sha256(text).hexdigest()}  {name}\n" for name, text in sorted(files.items()))
    if given.write_manifest:
        MANIFEST.write_text(manifest, encoding="ascii")
    elif manifest != MANIFEST.read_text(encoding="ascii"):
        sys.stderr.write(
            "The word lists came out other than compliance/phi/built.sha256 says, so nothing was written.\n"
            "If what they are made of was changed on purpose: make lexicons\n"
        )
        return 1
    BUILT.mkdir(exist_ok=True)
    for name, text in files.items():
        (BUILT / name).write_bytes(text)
    return 0


def build(root: Path) -> dict[str, bytes]:
    """Every file by name; tells on standard output how many entries each has."""
    facts = gather(root)
    phrases = {
        "us_places": _digits(sources.us_places(root)),
        "us_counties": dict.fromkeys(sources.us_counties(root), 1),
        "cities": _digits(sources.world_cities(root)),
        "hospitals": dict.fromkeys(_hospitals(root, facts), 1),
        "drugs": dict.fromkeys((drug for drug in _drugs(root) if " " in drug), 1),
        "medical": dict.fromkeys(_named_terms(root, facts), 1),
    }
    for field in Facts._fields:
        _tell(field, sum(1 for known in facts.values() if getattr(known, field)))
    for name, tiers in phrases.items():
        _tell(name, len(tiers))
    return {
        "words.txt": _grouped({low: " ".join(map(str, known)) for low, known in facts.items()}, " "),
        **{
            f"{name}.txt": _grouped({low: str(tier) for low, tier in tiers.items()}, "|")
            for name, tiers in phrases.items()
        },
    }


def gather(root: Path) -> dict[str, Facts]:
    """All that is known of each single word."""
    surnames, given, english = sources.surnames(root), sources.given_names(root), sources.english(root)
    locales = [locale for line in listed("locales") for locale in line.split()]
    faker_given = sources.faker_names(root, "first_name", locales)
    faker_family = sources.faker_names(root, "last_name", locales)
    drugs = {drug for drug in _drugs(root) if " " not in drug}
    medical, eponyms = _medical(root, english, surnames, given)
    _at_least(_UNCOUNTED, given, {*faker_given, *own_words("given_world")})
    _at_least(_UNCOUNTED, surnames, {*faker_family, *own_words("family_world")})
    _at_least(_POSSIBLE, surnames, _feminine(surnames) - {*english, *drugs, *medical})
    _at_least(_POSSIBLE, given, _syllables() - {*english, *drugs, *medical})
    return {
        low: Facts(
            surname=len(str(surnames[low])) if surnames[low] else 0,
            given=len(str(given[low])) if given[low] else 0,
            odds=_odds(surnames[low] + given[low], english[low]),
            word=len(str(english[low] // _RAREST_WORD)) if english[low] else 0,
            drug=int(low in drugs),
            medical=int(low in medical),
            eponym=int(low in eponyms),
            listed_given=faker_given.get(low, 0),
            listed_surname=int(low in faker_family),
        )
        for low in {*surnames, *given, *english, *drugs, *medical, *eponyms}
        if _WORD.fullmatch(low)
    }


def _at_least(count: int, counts: Counter[str], names: set[str]) -> None:
    for low in names:
        counts[low] = max(counts[low], count, counts[low.replace("'", "").replace("-", "")])  # OBRIEN in the counts


def _feminine(surnames: Mapping[str, int]) -> set[str]:
    """Ostrowska beside Ostrowski: the census counts mostly the form of the men."""
    forms = (("ski", "ska"), ("cki", "cka"), ("sky", "skaya"), ("ov", "ova"), ("ev", "eva"))
    return {low.removesuffix(his) + hers for low in surnames for his, hers in forms if low.endswith(his)}


def _syllables() -> set[str]:
    """Given names of two syllables as Chinese and Korean make them."""
    found = set()
    for line in listed("given_syllables"):
        openings, _, endings = line.partition("|")
        found |= {first + second for first in openings.split() for second in endings.split()}
    return found


def _odds(bearers: int, uses: int) -> int:
    """The power of two next to the share among people over the share of English text."""
    if not bearers:
        return 0
    odds = (bearers / _AMERICANS) / (max(uses, _RAREST_WORD) / _WORDS_OF_TEXT)
    return max(-9, min(9, round(math.log2(odds))))


def _drugs(root: Path) -> frozenset[str]:
    return sources.rxnorm(root) | (frozenset(map(phrase, own_phrases("drugs"))) - {""})


def _terms(root: Path) -> list[str]:
    named = [term for line in listed("diseases_named") for term in line.split("|")]
    return sorted({*sources.icd_terms(root), *named})


def _medical(
    root: Path, english: Counter[str], surnames: Counter[str], given: Counter[str]
) -> tuple[set[str], set[str]]:
    """Words of diseases and anatomy; and those that are a person's name there."""
    small: Counter[str] = Counter(own_words("diseases"))
    opening: Counter[str] = Counter()
    capital: dict[str, bool] = defaultdict(bool)  # whether it stood where only a name has a capital
    sure_names: set[str] = set()
    for term in _terms(root):
        for place, match in enumerate(_WORD.finditer(term)):
            word = match.group()
            low = fold(word.removesuffix("'s"))
            if word.islower():
                small[low] += 1
            elif not word.isupper() and len(low) > 2:
                capital[low] |= word.endswith("'s") or (place > 0 and term[match.start() - 1] in " -")
                opening[low] += place == 0
                if word.endswith("'s") or ("-" in word and all(part.istitle() for part in word.split("-"))):
                    sure_names.add(low)
    names = {low for low, sure in capital.items() if low not in small and (sure or surnames.get(low, 0))}
    eponyms = names & (sure_names | {low for low in names if _odds(surnames[low] + given[low], english[low]) > 0})
    counts = small + Counter({low: n for low, n in opening.items() if low not in eponyms})
    total = sum(counts.values())
    medical = {
        low
        for low, count in counts.items()
        if len(low) > 2 and count / total > _LEAST_LIFT * english[low] / _WORDS_OF_TEXT
    }
    plain = {low for low in names - eponyms if not english[low]}
    return medical | plain, eponyms


def _named_terms(root: Path, facts: Mapping[str, Facts]) -> set[str]:
    """Terms of several words of which one could be taken for a name."""
    found = set()
    for term in _terms(root):
        for part in _PART_OF_TERM.split(term):
            words = phrase(part).split(" ")
            if 2 <= len(words) <= _LONGEST_TERM and any(_like_a_name(facts.get(low)) for low in words):
                found.add(" ".join(words))
    return found


def _like_a_name(known: Facts | None) -> bool:
    return known is None or bool(known.eponym) or (known.odds > 0 and not known.medical)


def _hospitals(root: Path, facts: Mapping[str, Facts]) -> set[str]:
    """Full names, and what is left without "Medical Center" and the like where that still names one place."""
    found = set()
    for name in sources.facilities(root):
        words = [_SPELT_OUT.get(low, low) for low in phrase(re.sub(r"\(.*?\)|, THE$", "", name)).split(" ")]
        while words and words[-1] in _OWNER_WORDS:
            words.pop()
        if _KIND_WORDS.isdisjoint(words) or _COMMON_WORDS.issuperset(words):
            continue
        core = list(words)
        while core[-1] in _COMMON_WORDS:
            core.pop()
        distinct = len(core) > 1 and any(_owned(low, facts) not in facts for low in core)
        found |= {" ".join(kept) for kept in (words, core if distinct else words)}
    found |= {" ".join(_owned(low, facts) for low in name.split(" ")) for name in found}
    found |= {name.replace(" and ", " ") for name in found}  # as "&" is read
    return {name for name in found if 0 < name.count(" ") < _LONGEST_TERM}


def _owned(low: str, facts: Mapping[str, Facts]) -> str:
    """Lukes, Childrens: the register drops the apostrophe, and the detectors the 's."""
    known, owner = facts.get(low), facts.get(low[:-1])
    unknown = known is None or not known.word
    return low[:-1] if low.endswith("s") and unknown and owner and (owner.word or owner.given) else low


def _digits(counts: Mapping[str, int]) -> dict[str, int]:
    return {low: len(str(count)) for low, count in counts.items() if len(low) > 2}


def _grouped(entries: Mapping[str, str], separator: str) -> bytes:
    """A line for each value: the value, a tab, its keys."""
    groups: dict[str, list[str]] = defaultdict(list)
    for low, value in entries.items():
        groups[value].append(low)
    lines = (f"{value}\t{separator.join(sorted(lows))}\n" for value, lows in sorted(groups.items()))
    return "".join(lines).encode()


def _tell(what: str, entries: int) -> None:
    sys.stdout.write(f"{what:16}{entries:>9,}\n")


if __name__ == "__main__":
    sys.exit(main())
