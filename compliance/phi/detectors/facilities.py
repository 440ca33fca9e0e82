"""Named houses: hospitals, clinics, homes, schools, shelters, prisons, bases, churches. Wards stay readable."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from compliance.phi.detectors import facility_words as wording
from compliance.phi.detectors.places import (
    BREAKS,
    LANDSCAPE,
    clinical,
    longest,
    names,
    own_name,
    plain,
    scenic,
    tier,
    word_set,
)
from compliance.phi.lexicon import Lexicon, lexicon
from compliance.phi.normalise import fold
from compliance.phi.types import Candidate, Label, Strength
from compliance.phi.words import Shape, Word, read_words

_BODIES = re.compile(
    r"(?:National|American|British|European|International|World|Royal|Federal|Canadian|Australian|Japanese"
    r"|Joint|U\.?S\.?)\s",
    re.IGNORECASE,
)
"""Beginnings of the names of authorities and societies: they issue guidelines and treat nobody."""
_COMMON_HOUSES = word_set("general memorial city central county university community regional state metropolitan")
"""Enough for a name when written large behind "seen at": General Hospital, City Medical Center."""
_HOLY = re.compile(r"(?:Mercy|Sacred|Holy|Saint|St|Our Lady|Good Samaritan|Providence|Trinity)\b", re.IGNORECASE)
_PLACES_OF_CARE = word_set("unit units heart record report chair bed nurse line lab labs number phone team")
_PERSON = re.compile(r"\b(?:Dr|Mr|Mrs|Ms|Miss|Prof|Doctor)\.?\s$", re.IGNORECASE)
_HEAD_AFTER = re.compile(r"[ -](?:'s )?([a-zA-Z-]{2,20})(?: ([a-zA-Z-]{2,20}))?")
_OWNED = re.compile(r"(?:tribal|student) health|council on")
_COMPASS = word_set("north south east west new old upper lower big little")
_PREFIXED = re.compile(r"(?:Tri|Hi|Mid|Quad|Val|Twin|Inter|All|Bi)-[A-Z][a-z]+\b")
_SPACED = re.compile(r"\S+")
_CHEMIST = re.compile(r"Pharmacy|Drugs?|Apothecary")
_TOWN = 4  # tier
_A_NAME = 8.0  # name_odds


def detect(text: str) -> Iterator[Candidate]:
    known = lexicon()
    words = read_words(text)
    yield from _by_kind(text, known)
    yield from _by_cue(text, known)
    yield from _by_wording(text, known)
    yield from _by_list(text, words, known)
    yield from _lower(text, known)
    for match in wording.NUMBERED_SCHOOL.finditer(text):
        yield Candidate(match.start(), match.end(), Label.FACILITY, Strength.FIRM)
    for match in wording.HL7.finditer(text):
        for group in ("from", "to", "at"):
            if match[group]:
                yield Candidate(match.start(group), match.end(group), Label.FACILITY, Strength.FIRM)


def _by_kind(text: str, known: Lexicon) -> Iterator[Candidate]:
    for match in wording.NAMED.finditer(text):
        start = own_name(text, match.start("name"), match.end("name"), known)
        if start is None and _scenic_house(match["name"], match["suffix"], known):
            start = match.start("name")
        if start is not None and not _body(text, start, match, known):
            yield Candidate(start, _with_town(text, match.end(), known), Label.FACILITY, Strength.FIRM)
    for match in wording.OPENED.finditer(text):
        if any(names(fold(word), known) for word in match["name"].split()) and not _head_follows(
            text, match.end(), known
        ):
            yield Candidate(match.start(), _with_town(text, match.end(), known), Label.FACILITY, Strength.FIRM)
    for match in wording.SAINT.finditer(text):
        if not _clinical_saint(match, known) and not _PERSON.search(text, max(0, match.start() - 20), match.start()):
            yield Candidate(match.start(), match.end(), Label.FACILITY, Strength.WEAK)


def _scenic_house(name: str, suffix: str, known: Lexicon) -> bool:
    if _CHEMIST.fullmatch(suffix):
        return scenic(name, known) or fold(name) in LANDSCAPE
    if _PREFIXED.match(name):
        return True
    return scenic(name, known) and not re.fullmatch(wording.LOOSE, suffix)


def _by_wording(text: str, known: Lexicon) -> Iterator[Candidate]:
    for pattern in (wording.FOR, wording.AIR):
        for match in pattern.finditer(text):
            group = "place" if pattern is wording.FOR else 0
            if not _head_follows(text, match.end(), known, _PLACES_OF_CARE):
                yield Candidate(match.start(group), match.end(), Label.FACILITY, Strength.FIRM)
    for match in wording.LOWER_KIND.finditer(text):
        lows = [fold(word) for word in match["name"].split()]
        if not all(low in known.generic | known.no_places or known.medical_word(low) for low in lows):
            yield Candidate(match.start("place"), match.end("place"), Label.FACILITY, Strength.WEAK)


def _by_cue(text: str, known: Lexicon) -> Iterator[Candidate]:
    for pattern in (wording.SEEN_AT, wording.SENT_ON):
        for match in pattern.finditer(text):
            place = _whole_name(match["place"], known)
            if _attended(place, match, known) and not _head_follows(text, match.start("place") + len(place), known):
                end = _with_town(text, match.start("place") + len(place), known)
                named = wording.CARES.search(place) or _HOLY.match(place) or fold(place) in known.facilities
                yield Candidate(match.start("place"), end, Label.FACILITY, Strength.FIRM if named else Strength.WEAK)
    for match in itertools.chain(wording.NICKNAME.finditer(text), wording.SENDS.finditer(text)):
        group = match.lastgroup or 0
        yield Candidate(match.start(group), match.end(group), Label.FACILITY, Strength.WEAK)
    for match in wording.LODGED.finditer(text):
        start = own_name(text, match.start("place"), match.end("place"), known)
        if start is not None and not _head_follows(text, match.end(), known):
            yield Candidate(start, match.end("place"), Label.FACILITY, Strength.WEAK)
    for match in wording.MOVED.finditer(text):
        if fold(match["place"]) not in known.no_places and fold(match["place"]) not in known.clinical:
            yield Candidate(match.start("place"), match.end("place"), Label.FACILITY, Strength.FIRM)


def _by_list(text: str, words: list[Word], known: Lexicon) -> Iterator[Candidate]:
    for match in wording.ANY.finditer(text):
        for start in (part.start() for part in _SPACED.finditer(text, match.start(), match.end())):
            end = start + longest(text[start : match.end()], known.facilities)
            if end > start and not _head_follows(text, end, known):
                yield Candidate(start, end, Label.FACILITY, Strength.WEAK)
    for match in wording.BRANCH.finditer(text):
        town, head = match["town"], fold(match["head"])
        plainly = clinical(head, known) or plain(head, known) or known.medical_word(head)
        if tier(fold(town), known) >= _TOWN and known.name_odds(fold(town)) < _A_NAME and not plainly:
            yield Candidate(match.start(), match.end(), Label.FACILITY, Strength.WEAK)
    lows = [word.low for word in words]
    for i, word in enumerate(words):
        if word.shape in (Shape.CAPITAL, Shape.UPPER):
            count = known.hospital_at(lows[i : i + 8])
            if (
                count > 1
                and not _head_follows(text, words[i + count - 1].end, known)
                and _one_phrase(text, words[i : i + count])
                and any(names(low, known) for low in lows[i : i + count])
            ):
                yield Candidate(word.start, words[i + count - 1].end, Label.FACILITY, Strength.WEAK)


def _hospital_acronym(name: str, known: Lexicon) -> bool:
    low = fold(name)
    if low in known.cities or low == "la":
        return True
    ending = re.fullmatch(wording.ACRONYM, name) and not clinical(low, known) and low not in known.no_places
    return low in known.facilities or bool(ending)


def _one_phrase(text: str, run: list[Word]) -> bool:
    """A known name with its capitals, on one line."""
    gaps = all(text[a.end : b.start] in (" ", "-", ". ", "'s ", " & ", "/") for a, b in itertools.pairwise(run))
    return gaps and all(word.shape is not Shape.LOWER or len(word.low) < 4 for word in run)


def _lower(text: str, known: Lexicon) -> Iterator[Candidate]:
    for match in wording.LOWER_SAINT.finditer(text):
        yield Candidate(match.start("place"), match.end("place"), Label.FACILITY, Strength.FIRM)
    for match in wording.LOWER.finditer(text):
        lows = [
            (m.start(), fold(m.group()))
            for m in re.compile(r"\S+").finditer(text, match.start("name"), match.end("name"))
        ]
        while lows and not _lower_name(lows[0][1], known) and lows[0][1] not in LANDSCAPE | _COMPASS:
            lows.pop(0)
        if len(lows) > 1 and _scenic_lower([low for _, low in lows], known):
            yield Candidate(lows[0][0], match.end("place"), Label.FACILITY, Strength.WEAK)
            continue
        while lows and not _lower_name(lows[0][1], known):
            lows.pop(0)
        if lows and all(_lower_name(low, known) or low in known.generic or low in known.streets for _, low in lows):
            yield Candidate(lows[0][0], match.end("place"), Label.FACILITY, Strength.WEAK)


def _scenic_lower(lows: list[str], known: Lexicon) -> bool:
    """north fork, otter tail: a place of the lists, or the landscape behind another naming word."""
    phrase = " ".join(lows)
    if tier(phrase, known) or known.us_county(phrase):
        return not all(known.medical_word(low) or low in known.generic for low in lows)
    return lows[-1] in LANDSCAPE and all(low in LANDSCAPE | _COMPASS or _lower_name(low, known) for low in lows)


def _lower_name(low: str, known: Lexicon) -> bool:
    """In small letters a word must be known to name: mercy general, saint martin hospital."""
    if low in ("st", "st.", "saint", "mount", "mt", "mercy", "sacred", "providence", "trinity", "holy"):
        return True
    if (
        low in known.generic
        or clinical(low, known)
        or known.medical_word(low)
        or known.word_tier(low) > 4
        or low in known.no_places
    ):
        return False
    evidence = (
        tier(low, known)
        or known.us_county(low)
        or known.name_odds(low) >= 1
        or low in known.streets
        or low in known.ambiguous
    )
    return bool(evidence) and low.isalpha() and len(low) > 2


def _body(text: str, start: int, match: re.Match[str], known: Lexicon) -> bool:
    """An authority, a ward, a department or a clinician's specialty: no house with a name."""
    name = text[start : match.end("name")]
    if re.fullmatch(wording.PRACTICE, match["suffix"], re.IGNORECASE) and not _practice(name, match, known):
        return True
    if _BODIES.match(text, start) and not re.search(r"Hospital|Clinic", match["suffix"]):
        return True
    small = match["suffix"][0].islower() and not _OWNED.match(match["suffix"])
    acronym = (
        name.isupper() and len(name) < 5 and (small or (match["suffix"][-1].islower() and match["suffix"][0].isupper()))
    )
    acronym = acronym and not _hospital_acronym(name, known)
    spoken_for = bool(_PERSON.search(text, max(0, start - 20), start)) and match["suffix"] not in ("Hospital", "Clinic")
    return acronym or spoken_for or _head_follows(text, match.end(), known, _PLACES_OF_CARE)


