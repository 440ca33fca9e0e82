"""Numbers given to a person, a policy or a thing: by the word beside them, by their column, shape or check digit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from compliance.phi.detectors import columns, handles, marks, shapes
from compliance.phi.detectors.codes import public_code
from compliance.phi.detectors.id_words import EVERYDAY, PROPER
from compliance.phi.detectors.measures import UNIT, any_of, measured
from compliance.phi.lexicon import lexicon
from compliance.phi.types import Candidate, Label, Strength

_KINDS: dict[str, tuple[Label, bool]] = {
    re.sub(r"[\W_]", "", word): (label, proper)
    for proper, table in ((False, EVERYDAY), (True, PROPER))
    for label, words in table.items()
    for word in words.split()
}


def _pattern(words: Iterable[str]) -> str:
    """The longest first, so that "member id" is not read as "member"; sorted by first letter, which is faster."""
    by_letter: dict[str, list[str]] = {}
    for word in sorted(words, key=len, reverse=True):
        by_letter.setdefault(word[0], []).append(re.escape(word[1:]).replace("_", r"[\s_./-]{0,2}"))
    return "|".join(f"{letter}(?:{'|'.join(rests)})" for letter, rests in by_letter.items())


_WORDS = _pattern(word for table in (PROPER, EVERYDAY) for words in table.values() for word in words.split())
_KEY = re.compile(rf"(?<![^\W_])(?P<key>{_WORDS})(?:'?s)?(?![^\W\d_])", re.IGNORECASE)

# What may stand between the word and its number: "MRN is", "his record number, I think", "sn of the transmitter".
_LINK = re.compile(
    r"(?:[\s_:=#.,\"'(>|*\[-]|last (?:\d|four|six)\b(?: digits\b)?|"
    + any_of(
        r"""numbers? num nos? nr nbr ids? card file record label text string value is was are as of on for the her
        his my your
        their our patient(?:'s)? pt(?!-\d) reads? says? it(?:'?s)? i think maybe possibly ending ends? in with listed
        given
        registered under to new old correct current should be hit this that here right from off called still one has
        have
        got transmitter sensor state us uk"""
    )
    + r"\b){0,24}",
    re.IGNORECASE,
)
_SIGN = re.compile(rf"[#=|\"]|\b{any_of('nos? nr nbr num numbers? ids? card')}\b", re.IGNORECASE)
_MARK = re.compile(rf"[:>]|{_SIGN.pattern}", re.IGNORECASE)
_PIECE = r"[A-Za-z0-9]{1,24}"
_VALUE = re.compile(
    # groups with spaces between: A 418 220 957, 294 71 0836, 12604417 088, 3HN7 WD2 QX58, H 6 1 4 4 0 9
    r"(?P<grouped>(?:(?!(?i:is|no|was|and|or|id|of)\b)[A-Z]{1,4} \d{2,6}(?:-[A-Z0-9]{1,6}){1,3}"
    r"|(?!(?i:is|no|was|and|or|id|of)\b)[A-Z]{1,4}(?:-[A-Z]{1,4})?\d{0,6}(?: \d{2,9}){1,4}(?:[A-Z]{1,2}|-\d{1,3})?"
    r"|\d{2,6}(?:[ ]\d{2,6}){1,4}(?: \d)?[A-Z]{0,2}|\d{7,9} \d{3}"
    r"|(?=[A-Z-]{0,6}\d)(?=[\d-]{0,9}[A-Z])[A-Z0-9-]{3,10}(?: (?!\d{1,3}[MF]\b)(?=[A-Z]{0,4}\d)[A-Z0-9-]{2,8}){1,3}"
    rf"|(?:[A-Z] )?\d(?: \d){{4,18}})(?![\w/%]|[.,:]\d|-\d)(?! ?(?:yo|y/o|[MF])\b)(?!{UNIT}))"
    # references with strokes: PALS/0417/24
    r"|(?P<stroked>[A-Z]{2,6}(?:/[A-Z0-9-]{1,12}){1,4})(?![\w/])"
    # one piece, or pieces joined by - . _ :
    rf"|(?P<joined>(?=[A-Za-z._:*-]{{0,15}}\d){_PIECE}(?:[-._:]{_PIECE}){{0,8}})(?![^\W_])"
    # the end of a number the rest of which is hidden already: XXX-XX-4471
    r"|(?P<hidden>(?:[xX*]{2,4}[- ]?){1,3}\d{4})(?!\d)"
)
_FURTHER = re.compile(
    r"[^\d\n;]{1,45}?(?<![\w.])(?P<value>\d{2,5}(?:-\d{2,6}){1,3}|(?=[A-Z]{0,4}-?\d{5})[A-Z0-9-]{5,16})(?![\w%/]|[.,:]\d)"
)
_BEFORE = re.compile(
    rf"(?<![\w./-])(?P<value>(?=[A-Z-]{{0,6}}\d){_PIECE}(?:-{_PIECE}){{0,3}})[\s,(=-]{{1,3}}"
    r"(?:(?:is|was|as|=)\s)?(?:(?:the|his|her|my|their|our|pt'?s?|patient'?s?)\s)?$"
)
_NO_NUMBER = re.compile(
    r"(?:NCT|ISRCTN|EudraCT|PMID|PMC|ICD|rs)[ -]?\d|v?\d{1,2}\.\d{1,2}(?!\d)|\d{1,2}[pq]\d|\d{4}-\d\d-\d\d|\d{1,2}/\d",
    re.IGNORECASE,
)
_LIKE = re.compile(r"(?<![\w.-])(?=[A-Z-]{0,6}(?:\d-?){5})[A-Z0-9]{1,16}(?:-[A-Z0-9]{1,16}){0,3}(?![\w-]|[.,]\d)")
_PHONE = re.compile(r"(?:1[-. ])?\d{3}[-. ]\d{3}[-. ]\d{4}")
_YEAR = re.compile(r"(?:19|20)\d\d")
_LAST_FOUR = re.compile(r"last.?(?:four|4)(?: digits)?")
_TYPIST = re.compile(
    r"\b(?:(?:scribe|transcriptionist|typist)\s?:|(?:transcribed|typed|scribed|dictated|entered) by:?)\s{1,2}"
    r"(?P<login>[a-z]{3,20}\d{0,4})(?![\w.@-])",
    re.IGNORECASE,
)
_TYPED = re.compile(
    r"\b(?i:transcribed|dictated|typed|scribed)\b[^\n]{0,40}?\s/\s?(?P<login>[a-z]{2,4}\d{0,3})\s?$", re.MULTILINE
)
"""Whoever typed a note signs with a login or with initials: "Scribe: dpoole", "Transcribed 2/13 /kjb7"."""
# Behind these a code of five digits or a substance is meant at least as often as somebody's number.
_SURNAME = 4  # digits of the number of Americans with the family name
_STUDIES = frozenset({"study", "trial", "protocol", "model", "kit", "biopsy", "row"})
_BILLED = _STUDIES | {"visit", "claim", "billing", "report", "order", "rx", "unit"}


def detect(text: str) -> Iterator[Candidate]:
    """Record, policy, account, licence, device and other numbers; user and file names."""
    if any(map(str.isdigit, text)):
        keyed = list(_keyed(text))
        yield from keyed
        yield from _siblings(text, keyed)
        yield from columns.detect(text)
        yield from shapes.detect(text)
    yield from _typists(text)
    yield from marks.detect(text)
    yield from handles.detect(text)


def _keyed(text: str) -> Iterator[Candidate]:
    for match in _KEY.finditer(text):
        key = match["key"].lower()
        label, proper = _KINDS[re.sub(r"[\W_]", "", key)]
        link = _LINK.match(text, match.end())
        end = link.end() if link else match.end()
        beside = end > match.end() or text[end : end + 1].isdigit()
        value = _VALUE.match(text, end) if beside else None
        if value and _meant(text, value, key, text[match.end() : end], proper=proper):
            yield Candidate(value.start(), value.end(), label, Strength.FIRM)
        elif proper:
            yield from _around(text, match, label)


def _typists(text: str) -> Iterator[Candidate]:
    for match in _TYPED.finditer(text):
        yield Candidate(match.start("login"), match.end("login"), Label.OTHER_ID, Strength.FIRM)
    for match in _TYPIST.finditer(text):
        low = match["login"].rstrip("0123456789").lower()
        initial = lexicon().surname_tier(low[1:]) >= _SURNAME
        if match["login"].islower() and initial and not lexicon().everyday(low) and not lexicon().word_tier(low):
            yield Candidate(match.start("login"), match.end("login"), Label.OTHER_ID, Strength.FIRM)


def _siblings(text: str, keyed: list[Candidate]) -> Iterator[Candidate]:
    """Numbers written as one that was announced, and beginning as it does: "account 30077-41982, again 30077-41983"."""
    series = {(text[c.start : c.start + 3], _form(text[c.start : c.end])): c.label for c in keyed}
    if series:
        for match in _LIKE.finditer(text):
            label = series.get((match.group()[:3], _form(match.group())))
            if label and not measured(text, match.end()):
                yield Candidate(match.start(), match.end(), label, Strength.WEAK)


def _form(value: str) -> str:
    return re.sub(r"[A-Z]", "A", re.sub(r"\d", "9", value))


def _around(text: str, key: re.Match[str], label: Label) -> Iterator[Candidate]:
    """A long number directly before a proper word ("55123 is the MRN"), or some words behind it."""
    before = _BEFORE.search(text, max(0, key.start() - 50), key.start())
    if before and sum(map(str.isdigit, before["value"])) >= 4 and not _NO_NUMBER.match(before["value"]):
        yield Candidate(before.start("value"), before.end("value"), label, Strength.FIRM)
        return
    further = _FURTHER.match(text, key.end())
    if further and not _NO_NUMBER.match(further["value"]):
        yield Candidate(further.start("value"), further.end("value"), label, Strength.WEAK)


def _meant(text: str, match: re.Match[str], key: str, link: str, *, proper: bool) -> bool:
    """Whether the word speaks of this number: no code, no measurement, no year, and enough of it."""
    value = match.group()
    if _NO_NUMBER.match(value) or (public_code(value) and (key in _STUDIES or "." in value)):
        return False
    plain = not any(map(str.isalpha, value))
    if plain and key != "mrn" and measured(text, match.end()):
        return False
    if _LAST_FOUR.fullmatch(key):
        return re.fullmatch(r"[A-Z]?\d{4}", value) is not None
    if _YEAR.fullmatch(value) and not _SIGN.search(link):
        return False
    if proper:
        return bool(match["hidden"]) or _long(value, digits=3, coded=1)
    if _PHONE.fullmatch(value):
        return False
    if _MARK.search(link):
        return _long(value, digits=3 if _SIGN.search(link) else 4, coded=2)
    if match["stroked"]:
        return _long(value, digits=2, coded=2)
    return _long(value, digits=7 if key in _BILLED and plain else 5, coded=4)


def _long(value: str, *, digits: int, coded: int) -> bool:
    """So many digits, or fewer in a code of five capitals and digits or more."""
    count = sum(map(str.isdigit, value))
    capitals = sum(map(str.isupper, value))
    return count >= digits or (
        count >= coded and capitals > 0 and count + capitals >= 5 and not any(map(str.islower, value))
    )
