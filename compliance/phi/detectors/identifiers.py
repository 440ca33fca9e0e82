"""Numbers given to a person, a policy or a thing: by the keyword beside them, or by a shape nothing else has."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compliance.phi.types import Candidate, Label, Strength

_VALUE = r"(?:\d{2,5}(?: \d{2,5}){1,4}|(?=[A-Z._-]{0,15}\d)[A-Z0-9]{1,20}(?:[-._][A-Z0-9]{1,20}){0,5})"
_LINK = r"(?P<link>(?:\s{0,2}(?:number|num|nos?\.?|nbr|id|ids|code|is|was|ending in)\b\.?){0,3}[\s:=#.\"'(-]{0,6})"
_STRONG: tuple[tuple[Label, str], ...] = (
    (
        Label.MRN,
        r"mrn|(?:pt|patient)(?= ?#)|reg(?:istration)?(?= ?(?:no|number|#))|m\.r\.n\.|med(?:ical)? rec(?:ord)?"
        r"|patient id|pt id|patient number|hospital (?:no|number)|chart"
        r"|record (?:no|number)|emr id|ehr id|mpi|unit number",
    ),
    (Label.SSN, r"ssn|ss#|social security|soc sec"),
    (
        Label.HEALTH_PLAN,
        r"insur(?:ance)?|member|subscriber|policy|medicare|medicaid|health plan|plan|payer|beneficiary|mbi|hicn"
        r"|group|aetna|cigna|uhc|bcbs|humana|anthem|kaiser|tricare",
    ),
    (Label.ACCOUNT, r"account|acct|a/c|iban|routing|invoice|billing|bank"),
    (Label.LICENSE, r"licen[sc]e|licen[sc]ure|lic|dea|npi|dl|passport|certificate|credential"),
    (Label.VEHICLE, r"vin|(?:license |licence )?plate|vehicle|car tag|tag"),
    (Label.DEVICE, r"serial|s/n|sn|device|udi|imei|pacemaker|implant|lot|icd serial|pump"),
    (
        Label.BIOMETRIC,
        r"finger\s?print|voice\s?print|palm vein|palm print|retinal? scan|iris scan|face ?id|biometric|template",
    ),
    (
        Label.OTHER_ID,
        r"req(?:uisition)?|accession|acc|order|specimen|sample|case|study|trial|subject|participant|rx"
        r"|prescription|csn|encounter|visit|claim|auth(?:orization)?|reference|ref|ticket|badge|employee"
        r"|study code|id",
    ),
)
# Everyday words: their number counts only behind "no.", "id", "#" or ":", or when it is long.
_EVERYDAY = frozenset(
    [
        "acc",
        "account",
        "bank",
        "billing",
        "case",
        "chart",
        "claim",
        "device",
        "dl",
        "group",
        "id",
        "implant",
        "insurance",
        "kaiser",
        "lot",
        "medicaid",
        "medicare",
        "member",
        "order",
        "plan",
        "plate",
        "policy",
        "pump",
        "ref",
        "reference",
        "routing",
        "rx",
        "sample",
        "sn",
        "study",
        "subject",
        "tag",
        "trial",
        "vehicle",
        "visit",
    ]
)
_KEYED = tuple(
    (
        label,
        re.compile(
            rf"(?<![^\W_])(?P<key>{keys})(?:'s)?{_LINK}(?:(?-i:[A-Z][A-Z-]{{1,6}})\s)?(?P<value>#?{_VALUE})(?![^\W_])"
            r"(?!\s?(?:mg|mcg|g|kg|ml|units?|meq|mmol|mm|cm|%|bpm|days?|weeks?|months?|years?|patients?"
            r"|times)\b)(?!\s?%)",
            re.IGNORECASE,
        ),
    )
    for label, keys in _STRONG
)
_GLUED_MRN = re.compile(r"\b[a-z]{0,8}mrn[a-z]{0,3}\d{4,15}\b", re.IGNORECASE)
_PLATE = re.compile(
    r"\b(?:[Pp]late|PLATE)(?: (?:no\.?|number|is))?[\s:#]{1,3}(?P<value>[A-Z0-9]{2,4}[ -]?[A-Z0-9]{2,5})\b"
)
_USER = re.compile(
    r"\b(?:(?:[Uu]ser(?:name| ?id)|[Ll]ogin|uid)\s?[=:]\s?|user=)(?P<value>[A-Za-z][\w.@-]{1,40})"
    r"|(?<![\w@.])@(?P<handle>[A-Za-z_]\w{2,30})\b"
)
_FIELD = re.compile(
    r"/(?:patients?|mrn|records?|charts?|members?|users?|u)/(?P<value>[\w-]{0,30}\d[\w-]{0,30})", re.IGNORECASE
)
_CARD = re.compile(
    r"\b(?:card|visa|mastercard|amex|discover|number is)\b[^\d\n]{0,20}(?P<value>\d(?:[ -]?\d){11,18})\b", re.IGNORECASE
)
_DIGITS = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-]|\.\d)")
_PHOTO = re.compile(r"(?<![\w/])[\w.()-]{1,80}\.(?:jpe?g|png|gif|bmp|tiff?|heic|webp|dcm)\b", re.IGNORECASE)
_TOKEN = re.compile(r"\[[A-Z][A-Z0-9_]{0,20}_\d{1,9}\]")
_VIN = re.compile(r"(?<![\w-])(?=[A-Z]*\d)[A-HJ-NPR-Z0-9]{17}(?![\w-])", re.IGNORECASE)

_SHAPES: tuple[tuple[Label, Strength, re.Pattern[str]], ...] = (
    (Label.SSN, Strength.WEAK, re.compile(r"(?<![\w-])\d{3}([- ])\d{2}\1\d{4}(?![\w-])")),
    (
        Label.HEALTH_PLAN,
        Strength.FIRM,
        re.compile(
            r"\b[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9]\d-?[AC-HJKMNP-RT-Y]{2}\d\d\b"
        ),
    ),
    (Label.ACCOUNT, Strength.FIRM, re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")),
    (Label.MRN, Strength.FIRM, re.compile(r"(?<=[^\W\d_] \()\d{6,10}(?=\))")),
    (Label.OTHER_ID, Strength.WEAK, re.compile(r"(?<![\w./-])[A-Z]{1,6}-?\d{5,12}(?:-\d{1,6})?(?![\w-])")),
    (Label.OTHER_ID, Strength.WEAK, re.compile(r"(?<![\w./-])\d{4,12}-?[A-Z]{2,5}(?![\w-])")),
    (Label.OTHER_ID, Strength.WEAK, re.compile(r"(?<![\w./-])[A-Z]{2,5}-\d{2,6}-\d{2,8}(?![\w-])")),
    (Label.OTHER_ID, Strength.WEAK, re.compile(r"(?<![\w./-])\d{2,5}-\d{2,5}-\d{3,6}(?![\w-])")),
    (Label.OTHER_ID, Strength.WEAK, re.compile(r"(?<![\w./$-])\d{7,19}(?![\w%-]|[.,]\d)")),
)


def detect(text: str) -> Iterator[Candidate]:
    for label, pattern in _KEYED:
        for match in pattern.finditer(text):
            if _plausible(match):
                yield Candidate(match.start("value"), match.end("value"), label, Strength.FIRM)
    for label, strength, pattern in _SHAPES:
        for match in pattern.finditer(text):
            yield Candidate(match.start(), match.end(), label, strength)
    yield from _named_forms(text)
    yield from _checked(text)


def _named_forms(text: str) -> Iterator[Candidate]:
    for match in _TOKEN.finditer(text):
        yield Candidate(match.start(), match.end(), Label.OTHER_ID, Strength.CERTAIN)
    for match in _PHOTO.finditer(text):
        yield Candidate(match.start(), match.end(), Label.PHOTO, Strength.CERTAIN)
    for match in _GLUED_MRN.finditer(text):
        yield Candidate(match.start(), match.end(), Label.MRN, Strength.FIRM)
    for label, pattern in (
        (Label.VEHICLE, _PLATE),
        (Label.OTHER_ID, _USER),
        (Label.MRN, _FIELD),
        (Label.ACCOUNT, _CARD),
    ):
        for match in pattern.finditer(text):
            group = match.lastgroup or 0
            if label is not Label.VEHICLE or any(c.isdigit() for c in match[group]):
                yield Candidate(match.start(group), match.end(group), label, Strength.FIRM)


def _checked(text: str) -> Iterator[Candidate]:
    """Forms that prove themselves by their make-up or their check digit."""
    for match in _VIN.finditer(text):
        if sum(c.isdigit() for c in match.group()) >= 4 and not match.group().isdigit():
            yield Candidate(match.start(), match.end(), Label.VEHICLE, Strength.FIRM)
    for match in _DIGITS.finditer(text):
        if luhn(match.group()):
            yield Candidate(match.start(), match.end(), Label.ACCOUNT, Strength.FIRM)


def _plausible(match: re.Match[str]) -> bool:
    """Enough digits for an identifier, and no year or small count behind an everyday word."""
    value: str = match["value"]
    key, link = match["key"].lower(), match["link"].strip(" \"'(")
    digits = sum(c.isdigit() for c in value)
    if value.upper().startswith("NCT") or (not match["link"] and key != "mrn"):
        return False
    if key in _EVERYDAY and not any(mark in link.lower() for mark in ("n", "id", "#", ":", "=", "code")):
        return digits >= (4 if any(c.isalpha() for c in value) else 5)
    return digits >= 3


def luhn(number: str) -> bool:
    """The check digit of payment cards."""
    total = 0
    for i, digit in enumerate(int(c) for c in reversed(number) if c.isdigit()):
        doubled = digit * 2 if i % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0
