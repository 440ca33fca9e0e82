"""Month and day without a year: 3/14, 3-14, 3.14. A dose, a score, a count and a fraction are written the same way.

With a stroke such numbers are a date unless their surroundings say what else they are; with a dash (a range) or a dot
(a decimal) only when the surroundings say that they are one. `bare_words` has the surroundings.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from compliance.phi.detectors.bare_words import (
    COUNTED,
    DATED,
    EVENTS,
    EXAMINED,
    PRESSED,
    RATIOS,
    SCALES,
    SEQUENCES,
    TIMES,
)
from compliance.phi.detectors.measures import UNIT, any_of, measured
from compliance.phi.detectors.written_dates import WEEKDAY
from compliance.phi.lexicon import lexicon
from compliance.phi.types import Candidate, Label, Strength

MILITARY = r"(?:[01]\d|2[0-3])[0-5]\d"
"""A time of day without a colon: 0730."""

_BARE = r"(?<![\w./$^*:])(?<![^\d\s(]-)(?P<m>\d{1,2})"
_PAIRS = re.compile(rf"{_BARE}/(?P<d>\d{{1,2}})(?![\w%]|[./^]\d|\s?%)(?!:\d)")
_DASHED = re.compile(rf"{_BARE}-(?P<d>\d{{1,2}})(?![\w%/-]|\.\d)(?!{UNIT})", re.IGNORECASE)
_DOTTED = re.compile(rf"{_BARE}\.(?P<d>\d{{1,2}})(?![\w%/-]|\.\d)(?!{UNIT})", re.IGNORECASE)
_JOINS = re.compile(
    r"\s{0,2}(?:-{1,2}>?|→|,|&|and|to|thru|through|until|till?|or|vs\.?|then)\s{0,2}(?:and\s|again\s|on\s)?",
    re.IGNORECASE,
)
_CLOCK = r"\d{1,2}:\d\d"

# -- For a date
_BEFORE = re.compile(
    rf"\b(?:{TIMES}(?:\s(?:the|a|about|this|her|his)\b)?(?:\s[a-z][a-z-]{{2,15}})?|{EVENTS}(?:\s[\w./'-]{{1,15}}){{0,3}}"
    rf"|{_CLOCK}(?:\s?[ap]\.?m)?|{MILITARY})\s?[:,(@=-]{{0,2}}\s{{0,2}}(?:{WEEKDAY})?$",
    re.IGNORECASE,
)
_CLOSE = re.compile(
    rf"(?:^|[\s(,;:])(?:on|since|until|till?|by|{EVENTS})(?:\s(?:the|on|of|was)\b){{0,2}}\s?[:,(]?\s?$", re.IGNORECASE
)
_WEEKDAY_BEFORE = re.compile(rf"\b{WEEKDAY}$", re.IGNORECASE)
_AFTER = re.compile(
    rf"(?:\s|,\s)(?:{EVENTS}(?!\w)|at \d|@|[ap]m\b|{MILITARY}\b(?!{UNIT})|{_CLOCK}\b)|\s?=\s?\d|:\s", re.IGNORECASE
)
# A range or a decimal goes on with a noun ("on 2-3 pressors"); a day with the end of the clause or a small word.
_GOES_ON = re.compile(
    r"(?!\s?(?:$|[.,;:?!)\n@]|-\s|w/|\+|\[)|\s"
    + any_of("and at for with w in but to so he she they it i we pt was is had has then by per from off after before")
    + r"\b|\s[A-Z](?=\w)|\s\d{1,2}:\d\d)"
)
_DATED = re.compile(rf"\b(?:{DATED}|since|until)(?:\s(?:on|for|was)\b){{0,2}}\s$", re.IGNORECASE)
_EXAMINED = re.compile(rf"\b{EXAMINED}(?:\s(?:on|for|was)\b){{0,2}}\s$", re.IGNORECASE)
_MANY = re.compile(r"\s[a-z]{3,15}s\b")
_ON_DAY = re.compile(r"\b(?:on|since|until|from|by)\s$", re.IGNORECASE)

# -- For something else
_SCALE = re.compile(rf"\b(?:{SCALES}|{PRESSED})\b", re.IGNORECASE)
_PRESSED = re.compile(rf"\b{PRESSED}\b", re.IGNORECASE)
_SEQUENCE = re.compile(rf"(?:\b{SEQUENCES}|#|\d-|[~<>≤≥])\s?$", re.IGNORECASE)
_EQUALS = re.compile(r"=\s?$")
_SMALL = any_of("at by for with in on to from per and")
_COUNT = re.compile(
    rf"\s(?:of\s(?:the\s|his\s|her\s)?)?(?:(?!{_SMALL}\s)[a-z-]{{2,14}}\s){{0,2}}"
    rf"(?i:{COUNTED})\b"
)
_SHARE = re.compile(r"\s?[;,:(\[=]\s?\d{1,3}(?:\.\d{1,2})?\s?%")
_RATIO = re.compile(rf"\b(?P<a>[A-Za-z][\w-]{{0,14}})\s?/\s?[A-Za-z][\w-]{{0,14}}\s(?:(?:{RATIOS}|bili\w*)\s)?$")
_NO_RATIO = frozenset(["s", "f", "d", "u", "b", "w", "h", "c", "r", "p", "a"])  # s/p, f/u, d/c, u/s, b/c, h/o, c/w, r/t
_RESULT = re.compile(r"\s?=\s?\d")
_DURATION = re.compile(r"\b(?:in|for|x|every|q|over|past|last|next)\s$", re.IGNORECASE)
_WHOLE = re.compile(r"(?<![\d./:-])\d{1,2}\s$")  # 39 2/7 weeks, 3 1/2 years
_FRACTIONS = re.compile(r"1/[234]|2/3|3/4|24/7|9/11")
_STRENGTHS = re.compile(r"8/2|2/10|2/0|4/[18]|12/3|5/(?:12|[24]0|2)|10/(?:[24]0|25|12|5)|7/3")
_LAST_WORD = re.compile(r"(?P<word>[A-Za-z][\w-]{1,40})\s$")
_OF_A_WHOLE = re.compile(r"\s(?:of|full|empty|way|down|dose)\b", re.IGNORECASE)
_PARTS = (2, 3, 4, 7, 8, 12)  # a year has twelve, a week seven
_MARKS = (4, 5, 10)  # strength, pulses, pain: the highest mark of what is written without its name


def calendar(first: str, second: str) -> bool:
    """Month and day, in either order."""
    a, b = int(first), int(second)
    return (1 <= a <= 12 and 1 <= b <= 31) or (1 <= a <= 31 and 1 <= b <= 12)


def detect(text: str) -> Iterator[Candidate]:
    """Dates of a month and a day in digits."""
    if "/" in text:
        yield from _stroked(text)
    for run in _runs(text, _DASHED) if "-" in text else ():
        if all(calendar(m["m"], m["d"]) for m in run) and _is_no_range(text, run[0]):
            yield from (_found(*match.span()) for match in run)
    for match in _DOTTED.finditer(text) if "." in text else ():
        if calendar(match["m"], match["d"]) and _is_no_decimal(text, match):
            yield _found(*match.span())


def _stroked(text: str) -> Iterator[Candidate]:
    scales = _scales(text)
    decided: dict[tuple[str, str, int], bool] = {}
    for run in _runs(text, _PAIRS):
        start, end = run[0].start(), run[-1].end()
        around = (text[max(0, start - 45) : start], text[start : end + 80], end - start)
        if around not in decided:  # a table repeats itself
            decided[around] = all(calendar(m["m"], m["d"]) for m in run) and _is_date(text, run, scales)
        if decided[around]:
            weekday = _WEEKDAY_BEFORE.search(text, max(0, run[0].start() - 14), run[0].start())
            for match in run:
                yield _found(match.start(), match.end())
            if weekday:
                yield _found(weekday.start(), run[0].end())


def _runs(text: str, pattern: re.Pattern[str]) -> Iterator[list[re.Match[str]]]:
    """Pairs that follow each other with a comma, a dash or a small word between: "3/4, 3/6 and 3/9"."""
    run: list[re.Match[str]] = []
    for match in pattern.finditer(text):
        if run and not _JOINS.fullmatch(text, run[-1].end(), match.start()):
            yield run
            run = []
        run.append(match)
    if run:
        yield run


def _scales(text: str) -> set[str]:
    """Second numbers that two different first numbers stand before in brackets: (2/19), (12/19) count the same."""
    pairs = {(m["d"], m["m"]) for m in _PAIRS.finditer(text) if text[m.start() - 1 : m.start()] == "("}
    return {scale for scale, firsts in Counter(scale for scale, _ in pairs).items() if firsts > 1}


def _is_date(text: str, run: list[re.Match[str]], scales: set[str]) -> bool:
    """Whether nothing around these pairs, nor they themselves, speaks of a score, a count, a dose or a fraction."""
    start, end = run[0].start(), run[-1].end()
    before, after = text[max(0, start - 45) : start], re.split(r"[.;\n]", text[end : end + 18])[0]
    pairs = [(int(m["m"]), int(m["d"])) for m in run]
    fractions = all(_FRACTIONS.fullmatch(m.group()) for m in run)
    if _counted(text, end, pairs, fractions=fractions) or (_strength(before, run) and not _RESULT.match(text, end)):
        return False
    if any("0" in (m["m"][0], m["d"][0]) for m in run):
        return True
    if _CLOSE.search(before) or _WEEKDAY_BEFORE.search(before):
        return not _SCALE.match(after.lstrip())
    if _rated(before, after, pairs):
        return False
    if _AFTER.match(text, end):
        return True
    if fractions or any(month > 12 for month, _ in pairs) or _part(before, pairs[0]):
        return False
    share = before.endswith("% (") or _mark(pairs) or (len(run) == 1 and run[0]["d"] in scales)
    return bool(_BEFORE.search(before)) or not share


def _counted(text: str, end: int, pairs: list[tuple[int, int]], *, fractions: bool) -> bool:
    """A unit, things or a share behind, or two shares of the same whole: from 8/10 to 4/10."""
    return (
        (len(pairs) > 1 and len({scale for _, scale in pairs}) == 1)
        or (measured(text, end) and not re.match(r"\s(?:line|patient)\b", text[end : end + 9]))
        or any(pattern.match(text, end) for pattern in (_COUNT, _SHARE))
        or (fractions and bool(_OF_A_WHOLE.match(text, end)))
    )


def _rated(before: str, after: str, pairs: list[tuple[int, int]]) -> bool:
    """A scale, a pressure or two things beside them. A score is never above the highest there is."""
    clause = re.split(r"[.;]\s|\n", before[-30:])[-1]
    rated = _PRESSED if all(a > b for a, b in pairs) else _SCALE
    equal = _EQUALS.search(before) and pairs[0][0] <= pairs[0][1]
    return bool(rated.search(clause) or rated.search(after) or _SEQUENCE.search(before) or _ratio(before) or equal)


def _mark(pairs: list[tuple[int, int]]) -> bool:
    """So much of the most there is: 4/5, 9/10, 12/12; all of a run, or the only one."""
    return all(a == b or (a < b and b in _MARKS) for a, b in pairs)


def _part(before: str, pair: tuple[int, int]) -> bool:
    """Twelfths of a year, sevenths of a week and the like: "repeat in 3/12", "39 2/7", "3 1/2"."""
    a, b = pair
    return a < b and (
        (b in _PARTS and bool(_WHOLE.search(before))) or (b in (7, 12) and bool(_DURATION.search(before)))
    )


def _ratio(before: str) -> bool:
    """The two values of two things: AST/ALT 12/20, H/H 9/27, oxycodone/apap 5/325."""
    match = _RATIO.search(before)
    return match is not None and (match["a"].lower() not in _NO_RATIO or match.group().startswith(("H/H", "h/h")))


def _strength(before: str, run: list[re.Match[str]]) -> bool:
    """The usual strengths of a combination directly behind a drug: Suboxone 8/2."""
    word = _LAST_WORD.search(before)
    usual = all(_STRENGTHS.fullmatch(m.group()) for m in run)
    return word is not None and usual and lexicon().drug(word["word"].lower())


def _is_no_range(text: str, match: re.Match[str]) -> bool:
    """Counting down, zeros before, or a day above twelve behind an event: "surgery 8-19", "on 10-3"."""
    a, b = int(match["m"]), int(match["d"])
    one_way = b < a or b > 12
    if a > 12 or (_MANY if one_way else _GOES_ON).match(text, match.end()):
        return False
    before = text[max(0, match.start() - 45) : match.start()]
    if _CLOSE.search(before) or _WEEKDAY_BEFORE.search(before):
        return True
    if _SCALE.search(before[-30:]) or _SEQUENCE.search(before):
        return False
    padded = match["m"].startswith("0") or match["d"].startswith("0")
    return bool(_AFTER.match(text, match.end())) or ((padded or one_way) and bool(_BEFORE.search(before)))


def _is_no_decimal(text: str, match: re.Match[str]) -> bool:
    """Zeros before both, an examination or a plan directly before, or the second dot of a European date."""
    before = text[max(0, match.start() - 45) : match.start()]
    padded = match["m"].startswith("0") and len(match["d"]) == 2
    if padded:
        return bool(_BEFORE.search(before)) or _AFTER.match(text, match.end()) is not None
    if _GOES_ON.match(text, match.end()):
        return len(match.group()) > 3 and bool(_DATED.search(before) or _EXAMINED.search(before))
    follows = text[match.end() : match.end() + 3]
    ordinal = int(match["d"]) <= 12 and follows[:1] == "." and follows[1:].strip().islower() and _ON_DAY.search(before)
    return bool(ordinal or _DATED.search(before) or (len(match.group()) > 3 and _EXAMINED.search(before)))


def _found(start: int, end: int) -> Candidate:
    return Candidate(start, end, Label.DATE, Strength.FIRM)