def _practice(name: str, match: re.Match[str], known: Lexicon) -> bool:
    """Rushwater Dermatology, Lowrider Drug: before a specialty only words that name, and nothing that goes on."""
    lows = [fold(word) for word in name.split()]
    own = scenic(name, known) or all(
        names(low, known) or low in known.generic | known.streets or low in ("&", "and", "of") for low in lows
    )
    return own and not re.match(r" [A-Z][a-z]", match.string[match.end() : match.end() + 3])


def _whole_name(place: str, known: Lexicon) -> str:
    """Up to a word that goes on with the sentence (FROM, SEEN), and without the ward at its end: Cook County ED."""
    words = place.split()
    last = next((i for i, word in enumerate(words) if i and fold(word) in BREAKS), len(words))
    while last > 1 and words[last - 1].isupper() and fold(words[last - 1]) in known.no_places:
        last -= 1
    return " ".join(words[:last]) if last < len(words) else place


def _attended(place: str, match: re.Match[str], known: Lexicon) -> bool:
    """After "seen at": a word that is neither a ward, a state nor a clinical word, or whatever gives care."""
    first = fold(place.partition(" ")[0]).removesuffix("'s")
    if fold(place) in known.regions or first in known.no_places or (first in known.regions and " " not in place):
        return False
    if place.isupper() and " " not in place:
        shouted = match.string.isupper() and len(place) > 4 and known.surname_tier(first) > 2 and names(first, known)
        return shouted or _hospital_acronym(place, known)
    own = own_name(place, 0, len(place), known) is not None or not _COMMON_HOUSES.isdisjoint(fold(place).split())
    named = " " in place and bool(wording.CARES.search(place)) and own and not _BODIES.match(place)
    if (_HOLY.match(place) and " " in place) or scenic(place, known):
        return True
    return named or (
        len(first) > 2
        and not (
            clinical(first, known) or plain(first, known) or known.medical_word(first) or known.clinical_form(first)
        )
    )


