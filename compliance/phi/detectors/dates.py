"""Dates finer than a year. A year alone, a month alone, a weekday and a duration stay readable."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compliance.phi.types import Candidate, Label, Strength

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_DAY = r"(?:3[01]|[12]\d|0?[1-9])(?!\d)(?:st|nd|rd|th)?\b"
_ONES = "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth"
_ORDINAL = (
    rf"(?:(?:twenty|thirty)[- ](?:{_ONES})|{_ONES}|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth"
    r"|seventeenth|eighteenth|nineteenth|twentieth|thirtieth)\b"
)
_YEAR = r"(?:(?:19|20)\d\d\b(?![-/]\d)|'\d\d\b)"
_WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\b[.,]?\s{1,2})?"
_CLOCK = r"(?:[T,\s]\s?\d{1,2}:\d\d(?::\d\d)?(?:\.\d{1,6})?(?:Z|\s?[ap]m\b)?)?"
_WITH_YEAR = rf"(?:[,\s]{{1,2}}(?:of\s)?{_YEAR})"
_UNIT = (
    r"(?!\s?-?\s?(?:mg|mcg|ug|g|kg|m?l|mm|cm|iu|meq|mmol|units?|tab(?:let)?s?|caps?|drops?|puffs?|doses?|times"
    r"|weeks?|days?"
    r"|hours?|hrs?|months?|years?|patients?|line|degree|generation|trimester|%)\b)(?!\s?%)"
)

_WORDED = re.compile(
    rf"\b{_WEEKDAY}(?:"
    rf"(?P<month>{_MONTH})\s{{0,2}}(?:the\s)?(?:{_DAY}|{_ORDINAL}){_UNIT}(?:\s?-\s?{_DAY})?{_WITH_YEAR}?"
    rf"|(?:the\s)?(?:{_DAY}"
    rf"|{_ORDINAL})\s?(?:of\s)?[-\s.]?(?P<later>{_MONTH})(?:[-,\s.]{{1,2}}(?:of\s)?(?:{_YEAR}|\d\d\b))?"
    rf"|(?P<only>{_MONTH}),?\s(?:of\s)?{_YEAR}"
    r")",
    re.IGNORECASE,
)
_GLUED = re.compile(rf"\b(?:3[01]|[12]\d|0?[1-9]){_MONTH[:-5]}(?:(?:19|20)?\d\d)\b", re.IGNORECASE)
_NUMERIC = re.compile(
    r"(?<![\w./$-])(?:"
    rf"(?P<iso>(?:19|20)\d\d(?P<s1>[-/.])(?:1[0-2]|0?[1-9])(?P=s1)(?:3[01]|[12]\d|0?[1-9])(?!\d){_CLOCK})"
    r"|(?P<a>\d{1,2})(?P<s2>[-/.])(?P<b>\d{1,2})(?P=s2)(?:(?:19|20)\d\d|\d\d)"
    r"|'\d\d-\d\d-\d\d"
    r"|(?:1[0-2]|0?[1-9])/(?:19|20)\d\d"
    r"|(?:1[0-2]|[1-9])/(?:3[01]|[12]\d|[1-9])(?=:\s)"
    r"|0[1-9]/(?:0[1-9]|[12]\d|3[01])"
    rf")(?![\w-]|[./]\d){_UNIT}"
)
_COMPACT = re.compile(
    r"(?<![\w.-])(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:\d{4}(?:\d\d)?)?(?![\w-]|\.\d)"
)
_NO_YEAR = re.compile(
    r"\b(?:(?=(?:mon|tue|wed|thu|fri|sat|sun))|(?:on|since|until|till?|through|thru|before|after|date|dated"
    r"|called|saw|came|seen|(?:re)?admit(?:ted)?|discharged?|d/c(?:'?d)?|dx'?d?"
    r"|due|dos|last|next|visit|appt|appointment|f/u|follow-up|started|stopped|given|collected|drawn"
    r"|implanted)\s?[:,]?\s(?:on\s)?)"
    rf"(?P<date>{_WEEKDAY}(?P<m>\d{{1,2}})/(?P<d>\d{{1,2}}))(?![\w/]|\.\d){_UNIT}",
    re.IGNORECASE,
)
_SCALE = re.compile(
    r"\b(?:pain|strength|reflex|scale|score|rat(?:es?|ed|ing)|murmur|grade|nrs|vas|power|tab)\b", re.IGNORECASE
)
_BIRTH = re.compile(
    r"\b(?:d\.?o\.?b\.?|birth\s?-?date|date of birth|born(?: on)?)[\s:=\"'#-]{1,5}(?P<date>\d[\d/.\- ]{4,10}\d)\b",
    re.IGNORECASE,
)
_HOLIDAY = re.compile(
    rf"\b(?:(?:Christmas|New Year(?:'s|s)?) (?:Day|Eve)|Christmas(?! (?:disease|tree|factor))"
    rf"|Thanksgiving(?: Day)?|Halloween"
    rf"|(?:Labor|Memorial|Independence|Veterans|Valentine's|Mother's|Father's) Day|Easter (?:Sunday"
    rf"|Monday))(?:,?\s(?:of\s)?{_YEAR})?"
)


def detect(text: str) -> Iterator[Candidate]:
    """Calendar dates in words and digits."""
    for match in _WORDED.finditer(text):
        if not _modal_may(match):
            yield Candidate(match.start(), match.end(), Label.DATE, Strength.FIRM)
    for match in _NUMERIC.finditer(text):
        if match["a"] is None or _calendar(int(match["a"]), int(match["b"])):
            yield Candidate(match.start(), match.end(), Label.DATE, Strength.FIRM)
    for match in _NO_YEAR.finditer(text):
        if _calendar(int(match["m"]), int(match["d"])) and not _on_a_scale(text, match):
            yield Candidate(match.start("date"), match.end("date"), Label.DATE, Strength.FIRM)
    for match in _BIRTH.finditer(text):
        yield Candidate(match.start("date"), match.end("date"), Label.DATE, Strength.FIRM)
    for pattern, strength in ((_GLUED, Strength.FIRM), (_COMPACT, Strength.WEAK), (_HOLIDAY, Strength.FIRM)):
        for match in pattern.finditer(text):
            yield Candidate(match.start(), match.end(), Label.DATE, strength)


def _calendar(a: int, b: int) -> bool:
    """Month and day, in either order."""
    return (1 <= a <= 12 and 1 <= b <= 31) or (1 <= a <= 31 and 1 <= b <= 12)


def _modal_may(match: re.Match[str]) -> bool:
    """Lower-case "may 3" or "3 mar" without a year is not a date: the verb, or chance."""
    month = match["month"] or match["later"] or ""
    return (
        month[:3] in ("may", "mar", "dec", "sep")
        and len(month) < 6
        and not re.search(r"(?:19|20)\d\d|(?<=\d)(?:st|nd|rd|th)", match.group())
    )


def _on_a_scale(text: str, match: re.Match[str]) -> bool:
    """8/10 pain, 5/5 strength."""
    near = text[max(0, match.start() - 30) : match.end() + 20]
    return match["d"] in ("5", "10", "2", "3", "4", "6") and bool(_SCALE.search(near))
