"""What every kind of place is made of: capitalised words, states, postal codes, and which words can name a place."""

from __future__ import annotations

import re

from compliance.phi.lexicon import Lexicon
from compliance.phi.normalise import fold

C = r"[A-ZÀ-ÖØ-ÞĀ-ŽŁŚŻČŠŽĐİ]"
CAP = rf"(?:(?:St|Ste|Mt|Ft|ST|MT|FT)\.|{C}[\w'&-]{{0,30}})"
GAP = r"(?: (?:(?:of|the|and|&|de|del|la|los|las) ){0,2})"
CAPS = rf"{CAP}(?:{GAP}{CAP}){{0,5}}"
STATE = (
    r"(?:A[LKZR]|C[AOT]|D[CE]|FL|GA|HI|I[DLNA]|K[SY]|LA|M[EDAINSOT]|N[EVHJMYCD]|O[HKR]|PA|PR|RI|S[CD]"
    r"|T[NX]|UT|V[TA]|W[AVIY]|GU|VI)\b"
)
STATE_NAME = (
    r"(?i:alabama|alaska|arizona|arkansas|california|colorado|connecticut|delaware|florida|georgia|hawaii|idaho"
    r"|illinois|indiana|iowa|kansas|kentucky|louisiana|maine|maryland|massachusetts|michigan|minnesota"
    r"|mississippi|missouri|montana|nebraska|nevada|new (?:hampshire|jersey|mexico|york)|north (?:carolina|dakota)"
    r"|ohio|oklahoma|oregon|pennsylvania|puerto rico|rhode island|south (?:carolina|dakota)|tennessee|texas|utah"
    r"|vermont|virginia|washington|west virginia|wisconsin|wyoming)\b"
)


def word_set(table: str) -> frozenset[str]:
    """A table of words, as written here: with spaces between."""
    return frozenset(table.split())


ZIP = r"\d{5}(?:-\d{4})?\b"

_NAMING = word_set("st. st mt mt. ft. saint new north south east west good mercy hope grace sacred holy mount")
"""Everyday words that begin the names of hospitals and towns."""
_QUALITIES = word_set(
    "big little long great grand high low old new red white black green blue golden silver clear cold deep"
    " bad fair sweet"
    " broad flat three four five seven twin half upper lower middle"
)
"""Everyday words that are part of a place's name where a naming word follows: Bad River, Four Winds."""
LANDSCAPE = word_set(
    "oak oaks elm maple cedar cedars pine pines willow willows birch aspen cypress magnolia laurel juniper"
    " spruce hickory"
    " walnut chestnut poplar sycamore cottonwood redwood palm palms palmetto ivy holly rose roses lily lilies violet"
    " daisy lavender heather clover fern meadow meadows prairie valley hill hills hilltop hillside ridge"
    " mountain summit"
    " mesa canyon cliff bluff bluffs river rivers riverbend riverside creek brook lake lakes lakeside"
    " lakeview bay harbor haven cove island ocean sea seaside coast coastal shore shores beach wind winds sun sunrise"
    " sunset sunny sunshine dawn daybreak morning moon star stars sky skyline cloud rainbow horizon horizons view vista"
    " light lighthouse lantern beacon eagle hawk heron dove swan robin cardinal crane falcon osprey sparrow bluebird"
    " hummingbird deer elk fox wolf bear buffalo bison otter beaver butterfly garden gardens grove woods"
    " woodland forest"
    " orchard field fields farm ranch spring springs autumn winter leaves evergreen golden silver heritage"
    " legacy liberty"
    " freedom independence harmony serenity tranquility hope faith grace unity friendship pathway pathways crossroads"
    " gateway bridge bridges cornerstone keystone renaissance phoenix compass anchor homestead"
    " village manor park plaza lane corner crossing landing falls fork bend glen hollow point"
)
"""Everyday words of which the names of clinics, homes and schools are made: Valley View, Harbor Light, Blue Heron."""
_LINKS = word_set("the our a an in at of for and &")
BREAKS = word_set(
    "in at from to by with on attends attended attending called calls is was are were has had seen admitted"
    " transferred discharged sent referred visited"
    " pt patient dr dr. mr mr. mrs mrs. ms ms. per via after before until since near if when how what does can"
)
_BORNE = 5  # tier of a family name or town: ten thousand bearers name enough houses of their own
_SPACED = re.compile(r"\S+")


def tier(low: str, known: Lexicon) -> int:
    """0 for no town of the lists, else the digits of the population of the largest of that name."""
    return max(known.us_place(low), known.world_city(low), 6 if low in known.cities else 0)


def clinical(low: str, known: Lexicon) -> bool:
    """A word of the clinic or of the language, no part of a place's own name."""
    return bool(
        (
            (low in known.clinical or low in known.eponyms)
            and known.surname_tier(low) < _BORNE
            and tier(low, known) < _BORNE
        )
        or known.clinical_form(low)
        or (low in known.ordinary and low not in known.generic)
        or (known.medical_word(low) and not tier(low, known) and not known.name_odds(low))
    )


def own_name(text: str, start: int, end: int, known: Lexicon) -> int | None:
    """Where the place's own name begins: leading everyday words are left out; None when no word is left that names."""
    parts = [(m.start(), fold(m.group().rstrip(",;:"))) for m in _SPACED.finditer(text, start, end)]
    for i, (_, low) in enumerate(parts):
        if low in BREAKS:
            parts = parts[i + 1 :]
            return own_name(text, parts[0][0], end, known) if parts else None
    while parts and parts[0][1] not in known.generic | _NAMING and plain(parts[0][1], known):
        parts.pop(0)
    while parts and parts[0][1] in _LINKS:
        parts.pop(0)
    if not any(names(low, known) for _, low in parts):
        return None
    before = _SPACED.findall(text[start : parts[0][0]])
    if before and fold(before[-1]) in _QUALITIES:
        return parts[0][0] - len(before[-1]) - 1
    return parts[0][0]


def scenic(phrase: str, known: Lexicon) -> bool:
    """Two or more capitalised words, one of the landscape at least and none of the clinic: Three Rivers, Pine Haven."""
    lows = [fold(word) for word in phrase.split()]
    allowed = LANDSCAPE | _QUALITIES | _NAMING | known.streets
    return (
        len(lows) > 1
        and not LANDSCAPE.isdisjoint(lows)
        and all(low in allowed or known.surname_tier(low) > 2 or tier(low, known) for low in lows)
        and (phrase.isupper() or all(word[:1].isupper() for word in phrase.split()))
    )


def names(low: str, known: Lexicon) -> bool:
    """A word that tells one place from another."""
    if low in _NAMING:
        return True
    bare = low.removesuffix("'s")
    return bare not in known.generic and not clinical(bare, known) and not plain(bare, known) and len(bare) > 1


def plain(low: str, known: Lexicon) -> bool:
    return known.everyday(low) or low in known.no_places or (known.plain_form(low) and not tier(low, known))


def longest(phrase: str, among: frozenset[str]) -> int:
    """The length of the longest run of leading words that the list holds; 0 for none."""
    end = len(phrase)
    while end > 0:
        if fold(phrase[:end].rstrip(".,'")) in among:
            return len(phrase[:end].rstrip(".,'"))
        end = max(phrase.rfind(" ", 0, end), phrase.rfind("'", 0, end))
    return 0
