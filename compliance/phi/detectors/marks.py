"""Short marks of people and things, known by the one word or sign beside them: initials, seats, stickers, secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from compliance.phi.detectors.codes import public_code
from compliance.phi.detectors.measures import any_of, measured
from compliance.phi.lexicon import lexicon
from compliance.phi.types import Candidate, Label, Strength


class Mark(NamedTuple):
    """What the group `value` of the pattern is."""

    label: Label
    strength: Strength
    pattern: re.Pattern[str]


_IS = r"(?:\s(?:is|was|are|were|still|now|set|to|on|for|the|my|his|her|their|our|number|no\.?|code)\b){0,4}"
_RESOURCES = any_of(
    """Encounter Practitioner PractitionerRole Organization Location Observation Device Coverage Claim Condition
    Procedure MedicationRequest ServiceRequest DiagnosticReport Specimen Appointment DocumentReference Account
    ImagingStudy Immunization CareTeam Group EpisodeOfCare"""
)
_MARKS = (
    # what FHIR and other JSON call their records: "id": "pt-5f09c2", Patient/pt-5f09c2
    Mark(
        Label.MRN,
        Strength.FIRM,
        re.compile(r"\b(?:Patient|Person|RelatedPerson)/(?P<value>(?=[A-Za-z.-]{0,60}\d)[\w.-]{1,64})"),
    ),
    Mark(
        Label.OTHER_ID,
        Strength.FIRM,
        re.compile(rf"\b{_RESOURCES}/(?P<value>(?=[A-Za-z.-]{{0,60}}\d)[\w.-]{{1,64}})"),
    ),
    Mark(
        Label.OTHER_ID,
        Strength.FIRM,
        re.compile(r"\"\w{0,20}?[iI][dD]\"\s?:\s?\"(?P<value>(?=[^\"\d]{0,60}\d)[^\"\s/]{3,64})\""),
    ),
    Mark(
        Label.MRN,
        Strength.FIRM,
        re.compile(
            r"(?<![\w^|~])(?P<value>(?=[A-Z]{0,6}\d{3})[A-Z0-9]{3,16}\^{2,4}[A-Z0-9]{1,12}(?:\^[A-Z]{1,4})?)(?!\w)"
        ),
    ),
    # who dictated and who typed: HLP/dmw at the end of a letter, Job 4471920 /bjw
    Mark(
        Label.OTHER_ID,
        Strength.FIRM,
        re.compile(
            r"(?:^|\n)[ \t]{0,8}(?P<value>[A-Z]{2,4}\s?[/:]\s?[a-z]{2,4})(?=[ \t]{0,8}(?:$|\n|[DT]:|DD|DT|\d))",
        ),
    ),
    Mark(
        Label.OTHER_ID,
        Strength.FIRM,
        re.compile(r"\b(?i:job|dictat\w{2,6}|transcri\w{2,8})\b[^\n]{0,40}?\d\s?/(?P<value>[a-z]{2,4})(?=\s|$)"),
    ),
    Mark(
        Label.OTHER_ID,
        Strength.FIRM,
        re.compile(r"\b(?:D|T|DD|DT|D/T)\s?:[^\n]{0,40}?\d\s(?P<value>[A-Za-z]{2,4}/[a-z]{2,4})(?=\s|$)"),
    ),
    # a nurse's or physician's number: RN 558812
    Mark(
        Label.LICENSE,
        Strength.FIRM,
        re.compile(r"\b(?:RN|LPN|LVN|CNA|NP|PA|MD|DO|DDS|RPh|PharmD)\s#?\s?(?P<value>\d{5,8})(?![\w%-]|[.,]\d)"),
    ),
    # by tech KLP4
    Mark(
        Label.OTHER_ID,
        Strength.FIRM,
        re.compile(
            r"\b(?i:tech(?:nician|nologist)?|operator|phleb(?:otomist)?|collector|initials)(?: id)?\s?[:#]?\s?"
            r"(?P<value>(?=[A-Z]{0,3}\d)[A-Z]{1,4}\d{1,4})(?![\w-])"
        ),
    ),
    Mark(
        Label.OTHER_ID,
        Strength.FIRM,
        re.compile(
            r"\b(?i:(?:drawn|collected|verified"
            r"|released|scanned|entered|signed|read|performed|resulted) by)\s?[:#]?\s?"
            r"(?P<value>(?=[A-Z]{0,3}\d)[A-Z]{1,4}\d{1,4})(?![\w-])"
        ),
    ),
    # seat 31C
    Mark(Label.OTHER_ID, Strength.FIRM, re.compile(r"\bseat\s(?:no\.?\s)?(?P<value>\d{1,2}[A-K])\b", re.IGNORECASE)),
    # a sticker or label: GS*882014
    Mark(Label.OTHER_ID, Strength.WEAK, re.compile(r"(?<![\w.-])(?P<value>[A-Z]{1,5}[*~]\d{5,12})(?![\w*~-]|\.\d)")),
    # any number that is called one: MOLST form no. 118-4402
    Mark(
        Label.OTHER_ID,
        Strength.WEAK,
        re.compile(
            r"\b(?:[Nn]o\.|(?i:number|nbr|num))\s?:?\s?(?!(?:19|20)\d\d\b)"
            r"(?P<value>(?=[A-Z-]{0,6}\d)(?=[A-Z-]{0,6}(?:\d-?){4})[A-Z0-9]{1,12}(?:-[A-Z0-9]{1,10}){0,3})(?![\w/-]|[.,]\d)"
        ),
    ),
    # the end of a card: visa ending 4418
    Mark(
        Label.ACCOUNT,
        Strength.FIRM,
        re.compile(
            r"\b(?i:visa|mastercard|amex|discover|card|account|acct)\b[^.\n\d]{0,20}?"
            r"\b(?i:ends? (?:in|with)|ending(?: in| with)?|last (?:four|4))\s?:?\s?(?P<value>\d{4})(?!\w|[.,]\d)"
        ),
    ),
    # short codes of doors, phones and safes
    Mark(
        Label.OTHER_ID,
        Strength.FIRM,
        re.compile(
            r"\b(?i:pin|(?:door|gate|entry|alarm|lock|safe|key|garage|access|elevator|unlock|security|verification|otp)"
            rf"[ -]?code|keypad|lock ?box|combination|combo){_IS}\s?[:#=]?\s?"
            r"(?P<value>[*#]?\d{3,8}[*#]?)(?![\w%/-]|[.,]\d)"
        ),
    ),
)
_SECRET = re.compile(
    r"\b(?:password|passwd|passphrase|pass[ -]phrase|passcode|pwd|pw|code ?word|safe ?word|security answer)"
    rf"{_IS}\s?[:=]?\s?(?:[\"'](?P<quoted>[^\"'\n]{{4,60}})[\"']|(?P<value>[^\s\"',;]{{4,40}}))",
    re.IGNORECASE,
)
_AFTER_NAME = re.compile(
    r"(?<!\w)(?P<name>[A-Z][A-Za-z'-]{1,20}),?\s\(?#\s?(?P<value>[A-Z]{0,2}\d{3,6})(?![\w%-]|[.,]\d)"
)


def detect(text: str) -> Iterator[Candidate]:
    """Marks that only their surroundings tell from a word or a small number."""
    for label, strength, pattern in _MARKS:
        for match in pattern.finditer(text):
            value = match["value"]
            if not public_code(value) and not (value.isdigit() and measured(text, match.end())):
                yield Candidate(match.start("value"), match.end("value"), label, strength)
    for match in _SECRET.finditer(text):
        start = match.start(match.lastgroup or 0)
        value = match.group(match.lastgroup or 0).rstrip(".?)")
        if match["quoted"] or re.search(r"\d|[^\w-]", value):
            yield Candidate(start, start + len(value), Label.OTHER_ID, Strength.FIRM)
    for match in _AFTER_NAME.finditer(text):
        if lexicon().name_word(match["name"].lower()) and not lexicon().everyday(match["name"].lower()):
            yield Candidate(match.start("value"), match.end("value"), Label.MRN, Strength.FIRM)
