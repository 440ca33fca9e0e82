"""How somebody is reached: telephone, pager, extension and fax. Addresses on a network are in `online`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compliance.phi.detectors import online
from compliance.phi.detectors.measures import UNIT, any_of
from compliance.phi.types import Candidate, Label, Strength

_EXT = r"(?:,?\s?(?:x|ext\.?|extn\.?|extension|#)\s?\d{1,6}\b)?"
_GAP = r"[\s.\-/]{1,3}"
_STOP = r"(?![\w/]|[.-]\d)"
_REACH = any_of(
    """call(?:s|ed|ing|back)? ph(?:one|n)?s? telephone tel cell(?:ular)? mobile mob landline home work office desk
    direct
    line pag(?:er|ing|ed) pgr beep(?:er|ed)? bpr fax(?:ed|es)? facsimile contact(?:s|ed)? reach(?:ed|able)?
    text(?:ed)?
    dial ring whatsapp signal sms voicemail vm vmail hotline extension extn? vocera ascom spectra_?link cisco
    zone_phone
    wireless callback cb caller_id registered on_call oncall"""
)
_TO = any_of(
    """phone cell tel number no\\.? num nr is was me him her us them at on to for the my his their our patient pt
    back or
    via line mom dad wife husband son daughter family direct office desk"""
)
_PAGERS = any_of(
    "pager pgr beeper bpr bleep paging extension extn? vocera ascom spectra_?link zone_phone wireless dect"
)
_DIALS = any_of(
    """callback call_back cb call dial desk direct ring reach_(?:me|us|him|her) te?xt_(?:me|us) e?fax facsimile
    page_(?:me|us) spok"""
)
_IN_HOUSE = any_of(
    """line station desk pharmacy lab blood_bank micro radiology rad icu ed er unit charge clerk operator team on_call
    resident fellow attending intern"""
)
_TIME_OF_DAY = r"(?:[01]\d|2[0-3])[0-5]\d\b"

# What is masked is the named group, or else all of the match.
_SURE = (
    # United States: area code, exchange and line with some separator
    re.compile(
        rf"(?<![\w./-])(?:\+?1{_GAP}?)?(?:\(\s?\d{{3}}\s?\)\s{{0,2}}-?\s?|\d{{3}}(?:[\s.-]{{1,3}}|/))"
        rf"\d{{3}}[\s.-]{{0,3}}\d{{4}}{_STOP}{_EXT}"
    ),
    # an area code in brackets, the rest in any groups
    re.compile(rf"(?<![\w./-])(?:\+?1{_GAP}?)?\(\d{{3}}\)\s?\d{{3,4}}[\s.-]\d{{3,4}}{_STOP}{_EXT}"),
    # other countries
    re.compile(
        r"(?<![\w.])(?=[\s\d()+.-]{9,30})(?:\+(?=(?:[\s.()-]{0,2}\d){8})|(?:00|011)[\s-](?=(?:[\s.()-]{0,2}\d){7}))"
        rf"\s?\(?\d{{1,3}}\)?(?:[\s.()-]{{0,2}}\d{{1,5}}){{2,7}}(?!\d){_EXT}"
    ),
    re.compile(rf"(?<![\w.-])\+\d{{8,15}}(?!\d){_EXT}"),
    re.compile(r"(?<![\w./-])0\d{2,4}[\s-]\d{3,4}[\s-]?\d{3,4}(?![\w-]|[./]\d)"),
    # any number of seven digits or more behind "call", "cell", "pager" ...
    re.compile(
        rf"\b{_REACH}(?:'s)?\b(?:[\s:.,=#|\"'>-]{{1,4}}{_TO}\b){{0,5}}[\s:.,=#(|\"'>*-]{{1,5}}"
        rf"(?P<number>\(?\+?\d(?:[\s.()/-]{{0,2}}\d){{6,14}})(?!\w|[/-]\d|\.\d)(?!{UNIT}){_EXT}",
        re.IGNORECASE,
    ),
    # the end of a number: cell ends in 8841
    re.compile(
        rf"\b{_REACH}\b(?: number| no\.?| #)?,? (?:ends? (?:in|with)|ending (?:in|with)|last (?:4|four)(?: is| are)?) "
        r"(?P<number>\d{4})(?!\w|[.,]\d)",
        re.IGNORECASE,
    ),
    # pager 71-4408, ext. 218, vocera x4412
    re.compile(
        rf"\b{_PAGERS}\b\.?(?:\s(?:number|no\.?|num|is|was|at|on|me|us|him|her|to|x|ext\.?)){{0,3}}[\s:#=*]{{1,3}}"
        rf"(?P<number>[*#]?(?:\d{{1,3}}-)?\d{{3,7}}#?)(?![\w%]|[/-]\d|[.,:]\d)(?!{UNIT})",
        re.IGNORECASE,
    ),
    # dial 9-4412, reach me at 4412; not "call at 0930"
    re.compile(
        rf"\b{_DIALS}\b(?:\s(?:me|us|him|her|back|on|at|to|x|ext\.?)){{0,3}}[\s:#=*]{{1,3}}"
        rf"(?P<number>[*#]?(?:\d{{1,2}}-\d{{4,5}}|(?!{_TIME_OF_DAY})\d{{4,6}}))(?![\w%]|[/-]\d|[.,:]\d)(?!{UNIT})",
        re.IGNORECASE,
    ),
    # page Monday on 4471
    re.compile(
        r"\b(?:page|paged)(?: (?!\d)[\w.'-]{1,20}){0,4}?(?: (?:at|on|@|via)) (?P<number>[*#]?(?:\d{1,3}-)?\d{4,7})"
        r"(?![\w%]|[/-]\d|[.,]\d)",
        re.IGNORECASE,
    ),
    # inside the house: x4412, *61-2204, nurse line 4-2213
    re.compile(r"(?<![\w.-])(?P<number>x-?(?:\d-)?\d{4,6})(?![\w-]|[.,]\d)", re.IGNORECASE),
    re.compile(r"(?<![\w.-])\([2-9]\d\d\)\s?\d{4}(?![\w%-]|[.,]\d)"),  # (555) 0142
    re.compile(r"\bte?xt(?:ed)?\b[^.\n\d]{0,20}(?P<number>\d{5,6})(?![\w%/-]|[.,]\d)", re.IGNORECASE),
    re.compile(r"\(x (?P<number>\d{4,5})(?=\))", re.IGNORECASE),
    re.compile(r"(?<![\w*])\*(?:\d{1,3}-\d{3,5}|\d{4,6})(?![\w-])"),
    re.compile(rf"\b{_IN_HOUSE}[\s:@]{{1,2}}(?:at |is )?(?P<number>\d-\d{{4,5}})(?![\w-])", re.IGNORECASE),
    # fields of HL7
    re.compile(r"(?<=\^)\d{3}\^\d{7}(?=[\^|~]|$)"),
    re.compile(r"(?<=\|)\d{10}(?=\||\s|$)"),
)
_GLUED = re.compile(r"(?<![\w./$-])(?:1?[2-9]\d\d[2-9]\d{6}|07\d{9})(?![\w%-]|[.,]\d)" + _EXT, re.IGNORECASE)
_SEVEN = re.compile(
    rf"(?<![\w./$+-])(?P<exchange>[2-9]\d\d)(?P<gap>-|\s-\s|[\s.])(?P<line>\d{{4}})(?![\w/%-]|[.,]\d)(?!{UNIT}){_EXT}",
    re.IGNORECASE,
)
_REACH_BEFORE = re.compile(rf"\b(?:{_REACH}|[pchw](?=:)|page)\b[^\d\n]{{0,30}}$", re.IGNORECASE)
_DIGIT = r"(?:(?:double|triple)[\s-])?(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|o)"
_SPOKEN = re.compile(rf"\b{_DIGIT}(?:[\s,-]{{1,2}}{_DIGIT}){{4,20}}\b", re.IGNORECASE)
_SPOKEN_KINDS = {7: Label.PHONE, 9: Label.SSN, 10: Label.PHONE, 11: Label.PHONE}  # by the count of digits
_FAX_BEFORE = re.compile(
    r"\b(?:e-?)?(?:fax(?:ed|es)?|facsimile|f(?=[:.]?\s{0,2}\(?$)|f(?=:))\b[^.;\n]{0,15}$", re.IGNORECASE
)
# Lines anybody may call, which name nobody: poison control, crisis, FDA, CDC, SAMHSA, Medicare, Social Security ...
_TOLL_FREE = any_of(
    r"""800-222-1222 800-273-(?:8255|talk) 800-fda-1088 800-332-1088 888-463-6332 800-232-4636 800-662-(?:4357|help)
    800-784-8669 800-quit-now 800-822-7967 800-799-7233 800-633-4227 800-medicare 877-486-2048 800-772-1213
    800-4-cancer
    800-422-6237 833-852-6262 833-943-5746 866-488-7386"""
).replace("-", r"[\s.)-]{0,2}")
_PUBLIC = re.compile(rf"(?<![\w-])(?:1?[\s.-]?\(?{_TOLL_FREE})(?!\d)", re.IGNORECASE)


def detect(text: str) -> Iterator[Candidate]:
    """Numbers and addresses, and as wording to keep the lines and pages that belong to the public."""
    yield from online.detect(text)
    for match in _SPOKEN.finditer(text):
        label = _SPOKEN_KINDS.get(len(re.findall(r"\w+", match.group())), Label.OTHER_ID)
        yield Candidate(match.start(), match.end(), label, Strength.FIRM)
    if any(map(str.isdigit, text)):
        public = [match.span() for match in _PUBLIC.finditer(text)]
        yield from (Candidate(start, end, None, Strength.FIRM) for start, end in public)
        for start, end, strength in _numbers(text):
            if not any(a < end and start < b for a, b in public):
                yield Candidate(start, end, phone_or_fax(text, start), strength)


def phone_or_fax(text: str, start: int) -> Label:
    """A number is a fax number when the word stands shortly before it."""
    return Label.FAX if _FAX_BEFORE.search(text, max(0, start - 24), start) else Label.PHONE


def _numbers(text: str) -> Iterator[tuple[int, int, Strength]]:
    for pattern in _SURE:
        for match in pattern.finditer(text):
            yield match.start(match.lastgroup or 0), match.end(), Strength.FIRM
    for match in _GLUED.finditer(text):
        yield match.start(), match.end(), Strength.WEAK
    for match in _SEVEN.finditer(text):
        if _REACH_BEFORE.search(text, max(0, match.start() - 40), match.start()):
            yield match.start(), match.end(), Strength.FIRM
        elif (match["exchange"] == "555" and match["gap"] != ".") or (
            match["gap"] == "-" and not match["line"].endswith("00")
        ):  # else a range: 300-1000
            yield match.start(), match.end(), Strength.WEAK
