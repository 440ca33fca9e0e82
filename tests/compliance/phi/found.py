from __future__ import annotations

from compliance import phi


def found(text: str) -> list[tuple[str, str]]:
    """What is masked, as (label, words), in order."""
    return [(span.label.value, text[span.start : span.end]) for span in phi.find(text)]


def masked(text: str) -> str:
    return phi.mask(text).text
