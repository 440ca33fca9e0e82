"""Names by their form alone: HL7 carets, initials, newborns, families, subjects of a trial, names spelled out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from compliance.phi.lexicon import Lexicon
from compliance.phi.types import Candidate, Label, Strength
from compliance.phi.words import Word

_CARET = re.compile(
    r"(?<![\w^])[^\W\d_][^\W\d_' -]{1,40}\^[^\W\d_][^\W\d_' -]{1,40}(?:\^[^\W\d_]{0,20}\.?){0,4}(?! ?\d|\w)"
)
_CODINGS = r"(?:LN|SCT|SNM\w{0,3}|I9C?|I10\w{0,2}|ICD\w{0,5}|CPT\w?|C4|HCPCS|RXNORM|NDC|CVX|UCUM|L|99\w{0,5})"
_NUMBERED_CARET = re.compile(
    rf"(?<![\w^])\d{{4,10}}\^(?P<name>[^\W\d_][^\W\d_'-]{{1,40}}\^(?!{_CODINGS}(?!\w))[^\W\d_][^\W\d_'-]{{1,40}}"
    r"(?:\^[^\W\d_]{1,20}\.?){0,2})(?!\w)"
)
"""Behind the number of a clinician, not of a term: 1982440173^DESROSIERS^PAULE."""
_INITIALS = re.compile(
    r"(?<![\w.])(?:pts?|patient|mrs?|ms|dr|initials|subject|named|recipient|donor|participant)(?:\. ?|: ?| )"
    r"(?P<name>(?:[A-Z]\. ?){1,3}(?!\w))",
    re.IGNORECASE,
)
_BARE_INITIALS = re.compile(
    r"(?<![\w.])(?:[Pp]ts?|PTS?|[Pp]atient|PATIENT|[Ii]nitials:?|INITIALS:?) (?P<name>[A-Z]{2,3})"
    r"(?= (?:in|IN|rm|RM|bed|BED|is|IS|was|has|HAS|needs|wants|from|who|again|consented|withdrew)\b| ?\("
    r"|,? \d{1,3} ?[MFymf])"
)
_LONE_INITIAL = re.compile(r"(?<![\w.])(?:Mrs?|Ms|[Dd]r)\.? (?P<name>[A-Z])(?=[ ,.;?!)]|$)(?!\.[A-Z])")
_NEWBORN = re.compile(
    r"\b(?P<name>(?:Baby (?:Boy|Girl)|BABY (?:BOY|GIRL)|BB|BG|Twin [AB]) [A-Z][\w'-]{1,30}"
    r"|B(?:aby|ABY) [A-Z][\w']{1,30}-(?i:twin) ?[A-C1-3]\b)"
)
_SMALL_NEWBORN = re.compile(r"\b(?P<name>baby (?:boy|girl) (?P<family>[a-z][a-z'-]{1,30}))")
_FAMILY = re.compile(
    r"\b[Tt]he (?P<name>[A-Z][\w'-]{1,30})(?= (?:twins?|triplets|family|baby|babies|brothers"
    r"|sisters|siblings|kids)\b)"
)
_SUBJECT = re.compile(
    r"(?:\b[A-Z]{1,4}-?\d[\d-]{2,12}|\b\d{1,5}-\d{2,8}|\b[Ss]ubject \d{2,12}):? (?:initials |\()?"
    r"(?P<name>[A-Z]{2,3}|[A-Z]-[A-Z])\)?"
    r"(?= (?:consented|withdrew|randomi|enrolled|screen|reported|completed|signed|was|is|had)|,)"
)
_ALIAS = re.compile(r"\"(?P<name>(?:Trauma|Unknown|Unidentified|Doe|Disaster) [A-Z][a-z]{2,12})\"")
_SPELLED = re.compile(r"(?<![\w'])(?P<name>[^\W\d_](?:[ -][^\W\d_]){2,14})(?![^\W_])")


def by_form(text: str, words: Iterable[Word], known: Lexicon) -> Iterator[Candidate]:
    """The names of a text that need no weighing."""
    for match in _CARET.finditer(text):
        yield Candidate(match.start(), match.end(), Label.NAME, Strength.FIRM)
    for form in (_NUMBERED_CARET, _INITIALS, _BARE_INITIALS, _LONE_INITIAL, _NEWBORN, _FAMILY, _SUBJECT, _ALIAS):
        for match in form.finditer(text):
            yield Candidate(match.start("name"), match.end("name"), Label.NAME, Strength.FIRM)
    for match in _SMALL_NEWBORN.finditer(text):
        if known.about(match["family"]).odds > 3:
            yield Candidate(match.start(), match.end(), Label.NAME, Strength.FIRM)
    yield from _spelled(text, {word.low for word in words if len(word.low) > 2}, known)


def _spelled(text: str, lows: set[str], known: Lexicon) -> Iterator[Candidate]:
    """x i o n g: letters that spell a word of the text or a known name."""
    for match in _SPELLED.finditer(text):
        letters = re.sub(r"[ -]", "", match["name"]).lower()
        if letters in lows or (len(letters) > 3 and known.about(letters).odds > 4):
            yield Candidate(match.start(), match.end(), Label.NAME, Strength.FIRM)
