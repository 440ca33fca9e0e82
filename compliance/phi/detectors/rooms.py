"""Rooms, beds and the units a number singles out. A ward alone (ICU, step-down, 4 West) stays readable."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from compliance.phi.detectors.clinical import term
from compliance.phi.detectors.places import word_set
from compliance.phi.lexicon import Lexicon, lexicon
from compliance.phi.normalise import fold
from compliance.phi.types import Candidate, Label, Strength

_COMPASS = r"(?:North|South|East|West|N|S|E|W|NE|NW|SE|SW)"
_UNITS = (
    r"(?:[MSCNPTB]?ICU|CVICU|CTICU|CSICU|NSICU|STICU|CCU|CVU|SDU|PCU|IMC|IMCU|IMU|MSU|TCU|MOU|EDU|HDU|CDU|ED"
    r"|ER|PACU|OBS|TELE"
    r"|L&D|LDRP?|MED|SURG|PEDS|ONC|ORTHO|PSYCH|BMT|NICU pod|HOLDING|PREOP|RESUS|TRAUMA|TRIAGE)"
)
_UNITS_SPOKEN = (
    r"(?:icu|micu|sicu|nicu|picu|ccu|pacu|ldrp?|tele|stepdown|step-down|obs|med[ -]?surg|peds|ortho|onc|trauma|triage"
    r"|fast track|hall(?:way)?|resus|recovery|nursery|pre-?op|holding|endo|cath lab|main ed|ed|er|stab(?:ilization)?)"
)
_CODE = (
    rf"(?:{_UNITS}[- ]?\d{{1,3}}\b|\d{{1,2}} ?{_COMPASS}(?:[ -]{{1,3}}\d{{1,3}}[A-Z]?)?\b"
    r"|(?:[A-Z]{1,2}-?)?\d{1,4}(?:-?[A-Z]{1,2}\b)?(?:-\d{1,4}[A-Z]?\b(?:-[A-Z]\b)?|-[A-Z]\b|/\d{1,2}[A-Z]?\b)?)"
)
_TEENS = "ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen"
_ONES = "one|two|three|four|five|six|seven|eight|nine"
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_SPOKEN = rf"(?:(?:{_TENS})(?:[ -](?:{_ONES}))?|{_TEENS}|{_ONES})(?: (?:oh |zero )?(?:{_ONES}|{_TEENS}))?"
_MEASURE = (
    r"(?! ?(?:mg|mcg|g|kg|ml|l|cc|mm|cm|units?|hours?|hrs?(?! \d)|h|days?|d|weeks?|wks?|w|months?|mos?|min"
    r"(?:ute)?s?|years?"
    r"|yrs?|yo|times|x|fr|french|patients?|pts|people|beds|cases|doses|tabs?|liters?|percent|degrees|steps?|ppl"
    r"|of|or|to \d{1,3}(?: ?mg| times| hours?| days?| weeks?| degrees| ?°|x)|points?|assist"
    r"|grams?|ounces|inches|feet|nights?|shifts?|visits?|minutes?|nurses|rns?|staff|wk"
    r"|weekly|more|other|stable|admits?|admissions|transfers?|discharges|trials|studies|countries|cent(?:er|re)s?"
    r"|hospitals|groups|arms|sites"
    r"|states|subjects|women|men|children|infants|adults|cohorts|morphine)\b| ?[%°]|/|\.\d|:\d)"
)
_CUE = (
    r"(?:room/bed|unit/bed|rm/bed|room|rooms|rm|bedspace|bed|cubicle|cube|curtain|bassinet|isolette|crib|stretcher"
    r"|gurney|bay|slot|spot|chair|recliner|ward|cell block|resus|theat(?:er|re)|suite|(?:ed|er|triage|red|green|blue"
    r"|yellow) zone|hallway|hall bed|stall|cubby|nook|incubator|warmer|cot|inpt|inpatient bed|negative pressure"
    r"|pod(?= [A-H]-?\d)|cell(?= [A-Z]-?\d))"
)
_MORE = re.compile(rf"(?:,? (?:and|&|or) |, ?|/| - )(?P<more>{_CODE})(?![\w-]){_MEASURE}")
_BOTH = re.compile(r" (?:both|are|were|need|have|want)\b", re.IGNORECASE)
_MOST_ROOMS = 8
_PRESENTS = word_set(
    "hip knee ankle wrist back chest belly abdomen head heart stroke bleed fall fracture fx overdose od seizure seizer"
    " trauma burn gsw stab transplant kidney liver lung amputation amp trach vent vents drip drain foley line picc"
    " chole appy cabg tavr stemi nstemi mi chf copd dka gib sah sdh cva pe dvt sbo uti pna sepsis withdrawal detox"
    " laceration lac dialysis birth delivery labor section twins preemie admit admission consult transfer code rapid"
)
_INTO = ("IN", "TO", "FROM", "INTO")
_CUED = re.compile(
    rf"\b{_CUE}(?P<plural>s?)\.?\s?(?:no\.?|number|num|assigned|#)?[\s:#-]{{0,3}}(?!x\d)"
    rf"(?P<room>(?-i:{_CODE})|{_CODE}|{_SPOKEN})"
    rf"(?![\w-]){_MEASURE}",
    re.IGNORECASE,
)
_COUNTED = re.compile(
    rf"\b(?P<cue>[Uu]nit|UNIT|[Ff]loor|FLOOR|Pod|POD|pod|Station|[Oo]n tower|Tower)(?:: ?|\s)(?:#|no\.? )?"
    rf"(?P<room>{_CODE})"
    rf"(?![\w-]){_MEASURE}"
)
_LETTERED = re.compile(
    r"\b(?i:room|rm|bed|bay|pod|ward|cubicle|unit|zone|wing|hallway)\s(?P<room>[A-HWD])(?![\w'.-]|\s\d)"
)
_STOREY = re.compile(
    r"\b(?:on|to|at|of) (?:the )?(?P<room>(?:\d{1,2}(?:st|nd|rd|th)|first|second|third|fourth|fifth|sixth"
    r"|seventh|eighth|ninth|tenth)"
    r"\s(?:floor|flr))\b",
    re.IGNORECASE,
)
_BED_OF_ROOM = re.compile(r"\b(?:room|rm)\.?\s?#?\w{1,6},?\s(?:bed|bd)\s?#?(?P<room>[A-HWD]|\d{1,2})(?!\w)", re.I)
_OPERATING = re.compile(
    rf"(?:\b(?:[Ii]n|[Tt]o|[Ff]rom|[Ii]nto|[Ff]or|IN|TO|FROM|INTO)\s|^|[,;:(@/]\s?|[A-Z][a-z]{{2,20}} )OR\s?#?"
    rf"(?P<room>\d{{1,2}})(?!\w){_MEASURE}(?! ?\((?:95|CI)|,? (?:95|99) ?%|,? p ?[<=])",
    re.MULTILINE,
)
_BOOKED = re.compile(
    rf"\bLOC(?:ATION)?\s?:\s?(?P<room>[A-Z]{{1,4}}-?\d{{1,3}}(?:[ -]\d{{1,4}}[A-Z]?)?)(?!\w){_MEASURE}", re.I
)
_ENDING = (
    r"(?i:(?=\s?[,;:?!)/|-]|\.?$|\.\s|\s(?:is|has|had|needs?|wants?|was|with|w/|who|whose|on|for|c/o|got"
    r"|still|keeps|says|now"
    r"|just|looks|feels|spiked|desat\w*|refus\w+|and|he|she|his|her|s/p|post|pls|please|at|by|asking|asks|window|door"
    r"|hr|bp|map|spo2|sats?|temp|plat|tv|vent|about|again|before|after|since|tonight|today|this|went|came|said|can"
    r"|pulled|fell|due|ready|npo|code|coding|from|nurse|rn|mom|dad|wife|family)\b))"
)
_WARD = re.compile(
    rf"(?<![\w/-])(?P<room>{_UNITS}(?:-| (?:pod |bed |bay |rm |room |#)?)[A-H]?-?\d{{1,3}}(?:-\d{{1,2}})?[A-Z]?)"
    rf"(?![\w-]){_MEASURE}",
)
_WARD_SPOKEN = re.compile(
    rf"(?:(?P<opens>^|\b(?:in|to|from)\s)|[,;:(@/→]\s?|\b(?:at|for|is|now|of|pt|patient|the|ed|er|obs)\s)"
    rf"(?P<room>{_UNITS_SPOKEN}[ -](?:bed |bay |pod )?\d{{1,3}}[a-z]?)(?![\w-]){_MEASURE}(?(opens)|{_ENDING})",
    re.MULTILINE | re.IGNORECASE,
)
_RELEASED = re.compile(r"\b(?!from |into |back )[a-z]{4,20} (?:ER|ED)[ -]$")
_COMPASS_BED = re.compile(
    rf"(?<![\w/.])(?P<room>\d{{1,2}}[\s-]?(?:{_COMPASS}|(?i:tower|pavilion|main|center|ortho|onc|surg|med|tele))"
    rf"[\s-]{{0,3}}(?i:bed |rm |room )?\d{{1,3}}[A-Z]?)(?![\w-]){_MEASURE}"
)
_PERSON = (
    r"(?i:pts?|patients?|man|woman|lady|ladies|guys?|gentleman|gent|kid|kiddo|baby|infant|toddler|teen|him|her|he|she"
    r"|they|mr|mrs|ms|mom|lad|fella|dude|girl|boy|male|female|resident|client|inmate|neonate|preemie|twin|multip|primip"
    r"|vent|postop|post-op|transfer|admit|admission|consult|fall|sitter|frequent flyer|granny|grandma|grandpa|vet"
    r"|mother|father|[mf]|yo|y/o|y\.o|old)"
)
_YEAR = r"(?:19|20)\d\d\b"
_BOX = r"(?:[A-Z]-?)?\d{1,4}[A-Z]?(?:-\d{1,3}[A-Z]?|-[A-Z])?"
_WITH_PERSON = re.compile(
    rf"\b{_PERSON}(?:'s| is|\.)?(?: [A-Z]?[\w'-]{{1,20}}){{0,2}} (?:(?i:in|over in|back in|up in|down in) |@ ?)"
    rf"(?!{_YEAR})(?P<room>{_BOX}|\d[ENSW]-?\d{{1,3}})(?![\w-]){_ENDING}{_MEASURE}",
    re.MULTILINE,
)
_PATIENT_IN = re.compile(
    r"\b(?i:pt|patient|guy|lady|man|woman|gentleman|kid|girl|boy|dude|baby|resident) (?i:in|@) "
    rf"(?!{_YEAR})(?P<room>\d{{3,4}}[A-Z]?|[A-Z]-?\d{{1,3}}|\d{{1,2}}[A-Z]?-\d{{1,3}}[A-Z]?)(?![\w-]){_MEASURE}"
)
_SMALL_BOX = re.compile(
    r"\b(?i:pt|patient|guy|lady|man|woman|gentleman|kid|girl|boy|dude|baby) in (?P<room>[a-h]-?\d{1,2})(?![\w-])"
    + _ENDING
)
_BESIDE_NUMBER = re.compile(
    r"\bMRN:? ?#?\d{5,12}\s?[/|,;]\s(?P<room>[A-Z]{1,2}-\d{2,4}[A-D]?)(?=\s|$|[/|,;])", re.MULTILINE
)
_MOVED_TO = re.compile(
    rf"\b(?:{_UNITS}|(?i:rm|room|bed|bay))[ -]?\d{{1,3}}[A-Z]? (?:to|->) (?!{_YEAR})(?P<room>\d{{3,4}}[A-D]?)(?![\w-])"
    rf"{_ENDING}{_MEASURE}",
    re.MULTILINE,
)
_SENT_TO = re.compile(
    r"\b(?i:(?:sitter|nurse|rn|cna|tech|code|rapid|isolation|tray|interpreter|chaplain|transport|monitor|pump"
    r"|iv start) (?:for|to|in)"
    r"|(?:back|returned|moved|upstairs|over|transferred|going|goes) (?:to|from)|neighbou?r in|roommate in) "
    rf"(?!{_YEAR})(?P<room>\d{{3,4}}[A-D]?)(?![\w-]){_ENDING}{_MEASURE}",
    re.MULTILINE,
)
_COMPLAINT = re.compile(
    rf"\b(?i:the|for|my|our|that|this|new) (?P<what>[\w-]{{2,20}}(?: [\w-]{{2,20}}){{0,2}}) in "
    rf"(?!{_YEAR})(?P<room>{_BOX})(?![\w-]){_ENDING}{_MEASURE}",
    re.MULTILINE,
)
"""The hip in 9, the GI bleed in 14: a patient by what is wrong."""
_NAMED_IN = re.compile(
    rf"\b(?P<who>[A-Z][\w'-]{{2,20}}),? in (?!{_YEAR})(?P<room>{_BOX})(?![\w-]){_ENDING}{_MEASURE}",
    re.MULTILINE,
)
_CENSUS = re.compile(
    rf"(?:^|[,;:]\s|\n)(?P<room>(?!{_YEAR})(?:\d{{3,4}}[A-D]?|\d{{1,2}}[A-D]))(?: - |: | )(?P<who>[A-Z][\w'-]{{2,20}})"
    r"(?![\w'-])",
    re.MULTILINE,
)
"""A list of patients, each behind the room: 3108 Berry allergic to strawberries, 3110 Rice gluten free."""
_COMMA_IN = re.compile(
    rf",\s(?:now )?in (?!{_YEAR})(?P<room>\d{{3,4}}[A-D]?|[A-Z]-?\d{{1,3}})(?![\w-])(?=[,;!?]|\.?$|\.\s){_MEASURE}",
    re.MULTILINE,
)
_BED_SHAPE = re.compile(
    r"(?:\b(?:in|from|to|is|at)\s|@\s?)(?P<room>\d{3,4}[A-DW]|\d{1,2}[ABENSW]|[1-2]?\d[CD])(?![\w.-])"
    r"(?<!in [234]D)" + _MEASURE
)
_BED_LETTER = re.compile(r"(?<![\w/.-])(?P<room>\d{3,4}-[ABCDPW]\d?)(?![\w-])")
_BED_PAIR = re.compile(
    r"(?:\b(?:in|from|to|is|at|for|of)\s|@\s?|^)(?P<room>(?P<first>\d{1,4})-(?P<second>[1-6]))(?![\w/.-])" + _MEASURE,
    re.MULTILINE,
)
_UNIT_ROOM = re.compile(r"(?<![\w/.-])(?P<room>\d{1,2}[A-Z]{1,2}-\d{2,3}(?:-?[A-Z])?)(?![\w-])")
_CARETS = re.compile(r"(?<![\w^])(?P<room>\w{1,8}\^\d{1,4}[A-Z]?\^\w{1,3})(?![\w^])")
_HL7 = re.compile(r"^PV1\|[^|\n]{0,20}\|[^|\n]{0,5}\|[^|^\n]{0,20}\^(?P<room>[\w-]{0,10}\^[\w-]{0,10})", re.MULTILINE)
_GRADED = re.compile(
    r"\b(?:stage|grade|class|phase|type|group|level|category|gleason|ckd|risk|score|figo|t|schedule|part|step|zone"
    r"|bethesda|fototype|table|fig(?:ure)?|vitamin|tanner|gold|nyha|child|asa)\s(?:\w{1,12}\s){0,2}$",
    re.IGNORECASE,
)
_BLOOD = re.compile(r"(?:blood|prbcs?|red cell|platelet|ffp|plasma|per|each|single|donor|dose)\s$", re.IGNORECASE)
_ON = re.compile(r"\b(?:on|to|from|at)\s$", re.IGNORECASE)


_SURE = (
    _LETTERED,
    _BED_OF_ROOM,
    _STOREY,
    _BOOKED,
    _WITH_PERSON,
    _PATIENT_IN,
    _SMALL_BOX,
    _BESIDE_NUMBER,
    _MOVED_TO,
    _SENT_TO,
    _COMPASS_BED,
    _COMMA_IN,
    _CARETS,
    _HL7,
)
_BARE = (_BED_SHAPE, _BED_LETTER, _BED_PAIR, _UNIT_ROOM)


def detect(text: str) -> Iterator[Candidate]:
    known = lexicon()
    for match in _CUED.finditer(text):
        yield _room(match, "room", Strength.FIRM)
        yield from _and_more(match)
    sure = (match for pattern in _SURE for match in pattern.finditer(text))
    for match in itertools.chain(sure, _wards(text), filter(_counts_rooms, _COUNTED.finditer(text))):
        yield _room(match, "room", Strength.FIRM)
    yield from _people(text, known)
    for pattern in _BARE:
        for match in filter(_is_bed, pattern.finditer(text)):
            yield _room(match, "room", Strength.WEAK)


def _wards(text: str) -> Iterator[re.Match[str]]:
    """A unit and a number; not a drug's extended release, nor the word "or" in capitals."""
    for pattern in (_WARD, _WARD_SPOKEN):
        for match in pattern.finditer(text):
            if not _RELEASED.search(text, max(0, match.start() - 20), match.start("room") + 3):
                yield match
    for match in _OPERATING.finditer(text):
        if not text.isupper() or not match.group()[0].isalpha() or match.group().split()[0] in _INTO:
            yield match


