"""Wording that must stay readable: codes, doses and the eponyms of diseases, signs, scores and devices."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compliance.phi.lexicon import Lexicon, lexicon
from compliance.phi.types import Candidate, Strength
from compliance.phi.words import Shape, Word, read_words

_CODES = re.compile(
    r"\bJohnson & Johnson\b|\bPubMed (?:record|ID)? ?\d{6,9}\b|\b(?i:clinicaltrials|cdc|fda|nih|pubmed|who"
    r"|uptodate|medlineplus)\.(?:gov|com|int|org)\b(?!/)|\bNCT\s?\d{8}\b|\bISRCTN\s?\d{8}\b|\b(?:PMID|PMCID|PMC"
    r"|OMIM|MIM|CUI|RXCUI|RxNorm|SNOMED(?:[ -]CT)?|LOINC|CPT|HCPCS|ICD-?(?:9|10|11)?(?:-CM)?|ATC|NDC|CAS"
    r"|Orphanet|ORPHA)"
    r"\b(?:\s(?:code|no\.?|number|ID))?[\s:#]{0,3}[A-Z]?\d[\w.:-]{1,14}|\b10\.\d{4,9}/[^\s\"'<>]{1,200}"
    r"|\brs\d{3,12}\b|\bENS[GT]\d{11}\b"
    r"|\b(?:BMS|MK|LY|AZD|GSK|PF|ABT|RG|RO|JNJ|TAK|SAR|BAY|BI|MEDI|AMG|CC|ONO|ABBV|REGN|INCB|BGB|MRNA|BNT|CTX"
    r"|NSC|SKF|UCB)-?\d{2,8}\b"
)
_AMOUNTS = re.compile(
    r"(?<![\w.,-])\d[\d,.]{0,14}\s?(?:-\s?\d[\d,.]{0,14}\s?)?(?:mg|mcg|ug|ng|pg|g|kg|m[lL]|dL|L|mm|cm|IU|mIU"
    r"|mEq|mmol|umol|units?|copies|cells?|CFU|bpm|mmHg|x\s?10|/\s?(?:mm3|uL|mL|dL|L|HPF))\b"
    r"|(?<![\w.,-])\d{1,3}(?:,\d{3}){1,5}\b"
)
_MOST_WORDS_BEFORE = 5
_LINKS = {"and", "de", "von", "van", "der", "la", "le", "du", "of"}


def detect(text: str) -> Iterator[Candidate]:
    for pattern in (_CODES, _AMOUNTS):
        for match in pattern.finditer(text):
            yield Candidate(match.start(), match.end(), None, Strength.FIRM)
    yield from _eponyms(text, read_words(text), lexicon())


def _eponyms(text: str, words: list[Word], known: Lexicon) -> Iterator[Candidate]:
    """Capitalised words directly before "syndrome", "sign", "score", "catheter" …"""
    for i, word in enumerate(words):
        if word.low in known.heads and i and _touches(text, words[i - 1], word):
            first = _first_of(text, words, i, known)
            if first < i:
                yield Candidate(words[first].start, word.end, None, Strength.FIRM)


def _first_of(text: str, words: list[Word], head: int, known: Lexicon) -> int:
    """Walk back over the capitalised words that belong to the head."""
    first = at = head
    while at and head - at < _MOST_WORDS_BEFORE and _touches(text, words[at - 1], words[at]):
        at -= 1
        if words[at].shape in (Shape.CAPITAL, Shape.UPPER, Shape.OTHER, Shape.INITIAL):
            first = at
            if words[at].shape is Shape.UPPER:
                break
        elif words[at].low not in _LINKS and words[at].low not in known.clinical and at != head - 1:
            break
    return first


def _touches(text: str, left: Word, right: Word) -> bool:
    """Nothing between the two but a space, a hyphen or a possessive."""
    return text[left.end : right.start] in {" ", "-", "'s ", "' ", "/", "  "}
