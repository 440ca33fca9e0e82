"""Wording that must stay readable: codes, doses, results, drugs, diseases and the names that medicine has taken over.

Its candidates have no label: they beat findings that rest on a shape or a list alone, never those with a cue. Each is
as tight as the wording itself, so that a person beside it is not uncovered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from compliance.phi.detectors import clinical_forms as forms
from compliance.phi.detectors.places import tier, word_set
from compliance.phi.lexicon import Lexicon, lexicon, own_phrases, own_words
from compliance.phi.types import Candidate, Strength
from compliance.phi.words import Shape, Word, read_words

_FORMS = (
    forms.REGISTERS,
    forms.DRUG_CODES,
    forms.AMOUNTS,
    forms.SCORES,
    forms.TESTS,
    forms.GENETICS,
    forms.TRIALS,
    forms.CELL_LINES,
)
_MOST_WORDS_BEFORE = 5
_LINKS = {"and", "de", "von", "van", "der", "la", "le", "du", "of"}
_CAPITALS = (Shape.CAPITAL, Shape.UPPER, Shape.OTHER)
_UNITS = frozenset({"unit", "units"})  # a Hounsfield unit; St. Barnabas burn unit is a place
_COMMON_NAME = 4  # surname_tier or given_tier: some thousand bearers
_GRADED = re.compile(r"(?:'s)?[ -]?(?:[IVX]{1,4}|[A-D]\d?|\d{1,3}(?:[-/+]\d{1,3})?|[A-Z]\d\S{0,6})(?![\w/-])")
_FOUND = re.compile(
    r"(?:'s)?,? (?:absent|present|negative|positive|neg|pos|intact|sign|equivocal|tender(?:ness)?|guarded"
    r"|guarding|limited"
    r"|table|drain|done|distress|score|\+|\d\+)(?!\w)|(?:'s)?\)? (?:fx|fracture)"
)
_ABOUT = re.compile(
    r"(?:\?|\b(?:has|have|had|with|w/|of|from|for|h/o|hx|vs\.?|versus|r/o|possible|probable|suspect(?:ed)?"
    r"|modified|known|like"
    r"|her|his|my|their|the|no|and|or|both|is|prior|underlying|active|early|late|severe|mild|than|positive"
    r"|negative))\s?$",
    re.IGNORECASE,
)
_ENDS = re.compile(
    r"\s?(?:[,.;:?!)/+&-]|$|(?:and|or|which|who|but|with|on|is|since|for|in|so|that|now|as|at|not|was|are|vs)\b)"
)
_TRIAL_NAMES = word_set(
    "adriana aida alexa alice allegra amelia amber andrea angela aphinity apollo ariel arianna athena aurora"
    " bella bianca"
    " calla camelia camilla carla carmelina carmen carolina cassandra cassini catherine celeste charlotte chloe clarity"
    " claudia cleopatra crystal dahlia dakota daphne dawn delilah destiny diana dinah edith electra elena"
    " eliana elsa emerald"
    " emilia emily emma esther eva faith fiona flair flora freya gemma gloria grace hannah harmony harper"
    " helena helen hermes"
    " hope ida impala ines ingrid iris isabella isis ivy jada jasmine javelin jewel joy juliet juno jupiter"
    " justice kate"
    " katherine kestrel lana laura leda leila lena leo linda lily lucia lucy luna maia magnolia mara maria"
    " marianne marina"
    " mariposa martha matilda maya melody mercury mia mira miranda monica mona monaleesa natalee nala natasha"
    " nina noah nora"
    " octavia odyssey olivia olympia opal ophelia orion pacific paige paloma pamela pandora paola paradigm"
    " pearl penelope"
    " petra phoebe prima regina rita robin rosa rosalind ruby sabina sapphire sarah selena serena sierra"
    " simone solo sophia"
    " stella summit susan sylvia tania tatiana theresa tina titan una valentina valor vera vesta victor victoria viola"
    " virgo vivian willow zoe zodiac"
)
_TRIAL_TALK = re.compile(
    r"\b(?:trials?|rct|randomi[sz]ed|stud(?:y|ies)|phase (?:[1-4]|I{1,3}|IV)|arms?|placebo|hazard ratio|HR 0"
    r"|PFS|DFS|OS benefit"
    r"|NEJM|Lancet|JAMA|ASCO|ESMO|evidence|regimen)\b",
    re.IGNORECASE,
)
_PART_OF = re.compile(r"\b([a-z]{3,14}) of (?:the )?$")


def detect(text: str) -> Iterator[Candidate]:
    for pattern in _FORMS:
        for match in pattern.finditer(text):
            yield Candidate(match.start(), match.end(), None, Strength.FIRM)
    yield from _Reader(text, read_words(text), lexicon()).found()


def term(low: str, known: Lexicon) -> bool:
    """A word of diseases, anatomy or drugs that everyday language does not use."""
    facts = known.about(low)
    if not facts.medical and low.endswith("s"):
        facts = known.about(low[:-1])
    listed = bool(facts.medical or facts.drug) and facts.word <= _COMMON_NAME and not known.everyday(low)
    return listed or known.clinical_form(low)


@cache
def taken_over() -> frozenset[str]:
    """Names of things in medicine, many of them people's as well."""
    return own_words("shared_names") | own_words("named_things")