def _people(text: str, known: Lexicon) -> Iterator[Candidate]:
    """A number behind a patient, by name or by complaint."""
    for match in _COMPLAINT.finditer(text):
        if _presents(fold(match["what"].split()[-1]), known):
            yield _room(match, "room", Strength.FIRM)
    for match in _NAMED_IN.finditer(text):
        if _a_name(match["who"], known):
            yield _room(match, "room", Strength.WEAK)
    census = [match for match in _CENSUS.finditer(text) if _a_name(match["who"], known)]
    for match in census if len(census) > 1 else ():
        yield _room(match, "room", Strength.FIRM)


def _presents(low: str, known: Lexicon) -> bool:
    """What a patient may be called by: the hip, the DKA, the foley; not the reduction."""
    return low in _PRESENTS or known.eponym(low) or (term(low, known) and not low.endswith(("ion", "ment", "ness")))


def _and_more(match: re.Match[str]) -> Iterator[Candidate]:
    """The other rooms of "incubators N12 and N13", "rooms 4, 5 & 9"."""
    further = _MORE.match(match.string, match.end())
    if not match["plural"] and not (further and _BOTH.match(match.string, further.end())):
        return
    for _ in range(_MOST_ROOMS):
        if further is None:
            return
        yield _room(further, "more", Strength.FIRM)
        further = _MORE.match(match.string, further.end())


def _a_name(word: str, known: Lexicon) -> bool:
    low = fold(word)
    return known.surname_tier(low) > 3 and low not in known.clinical and not known.drug(low)


def _room(match: re.Match[str], group: str, strength: Strength) -> Candidate:
    return Candidate(match.start(group), match.end(group), Label.ROOM, strength)


def _counts_rooms(match: re.Match[str]) -> bool:
    """Not a unit of blood, nor POD 2, the second day after an operation."""
    cue, room = match["cue"], match["room"]
    if cue.lower() == "pod":
        return not cue.isupper() and not room[0].isdigit()
    if cue.lower() != "unit":
        return True
    before = match.string[max(0, match.start() - 20) : match.start()]
    return not _BLOOD.search(before) and not (room.isdigit() and cue == "unit" and not _ON.search(before))


def _is_bed(match: re.Match[str]) -> bool:
    """Not "stage in 3B"; and a range of numbers goes up, a bed (14-2) need not."""
    if _GRADED.search(match.string, max(0, match.start() - 40), match.start("room")):
        return False
    first = match.groupdict().get("first")
    return first is None or int(first) > int(match["second"])
