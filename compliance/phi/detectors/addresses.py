"""Addresses: streets with and without a street word, boxes, crossings, highways, ZIP codes, coordinates."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compliance.phi.detectors.clinical import term
from compliance.phi.detectors.measures import measured
from compliance.phi.detectors.places import CAP, CAPS, STATE, STATE_NAME, ZIP, C, clinical, own_name, tier, word_set
from compliance.phi.lexicon import Lexicon, lexicon
from compliance.phi.normalise import fold
from compliance.phi.types import Candidate, Label, Strength

_WAYS = (
    r"(?:street|str|st|avenue|ave|av|road|rd|lane|ln|boulevard|blvd|drive|dr|court|ct|place|pl|terrace|ter|circle|cir"
    r"|highway|hwy|parkway|pkwy|way|trail|trl|loop|row|alley|turnpike|pike|square|crescent|close|mews|wharf)"
)
_HOUSE = r"(?:\d{1,6} )?\d{1,6}(?:-\d{1,4})?[A-Z]?(?: ?1/2)?"
_COMPASS = r"(?:(?:N|S|E|W|NE|NW|SE|SW|North|South|East|West|n|s|e|w|ne|nw|se|sw)\.? )"
_ORDINAL = r"\d{1,3}(?:st|nd|rd|th)"
_DOOR = (
    r"(?:,?\s{0,2}(?:(?:[Aa]pt|APT|[Aa]partment|[Uu]nit|UNIT|[Ss]uite|SUITE|[Ss]te|STE|[Ll]ot|[Tt]rlr|[Ff]lat"
    r"|[Ss]pace|[Rr]m|[Ff]l)\b\.?|#)\s?#?\w{1,6}(?:-\w{1,4})?)"
)
_LINE = r"(?:,\s{0,2}|\s{0,2}\n\s{0,8}| - | )"
_UK = r"[A-Z]{1,2}\d[A-Z\d]? \d(?!MG|ML|ND|RD|ST|TH|HR|MM|KG)[ABD-HJLNP-UW-Z]{2}\b"
_TOWN_TAIL = re.compile(
    rf"(?:\.(?=,))?(?P<door>{_DOOR}{{0,2}})(?:(?P<town>{_LINE}(?:in )?(?P<name>{CAP}(?: {CAP}){{0,2}}))"
    rf"(?P<state>,?\s(?:{STATE}|{STATE_NAME}))?(?P<zip>,?\s{{1,2}}(?:{ZIP}|{_UK}))?"
    rf"|,?\s(?:{STATE}|{STATE_NAME})(?:,?\s{ZIP})?|,?\s(?:{ZIP}|{_UK}))?"
)
_STREET = re.compile(
    rf"(?<![\w/.-]){_HOUSE} {_COMPASS}?(?P<street>(?:{C}[\w'-]{{0,25}}|{_ORDINAL})(?: (?:(?:de|del|la|las|los"
    rf"|of|the) ){{0,2}}{C}[\w'-]{{0,25}}){{1,4}})\b\.?"
)
_LOWER = re.compile(
    rf"(?<![\w/.-])(?P<house>{_HOUSE})\s{_COMPASS}?(?P<street>(?:[a-z][a-z'-]{{1,20}}|{_ORDINAL})"
    rf"(?:\s[a-z'-]{{2,20}}){{0,2}})"
    rf"\s(?P<way>{_WAYS})\b\.?(?!\s(?:elevation|depression|segment|changes|scan|of|to|through|away|up|mg))",
    re.IGNORECASE,
)
_COMPASSED = re.compile(
    rf"(?<![\w/.-])\d{{2,6}} (?:N|S|E|W|NE|NW|SE|SW)\.? (?!Engl|Am|J\b){C}[a-z]{{2,20}}(?: {C}[a-z]{{1,20}})?\b{_DOOR}?"
)
_BLOCK = re.compile(rf"\b\d{{2,5}} block of (?:{_COMPASS})?(?:{_ORDINAL}|{CAP})(?: {CAP})?")
_NUMBERED = re.compile(rf"\b{_ORDINAL}\s(?:street|avenue|ave|st)\b(?:\sclinic)?", re.IGNORECASE)
_AFTER_CUE = re.compile(
    rf"\b(?:lives? at|living at|lived at|resid(?:es|ing) at|address(?:\s(?:is|was|on file|of record)|\s?:)?|addr\.?:?"
    rf"|(?:mail(?:ed)?|ship(?:ped)?|deliver(?:ed|y)?|dispatched|sent|move[sd]?|responded) to|home(?: visit)? at|home:"
    rf"|located at|staying at|found (?:down )?at|picked up at|leave (?:with \w+ \w+ )?at)\s{{1,2}}"
    rf"(?P<place>(?:(?:flat|apartment|apt|unit)\s\w{{1,5}},?\s)?{_HOUSE}\s{_COMPASS}?(?!(?:weeks?|wks|days?"
    rf"|hours?|hrs|months?|years?"
    rf"|yrs|mg|mcg|ml|units?|am|pm|x|times|o'clock|l/min|liters?|bpm|degrees|percent|and|to|or|in|on)\b)"
    rf"[A-Za-z][\w'-]{{1,25}}(?: {C}[\w'-]{{0,25}}){{0,3}})",
    re.IGNORECASE,
)
_STREET_WORD = (
    r"(?:Street|St|Avenue|Ave|Av|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Circle|Cir|Terrace|Ter|Trail"
    r"|Trl|Parkway"
    r"|Pkwy|Highway|Hwy|Turnpike|Tpke|Pike|Place|Pl|Square|Sq|Loop|Way|Alley|Row|Crescent|Close|Crossing"
    r"|Bypass|Expressway"
    r"|Causeway|Hollow|Run|Bend|Point|Landing|Mill Rd|Ridge|Cove|Path|Extension|Ext)"
)
_DWELLS = re.compile(
    rf"\b(?i:liv(?:es?|ed|ing) (?:over |out |up |down |off )?(?:on|off|at|along|by|near)|resid(?:es?|ing) (?:on|at|off)"
    rf"|(?:house|home|place|apartment|trailer|farm|store|shop|clinic|office|pharmacy|walgreens|cvs|station"
    rf"|corner|bar|lot|church"
    rf"|school|crash|wreck|accident|collision|mvc|mva|found|hit|struck|fell|parked|walking|bike|ditch|rollover"
    rf"|shot|stabbed"
    rf"|dropped off|picked up|stopped|lost|wandering|camp(?:s|ing)?|guard|gate|located|facility|site|warehouse)"
    rf" (?:down |out )?(?:on|off|at|near|along|by)|address(?: is|:)?|(?:moved|moving|back|drove|went|walked"
    rf"|ran) (?:to|down|up|along))"
    rf" (?:the )?(?:(?:corner|end|\d{{2,5}} block) of )?"
    rf"(?P<place>(?:{_COMPASS}|\d{{1,6}} )?(?:[A-Za-z][\w'-]{{1,20}} ){{1,3}}{_STREET_WORD}\b\.?)",
    re.IGNORECASE,
)
"""A street without a number, behind where somebody lives or something happened."""
_SHOUTED = re.compile(
    r"\b(?:ON|OFF|AT|ALONG|NEAR) (?P<place>(?:(?:NORTH|SOUTH|EAST|WEST|N|S|E|W|OLD|NEW) )?(?:[A-Z]{3,15} ){1,2}"
    r"(?:STREET|AVENUE|ROAD|BOULEVARD|LANE|DRIVE|HIGHWAY|PARKWAY|TURNPIKE|RD|AVE|BLVD|LN|HWY|PKWY)\b)"
)
_WRITTEN_HOUSE = re.compile(
    rf"\b(?:One|Two|Three|Four|Five|Six|Seven|Eight|Nine|Ten) (?P<street>{C}[\w'-]{{1,20}}"
    rf"(?: {C}[\w'-]{{1,20}}){{0,2}} "
    rf"{_STREET_WORD})\b\.?"
)
_ROAD_HOUSE = re.compile(
    rf"\b(?:(?:Unit|Apt|Lot|Space|Trlr)\.? #?\w{{1,5}}, )?\d{{1,6}} {_COMPASS}?(?:(?:County|State|Farm|Ranch"
    rf"|Township|Old|US|U\.S\.) )?"
    rf"(?:(?:Road|Rd|Highway|Hwy|Route|Rte)\.? \d{{1,4}}|(?:FM|CR|SR) \d{{2,4}})[A-Z]?(?: [NSEW]\b)?"
    r"(?!\.\d| ?(?:mg|mcg|ml))"
)
_HASH = re.compile(
    r"\b(?:at|in|to|next door at|neighbou?r at|house|trailer|cabin|lot|unit|apt|space|flat|door)\s"
    r"(?P<place>#\d{1,5}[A-Z]?)\b",
    re.I,
)
_FIELD = re.compile(
    r"[\"'](?:\w{0,12}_)?(?P<key>city|town|district|county|village|postal_?code|zip(?:_?code)?|suburb"
    r"|municipality|locality|address_?\d?"
    r"|address_?line_?\d?|street|line\d?|birth_?place|neighbou?rhood)[\"']\s?:\s?\[?\s?[\"']"
    r"(?P<place>[^\"'\n]{2,60})[\"']",
    re.IGNORECASE,
)
"""An address in JSON: "city": "Crawford"."""
_TAGGED = re.compile(
    r"<(?P<key>city|county|postalCode|zip|streetAddressLine|precinct|township|birthplace)>(?P<place>[^<\n]{2,60})</",
    re.IGNORECASE,
)
_ROUTE_BESIDE = re.compile(
    rf"(?P<place>\b(?:mile ?marker|milepost|MM|mm|exit)\s?#?\d{{1,3}}(?:\.\d)?,? (?:on |of )?(?:{_COMPASS})?"
    rf"(?:I|US|U\.S\.|SR|CR|FM|Rte|Route"
    rf"|Hwy|Highway|Interstate|State Route|{STATE[:-2]})[ -]?\d{{1,4}}(?: (?:[NSEW]B|(?:north|south|east|west)"
    rf"(?:bound)?))?\b)"
)
_COUNTY_ROAD = re.compile(
    r"\b(?P<place>(?:County|Co\.?|Forest|Ranch|Farm|Township|Twp|Parish|State|Fire|BIA|Tribal|Private|Service"
    r"|Rural) (?:Rd|Road|Route"
    r"|Rte|Hwy|Highway|Line Rd)\.? ?#?\d{1,5}[A-Z]?|(?:CR|FM|SR|RM|FS|NFS|PR|LR|TR|BIA)[ -]\d{2,4})\b(?! ?"
    r"(?:mg|mcg|ml|ms|msec))"
)
_FLAT = re.compile(
    rf"\b(?:Flat|Apartment|Apt|Unit)\.? \d{{1,4}}[A-Z]?, (?:{CAP} ){{1,3}}(?:House|Court|Mansions?|Tower|Towers"
    rf"|Lodge|Buildings?|Place|Gardens)\b"
    rf"(?:, \d{{1,5}}[A-Z]? (?:{CAP} ?){{1,4}})?"
)
_ON_STREET = re.compile(
    rf"\b(?:from|on|at|near|off|of|in|,) (?P<place>(?:{CAP} ){{1,3}}(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd"
    rf"|Lane|Ln|Drive|Parkway|Pkwy|Terrace|Turnpike)\b(?! (?!(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat|Jan|Feb|Mar|Apr|May"
    rf"|Jun|Jul|Aug|Sep|Oct|Nov|Dec)){C})|{_COMPASS}\d{{1,3}}(?:st|nd|rd|th)\b)"
)
_STREET_ALONE = re.compile(
    rf"(?:^|, )(?P<place>{CAP} (?:Boulevard|Blvd|Avenue|Street|Lane|Parkway))\b(?=[.,\n]|$)", re.MULTILINE
)
_CROSSING = re.compile(
    rf"\b(?:(?i:corner of|intersection of|crash at|mva at|mvc at|cross streets?:?) |(?:at|near|on) "
    rf"(?=\S{{1,20}} (?:&|and) \d|{_ORDINAL}))"
    rf"(?P<place>(?:{_COMPASS}?(?:{_ORDINAL}|{CAP}))(?: {CAP}){{0,2}} (?:and|&|/) (?:{_ORDINAL}|{CAP})(?: "
    rf"(?:Street|St|Ave|Avenue|Rd|Road|Blvd))?)"
)
_HIGHWAY = re.compile(
    r"\b(?P<place>(?:interstate|i)[ -](?!1(?:2[345]|31)\b)\d{1,3}|(?:us |u\.s\. |state |county |farm"
    r"(?:-to-market)? |bia |tribal |navajo"
    r" |forest |service |fire |ranch )?(?:route|rte|hwy|highway|county road|farm road|road) \d{1,4}[A-Z]?|us-\d{1,3})\b"
    r"(?P<more>[, ]{1,2}(?:(?:near |at |around )?(?:mile ?marker|milepost|mile|exit|mm|mp)\s?#?\d{1,3}(?:\.\d)?))?"
    r"(?!\s?(?:mg|mcg|ml|of|%))",
    re.IGNORECASE,
)
_ROAD_CUE = re.compile(
    r"\b(?:on|off|near|along|at|from|by|via|down|north|south|east|west|of|mva|mvc|crash|the)\s$", re.IGNORECASE
)
_MILE = re.compile(r"\b(?:mile ?marker|milepost|mile post|exit)\s?#?(?P<place>\d{1,3}(?:\.\d)?)\b", re.IGNORECASE)
_BOX = re.compile(
    r"\b(?:(?:P\.?\s?O\.?|post office|postal|apartado|PMB)\s?(?:box|drawer)?\s?#?\d{1,6}(?<!PO \d)(?<!PO \d\d)"
    r"(?<!PO \d\d\d)"
    r"|p\.?\s?o\.?\s?box\s#?\d{1,6}"
    r"|(?:R\.?R\.?|rural route|HC|star route|RFD|rte|route|carr)\.?[ -]?#?\d{1,4},?\s(?:box|bx|buzon)\s?#?\d{1,5}[A-Z]?"
    r"|rural route\s#?\d{1,3}|box \d{2,5}(?=,? [A-Z][a-z]+,? [A-Z]{2}\b))\b",
    re.IGNORECASE,
)
_SPANISH = re.compile(
    rf"\b(?:\d{{1,6}} )?(?:Calle|Avenida|Avda\.|Carretera|Carr\.|Urb\.|Urbanizaci[oó]n|Bo\.|Barrio|Res\."
    rf"|Residencial|Cond\.|Parcelas|Camino|Paseo|Rue|Via)"
    rf" (?:PR-)?(?:\d{{1,4}}|(?:(?:de|del|la|las|los) ){{0,2}}{CAPS})(?:,? (?:#|[Nn]o\.? |[Kk]m\.? ?)?\d{{1,5}}"
    rf"(?:\.\d)?[A-Z]?)?"
)
_PIPED = re.compile(r"(?<=\|)\d{1,6} [A-Z0-9 .'-]{2,60}\^[A-Z0-9 .'^-]{2,80}(?=\||$)")
_DOOR_ALONE = re.compile(
    r"\b(?:apt|apartment|trailer|trlr)\.?\s?(?:no\.? |#\s?)?(?P<place>\d{1,4}-?[A-Z]?|[A-Z]-?\d{1,4})\b"
    r"(?![/:.]\d|\s?(?:am|pm))",
    re.IGNORECASE,
)
_ZIP_CUED = re.compile(
    rf"\b(?:zip(?:\s?code)?|postal code|postcode)\b(?:\s(?:is|on|the|chart|of|at|was|used|to|be|now|changed"
    rf"|listed|as|in|for|file)){{0,4}}[\s:,]{{1,3}}"
    rf"(?P<cued>\d{{3,5}}(?:-\d{{4}})?)\b|(?-i:\b{STATE},? {{1,2}}(?P<after>{ZIP}))",
    re.IGNORECASE,
)
_POSTCODE = re.compile(rf"(?<![\w-])(?:{_UK}|[ABCEGHJ-NPRSTVXY]\d[A-Z] \d[A-Z]\d)(?![\w-])")
_COORDINATES = re.compile(
    r"(?<![\w.])[-+]?\d{1,2}\.\d{3,8}\s?°?\s?[NS]?\s?,\s?[-+]?\d{1,3}\.\d{3,8}\s?°?\s?[EW]?(?!\w|\.\d)"
    r"|\b\d{1,2}°\s?\d{1,2}'\s?(?:\d{1,2}(?:\.\d+)?\"?)?\s?[NS],?\s{1,2}\d{1,3}°\s?\d{1,2}'\s?"
    r"(?:\d{1,2}(?:\.\d{1,3})?\"?)?\s?[EW]"
)
_ZIP_COLUMN = re.compile(
    r"(?:^|[,;|\t])\s?\"?(?:zip|zip_?code|zip5|postal(?:_?code)?|postcode)\"?\s?(?=[,;|\t]|$)", re.IGNORECASE
)
_SPACED = re.compile(r"\S+")


_ALSO_WORDS = word_set(
    "ct dr pl st way run point path row place close loop ext extension hollow bend ridge cove square sq"
    " landing crossing court"
    " drive ter pike circle trail bypass"
)
"""Street words that are words of the clinic or the language as well."""
_NOT_IN_STREETS = word_set(
    "after before until since during while about over under again because"
    " "
    "the a an her his their our my your this that same right left wrong own to of and or in is was for with"
    " from by on at up"
    " down no not any some one two all into out when if as care clinical critical treatment referral best"
    " only every each"
    " it she he they pt patient dr mr mrs ms via per but then so has had will"
)


_WITH_TOWN = (_BOX, _SPANISH, _FLAT, _ROAD_HOUSE)
_WHOLE = (_NUMBERED, _COMPASSED, _BLOCK, _PIPED, _POSTCODE, _COORDINATES)
_PLACED = (_DOOR_ALONE, _CROSSING, _MILE, _HASH, _ROUTE_BESIDE, _FIELD, _TAGGED)


def detect(text: str) -> Iterator[Candidate]:
    known = lexicon()
    towns = ((m.start(), m.end()) for pattern in _WITH_TOWN for m in pattern.finditer(text))
    for start, end in (*_streets(text, known), *_dwellings(text, known), *towns):
        yield Candidate(start, _with_town(text, end - (text[end - 1] == "."), known), Label.LOCATION, Strength.FIRM)
    whole = (m.span() for pattern in _WHOLE for m in pattern.finditer(text))
    placed = (m.span("place") for pattern in _PLACED for m in pattern.finditer(text))
    zips = (m.span(m.lastgroup or 0) for m in _ZIP_CUED.finditer(text))
    for start, end in (*whole, *placed, *zips, *_roads(text)):
        yield Candidate(start, end, Label.LOCATION, Strength.FIRM)
    yield from _zip_column(text)


def _roads(text: str) -> Iterator[tuple[int, int]]:
    """Highways and county roads: written out, beside a mile, or behind a word of travel."""
    for match in _COUNTY_ROAD.finditer(text):
        if match["place"][1].islower() or _ROAD_CUE.search(text, max(0, match.start() - 20), match.start()):
            yield match.span("place")
    for match in _HIGHWAY.finditer(text):
        if match["more"] or _ROAD_CUE.search(text, max(0, match.start() - 20), match.start()):
            yield match.span()


def _streets(text: str, known: Lexicon) -> Iterator[tuple[int, int]]:
    """A house number and its street."""
    for match in _STREET.finditer(text):
        last = _street_end(match, known)
        if last is not None:
            yield match.start(), last
    for match in _LOWER.finditer(text):
        if _names_street(match, known):
            yield match.span()
    yield from (match.span("place") for match in _AFTER_CUE.finditer(text))
    yield from (match.span() for match in _WRITTEN_HOUSE.finditer(text))


def _dwellings(text: str, known: Lexicon) -> Iterator[tuple[int, int]]:
    """A street without a number."""
    for match in (*_DWELLS.finditer(text), *_SHOUTED.finditer(text)):
        if not _clinical_way(match, known):
            yield match.span("place")
    for match in (*_ON_STREET.finditer(text), *_STREET_ALONE.finditer(text)):
        start = own_name(text, match.start("place"), match.end("place"), known)
        if start is not None:
            yield start, match.end("place")


def _clinical_way(match: re.Match[str], known: Lexicon) -> bool:
    """On the right path, at a clinical crossing: articles, verbs or clinical words stand in no street's name."""
    *name, way = match["place"].split()
    lows = [fold(word) for word in name]
    if fold(way).rstrip(".") in _ALSO_WORDS and not all(word[0].isupper() or word[0].isdigit() for word in name):
        return True
    return any(low in _NOT_IN_STREETS or term(low, known) for low in lows) or lows == ["long"]


