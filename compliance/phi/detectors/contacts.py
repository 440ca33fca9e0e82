"""How somebody is reached: phone, fax, e-mail, web and network addresses."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from compliance.phi.types import Candidate, Label, Strength

_EXT = r"(?:\s?(?:x|ext\.?|extension)\s?\d{1,6}\b)?"
_FULL = re.compile(
    rf"(?<![\w./-])(?:\+?1[\s.-]?)?(?:\(\d{{3}}\)\s?|\d{{3}}[\s.-])\d{{3}}[\s.-]\d{{4}}(?![\w/]|[.-]\d){_EXT}"
    rf"|(?<![\w.])\+\d{{1,3}}(?:[\s.()-]{{1,2}}\d{{1,5}}){{2,6}}(?!\d){_EXT}"
)
_CUED = re.compile(
    r"\b(?P<cue>call(?:back|ed)?|phone|telephone|tel|ph|cell|mobile|pager|page|beeper|fax(?:ed)?|contact"
    r"|reach(?:ed)?|text|dial|registered|extension|ext|hotline|voicemail)"
    r"(?:'s)?\b(?:\s?#)?(?:[\s:.,=-]{1,3}(?:number|no\.?|num|is|was|me|him|her|us|them|at|on|to|the|my|patient"
    r"|back)\b){0,4}[\s:.#=(-]{1,4}"
    r"(?P<number>\(?\+?\d(?:[\s.()-]{0,2}\d){6,14})(?!\w|[/-]\d|\.\d)" + _EXT,
    re.IGNORECASE,
)
_SHORT = re.compile(
    r"\b(?:pager|beeper|page|extension|ext|x)\b\.?(?: (?:number|no\.?|is))?[\s:#]{1,3}(?P<number>\d{3,6})(?!\w"
    r"|[/-]\d|\.\d)",
    re.IGNORECASE,
)
_PIPED = re.compile(r"(?<=\|)\d{10}(?=\||\s|$)")
_FAX_BEFORE = re.compile(r"\bfax(?:ed|es)?\b[^.;\n]{0,15}$", re.IGNORECASE)
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}")
_SPACED_EMAIL = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}(?:\s?[\[({<]\s?at\s?[\])}>]\s?|\s@\s?|@\s)[\w-]{1,63}"
    r"(?:(?:\s?[\[({<]\s?dot\s?[\])}>]\s?|\s?\.\s?|\sdot\s)[\w-]{2,63}){1,4}"
    r"|(?<![\w.+-])[\w.+-]{1,64}\sat\s[\w-]{1,63}(?:\sdot\s[\w-]{2,63}){1,4}",
    re.IGNORECASE,
)
_URL = re.compile(r"\b(?:https?|ftps?|sftp)://[^\s<>\"'|]{3,2000}|\bwww\.[^\s<>\"'|]{3,2000}", re.IGNORECASE)
_DOMAIN = re.compile(
    r"(?<![\w.@/-])(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.){1,5}(?:com|org|net|edu|gov|mil|info|biz|io|health"
    r"|app|me|us|uk|ca|de|fr|eu|example)"
    r"(?:/[^\s<>\"'|]{0,2000})?(?![\w@-])"
)
# Each pattern is tried only where its mark occurs at all: most questions hold none.
_ADDRESSES = (
    (re.compile("@"), _EMAIL, Label.EMAIL),
    (re.compile(r"@|[\[({<]\s?at\s?[\])}>]|\sat\s.{1,80}\sdot\s", re.IGNORECASE), _SPACED_EMAIL, Label.EMAIL),
    (re.compile(r"://|www\.", re.IGNORECASE), _URL, Label.URL),
    (re.compile(r"\w\.\w"), _DOMAIN, Label.URL),
)
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?::\d{2,5})?(?![\w]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?![\w:])", re.IGNORECASE)
_MAC = re.compile(r"(?<![\w:-])(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}(?![\w:-])", re.IGNORECASE)


def detect(text: str) -> Iterator[Candidate]:
    yield from _phones(text)
    yield from _addresses(text)
    for match in _IPV4.finditer(text):
        if _is_address(match.group().partition(":")[0]):
            yield Candidate(match.start(), match.end(), Label.IP, Strength.CERTAIN)
    for match in _IPV6.finditer(text):
        if _is_address(match.group()):
            yield Candidate(match.start(), match.end(), Label.IP, Strength.CERTAIN)
    for match in _MAC.finditer(text):
        yield Candidate(match.start(), match.end(), Label.DEVICE, Strength.CERTAIN)


def phone_or_fax(text: str, start: int) -> Label:
    """A number is a fax number when the word stands shortly before it."""
    return Label.FAX if _FAX_BEFORE.search(text, max(0, start - 24), start) else Label.PHONE


def _phones(text: str) -> Iterator[Candidate]:
    for pattern, group in ((_FULL, 0), (_CUED, "number"), (_SHORT, "number"), (_PIPED, 0)):
        for match in pattern.finditer(text):
            start = match.start(group)
            yield Candidate(start, match.end(), phone_or_fax(text, start), Strength.FIRM)


def _addresses(text: str) -> Iterator[Candidate]:
    for mark, pattern, label in _ADDRESSES:
        for match in pattern.finditer(text) if mark.search(text) else ():
            end = match.start() + len(match.group().rstrip(".,;:!?)]}'"))
            yield Candidate(match.start(), end, label, Strength.WEAK if pattern is _DOMAIN else Strength.CERTAIN)


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return value not in ("::", "0.0.0.0")  # noqa: S104  the empty address names nobody
