"""What the lists say of a word, for the evidence on names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

from compliance.phi.lexicon import Facts, Lexicon, lexicon, own_phrases, own_words
from compliance.phi.words import Shape, Word

_ODDS = (
    (-1, "hardly ever a name"),
    (2, "seldom a name"),
    (5, "at times a name"),
    (8, "mostly a name"),
    (99, "always a name"),
)
"""Reasons by the power of two of the name odds, each below its limit."""


def facts_of(known: Lexicon, word: Word) -> Facts:
    """Of a word with hyphens the facts of its least name-like known part; in capitals all parts must be known."""
    facts = known.about(word.low)
    if "-" not in word.low or any(facts):
        return facts
    parts = [known.about(part) for part in word.low.split("-")]
    if word.shape in (Shape.UPPER, Shape.OTHER) and not all(any(part) for part in parts):
        return facts
    parts = [part for part in parts if any(part)]
    return min(parts, key=lambda f: f.odds if f.surname or f.given else -9) if parts else facts


def commonness(facts: Facts) -> Iterator[str]:
    """How often the word is a name, and how often English."""
    if facts.surname or facts.given:
        odds = facts.odds
        yield next(reason for limit, reason in _ODDS if odds < limit)
    if facts.given > 2:
        yield "given name" if facts.given > 4 else "rarer given name"
    if facts.listed_given or facts.listed_surname:
        yield "name of a list"
    if facts.word:
        yield "common English" if facts.word > 3 else "English"
    if not any(facts):
        yield "unknown word"


@cache
def named_things() -> frozenset[str]:
    """People, makers and organisms that clinical text names without a word behind."""
    return own_words("named_things")


@cache
def abbreviations() -> frozenset[str]:
    """Short forms of notes and papers."""
    return own_words("named_short")


@cache
def _phrases() -> dict[str, frozenset[tuple[str, ...]]]:
    """Clinical terms of several words that hold a name, by their first word."""
    found: dict[str, set[tuple[str, ...]]] = {}
    for phrase in (*own_phrases("named_phrases"), *lexicon().phrases["medical"]):
        first, *rest = phrase.replace("-", " ").split()
        found.setdefault(first, set()).add(tuple(rest))
    return {first: frozenset(rests) for first, rests in found.items()}


def in_phrases(words: Sequence[Word]) -> frozenset[int]:
    """The words that stand inside a clinical term of several words: Ivor Lewis, West Nile virus."""
    parts = [(part, i) for i, word in enumerate(words) for part in word.low.split("-")]
    inside: set[int] = set()
    for at, (part, _) in enumerate(parts):
        for rest in _phrases().get(part, ()):
            stop = at + 1 + len(rest)
            if tuple(low for low, _ in parts[at + 1 : stop]) == rest:
                inside.update(i for _, i in parts[at:stop])
    return frozenset(inside)
