"""What is said of a wait, which goes by while a test looks."""

from __future__ import annotations

import re

_GONE_BY = 25
"""So many seconds of a wait may a busy machine take until it names it."""


def from_its_beginning(said: str, *, seconds: int = 30) -> str:
    """The words as they are at the beginning of a wait of so many seconds."""

    def first(found: re.Match[str]) -> str:
        return f"Wait {seconds} s" if 0 <= seconds - int(found[1]) < _GONE_BY else found[0]

    return re.sub(r"Wait (\d+) s\b", first, said)
