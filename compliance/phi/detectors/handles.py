"""User names, handles and file names: letters and digits somebody goes by, or a picture is kept under."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compliance.phi.detectors.codes import public_code
from compliance.phi.detectors.measures import any_of
from compliance.phi.lexicon import lexicon
from compliance.phi.normalise import fold
from compliance.phi.types import Candidate, Label, Strength

_TOKEN = re.compile(r"\[[A-Z][A-Z0-9_]{0,20}[_-]\d{1,9}\]")
_USER = re.compile(
    r"\b"
    + any_of(
        r"""user(?:[\s\x5f-]?(?:name|id))?s? log-?\s?in(?:[\s\x5f-]?(?:name|id))? logged_in_(?:as|by) logon
        screen\s?name handle gamertag exported_by account_name uid"""
    )
    + r"(?![a-z])(?:\s(?:is|was|as|for|of|on|the|my|her|his|called|name|id|forum|portal|diabetes)\b){0,4}"
    r"\s?[=:]?\s?[\"'(]?"
    r"(?P<value>@?[A-Za-z][\w.-]{1,40})",
    re.IGNORECASE,
)
_HANDLE = re.compile(r"(?<![\w@.])@(?=[\w.-]{0,30}[a-z_])[A-Za-z_][\w.-]{2,30}(?<![.-])\b")
_UNDERSCORED = re.compile(
    r"(?<![\w./\\@-])(?=[\w]{0,40}_)(?=[\w]{0,40}[A-Za-z])[A-Za-z0-9]{1,20}(?:_[A-Za-z0-9]{1,20}){1,4}(?![\w/@-]|\.\w)"
)
_NAME_AND_NUMBER = re.compile(r"(?<![\w./@#-])(?P<name>[A-Z]?[a-z]{3,15})(?P<number>\d{1,5})(?![\w%-]|[./]\d)")
_COMMON = 6  # digits of the number of Americans with the family name
_RARE = 4  # digits of the uses in a hundred million words of English
_RECORDINGS = (
    r"(?:jpe?g|png|gif|bmp|tiff?|hei[cf]|webp|dcm|dicom|svs|ndpi|nii(?:\.gz)?|raw|cr2|svg|mp[34]|m4[av]|wav|mov|avi|mkv"
    r"|wmv|webm|ogg|aac|amr|3gp|nef|arw|dng|orf|rw2)"
)
_PICTURE = re.compile(
    rf"(?<![\w/])(?:[\w()+@-]|\.(?=[\w.()-]{{1,60}}\.{_RECORDINGS})){{1,100}}\.{_RECORDINGS}\b", re.IGNORECASE
)
# Screen Shot 2024-02-08 at 7.14.33 PM.png, and whatever stands in quotes
_SPACED = re.compile(
    r"(?<![\w/])(?:screen ?shots?|photo|image|picture|scan|whatsapp (?:image|video)|video|snapshot|recording"
    rf"|voice memo)\s\d[\w ()@.,'-]{{1,80}}?\.{_RECORDINGS}\b|(?<=[\"'])[^\"'\n]{{1,80}}\.{_RECORDINGS}(?=[\"'])",
    re.IGNORECASE,
)
_PATHED = re.compile(
    rf"(?<![\w/\\.])(?:[A-Za-z]:|~)?(?:[/\\][\w@-][\w.@-]{{0,60}}){{1,10}}\.{_RECORDINGS}\b", re.IGNORECASE
)
_CAMERA = re.compile(
    r"(?<![\w/])(?:IMG|DSCN?|DCIM|PXL|VID|MVI|MOV|GOPR|SCAN|PHOTO|IMAGE)[_-]?\d{4,14}(?:[_-]\d{2,9})?(?![\w.])",
    re.IGNORECASE,
)
_DOCUMENTS = r"(?:pdf|docx?|xlsx?|csv|txt|rtf|pptx?|xml|json|hl7|zip|edf|log)"
_FILE = re.compile(
    rf"(?<![\w/])(?=[\w().-]{{0,100}}[_\d])[\w()-]{{2,80}}(?:\.[\w()-]{{1,30}}){{0,3}}\.{_DOCUMENTS}\b", re.IGNORECASE
)
# Each pattern is tried only where its mark occurs at all: most questions hold none.
_FORMS = (
    (re.compile(r"\["), Label.OTHER_ID, Strength.CERTAIN, _TOKEN),
    (re.compile(rf"\.{_RECORDINGS}\b", re.IGNORECASE), Label.PHOTO, Strength.CERTAIN, _PICTURE),
    (re.compile(rf"\.{_RECORDINGS}\b", re.IGNORECASE), Label.PHOTO, Strength.CERTAIN, _SPACED),
    (re.compile(rf"\.{_RECORDINGS}\b", re.IGNORECASE), Label.PHOTO, Strength.CERTAIN, _PATHED),
    (re.compile(r"\d{4}"), Label.PHOTO, Strength.CERTAIN, _CAMERA),
    (re.compile(rf"\.{_DOCUMENTS}\b", re.IGNORECASE), Label.OTHER_ID, Strength.FIRM, _FILE),
    (re.compile("@"), Label.OTHER_ID, Strength.FIRM, _HANDLE),
    (re.compile("_"), Label.OTHER_ID, Strength.WEAK, _UNDERSCORED),
)


def detect(text: str) -> Iterator[Candidate]:
    """Names of users and files, and whatever is written like one of our tokens."""
    for mark, label, strength, pattern in _FORMS:
        for match in pattern.finditer(text) if mark.search(text) else ():
            if pattern is not _UNDERSCORED or _given(match.group()):
                yield Candidate(match.start(), match.end(), label, strength)
    yield from _users(text)


def _users(text: str) -> Iterator[Candidate]:
    for match in _USER.finditer(text):
        name = match["value"].rstrip(".-")
        if _made_up(name):
            yield Candidate(match.start("value"), match.start("value") + len(name), Label.OTHER_ID, Strength.FIRM)
    for match in _NAME_AND_NUMBER.finditer(text):
        low = match["name"].lower()
        known = lexicon()
        initial = known.surname_tier(low[1:]) >= _COMMON  # mlopez84
        named = initial or (known.name_word(low) and len(match["number"]) > 1)  # lopez84
        if named and not (known.everyday(low) or known.medical_word(low) or known.word_tier(low) > _RARE):
            yield Candidate(match.start(), match.end(), Label.OTHER_ID, Strength.WEAK)


def _given(name: str) -> bool:
    """A name with underscores somebody was given, and neither a code, a token of ours nor the name of a field."""
    made_up = re.search(r"\d|^(?:svc|adm|usr)_", name) is not None
    return made_up and not public_code(name) and name.rpartition("_")[0].upper() not in set(Label)


def _made_up(value: str) -> bool:
    """No word of the language: a digit, a mark, or letters no list knows."""
    if re.search(r"[\d_@.]", value):
        return True
    low = fold(value)
    return len(value) > 4 and value.islower() and not lexicon().everyday(low) and not lexicon().word_tier(low)