def _street_end(match: re.Match[str], known: Lexicon) -> int | None:
    """Where the street of an address ends; None when no word of it is a street word: 6 Minute Walk."""
    words = list(_SPACED.finditer(match.string, match.start("street"), match.end("street")))
    lows = [fold(word.group()) for word in words]
    last = max((i for i, low in enumerate(lows) if i and low.rstrip(".") in known.streets), default=0)
    if not last:
        return None
    sure = re.fullmatch(_WAYS, lows[last].rstrip(".")) and lows[0] not in known.clinical
    if sure or not (known.everyday(lows[0]) or known.medical_word(lows[0])):
        return words[last].end()
    return None


def _names_street(match: re.Match[str], known: Lexicon) -> bool:
    """A street in small letters: every word may be a street's name, none is a unit or a clinical word."""
    if measured(match.string, match.end("house")):
        return False
    short = match["way"].lower() in (
        "st",
        "dr",
        "ct",
        "pl",
        "ter",
        "way",
        "row",
        "place",
        "court",
        "drive",
        "close",
        "loop",
        "av",
        "str",
    )
    if short and len(match.group().split()[0]) < 2:
        return False
    lows = fold(match["street"]).split()
    return all(low[0].isdigit() or _may_name(low, known) for low in lows)


def _may_name(low: str, known: Lexicon) -> bool:
    if low in known.ambiguous or low in known.streets or tier(low, known) or low in ("main", "old", "north", "south"):
        return low not in known.no_places and low not in ("of", "the", "to", "per")
    return not clinical(low, known) and not known.medical_word(low) and len(low) > 2