@cache
def _phrases() -> dict[str, frozenset[tuple[str, ...]]]:
    """Terms that hold a full name (Marcus Gunn), by their first word."""
    found: dict[str, set[tuple[str, ...]]] = {}
    for phrase in own_phrases("named_phrases"):
        first, *rest = phrase.split()
        found.setdefault(first, set()).add(tuple(rest))
    return {first: frozenset(rests) for first, rests in found.items()}


@dataclass(frozen=True, slots=True)
class _Reader:
    text: str
    words: list[Word]
    known: Lexicon

    def found(self) -> Iterator[Candidate]:
        for match in forms.SPECIES.finditer(self.text):
            if self.known.word_tier(match["species"]) < _COMMON_NAME:
                yield Candidate(match.start(), match.end(), None, Strength.FIRM)
        about_trials = self._about_trials()
        for i, word in enumerate(self.words):
            if word.low in self.known.heads and i and self._touches(i - 1):
                first = self._first_of(i)
                if first < i and (word.low not in _UNITS or self.known.eponym(self.words[i - 1].low)):
                    yield self._keep(first, i)
            if word.shape is Shape.UPPER and word.low in _TRIAL_NAMES and about_trials:
                yield self._keep(i, i)
            if word.shape in _CAPITALS:
                last = self._term(i)
                if last is not None:
                    yield self._keep(i, last)
            elif self._dosed_drug(i):
                yield self._keep(i, i)

    def _about_trials(self) -> bool:
        """Not all in capitals, and it speaks of trials: PALOMA is no person there."""
        return bool(_TRIAL_TALK.search(self.text)) and any(word.shape is Shape.LOWER for word in self.words)

    # -- names in front of "syndrome", "sign", "score", "catheter"

    def _first_of(self, head: int) -> int:
        """Walk back over the capitalised words that belong to the head."""
        first = at = head
        while at and head - at < _MOST_WORDS_BEFORE and self._touches(at - 1):
            at -= 1
            word = self.words[at]
            if word.shape in (*_CAPITALS, Shape.INITIAL):
                first = at
                if word.shape is Shape.UPPER:
                    break
            elif word.low not in _LINKS and not self.known.medical_word(word.low):
                break
        return first

    # -- terms that stand alone

    def _term(self, i: int) -> int | None:
        """The last word of the term that begins here; None when it may as well be a name."""
        lows = [word.low for word in self.words[i : i + 8]]
        count = self.known.medical_phrase(lows)
        if count > 1 and all(self._touches(j) for j in range(i, i + count - 1)):
            return i + count - 1
        for rest in _phrases().get(lows[0], ()):
            if tuple(lows[1 : 1 + len(rest)]) == rest and rest:
                return i + len(rest)
        region = self._region(i)
        if region is not None:
            return region
        return i if self._medicine(i) or self._eponym_alone(i) else None

    def _region(self, i: int) -> int | None:
        """A state or country stays readable; Virginia and Chad may be people."""
        for last in range(min(i + 3, len(self.words) - 1), i - 1, -1):
            low = " ".join(word.low for word in self.words[i : last + 1])
            if low in self.known.regions and (last > i or self.known.given_tier(low) < _COMMON_NAME):
                return None if self._in_a_longer_name(i, last) else last
        return None

    def _in_a_longer_name(self, i: int, last: int) -> bool:
        """New York City, our California office: the state is a part of something smaller."""
        if i and self._touches(i - 1) and self.words[i - 1].shape in (Shape.CAPITAL, Shape.UPPER):
            return True
        if last + 1 == len(self.words) or not self._touches(last):
            return False
        after = self.words[last + 1]
        return after.shape in _CAPITALS or after.low in (
            "clinic",
            "hospital",
            "office",
            "branch",
            "campus",
            "site",
            "facility",
            "med",
            "va",
        )

    def _medicine(self, i: int) -> bool:
        """A drug or a word of diseases; one that is a common name of people needs a dose or a verb of taking."""
        word = self.words[i]
        if self.known.drug(word.low):
            return not self._common_name(word.low) or self._dosed_drug(i) or self._is_taken(i)
        return self.known.medical_word(word.low) and not self._common_name(word.low) and not self.known.eponym(word.low)

    def _dosed_drug(self, i: int) -> bool:
        word = self.words[i]
        return self.known.drug(word.low) and bool(forms.DOSED.match(self.text, word.end))

    def _is_taken(self, i: int) -> bool:
        """Take Yasmin, switch to Camila: a verb of taking before, no second name behind."""
        alone = i + 1 == len(self.words) or not self._touches(i) or self.words[i + 1].shape is Shape.LOWER
        return alone and bool(
            re.search(
                r"\b(?:takes?|taking|took|start(?:ed|ing)?|stop(?:ped|ping)?|prescribed?|refill)\s(?:\w+\s)?$",
                self.text[max(0, self.words[i].start - 30) : self.words[i].start],
                re.IGNORECASE,
            )
        )

    def _eponym_alone(self, i: int) -> bool:
        """Fogarty, Barrett's, Weber B: medicine's by its company, or because hardly anybody bears the name."""
        word = self.words[i]
        if not (self.known.eponym(word.low) or word.low in taken_over()) or self._beside_a_person(i):
            return False
        return not self._common_name(word.low) or self._in_clinical_company(i)

    def _in_clinical_company(self, i: int) -> bool:
        word = self.words[i]
        end = word.end
        before = self.text[max(0, word.start - 24) : word.start]
        if _GRADED.match(self.text, end) or _FOUND.match(self.text, end):
            return True
        part = _PART_OF.search(before)
        if part and (part[1] in self.known.heads or self.known.medical_word(part[1])):
            return True
        if self.text[end : end + 2] == "'s" and _ABOUT.search(before) and _ENDS.match(self.text, end + 2):
            return True
        if i + 1 < len(self.words) and self._touches(i):
            after = self.words[i + 1]
            if after.shape is Shape.LOWER and (after.low in self.known.heads or term(after.low, self.known)):
                return True
        return self.known.given_tier(word.low) < _COMMON_NAME and self._listed_with_terms(i)

    def _listed_with_terms(self, i: int) -> bool:
        """Hickman, Broviac, Swan-Ganz: a neighbour of the list is a term that is no common name."""
        for j, left, right in ((i - 1, i - 1, i), (i + 1, i, i + 1)):
            if 0 <= j < len(self.words):
                gap = self.text[self.words[left].end : self.words[right].start]
                if re.fullmatch(
                    r"(?:'s)?(?: ?\([\w ]{0,12}\))?(?:, | / |/|; | vs\.? | [&] )(?:and |or )?", gap
                ) and self._sure_term(j):
                    return True
        return False

    def _sure_term(self, j: int) -> bool:
        low = self.words[j].low
        facts = self.known.about(low)
        if self._common_name(low) or facts.word > _COMMON_NAME or (self.known.everyday(low) and not facts.drug):
            return False
        return self.known.eponym(low) or low in taken_over() or bool(facts.medical or facts.drug)

    def _common_name(self, low: str) -> bool:
        facts = self.known.about(low)
        return facts.surname >= _COMMON_NAME or facts.given >= _COMMON_NAME or tier(low, self.known) > _COMMON_NAME

    def _beside_a_person(self, i: int) -> bool:
        """A given name, an initial or a title before it, or a family name behind it."""
        if i and self._touches(i - 1):
            before = self.words[i - 1]
            named = before.shape in (Shape.CAPITAL, Shape.UPPER) and self.known.given_tier(before.low) >= 3
            if named and not self.known.medical_word(before.low) and not self.known.everyday(before.low):
                return True
        if (
            i
            and self.words[i - 1].shape is Shape.INITIAL
            and self.text[self.words[i - 1].end : self.words[i].start] in (". ", " ")
        ):
            return True
        if i + 1 < len(self.words) and self.text[self.words[i].end : self.words[i + 1].start] in (" ", ", "):
            after = self.words[i + 1]
            if after.shape is Shape.INITIAL and self.text[after.end : after.end + 1] == ".":
                return True
            gap = self.text[self.words[i].end : after.start]
            name = after.shape in (Shape.CAPITAL, Shape.UPPER) and self.known.name_odds(after.low) >= 4
            return name and not self._sure_term(i + 1) and not (gap == ", " and self.known.given_tier(after.low) < 4)
        return False

    def _touches(self, i: int) -> bool:
        """Nothing between words i and i+1 but a space, a hyphen or a possessive."""
        return self.text[self.words[i].end : self.words[i + 1].start] in {" ", "-", "'s ", "' ", "/", "  "}

    def _keep(self, first: int, last: int) -> Candidate:
        return Candidate(self.words[first].start, self.words[last].end, None, Strength.FIRM)
