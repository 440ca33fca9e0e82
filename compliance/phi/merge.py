"""From overlapping candidates to disjoint spans. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from compliance.phi.types import Candidate, Label, Span, Strength

_ORDER = {label: rank for rank, label in enumerate(Label)}


def resolve(text: str, candidates: Iterable[Candidate]) -> tuple[Span, ...]:
    """Disjoint spans, sorted.

    Clinical wording (no label) removes the weak candidates it touches. Of those left the strongest wins, then the
    longest, then the first; what a loser covered beyond the winner stays masked, so nothing found is ever uncovered.
    """
    kept = list(candidates)
    clinical = bytearray(len(text))
    for start, end, label, _ in kept:
        if label is None:
            clinical[start:end] = b"\1" * (end - start)
    ranked = sorted(
        (
            (start, end, label, strength)
            for start, end, label, strength in kept
            if label is not None and not (strength is Strength.WEAK and any(clinical[start:end]))
        ),
        key=lambda c: (-c[3], c[0] - c[1], c[0], _ORDER[c[2]]),
    )
    taken = bytearray(len(text))
    spans: list[Span] = []
    for start, end, label, _ in ranked:
        for left, right in _free(taken, start, end):
            trimmed = _trim(text, left, right)
            if trimmed is not None:
                spans.append(Span(*trimmed, label))
        taken[start:end] = b"\1" * (end - start)
    return tuple(sorted(spans, key=lambda span: span.start))


def _free(taken: bytearray, start: int, end: int) -> list[tuple[int, int]]:
    """The stretches of start..end nobody has yet."""
    runs = []
    at = start
    while at < end:
        left = taken.find(b"\0", at, end)
        if left < 0:
            break
        right = taken.find(b"\1", left, end)
        at = end if right < 0 else right
        runs.append((left, at))
    return runs


def _trim(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Without white space at the ends; None when nothing but punctuation is left."""
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return (start, end) if any(c.isalnum() for c in text[start:end]) else None
