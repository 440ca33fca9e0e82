"""Dates finer than a year, in words: months, ordinals, weekdays, quarters. Holidays are in `holidays`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compliance.phi.detectors import holidays
from compliance.phi.detectors.measures import UNIT, any_of
from compliance.phi.types import Candidate, Label, Strength

# Months with the usual slips: Septmber, Febuary, 0ct.
_MONTHS = any_of(
    """jan(?:[a-z]{0,5}ry)? feb(?:[a-z]{0,5}ry)? mar(?:ch)? apr(?:i?ll?)? apirl may june? july? aug(?:ust)? agust
    augst
    sept?(?:[a-z]{0,5}ber)? [o0]ct(?:[a-z]{0,3}ber)? nov(?:[a-z]{0,4}ber)? dec(?:[a-z]{0,4}ber)?"""
)
_MONTH = rf"{_MONTHS}(?![a-z])"
SHORT_MONTH = any_of("jan feb mar apr may jun jul aug sep oct nov dec")
_ABROAD = any_of(
    """enero febrero marzo abril mayo junio julio agosto septiembre setiembre octubre noviembre diciembre
    janvier f[eé]vrier mars avril mai juin juillet ao[uû]t septembre octobre novembre d[eé]cembre
    januar februar m[aä]rz juni juli oktober dezember
    janeiro fevereiro mar[cç]o maio junho julho setembro outubro novembro dezembro
    gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre"""
)
_FEASTS = any_of(
    """tishrei (?:mar)?cheshvan kislev tevet sh'?vat adar(?:_i{1,2})? nisan iyar sivan tam+uz elul
    muharram safar rabi'_al-\\w{5,6} rajab sha'?ban ramadan shawwal"""
)
_DAYNAME = rf"{any_of('mon tues? wed(?:nes)? weds thu(?:rs?)? fri sat(?:ur)? sun')}(?:day)?"
WEEKDAY = rf"(?:{_DAYNAME}\b[.,]?\s{{1,2}}(?:the\s)?)"

_ONES = any_of("first second third fourth fifth sixth seventh eighth ninth")
_HIGH = any_of(
    rf"""(?:twenty|thirty)[-\s]{_ONES} tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth
    eighteenth nineteenth twentieth thirtieth"""
)
_BELOW_TEN = any_of("one two three four five six seven eight nine")
_BELOW_100 = any_of(
    rf"""(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?:[\s-]{_BELOW_TEN})? oh[\s-]{_BELOW_TEN} ten
    eleven
    twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"""
)
_SPOKEN_YEAR = rf"(?:(?:nineteen|twenty)[\s-]{_BELOW_100}|two thousand(?:\s(?:and\s)?(?:{_BELOW_TEN}|{_BELOW_100}))?)\b"
_YEAR = rf"(?:(?:19|20)\d\d(?!\d)(?![-/]\d)|'\d\d\b|{_SPOKEN_YEAR})"
_WITH_YEAR = rf"(?:[,.]?[\s-]{{0,2}}(?:of\s|in\s)?{_YEAR})"

# A day is followed by no unit, no age and no more digits: "May 10 mg", "June 5, 12 yo".
_TAIL = rf"(?![\w%]|[/:]\d|\.\d)(?!{UNIT})(?!\s?-?\s?(?:y/?o|yr|year|month|week|day|hour)\b)"
_NTH = r"(?:3[01]|[12]\d|[1-9])\s?(?:st|nd|rd|th)(?![a-z])"
_IN_DIGITS = rf"(?:3[01]|[12]\d|0?[1-9])(?!\d)(?:\s?(?:st|nd|rd|th)(?![a-z]))?{_TAIL}"
_DAY = rf"(?:{_IN_DIGITS}|(?:{_HIGH}|{_ONES})\b{_TAIL})"
_DAYS = rf"{_DAY}(?:\s?(?:-|,|&|to|and|or|thru|through|, and)\s?(?:the\s)?{_DAY}){{0,5}}"
_CLOCK = r"(?:,?\s(?:at\s)?\d{1,2}:\d\d(?::\d\d)?(?:\s?[ap]\.?m\b)?)?"

_WITH_MONTH = (
    # March 3, 4 and 6, 2023
    re.compile(
        rf"(?<![\w])(?:{WEEKDAY})?(?P<month>{_MONTH})\.?[\s-]{{0,2}}(?:the\s)?{_DAYS}(?:{_WITH_YEAR}{_CLOCK}|-\d\d\b)?",
        re.IGNORECASE,
    ),
    # between the 2nd and 5th of June
    re.compile(
        rf"(?<![\w/.$])(?:{WEEKDAY})?(?:the\s)?(?:{_DAYS}|(?:3[01]|[12]\d|0?[1-9])(?:st|nd|rd|th)?)"
        rf"\s?(?:of\s)?[-.,\s/]?(?:the\s)?(?P<month>{_MONTH})\.?(?!-[a-z]{{3}})"
        rf"(?:[-,\s./]{{1,2}}(?:of\s)?{_YEAR}{_CLOCK}|[-\s/.]\d\d\b(?![/.:]\d)(?!{UNIT}))?",
        re.IGNORECASE,
    ),
)
_OTHERS = (
    # March 2021; Mar-Apr 2021
    re.compile(
        rf"(?<!\w)(?:{_MONTH}\s?(?:-|/|to|and|or|through)\s?)?{_MONTH}\.?[,/]?[\s-]{{0,2}}(?:(?:of\s)?{_YEAR}|of\s\d\d\b)(?!{UNIT})",
        re.IGNORECASE,
    ),
    # 04JUL24, 14-MAR-2024:06:52
    re.compile(
        rf"(?<![\w.])(?:3[01]|[12]\d|0?[1-9])-?{_MONTHS}-?(?:(?:19|20)\d\d|\d\d)(?!\w)(?::\d\d:\d\d(?::\d\d)?|{_CLOCK})",
        re.IGNORECASE,
    ),
    # 2024Apr18
    re.compile(rf"(?<![\w.])(?:19|20)\d\d-?{SHORT_MONTH}-?(?:3[01]|[12]\d|0[1-9])(?!\w)", re.IGNORECASE),
    # 5 de mayo de 2023
    re.compile(
        rf"(?<![\w/.])(?:3[01]|[12]\d|0?[1-9])(?:er|st|nd|rd|th|\.|º)?\s(?:de\s|of\s)?(?:{_ABROAD}|{_FEASTS})\b(?:,?\s(?:del?\s)?(?:[12]\d|5[67])\d\d\b)?",
        re.IGNORECASE,
    ),
    # Ramadan 27 2023
    re.compile(rf"\b{_FEASTS}\s{_DAY}(?:,?\s(?:[12]\d|5[67])\d\d\b)?", re.IGNORECASE),
    # the first Tuesday in October; the last week of May; the 1st of this month
    re.compile(
        rf"\b(?:the\s)?(?:{_ONES}|last|[1-5](?:st|nd|rd|th))\s"
        rf"(?:{_DAYNAME}|day|week|weekend|half|part)\s(?:in|of)\s"
        rf"(?:{_MONTH}{_WITH_YEAR}?|(?:the|this|last|next) month\b)"
        rf"|\bthe {_NTH} of (?:the|this|last|next) month\b",
        re.IGNORECASE,
    ),
    # Q1 2023, 3rd quarter of 2022
    re.compile(
        rf"\b(?:Q[1-4](?:[\s/'-]{{1,2}}|\sof\s)?{_YEAR}|(?:19|20)\d\d[\s-]?Q[1-4]\b"
        rf"|(?:{_ONES}|last|[1-4](?:st|nd|rd|th)) quarter (?:of\s)?{_YEAR})",
        re.IGNORECASE,
    ),
)
_MONTH_NAME = (
    r"(?:(?i:january|february|april|june|july|august|september|october|november|december)"
    r"|March|May|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b"
)
_MONTH_ALONE = re.compile(
    r"\b(?:(?:since|until|back in|in(?: (?:early|mid|late))?|by|from|before|after)[\s-]|(?=(?:last|this past|next) ))"
    rf"(?P<month>(?:last |this past |next )?{_MONTH_NAME}(?: of (?:last|this) year)?)"
    r"(?!['-])(?! [A-Z\d])"
)

_MONTH_OF_EVENT = re.compile(
    rf"\b(?P<month>(?!May\b){_MONTH_NAME})(?= (?:visit|appointment|appt|labs?|admission|clinic|scan|mri|ct|echo|surgery"
    r"|hospitali[sz]ation|biopsy|draw|fill|refill|injection|infusion|dose|shot)\b)"
)

# -- A day alone: "since the 14th", "cath the 3rd", "Sat the 9th"; not the 5th rib nor the 10th percentile.
_TIMES = any_of(
    """on since until till? 'til by from before after around through thru starting beginning dated was as_of
    again due next last"""
)
_GOES_ON = any_of(
    """and at for with w in but to so or then he she they it i we you pt is was had has have can could will did
    because
    bc when where by after before per which due until if as last this now still my his her our labs? visit"""
)
_STOPS = (
    r"(?!,? (?:and )?\d{1,2}(?:st|nd|rd|th))"
    rf"(?=\s?(?:$|[.,;:?!)\n]|-\s|w/|\+)|\s{_GOES_ON}\b)"
)
_DAY_ALONE = re.compile(
    rf"\b(?P<cue>{_TIMES})\s(?:(?:or )?about\s)?(?:{WEEKDAY}|the\s)"
    rf"(?:{_NTH}|{_HIGH}|fourth|fifth|sixth|seventh|eighth|ninth)"
    rf"(?:\s?(?:-|,|and|or|to|&|, and)\s?(?:the\s)?{_NTH}){{0,4}}{_STOPS}"
    rf"|\b(?P<weekday>){_DAYNAME},?\s(?:the\s{_HIGH}|(?:the\s)?{_NTH}){_STOPS}"
    rf"|\b(?P<noun>[a-z]{{2,15}})\sthe\s{_NTH}(?:\s?(?:-|and|or|to|&)\s?(?:the\s)?{_NTH}){{0,2}}{_STOPS}",
    re.IGNORECASE,
)
_RANKS = re.compile(
    any_of("at below above under over near between crossing of in than percentiles? centiles? %ile"), re.IGNORECASE
)
_RANKED = re.compile(
    r"percentile|centile|%ile|\b"
    + any_of("ribs? intercostal digits? toes? fingers? nerves? metatars metacarp ventricle vertebra ics edition place"),
    re.IGNORECASE,
)

# -- Months that are also words
_GENES = re.compile(r"(?:oct-?[346]|(?:sept|march|dec)-?\d{1,2}|mar-?\d)", re.IGNORECASE)  # OCT4, SEPT9
_SURELY = re.compile(r"\d(?:st|nd|rd|th)\b|\bof\b|(?:19|20)\d\d", re.IGNORECASE)
_TIME_BEFORE = re.compile(rf"\b(?:{_TIMES}|seen|visit|in|of|late|early|mid)[\s-]$", re.IGNORECASE)


def detect(text: str) -> Iterator[Candidate]:
    """Dates with a month, a weekday, an ordinal or a holiday in words."""
    for pattern in _WITH_MONTH:
        for match in pattern.finditer(text):
            if not _another_word(text, match):
                yield _found(match.start(), match.end())
    for pattern in (*_OTHERS, holidays.pattern(_YEAR)):
        for match in pattern.finditer(text):
            yield _found(match.start(), match.end())
    for pattern in (_MONTH_ALONE, _MONTH_OF_EVENT):
        for match in pattern.finditer(text):
            yield Candidate(match.start("month"), match.end(), Label.DATE, Strength.WEAK)
    for match in _DAY_ALONE.finditer(text):
        ranked = _RANKED.search(text, match.start(), match.end() + 15) or (
            match["noun"] and _RANKS.fullmatch(match["noun"])
        )
        if not ranked:
            yield _found(
                match.start() if match["weekday"] is not None else match.end(match.lastgroup or 0), match.end()
            )


def _another_word(text: str, match: re.Match[str]) -> bool:
    """May the verb ("type 2 may", "it may 3 times"), and genes: OCT4."""
    if _GENES.fullmatch(match.group()):
        return True
    if match["month"].lower() != "may" or match["month"] == "May" or _SURELY.search(match.group()):
        return False
    return not _TIME_BEFORE.search(text, max(0, match.start() - 10), match.start())


def _found(start: int, end: int) -> Candidate:
    return Candidate(start, end, Label.DATE, Strength.FIRM)
