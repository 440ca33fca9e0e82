"""What was accepted once is masked wherever it stands again, in this text and later in the conversation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from compliance.phi.lexicon import Lexicon, lexicon
from compliance.phi.normalise import normalise
from compliance.phi.types import Candidate, Entity, Label, Span, Strength
from compliance.phi.words import Shape, Word, read_words

_WHOLE = frozenset(Label) - {Label.NAME, Label.ROOM, Label.AGE_OVER_89, Label.DATE}
_SHORTEST = 5  # characters of a number or place that is worth looking for again


def again(text: str, spans: Iterable[Span], known: Iterable[Entity]) -> Iterator[Candidate]:
    """Repeats of found and of known values. Names count word by word: "Lopez" after "Maria Lopez"."""
    values = [(span.label, text[span.start : span.end]) for span in spans]
    values += [(entity.label, normalise(entity.value).text) for entity in known]
    yield from _names(text, [value for label, value in values if label is Label.NAME], lexicon())
    yield from _full_names(text, {value for label, value in values if label is Label.NAME and " " in value})
    wholes = {
        (label, value) for label, value in values if label in _WHOLE and sum(c.isalnum() for c in value) >= _SHORTEST
    }
    for label, value in sorted(wholes):
        for match in _whole(value).finditer(text):
            yield Candidate(match.start(), match.end(), label, Strength.FIRM)


def _whole(value: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(value)}(?!\w)", re.IGNORECASE)


def _full_names(text: str, names: set[str]) -> Iterator[Candidate]:
    for name in sorted(names):
        for match in _whole(name).finditer(text):
            yield Candidate(match.start(), match.end(), Label.NAME, Strength.WEAK)


def _names(text: str, names: list[str], known: Lexicon) -> Iterator[Candidate]:
    seeds: dict[str, bool] = {}  # folded word: was it always written in lower case
    for name in names:
        for seed in read_words(name):
            if seed.shape is not Shape.INITIAL and len(seed.low) > 2 and not known.everyday(seed.low):
                seeds[seed.low] = seeds.get(seed.low, True) and seed.shape is Shape.LOWER
    if seeds:
        for word in read_words(text):
            if word.low in seeds and _same(word, seeds[word.low], known):
                yield Candidate(word.start, word.end, Label.NAME, Strength.WEAK)


def _same(word: Word, lower: bool, known: Lexicon) -> bool:
    """Lower case repeats a capitalised name only where the word can be nothing else."""
    return (
        word.shape is not Shape.LOWER
        or lower
        or (word.low not in known.ambiguous and (word.low in known.familiar or known.surname(word.low)))
    )
