"""Dates finer than a year. A year alone, a month alone, a weekday and a duration stay readable.

Here are the full dates in digits; `bare_dates` has those without a year and `written_dates` those with words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from compliance.phi.detectors import bare_dates, written_dates
from compliance.phi.detectors.bare_dates import MILITARY, calendar
from compliance.phi.detectors.measures import UNIT, any_of
from compliance.phi.types import Candidate, Label, Strength

_YEAR = r"(?:19|20)\d\d"
_MONTH, _DAY = r"(?:1[0-2]|0?[1-9])", r"(?:3[01]|[12]\d|0?[1-9])"
_CLOCK = (
    r"(?:(?:T|,?\s{1,2}(?:at\s)?)\d{1,2}:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:\s?[ap]\.?m\b\.?)?"
    r"(?:\s?(?:Z\b|[+-]\d\d:?\d\d\b|(?:UTC|GMT|[ECMPA][SD]T)\b))?"
    rf"|\s(?:at\s)?{MILITARY}(?:\s?(?:h|hrs?|hours)\b)?(?![\w-]|[.,/:]\d))?"
)
_STARTS = r"(?<![\w./$^*:])(?<![^\d\s(]-)(?<!\d{5}-)"
_ENDS = r"(?!\w|-[A-Za-z]|-\d{1,6}(?![\d/.])|[./:^]\d)"

_FULL = re.compile(
    rf"{_STARTS}(?:"
    rf"{_YEAR}(?P<s1>[-/.]){_MONTH}(?P=s1){_DAY}(?!\d){_CLOCK}"  # 2024-03-10T23:58:00Z
    rf"|(?P<a>\d{{1,2}})(?P<s2>\s?[-/.]\s?)(?P<b>\d{{1,2}})(?P=s2)(?:{_YEAR}|'?\d\d)(?!\d)(?!{UNIT}){_CLOCK}"
    r"|'\d\d-\d\d-\d\d"
    rf"|\d{{1,2}}(?P<s3>[./-])\s?(?-i:[IVX]{{1,4}})(?P=s3)\s?(?:{_YEAR}|\d\d)"  # 6.V.1944
    rf"|{_YEAR}[-/. ]{written_dates.SHORT_MONTH}[a-z]{{0,6}}[-/. ]{_DAY}"  # 2024-Mar-14
    rf"|{_MONTH}[/-]{_YEAR}|(?:1[0-2]|0[1-9])\.{_YEAR}"  # 12/1921
    rf"|{_YEAR}/(?:0[1-9]|1[0-2])|{_YEAR}-W[0-5]\d(?:-[1-7])?"
    rf"){_ENDS}(?!{UNIT})",
    re.IGNORECASE,
)
_SPACED = re.compile(rf"{_STARTS}(?P<a>[0-3]\d) (?P<b>[0-3]\d) {_YEAR}{_ENDS}")
_MONTH_OR_YEARS = re.compile(rf"{_STARTS}(?P<year>{_YEAR})-(?P<month>0[1-9]|1[0-2]){_ENDS}")
_ROMAN = re.compile(rf"(?<![\w./-]){_DAY}\.(?:I|II|III|IV|V|VI|VII|VIII|IX|X|XI|XII)(?=[.,;)]?(?:\s|$))")
_COMPACT = re.compile(
    r"(?<![\w.-])(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
    rf"(?:T?{MILITARY}(?:[0-5]\d(?:\.\d{{1,6}})?)?(?:Z|[+-]\d{{4}})?)?(?![\w-]|\.\d)"
)
_BORN = r"\b(?:d\.?o\.?b\.?|birth\s?-?(?:date|day)|bday|date of birth|born(?: on)?|fecha de nacimiento|nacid[oa])"
_SPOKEN = any_of(
    """oh one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred"""
)
_BIRTHS = (
    re.compile(
        rf"{_BORN}(?:\s(?:is|was|of|as|on)\b){{0,2}}[\s:=\"'#|-]{{1,6}}"
        r"(?P<date>\d{6}|\d{8}|\d{1,2}(?P<sep>[\s./-]{1,2})\d{1,2}(?P=sep)\d{2,4}|\d{1,2}[/-]\d{1,2})"
        rf"(?![\w-]|[./]\d)(?!{UNIT})",
        re.IGNORECASE,
    ),
    re.compile(
        rf"{_BORN}[\s:,]{{1,3}}(?:is |was )?(?P<date>{_SPOKEN}(?:[\s,/-]{{1,2}}{_SPOKEN}){{2,8}})\b", re.IGNORECASE
    ),
)


def detect(text: str) -> Iterator[Candidate]:
    """Calendar dates in words and digits."""
    yield from written_dates.detect(text)
    yield from _full(text)
    yield from _births(text)
    yield from bare_dates.detect(text)


def _full(text: str) -> Iterator[Candidate]:
    for match in _FULL.finditer(text):
        if match["a"] is None or calendar(match["a"], match["b"]):
            yield _found(match.start(), match.end())
    for match in _SPACED.finditer(text):
        if calendar(match["a"], match["b"]):
            yield _found(match.start(), match.end(), Strength.WEAK)
    for match in _MONTH_OR_YEARS.finditer(text):
        if int(match["month"]) <= int(match["year"]) % 100:  # else two years: 2010-12
            yield _found(match.start(), match.end())
    for pattern in (_ROMAN, _COMPACT):
        for match in pattern.finditer(text):
            yield _found(match.start(), match.end(), Strength.WEAK)


def _births(text: str) -> Iterator[Candidate]:
    for pattern in _BIRTHS:
        for match in pattern.finditer(text):
            yield _found(match.start("date"), match.end("date"))


def _found(start: int, end: int, strength: Strength = Strength.FIRM) -> Candidate:
    return Candidate(start, end, Label.DATE, strength)
