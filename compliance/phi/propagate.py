"""What was accepted once is masked wherever it stands again, in this text and later in the conversation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from compliance.phi.detectors.name_cues import PARTICLES, SUFFIXES
from compliance.phi.lexicon import Lexicon, lexicon
from compliance.phi.normalise import normalise
from compliance.phi.types import Candidate, Entity, Label, Span, Strength
from compliance.phi.verbatim import standing
from compliance.phi.words import Shape, Word, read_words

_WHOLE = frozenset(Label) - {Label.NAME, Label.ROOM, Label.AGE_OVER_89, Label.DATE}
_SMALL = PARTICLES | SUFFIXES | {"the", "and"}
_DOTTED = re.compile(r"(?:[^\W\d_]\.){2,3}")
_THING_BEFORE = re.compile(r"(?:\b(?:the|an?|on|w|no)|[-/]) ?$", re.IGNORECASE)
_THING_BEHIND = re.compile(r"'s(?! (?:wife|husband|mom|mother|dad|father|son|daughter|family|chart|room|labs?)\b)|-")
_SHORTEST = 5  # characters of a number or place that is worth looking for again


def again(text: str, spans: Iterable[Span], known: Iterable[Entity]) -> Iterator[Candidate]:
    """Repeats of found and of known values. Names count word by word: "Lopez" after "Maria Lopez"."""
    values = [(span.label, text[span.start : span.end]) for span in spans]
    values += [(entity.label, normalise(entity.value).text) for entity in known]
    names = [value for label, value in values if label is Label.NAME]
    yield from _names(text, names, lexicon())
    yield from _full_names(text, {value for value in names if " " in value or _DOTTED.fullmatch(value)})
    wholes = {
        (label, value) for label, value in values if label in _WHOLE and sum(c.isalnum() for c in value) >= _SHORTEST
    }
    for label, value in sorted(wholes):
        for start, end in _whole(text, value):
            yield Candidate(start, end, label, Strength.FIRM)


def _whole(text: str, value: str) -> Iterator[tuple[int, int]]:
    return ((start, end) for start, end in standing(text, value) if text[start - 1 : start] != ".")


def _full_names(text: str, names: set[str]) -> Iterator[Candidate]:
    for name in sorted(names):
        for start, end in _whole(text, name):
            yield Candidate(start, end, Label.NAME, Strength.WEAK)


def _names(text: str, names: list[str], known: Lexicon) -> Iterator[Candidate]:
    seeds: dict[str, bool] = {}  # folded word: was it always written in lower case
    for name in names:
        for seed in read_words(name):
            if seed.shape is not Shape.INITIAL and len(seed.low) > 1 and seed.low not in _SMALL:
                seeds[seed.low] = seeds.get(seed.low, True) and seed.shape is Shape.LOWER
    if seeds:
        for word in read_words(text):
            if word.low in seeds and _same(text, word, seeds[word.low], known):
                yield Candidate(word.start, word.end, Label.NAME, Strength.WEAK)


def _same(text: str, word: Word, lower: bool, known: Lexicon) -> bool:
    """A word of the language repeats a name only with a capital inside a sentence; an eponym not in "the Foley"."""
    facts = known.about(word.low)
    english = known.everyday(word.low) or word.low in known.ambiguous or (facts.word > 2 and facts.odds < 5)
    before = text[max(0, word.start - 5) : word.start]
    if known.eponym(word.low) or facts.eponym:
        thing = _THING_BEFORE.search(before) or _THING_BEHIND.match(text, word.end)
        return word.shape is not Shape.LOWER and not thing
    if english or len(word.low) == 2:
        return word.shape is Shape.CAPITAL and before[-1:] == " " and before[-2:-1] not in ".!?:-"
    return word.shape is not Shape.LOWER or lower or not (facts.drug or facts.medical)
