"""Ages over 89. Younger ages are clinical facts and stay."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compliance.phi.types import Candidate, Label, Strength

_AGE = r"(?:9\d|1[0-2]\d)"
_ONES = "one|two|three|four|five|six|seven|eight|nine"
_WORDS = rf"(?:ninety(?:[- ](?:{_ONES}))?|(?:a |one )?hundred(?:[- ](?:and[- ])?(?:{_ONES}|ten))?)"
_YEARS = r"\s?-?\s?(?:y(?:ea)?rs?\.?(?:\s?-?\s?(?:olds?|of age))|y\.?\s?/?\s?o\b\.?|y/?o[mf]?\b|yrs?\b)"
_KIN = (
    r"husband|wife|mother|father|mom|dad|grand(?:mother|father|ma|pa|parent)|brother|sister|aunt|uncle|spouse"
    r"|partner|patient|pt"
    r"|gentleman|lady|man|woman|male|female|he|she|who"
)
_PATTERNS = (
    re.compile(rf"(?<![\d./-])(?P<age>{_AGE}{_YEARS})", re.IGNORECASE),
    re.compile(
        rf"(?<![\d./-])(?P<age>{_AGE})\s?(?=(?:fe)?male\b|[mf]\s(?=with|w/|s/p|hx|h/o|on|here|presenting))",
        re.IGNORECASE,
    ),
    re.compile(rf"(?:^|[,(]\s?|\bpt\s|\bpatient\s)(?P<age>{_AGE})\s?(?=[MF]\b(?!\s?(?:fever|temp)))", re.MULTILINE),
    re.compile(
        rf"\b(?:aged?|turn(?:ed|ing|s)|age of|age is)\s?:?\s(?P<age>{_AGE})\b(?!\s?(?:%|mg|days?|weeks?|months?"
        rf"|/|\.\d))",
        re.IGNORECASE,
    ),
    re.compile(
        rf"\b(?:{_KIN})(?:,| is| was|'s)?\s(?:now\s|almost\s)?(?P<age>{_AGE})(?=\s?[,.;)]|\s(?:and|with|who"
        rf"|years|both|has)\b)(?!\.\d)",
        re.IGNORECASE,
    ),
    re.compile(rf"\b(?P<age>{_WORDS}){_YEARS}", re.IGNORECASE),
    re.compile(r"\bin (?:his|her|their) (?:late |early |mid[- ]?)?(?P<age>90'?s|nineties|100'?s)\b", re.IGNORECASE),
)


def detect(text: str) -> Iterator[Candidate]:
    for pattern in _PATTERNS:
        for match in pattern.finditer(text):
            yield Candidate(match.start("age"), match.end("age"), Label.AGE_OVER_89, Strength.FIRM)
