"""Addresses on a network: e-mail, web pages, portal paths, IP and MAC."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from compliance.phi.detectors.measures import any_of
from compliance.phi.lexicon import lexicon
from compliance.phi.types import Candidate, Label, Strength

_PLAIN_TLD = any_of(
    "com org net edu gov mil info biz io health app clinic hospital care uk ca eu example local internal test invalid"
)
_TLD = any_of(
    """com org net edu gov mil int info biz name pro coop museum io ai app dev cloud online site health care clinic
    hospital doctor dental pharmacy me tv co us uk ca de fr es it nl be ch at eu ie au nz in jp cn br mx za ng ke gh
    ph ly
    gl gg sh fm to link page xyz social chat live local lan internal example test invalid"""
)
_MAILERS = any_of(
    "gmail googlemail yahoo ymail hotmail outlook live msn icloud me mac aol proton(?:mail)? gmx zoho comcast"
)
_AT = r"\s?[\[({<*_-]\s?(?:at|@|a)\s?[\])}>*_-]\s?"
_DOT = r"(?:\s?[\[({<*_-]\s?(?:dot|\.)\s?[\])}>*_-]\s?|\s{0,2}\.\s{0,2}|\sdot\s)"
_LOCAL = r"(?<![\w.+-])[\w.+'-]{1,64}(?:\sdot\s[\w+-]{1,32}){0,3}"
_HOST = r"[\w-]{1,63}"

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+'%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}")
_NO_DOMAIN = re.compile(r"(?<![\w.+/@-])[a-z][\w.-]{1,40}@[a-z][\w-]{2,40}(?![\w@]|\.\w)", re.IGNORECASE)
_SPELT_EMAIL = re.compile(
    rf"{_LOCAL}{_AT}{_HOST}(?:{_DOT}[\w-]{{2,63}}){{1,4}}"  # lorna [at] mail [dot] com
    rf"|{_LOCAL}\s{{0,2}}@\s{{0,2}}{_HOST}(?:{_DOT}[\w-]{{2,63}}){{0,3}}{_DOT}{_TLD}\b"
    rf"|{_LOCAL}\sat\s{_HOST}(?:\sdot\s[\w-]{{2,63}}){{1,4}}"
    rf"|{_LOCAL}\sat\s{_MAILERS}\s?\.\s?(?:com|net|org|me|co\.uk|ca|de)\b"
    rf"|(?<![\w.+-])(?P<word>[\w.+-]{{3,64}})\sat\s{_HOST}\.{_PLAIN_TLD}\b"
    rf"|(?<![\w.+-])(?:[\w.+-]\s){{2,40}}@(?:\s[\w.-]{{1,63}}){{1,40}}?(?:\s?\.\s?{_TLD}\b|\s\.(?:\s\w){{2,4}}\b)",
    re.IGNORECASE,
)
_URL = re.compile(
    r"\b(?:(?:https?|ftps?|sftp|smb|file|hxxps?|ldap|ssh|dicom|wss?)\s?:\s?//|www\d?\.)[^\s<>\"'|]{3,2000}"
    r"|\bhttps?\s?:\s?/\s?/\s?\w[\w-]{0,60}(?:\s?[./]\s?[\w-]{1,60}){1,10}(?: \d{3,5}){0,3}",
    re.IGNORECASE,
)
_DOMAIN = re.compile(
    r"(?<![\w.@/-])(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.){1,5}"
    rf"(?:{_PLAIN_TLD}(?::\d{{2,5}})?(?:/[^\s<>\"'|]{{0,2000}})?|{_TLD}/[^\s<>\"'|]{{1,2000}})(?![\w@-])"
)
_SHARE = re.compile(r"(?<![\w\\])\\\\[\w.-]{2,40}(?:\\[\w.$ -]{1,60}){1,8}")
_PARTS = any_of(
    "patients? pts? mrn records? charts? members? users? people results? encounters? visits? accounts? orders? u"
)
_FIELDS = any_of("pid mrn patient(?:_?id)? pt uid user id enc acct acc token key sid session pwd").replace("[ ]", "_")
_PATH = re.compile(
    rf"/{_PARTS}"
    r"[/=](?P<value>[\w-]{0,30}\d[\w-]{0,30})"
    rf"|[?&]{_FIELDS}=(?P<field>[\w%.@-]{{2,80}})",
    re.IGNORECASE,
)
# Each pattern is tried only where its mark occurs at all: most questions hold none.
_ADDRESSES = (
    (re.compile("@"), _EMAIL, Label.EMAIL, Strength.CERTAIN),
    (re.compile(r"@|[\[({<*_-]\s?a|\sat\s", re.IGNORECASE), _SPELT_EMAIL, Label.EMAIL, Strength.CERTAIN),
    (re.compile("@"), _NO_DOMAIN, Label.EMAIL, Strength.WEAK),
    (re.compile(r"//|www", re.IGNORECASE), _URL, Label.URL, Strength.CERTAIN),
    (re.compile(r"\w\.\w"), _DOMAIN, Label.URL, Strength.FIRM),
    (re.compile(r"\\\\"), _SHARE, Label.URL, Strength.FIRM),
)
# Who publishes for everybody: their pages say nothing about the person who reads them.
_JOURNALS = any_of(
    """uptodate medscape nejm jamanetwork thelancet bmj cochranelibrary mdcalc drugs sciencedirect nature wiley
    springer
    webmd epocrates dynamed statpearls radiopaedia wikipedia"""
)
_SOCIETIES = any_of(
    """doi cochrane acc heart aha(?:journals)? diabetes cancer asco(?:pubs)? nccn acog aap aafp acponline idsociety
    kdigo
    goldcopd ginasthma uspreventiveservicestaskforce wikipedia omim uniprot ensembl plos medrxiv biorxiv arxiv poison
    rarediseases orphanet bioconductor"""
)
_PUBLIC = re.compile(
    r"(?:https?://)?(?<![\w@.-])(?:[\w-]{1,40}\.){0,3}"
    rf"(?:(?:cdc|nih|fda|clinicaltrials|medlineplus)\.gov|who\.int|nhs\.uk|nice\.org\.uk|gov\.uk|europa\.eu|canada\.ca"
    rf"|{_JOURNALS}\.(?:com|org|net)|{_SOCIETIES}\.org)(?![\w-]|\.\w)(?:[/?#][^\s<>\"'|]{{0,2000}})?"
    # other pages of the government, unless a long number in the path may be somebody's
    r"|(?:https?://)?(?<![\w@.-])(?:[\w-]{1,40}\.){1,4}gov"
    r"(?![\w@-]|\.\w|[/?#][^\s<>\"'|]{0,200}\d{5})(?:[/?#][^\s<>\"'|]{0,2000})?",
    re.IGNORECASE,
)
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}(?:\.|\[\.\]|\(\.\))){3}(?:\d{1,3}|[x*])(?:[:/]\d{1,5})?(?![\w]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?:%\w{1,12}|/\d{1,3})?(?![\w:])", re.IGNORECASE)
_MAC = re.compile(
    r"(?<![\w:-])(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}(?![\w:-])|(?<![\w.])(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}(?![\w.])",
    re.IGNORECASE,
)
_VERSION = re.compile(
    r"\b(?:v|ver|version|release|build|firmware|software|section|chapter|table)\.?\s?$", re.IGNORECASE
)
_TRAIL = ".,;:!?)]}'*_"


def detect(text: str) -> Iterator[Candidate]:
    """Addresses, and as wording to keep the pages of the public."""
    public = [match.span() for match in _PUBLIC.finditer(text)] if "." in text else []
    yield from (Candidate(start, end, None, Strength.FIRM) for start, end in public)
    for start, end, label, strength in _addresses(text):
        if label is Label.EMAIL or not any(a <= start < b for a, b in public):
            yield Candidate(start, end, label, strength)
    yield from _networks(text)


def _addresses(text: str) -> Iterator[Candidate]:
    for mark, pattern, label, strength in _ADDRESSES:
        for match in pattern.finditer(text) if mark.search(text) else ():
            if pattern is not _SPELT_EMAIL or not _refers(match):
                yield Candidate(match.start(), match.start() + len(match.group().rstrip(_TRAIL)), label, strength)
    for match in _PATH.finditer(text) if "/" in text or "=" in text else ():
        group = match.lastgroup or 0
        yield Candidate(match.start(group), match.end(group), Label.MRN, Strength.FIRM)


def _refers(match: re.Match[str]) -> bool:
    """ "seen at example.org": a page of the public, or a word of the language before the "at" instead of a name."""
    if match["word"] is None:
        return False
    low = match["word"].lower()
    page = bool(_PUBLIC.search(match.group().rpartition(" ")[2]))
    return page or (low.isalpha() and (lexicon().everyday(low) or lexicon().word_tier(low) > 0))


def _networks(text: str) -> Iterator[Candidate]:
    for match in _IPV4.finditer(text):
        address = re.sub(r"[x*]$", "0", re.split("[:/]", re.sub(r"[\[\]()]", "", match.group()))[0])
        if _is_address(address) and not _VERSION.search(text, max(0, match.start() - 12), match.start()):
            yield Candidate(match.start(), match.end(), Label.IP, Strength.CERTAIN)
    for match in _IPV6.finditer(text):
        if _is_address(re.split("[%/]", match.group())[0]):
            yield Candidate(match.start(), match.end(), Label.IP, Strength.CERTAIN)
    for match in _MAC.finditer(text):
        if re.search(r"[a-f:.]", match.group(), re.IGNORECASE):
            yield Candidate(match.start(), match.end(), Label.DEVICE, Strength.CERTAIN)


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return value not in ("::", "0.0.0.0")  # noqa: S104  # nosec B104  # names nobody
