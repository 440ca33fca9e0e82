"""Which day a written date names. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime

from compliance.phi.normalise import normalise

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii")
_YEAR = r"'?(?P<year>\d{4}|\d\d)"
_GAP = r"[\s,./-]{0,3}(?:of\s|de\s)?"
_MONTH = rf"(?P<month>(?:{'|'.join(_MONTHS)})[a-z]*)\.?"
_DAY = r"(?P<day>\d{1,2})(?!\d)\s?(?:st|nd|rd|th)?"
_LEAD = re.compile(r"^(?:the\s|(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*[.,]?\s+(?:the\s)?)+")
_CLOCK = re.compile(
    r"(?:[t\s,:]|\bat\b)+\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?\s?(?:[ap]\.?m\.?)?\s?(?:z|utc|[+-]\d\d:?\d\d)?$"
)
_MILITARY = re.compile(r"[\s,]+(?:at\s)?\d{4}\s?(?:h|hrs?|hours)?$")
_COMPACT = re.compile(r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)(?:t?\d{4,6}(?:\.\d+)?(?:z|[+-]\d{4})?)?")
_WORDED = tuple(
    re.compile(form)
    for form in (
        rf"{_DAY}{_GAP}{_MONTH}{_GAP}{_YEAR}",
        rf"{_MONTH}{_GAP}{_DAY}{_GAP}{_YEAR}",
        rf"(?P<year>\d{{4}}){_GAP}{_MONTH}{_GAP}{_DAY}",
    )
)
_YEAR_FIRST = re.compile(r"(?P<year>\d{4})[-/. ](?P<month>\d{1,2})[-/. ](?P<day>\d{1,2})")
_YEAR_LAST = re.compile(rf"(?P<first>\d{{1,2}})\s?(?P<sign>[-/. ])\s?(?P<second>\d{{1,2}})\s?(?P=sign)\s?{_YEAR}")
_WITH_ROMAN = re.compile(rf"(?P<day>\d{{1,2}})[./-]\s?(?P<month>[ivx]+)[./-]\s?{_YEAR}")


def full_date(value: str, *, day_first: bool = False) -> date | None:
    """The day, or None where a part of it is missing or the words name several days.

    Numbers with dots between are in the order of Europe, others in that of the USA unless `day_first`, and either way
    in the other order where only that is a date. Two digits of a year mean the last hundred years and the next one.
    """
    text = _CLOCK.sub("", _LEAD.sub("", normalise(value).text.lower().strip().replace("0ct", "oct")))
    return _read(text, day_first=day_first) or _read(_MILITARY.sub("", text), day_first=day_first)


def written_day_first(values: Iterable[str]) -> bool:
    """Whether the dates of a conversation are in the order of Europe: one must be, and none of the USA's."""
    pairs = [(int(m["first"]), int(m["second"])) for m in map(_YEAR_LAST.fullmatch, values) if m and m["sign"] != "."]
    return any(first > 12 for first, _ in pairs) and not any(second > 12 for _, second in pairs)


def _read(text: str, *, day_first: bool) -> date | None:
    for form in (_COMPACT, _YEAR_FIRST, *_WORDED, _WITH_ROMAN):
        if match := form.fullmatch(text):
            return _day(match["year"], _month(match["month"]), int(match["day"]))
    if match := _YEAR_LAST.fullmatch(text):
        first, second = int(match["first"]), int(match["second"])
        if day_first or match["sign"] == ".":
            first, second = second, first
        return _day(match["year"], first, second) or _day(match["year"], second, first)
    return None


def _month(written: str) -> int:
    if written.isdigit():
        return int(written)
    if written in _ROMAN:
        return _ROMAN.index(written) + 1
    return _MONTHS.index(written[:3]) + 1 if written[:3] in _MONTHS else 0


def _day(year: str, month: int, day: int) -> date | None:
    full = int(year)
    if len(year) < 4:
        next_year = datetime.now(tz=UTC).year + 1
        full += next_year // 100 * 100
        full -= 100 if full > next_year else 0
    try:
        return date(full, month, day)
    except ValueError:
        return None