def _head_follows(text: str, end: int, known: Lexicon, but: frozenset[str] = frozenset()) -> bool:
    """Mayo score, Johns Hopkins criteria: the house gave its name to something clinical."""
    match = _HEAD_AFTER.match(text, end)
    return match is not None and any(word and fold(word) in known.heads - but for word in match.groups())


def _clinical_saint(match: re.Match[str], known: Lexicon) -> bool:
    """St. Louis encephalitis, St. John's wort, St. Jude valve; not St. Barnabas burn unit."""
    last = fold(match["place"].split()[-1])
    after = _HEAD_AFTER.match(match.string, match.end())
    heads = known.heads - _PLACES_OF_CARE
    return (after is not None and any(word and fold(word) in heads for word in after.groups())) or (
        match["place"][:1] in "sS" and last in heads
    )


def _with_town(text: str, end: int, known: Lexicon) -> int:
    """A facility takes the town or state that follows it along: "in Chicago", ", New York"."""
    match = wording.TOWN_AFTER.match(text, end)
    if match is None:
        return end
    place = match["place"]
    if text.startswith(" at ", end) and fold(place).split()[-1] in LANDSCAPE | known.streets:
        return match.end()
    listed = max((len(place[:n]) for n in _cuts(place) if _town(fold(place[:n].replace(".", "")), known)), default=0)
    ends = (
        text[end] == "," and text[match.end() : match.end() + 1] in ("", ".", ",", ";", ")", "\n") and " " not in place
    )
    if not listed and ends and names(fold(place), known) and not known.given_tier(fold(place)) and not place.isupper():
        return match.end()
    return match.start("place") + (listed or longest(place, known.cities | known.regions) or end - match.start("place"))


def _town(low: str, known: Lexicon) -> bool:
    return bool(tier(low, known)) or (known.us_county(low) and not plain(low, known))


def _cuts(place: str) -> list[int]:
    return [i for i, char in enumerate(place) if char == " "] + [len(place)]
