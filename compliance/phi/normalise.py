"""A searchable form of a text, with the way back to the original.

Detectors search the normal form; spans are always cut out of the original, so a digit written full-width or a name
broken by a zero-width space is both found and masked whole.
"""

# ruff: noqa: RUF001  the look-alikes are the point

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

_LOOKALIKES = str.maketrans(
    {
        # Cyrillic and Greek letters that look Latin
        **dict(zip("АВЕЅІЈКМНОРСТХУасеіјорѕухԁһ", "ABESIJKMHOPCTXYaceijopsyxdh", strict=True)),
        **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "ABEZHIKMNOPTYXo", strict=True)),
        # dashes and quotation marks
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63", "-"),
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u02bc\u2032\u00b4`", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2028\u2029\u0085", "\n"),
        "\u2044": "/",
    }
)
_DROPPED = frozenset({"Cf", "Cc", "Mn", "Me", "Cs"})  # invisible, or left over once accents are composed
_SPACES = "\t\n\r\x0b\x0c"


@dataclass(frozen=True, slots=True)
class Normal:
    """`text` to search; `start_of[i]` and `end_of[i]` are where its character i begins and ends in the original."""

    text: str
    start_of: tuple[int, ...] | None  # None: same as the original, position by position
    end_of: tuple[int, ...] | None

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Offsets in the original of the non-empty stretch start..end of the normal form."""
        if self.start_of is None or self.end_of is None:
            return start, end
        return self.start_of[start], self.end_of[end - 1]


def normalise(text: str) -> Normal:
    """NFKC, zero-width and stray marks removed, look-alike letters, dashes and quotes made plain."""
    if text.isascii() and "`" not in text and all(c >= " " or c in _SPACES for c in text):
        return Normal(text, None, None)
    out: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for start, end in _clusters(text):
        for char in unicodedata.normalize("NFKC", text[start:end]).translate(_LOOKALIKES):
            if char in _SPACES or unicodedata.category(char) not in _DROPPED:
                out.append(char)
                starts.append(start)
                ends.append(end)
    return Normal("".join(out), tuple(starts), tuple(ends))


def _clusters(text: str) -> list[tuple[int, int]]:
    """A character and the combining marks that follow it, as one."""
    starts = [i for i, char in enumerate(text) if i == 0 or not unicodedata.combining(char)]
    return list(zip(starts, [*starts[1:], len(text)], strict=True))


def fold(word: str) -> str:
    """Lower case without accents, for looking a word up in a list."""
    if word.isascii():
        return word.lower()
    bare = "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))
    return bare.translate(_STROKES).lower()


_STROKES = str.maketrans({"ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ı": "i", "ß": "s"})
