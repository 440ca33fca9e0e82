"""Masking words a person has pointed at, in a text that is masked already. Needs no detector. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from compliance.phi.normalise import normalise
from compliance.phi.tokens import TOKEN, put_tokens, segments
from compliance.phi.types import Entity, Label, Masked, Segment, Span
from compliance.phi.verbatim import standing

_SHORTEST_PART = 4
"""Fewer letters and digits inside a longer word are a coincidence."""


@dataclass(frozen=True, slots=True)
class Covered:
    """A text with more of it masked; `token` stands where the words stood first."""

    masked: Masked
    token: str


def occurrences(text: str, words: str) -> list[tuple[int, int]]:
    """Where the words stand in a text; case, accents of the keyboard and width of space do not count.

    Whole words. Parts of longer ones only where there are none, or where they hold a digit: "MRN4471" for "4471".
    """
    normal, wanted = normalise(text), normalise(words).text
    found = list(standing(normal.text, wanted))
    numbered = any(c.isdigit() for c in words)
    if sum(c.isalnum() for c in words) >= _SHORTEST_PART and (numbered or not found):
        found = list(standing(normal.text, wanted, inside=True))
    return [normal.original(start, end) for start, end in found]


def blank(text: str, words: str, put: str) -> str:
    """The text with `put` in the place of the words."""
    for start, end in reversed(occurrences(text, words)):
        text = f"{text[:start]}{put}{text[end:]}"
    return text


def cover(
    text: str, entities: Iterable[Entity], spellings: Sequence[int], *, words: str, label: Label
) -> Covered | None:
    """Mask the words in a masked text as well, as its author reads it; None where they do not stand there unmasked.

    `entities` are the conversation's. What is masked already stays so; a token the words reach into goes into theirs.
    """
    known = tuple(entities)
    pieces = segments(text, known, spellings)
    plain = "".join(piece.text for piece in pieces)
    masked = list(_masked(pieces))
    new = [
        Span(start, end, label)
        for start, end in occurrences(plain, words)
        if not any(span.start <= start and end <= span.end for span in masked)
    ]
    if not new:
        return None
    more = put_tokens(plain, list(_joined([*masked, *new], label)), known)
    first = next(nth for nth, span in enumerate(more.spans) if span.start <= new[0].start < span.end)
    return Covered(more, more.tokens[first])


def _masked(pieces: Iterable[Segment]) -> Iterator[Span]:
    """The tokens of a text, as spans of what its author reads."""
    at = 0
    for piece in pieces:
        if piece.token and (token := TOKEN.fullmatch(piece.token)):
            yield Span(at, at + len(piece.text), Label(token["label"]))
        at += len(piece.text)


def _joined(spans: Iterable[Span], label: Label) -> Iterator[Span]:
    """In order; those that overlap as one, with the label."""
    last: Span | None = None
    for span in sorted(spans, key=lambda one: one.start):
        if last is not None and span.start < last.end:
            last = Span(last.start, max(last.end, span.end), label)
            continue
        if last is not None:
            yield last
        last = span
    if last is not None:
        yield last
