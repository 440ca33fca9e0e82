"""Where given words stand in a text. Without patterns: `re` would keep each of them, and so each value, in memory."""

from __future__ import annotations

from collections.abc import Iterator


def standing(text: str, words: str, *, inside: bool = False) -> Iterator[tuple[int, int]]:
    """Each place where the words stand, one after the other; case and the width of space between them do not count.

    Whole words, unless `inside`: then also as a part of longer ones.
    """
    low, parts = lowered(text), lowered(words).split()
    start = low.find(parts[0]) if parts else -1
    while start >= 0:
        end = _end(low, start, parts)
        if end and (inside or (_edge(low, start - 1) and _edge(low, end))):
            yield start, end
            start = low.find(parts[0], end)
        else:
            start = low.find(parts[0], start + 1)


def lowered(text: str) -> str:
    """In small letters, character by character: offsets stay the same."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def _end(low: str, start: int, parts: list[str]) -> int:
    """Where the last part ends, if all stand here; else 0."""
    at = start + len(parts[0])
    for part in parts[1:]:
        following = at
        while following < len(low) and low[following].isspace():
            following += 1
        if following == at or not low.startswith(part, following):
            return 0
        at = following + len(part)
    return at


def _edge(low: str, at: int) -> bool:
    """No word goes on here."""
    return not 0 <= at < len(low) or not (low[at].isalnum() or low[at] == "_")
