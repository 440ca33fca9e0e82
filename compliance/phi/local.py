"""The hospital's own words: some always masked, some never taken for an identifier."""

from __future__ import annotations

from collections.abc import Iterator

from compliance.phi.normalise import normalise
from compliance.phi.types import Candidate, Strength, Terms
from compliance.phi.verbatim import standing


def detect(text: str, terms: Terms) -> Iterator[Candidate]:
    """Certain candidates for the words to mask, and clinical wording for the words to keep. Case does not count."""
    for label, words in terms.mask:
        for start, end in standing(text, normalise(words).text):
            yield Candidate(start, end, label, Strength.CERTAIN)
    for words in terms.keep:
        for start, end in standing(text, normalise(words).text):
            yield Candidate(start, end, None, Strength.FIRM)
