"""Where somebody is: addresses, towns, hospitals, rooms. States, countries and larger regions stay readable."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compliance.phi.lexicon import Lexicon, lexicon
from compliance.phi.normalise import fold
from compliance.phi.types import Candidate, Label, Strength

_C = r"[A-ZÀ-ÖØ-ÞŁŚŻČŠŽĐİ]"
_CAP = rf"(?:(?:St|Ste|Mt|Ft)\.|{_C}[\w'&-]{{0,30}})"
_GAP = r"(?:[ ]{1,2}(?:(?:of|the|and|&|de|del|la)[ ]){0,2})"
_CAPS = rf"{_CAP}(?:{_GAP}{_CAP}){{0,5}}"
_STATE = (
    r"(?:A[LKZR]|C[AOT]|D[CE]|FL|GA|HI|I[DLNA]|K[SY]|LA|M[EDAINSOT]|N[EVHJMYCD]|O[HKR]|PA|PR|RI|S[CD]"
    r"|T[NX]|UT|V[TA]|W[AVIY])\b"
)
_ZIP = r"\d{5}(?:-\d{4})?\b"
_STREET = re.compile(
    rf"(?<![\w/.-])(?:\d{{1,6}} )?\d{{1,6}}[A-Z]? (?:(?:N|S|E|W|NE|NW|SE"
    rf"|SW)\.? )?(?P<street>(?:{_C}[\w'-]{{0,25}}|\d{{1,3}}(?:st|nd|rd|th))(?: {_C}[\w'-]{{0,25}}){{1,4}})\b\.?"
)
_LOWER_STREET = re.compile(
    r"(?<![\w/.-])\d{1,6}\s(?:[a-z'-]{2,20}\s){1,3}(?:street|avenue|ave|road|lane|boulevard|blvd)\b"
    r"|\b\d{1,3}(?:st|nd|rd|th)\s(?:street|avenue|ave|st)\b(?:\sclinic)?",
    re.IGNORECASE,
)
_ON_STREET = re.compile(
    rf"\b(?:from|on|at|near|off|of) (?P<place>(?:{_CAP} ){{1,3}}(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd"
    rf"|Lane|Drive|Highway)\b(?! {_C}))"
)
_STREET_TAIL = re.compile(
    rf"(?:,?\s(?:[Aa]pt|[Aa]partment|[Uu]nit|[Ss]uite|[Ss]te"
    rf"|#)\.?\s?\w{{1,6}})?(?:,\s{_CAPS})?(?:,?\s{_STATE})?(?:,?\s{_ZIP})?"
)
_PIPED = re.compile(r"(?<=\|)\d{1,6} [A-Z0-9 .'-]{2,60}\^[A-Z0-9 .'^-]{2,80}(?=\||$)")
_PO_BOX = re.compile(r"\bP\.?\s?O\.?\s?Box\s\d{1,6}\b", re.IGNORECASE)
_CITY_STATE = re.compile(rf"\b(?P<place>{_CAP}(?: {_CAP}){{0,2}}), (?P<state>{_STATE})(?:\s(?P<zip>{_ZIP}))?")
_COUNTY = re.compile(rf"\b(?P<place>{_CAP}(?: {_CAP}){{0,2}} (?:County|Parish|Township|Borough))\b")
_ZIP_CUED = re.compile(
    rf"\b(?:zip(?:\s?code)?|postal code|postcode)\b(?:\s(?:is|on|the|chart|of|at"
    rf"|was)){{0,4}}[\s:,]{{1,3}}(?P<place>\d{{3,5}}(?:-\d{{4}})?)\b|\b{_STATE} (?P<zip>{_ZIP})",
    re.IGNORECASE,
)
_LIVES = re.compile(
    rf"\b(?:lives? (?:in|at|near)|living (?:in|at|near)|resid(?:es?|ing|ent|ents) (?:in|of|at)|moved (?:to"
    rf"|from)|born in|home ?town(?: is)?|city of|town of|village of|near the city of"
    rf"|travell?ed (?:to|from)|visiting from|flew (?:to|from)|native of|grew up in|(?:she|he|they)(?:'s|'re| is"
    rf"| are| was| were)? from|(?:patient|pt|man|woman|male|female|farmer|rancher|worker|student) (?:from|near)"
    rf"|just outside(?: of)?|suburb of|commutes (?:to|from))\s(?:the )?(?P<place>(?!I\b){_CAP}(?: {_CAP}){{0,2}})"
)
_FROM = re.compile(rf"(?:,|\b(?:from|in|near|of|at|to|outside|around))\s(?:the )?(?P<place>{_CAP}(?: {_CAP}){{0,2}})")
_SUFFIX = (
    r"(?:Hospitals?|Hosp\b\.?|Clinics?|Medical (?:Cent(?:er|re)s?|Group|Associates|Campus|Plaza)"
    r"|Med(?:ical)?\.? ?Ctr\.?|Med\b|Health(?:care)? (?:Cent(?:er|re)|System|Network|Partners|Services|Clinic"
    r"|Group)|Health|Healthcare"
    r"|Cent(?:er|re)|Infirmary|Hospice|Nursing (?:Home|Facility)|Rehab(?:ilitation)?(?: (?:Center|Hospital))?"
    r"|Institute|Pharmacy|Urgent Care|Family (?:Practice|Medicine|Care)|Dialysis|Memorial"
    r"|General|Regional|Methodist|Presbyterian|Baptist|VAMC|VA|Manor|Assisted Living|Laboratories|Labs?"
    r"|Diagnostics|Imaging|Surgicenter|University|College|School|Shelter|Prison|facility|clinic|hospital|campus"
    r"|branch|office)\b"
)
_CARES = re.compile(
    r"(?:Hospital|Clinic|Medical Cent(?:er|re)|Med Ctr|Cent(?:er|re)|Health|Institute|Orthop(?:a?edics|edic)"
    r"|Cardiology|Oncology|Pediatrics|Dermatology|Associates|Practice|Physicians|Group)\b"
)
_FACILITY = re.compile(
    rf"\b(?P<place>(?P<name>{_CAP}(?:{_GAP}{_CAP}){{0,5}}?)[ -]{_SUFFIX}(?: {_SUFFIX}){{0,2}}(?: {_CAP}){{0,1}})"
)
_SEEN_AT = re.compile(
    rf"(?i:\b(?:at|@|visited|attended|(?:admitted|transferred|referred|sent|discharged|presented|brought"
    rf"|returned|taken|went|going|came|presenting|transfer|admission)(?: back)? (?:to|from|at|by|into)"
    rf"|dr\.? [a-z][\w'-]{{1,20}} (?:from|of|in)|facility\s?:|hospital\s?:|facility)\s{{1,2}}(?:the |our "
    rf"|a )?)(?P<place>{_CAPS})"
)
_SENT_ON = re.compile(rf"\b(?:sent|transferred|moved|discharged|referred)\b[^.\n]{{0,50}}?\bto (?P<place>{_CAPS})")
_KNOWN = re.compile(r"\b[A-Z][\w.&'-]{1,20}(?: (?:of )?[A-Z&][\w.&'-]{0,20}){0,3}")
_TOWN_AFTER = re.compile(rf"(?:,| in| at| of) (?P<place>{_CAP}(?: {_CAP}){{0,2}})")
_ROOM = re.compile(
    r"\b(?:room|rm|bed|ward|bay|cubicle|suite|unit|floor|pod)\s?(?:no\.?|number"
    r"|#)?[\s:#]{0,2}(?P<room>(?:[A-Z]-?)?\d{1,4}(?:-?[A-Z0-9]{1,2})?)\b(?!\s?(?:mg|ml|units?|hours?|days?"
    r"|weeks?|of|x|times|%|/|degrees)|[./]\d)",
    re.IGNORECASE,
)


_ARTICLES_WORDS = "the|our|a|an|in|at|of|for|and"
_ARTICLES = frozenset(_ARTICLES_WORDS.split("|"))
_OPENING_WORDS = "st.|new|north|south|east|west|good|mercy|hope|grace|huntington|jackson|mayo"
_OPENING = frozenset(_OPENING_WORDS.split("|"))
_SPACED = re.compile(r"\S+")


def detect(text: str) -> Iterator[Candidate]:
    known = lexicon()
    for match in _STREET.finditer(text):
        if end := _street_end(match, known):
            yield Candidate(match.start(), end, Label.LOCATION, Strength.FIRM)
    for pattern in (_LOWER_STREET, _PIPED, _PO_BOX):
        for match in pattern.finditer(text):
            yield Candidate(match.start(), match.end(), Label.LOCATION, Strength.FIRM)
    for match in _ROOM.finditer(text):
        if match.group()[:4].lower() not in ("unit", "floo", "suit", "pod ", "bay ") or match.group()[0].isupper():
            yield Candidate(match.start("room"), match.end("room"), Label.ROOM, Strength.FIRM)
    yield from _towns(text, known)
    yield from _facilities(text, known)


def _towns(text: str, known: Lexicon) -> Iterator[Candidate]:
    for match in _ZIP_CUED.finditer(text):
        group = match.lastgroup or 0
        yield Candidate(match.start(group), match.end(group), Label.LOCATION, Strength.FIRM)
    for match in (*_CITY_STATE.finditer(text), *_COUNTY.finditer(text), *_ON_STREET.finditer(text)):
        start = _skip_plain(text, match.start("place"), match.end("place"), known)
        shouted = match["place"].isupper() and not match.groupdict().get("zip")
        if start is not None and not shouted and not _degree(match, known):
            yield Candidate(start, match.end(), Label.LOCATION, Strength.FIRM)
    for match in _LIVES.finditer(text):
        start = _skip_plain(text, match.start("place"), match.end("place"), known)
        if start == match.start("place") and fold(match["place"]) not in known.regions:
            yield Candidate(start, match.end("place"), Label.LOCATION, Strength.FIRM)
    for match in _FROM.finditer(text):
        end = _longest(match["place"], known.cities)
        if end:
            yield Candidate(match.start("place"), match.start("place") + end, Label.LOCATION, Strength.WEAK)


def _facilities(text: str, known: Lexicon) -> Iterator[Candidate]:
    for match in _FACILITY.finditer(text):
        start = _skip_plain(text, match.start("name"), match.end("name"), known)
        acronym = match["name"].isupper() and len(match["name"]) < 5 and match.group()[-1].islower()
        if start is not None and not acronym:
            yield Candidate(start, _with_town(text, match.end(), known), Label.FACILITY, Strength.FIRM)
    for pattern in (_SEEN_AT, _SENT_ON):
        for match in pattern.finditer(text):
            if _attended(match["place"], known):
                end = _with_town(text, match.end("place"), known)
                named = _CARES.search(match["place"])
                yield Candidate(match.start("place"), end, Label.FACILITY, Strength.FIRM if named else Strength.WEAK)
    for match in _KNOWN.finditer(text):
        end = _longest(match.group(), known.facilities)
        if end:
            yield Candidate(match.start(), match.start() + end, Label.FACILITY, Strength.WEAK)


def _attended(place: str, known: Lexicon) -> bool:
    """After "seen at": a word that is neither a ward, a state nor a clinical word, or whatever gives care."""
    first = fold(place.partition(" ")[0])
    if fold(place) in known.regions or first in known.no_places:
        return False
    return not _clinical(first, known) or (" " in place and bool(_CARES.search(place)))


def _with_town(text: str, end: int, known: Lexicon) -> int:
    """A facility takes the town or state that follows it along: "in Chicago", ", New York"."""
    match = _TOWN_AFTER.match(text, end)
    if match is None:
        return end
    return match.start("place") + (_longest(match["place"], known.cities | known.regions) or end - match.start("place"))


def _degree(match: re.Match[str], known: Lexicon) -> bool:
    """Mulhern, MD is a physician; only a known city is in Maryland."""
    groups = match.groupdict()
    return (
        groups.get("state") in ("MD", "PA", "MS", "DO")
        and not groups["zip"]
        and fold(match["place"]) not in known.cities
    )


def _street_end(match: re.Match[str], known: Lexicon) -> int | None:
    """Where an address that starts here ends; None when no word of it is a street word."""
    last = None
    for word in _SPACED.finditer(match.string, match.start("street"), match.end("street")):
        if word.start() > match.start("street") and fold(word.group()) in known.streets:
            last = word.end()
    tail = _STREET_TAIL.match(match.string, last) if last else None
    return tail.end() if tail else None


def _clinical(low: str, known: Lexicon) -> bool:
    return (
        low in known.clinical
        or low in known.eponyms
        or known.clinical_form(low)
        or (low in known.ordinary and low not in known.generic)
    )


def _skip_plain(text: str, start: int, end: int, known: Lexicon) -> int | None:
    """Where the proper part of a place begins: leading everyday words are left out, and some word must be proper."""
    words = [(m.start(), fold(m.group())) for m in _SPACED.finditer(text, start, end)]
    while (
        words
        and words[0][1] not in known.generic | _OPENING
        and (known.everyday(words[0][1]) or words[0][1] in known.no_places)
    ):
        words.pop(0)
    while words and words[0][1] in _ARTICLES:
        words.pop(0)
    proper = any(low in _OPENING or (low not in known.generic and not _clinical(low, known)) for _, low in words)
    return words[0][0] if proper else None


def _longest(phrase: str, among: frozenset[str]) -> int:
    """The length of the longest run of leading words that the list holds; 0 for none."""
    end = len(phrase)
    while end > 0:
        if fold(phrase[:end].rstrip(".,'")) in among:
            return len(phrase[:end].rstrip(".,'"))
        end = max(phrase.rfind(" ", 0, end), phrase.rfind("'", 0, end))
    return 0
