"""What an editor must look at before a document is approved: hidden text, text for a program, patient identifiers."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import chain, islice

from chat.corpus import instructions
from chat.corpus.formats import Source
from chat.corpus.formats.canonical import UNPRINTED, smuggles, unveiled
from chat.models import Finding
from compliance import masking, phi

Kind = Finding.Kind

WHERE = "library"
MOST = 500
"""So many of each kind are listed for one document; nobody reads more, and fewer already stop it."""
SLICE = 12_000
"""Characters masked at a time: a second's work, far from the masker's deadline."""
EXCERPT = 200
NAMES = {"white": "white text", "tiny": "tiny text", "picture": "page without text", "rotated": "turned text"}
SEEN = {"picture", "rotated", "struck out"}
"""What a reader does see, though it was left out."""
TITLED = ("title", "section", "source", "owner", "licence", "specialty")
BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]+")
JOINED = re.compile("(?<=[A-Za-z])[\u200b-\u200d\u2060\ufeff]+(?=[A-Za-z])")
FEW_JOINED = 3
"""So many words with something invisible in them are a trick, fewer come from a web page."""
MIXED = re.compile(r"\b(?=\w*[A-Za-z]{2})(?=\w*[\u0400-\u04ff])\w{3,}\b")
"""A word of Latin letters with Cyrillic ones in it."""

WEAK = {phi.Label.DATE, phi.Label.LOCATION, phi.Label.FACILITY, phi.Label.URL, phi.Label.AGE_OVER_89, phi.Label.DEVICE}
"""In a published text these belong to studies and institutions, unless a person is spoken of beside them."""
PERSON = re.compile(
    r"\b(?:\d{1,3}[- ]?(?:year|yr|month|week|day)s?[- ]old|y/?o\b|DOB|date of birth|MRN|record number|"
    r"admitted (?:on|to|with)|discharged (?:on|to|from|home)|Mrs?\.? |Ms\.? |born (?:on|in)|"
    r"lives (?:in|at|alone|with)|resident of|(?:this|our) patient\b|patient(?: name)?:)",
    re.IGNORECASE,
)
"""Words about one person, not about patients."""
REFERENCE = re.compile(
    r"\bet al\b|\bdoi\b|\b10\.\d{4,}/|\b(?:19|20)\d\d\s?[;:]\s?\d+|\bPMID\b|\bISBN\b|"
    r"(?-i:\b[A-Z][a-z]+ [A-Z]{1,3}(?:,| and |\.))|\bvol(?:ume)?\.? \d|\bpp?\. ?\d|\(\w+,? (?:19|20)\d\d\)|"
    r"^\W*(?:Source|References?|Authors?|Copyright|©)|\bcopyright\b|©|"
    r"\b(?:described|reported|named|named after|discovered|introduced|proposed) (?:by|after|for|in)\b|"
    r"\b(?:written|reviewed|edited|prepared|approved|compiled|published|developed|validated) by\b|\bcorrespond|"
    r"\b(?:committee|editor|professor|department of|university|institute|foundation|society|college|academy|press)\b",
    re.IGNORECASE | re.MULTILINE,
)
CREDITS = re.compile(
    r"reference|bibliograph|author|acknowledg|contributor|copyright|contact|about th|funding|conflict|disclosure|"
    r"committee|credits|source",
    re.IGNORECASE,
)
"""Headings of parts where people and addresses are published."""
CONTACT = re.compile(
    r"\bcall\b|\bcontact\b|\bvisit\b|www\.|https?:|toll[- ]free|hotline|helpline|\breport\b|\bFDA\b|manufactur|"
    r"distributed|poison|web ?site|inquir|telephone:|customer|support line|e-?mail:",
    re.IGNORECASE,
)
REACHED = {phi.Label.PHONE, phi.Label.FAX, phi.Label.EMAIL, phi.Label.URL, phi.Label.LOCATION}
AROUND = 160


def find(source: Source) -> list[Finding]:
    """All findings of a document, unsaved and without their version. Raises phi.PhiUnavailable."""
    every = (
        chain(_hidden(source), _disguised(source)),
        chain(_instructions(source), _in_hidden(source)),
        chain(_identifiers(source), _in_title(source)),
    )
    return [finding for kind in every for finding in islice(kind, MOST)]


# ── Hidden text ──────────────────────────────────────────────────────────────────────────────────────────────────


def _hidden(source: Source) -> Iterator[Finding]:
    """What the parser left out."""
    for hidden in source.hidden:
        excerpt = hidden.excerpt if hidden.how == "picture" else _masked(hidden.excerpt)
        yield Finding(kind=Kind.HIDDEN, label=NAMES.get(hidden.how, hidden.how)[:40], page=hidden.page, excerpt=excerpt)


def _disguised(source: Source) -> Iterator[Finding]:
    """What stands in the text and is not seen, or seen as something else."""
    text = source.text
    if text.isascii():
        return
    for match in UNPRINTED.finditer(text):
        if smuggles(match[0]):
            yield _at(source, Kind.HIDDEN, "characters without width", *match.span(), _masked(unveiled(match[0])))
    for match in BIDI.finditer(text):
        yield _at(source, Kind.HIDDEN, "reversed text", *match.span())
    joined = list(islice(JOINED.finditer(text), MOST))
    if len(joined) >= FEW_JOINED:
        for match in joined:
            yield _at(source, Kind.HIDDEN, "characters without width", *match.span())
    for match in MIXED.finditer(text):
        yield _at(source, Kind.HIDDEN, "look-alike letters", *match.span())


def _masked(excerpt: str) -> str:
    """Of text that is not kept anywhere else: with a word for each identifier."""
    return masking.note(excerpt, where=WHERE)[:EXCERPT]


# ── Text for a program ───────────────────────────────────────────────────────────────────────────────────────────


def _instructions(source: Source) -> Iterator[Finding]:
    for found in instructions.find(source.text):
        yield _at(source, Kind.INSTRUCTION, found.label, found.start, found.end)
    for name in TITLED:
        if instructions.find(value := getattr(source, name)):
            yield Finding(kind=Kind.INSTRUCTION, label=f"in the {name}", excerpt=_masked(value[:EXCERPT]))


def _in_hidden(source: Source) -> Iterator[Finding]:
    for hidden in source.hidden:
        if hidden.how not in SEEN and (found := instructions.find(hidden.excerpt)):
            label = f"{found[0].label}, hidden"
            yield Finding(kind=Kind.INSTRUCTION, label=label, page=hidden.page, excerpt=_masked(hidden.excerpt))


# ── Identifiers ──────────────────────────────────────────────────────────────────────────────────────────────────


def _identifiers(source: Source) -> Iterator[Finding]:
    """Offsets only: what they are is in the text, and nowhere else."""
    published = _credits(source)
    for start, end in _slices(source.text):
        for span in masking.mask(source.text[start:end], where=WHERE).spans:
            left, right = start + span.start, start + span.end
            if label := _label(source.text, span.label, left, right, in_credits=_is_in(published, left)):
                yield _at(source, Kind.IDENTIFIER, label, left, right)


def _in_title(source: Source) -> Iterator[Finding]:
    for span in masking.mask(source.title, where=WHERE).spans:
        if span.label not in WEAK:
            yield Finding(kind=Kind.IDENTIFIER, label=f"{phi.label_words[span.label]} in the title"[:40])


def _label(text: str, label: phi.Label, start: int, end: int, *, in_credits: bool) -> str:
    """What to call it; empty for a date or place that belongs to nobody."""
    left = max(text.rfind("\n\n", 0, start) + 2, start - 4 * AROUND, 0)
    below = text.find("\n\n", end)
    paragraph = text[left : min(below if below >= 0 else len(text), end + 4 * AROUND)]
    near = text[max(left, start - AROUND) : end + AROUND]
    word = phi.label_words[label]
    personal = PERSON.search(paragraph) is not None
    if label in WEAK:
        return word if personal and not in_credits else ""
    if personal:
        return word
    if label in REACHED and CONTACT.search(near):
        return f"{word}, published"
    return f"{word}, published" if in_credits or REFERENCE.search(near) else word


def _credits(source: Source) -> list[tuple[int, int]]:
    """Where references, authors and addresses stand."""
    from chat.corpus import structure

    if source.format != "markdown":
        return []
    return [(p.start, p.end) for p in structure.parts(source.text, markdown=True) if CREDITS.search(p.heading)]


def _is_in(parts: list[tuple[int, int]], at: int) -> bool:
    i = bisect_right(parts, (at, at))
    return any(start <= at < end for start, end in parts[max(i - 1, 0) : i + 1])


def _slices(text: str) -> Iterator[tuple[int, int]]:
    """The text in pieces that end between paragraphs, lines or words, whichever comes first."""
    start = 0
    while start < len(text):
        end = start + SLICE
        if end < len(text):
            for gap in ("\n\n", "\n", ". ", " "):
                if (found := text.rfind(gap, start + SLICE // 2, end)) > 0:
                    end = found + len(gap)
                    break
        yield start, min(end, len(text))
        start = end


def _at(source: Source, kind: Finding.Kind, label: str, start: int, end: int, excerpt: str = "") -> Finding:
    page = bisect_right(source.pages, start) or None
    return Finding(kind=kind, label=label[:40], start=start, end=end, page=page, excerpt=excerpt)