def _with_town(text: str, end: int, known: Lexicon) -> int:
    """An address takes along its door, town, state and ZIP code, on this line or the next."""
    match = _TOWN_TAIL.match(text, end)
    if match is None:
        return end
    if match["town"] is None:
        return match.end()
    sure = match["state"] or match["zip"]
    near = match["town"].startswith(",") and own_name(text, match.start("name"), match.end("name"), known) is not None
    listed = tier(fold(match["name"]), known) and not match["town"].startswith(("\n", " \n"))
    return match.end() if sure or near or listed else match.end("door")


def _zip_column(text: str) -> Iterator[Candidate]:
    """The column of a table whose heading is "zip"."""
    at, column, separator = 0, -1, ""
    for line in text.splitlines(keepends=True):
        heading = _ZIP_COLUMN.search(line)
        if heading:
            separator = next((c for c in "\t|;," if c in line), "")
            column = line.count(separator, 0, heading.end()) if separator else -1
        elif column >= 0 and line.count(separator) >= column:
            start = at + sum(len(cell) + 1 for cell in line.split(separator)[:column])
            value = re.compile(r"\s?\"?(\d{3,5}(?:-\d{4})?)\b").match(text, start)
            if value:
                yield Candidate(value.start(1), value.end(1), Label.LOCATION, Strength.FIRM)
        at += len(line)
