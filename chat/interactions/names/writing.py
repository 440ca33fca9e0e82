"""Text as the recogniser reads it: one plain letter for each way of writing it, and where each stood.

Full-width letters, accents, ligatures, curly quotes, long hyphens and invisible characters make no difference to a
name. Every character kept remembers its place, so that a mention can point into the text as it was given.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

_PIECES = re.compile(r"[^\W\d_]+|\d+")
_SIGNS = {
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d", "-"),
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u02bc\u2032\u00b4\u0060\u05f3", "'"),
    "\u2044": "/",
    "\u2215": "/",
    "\u00d7": "x",
    "\u00b5": "mc",
    "\u03bc": "mc",
    "\u03b1": "alpha",
    "\u03b2": "beta",
    "ß": "ss",
    "æ": "ae",
    "œ": "oe",
}
"""Signs that stand for a plain one; Greek letters as they are spelled out in names of classes and units."""
_INVISIBLE = ("Cf", "Mn", "Me")


@dataclass(frozen=True, slots=True)
class Written:
    """`shaped` has the letters' case, `low` has not; both have the same length. `pieces` are the runs of letters and
    the runs of digits in them, `joints` what stands before each piece, after the one before; `cuts` are places where
    words run together were taken apart."""

    shaped: str
    low: str
    origin: Sequence[int]
    pieces: tuple[str, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    joints: tuple[str, ...]
    cuts: frozenset[int] = frozenset()

    def start(self, piece: int) -> int:
        """Where a piece begins in the text as given."""
        return self.origin[self.starts[piece]]

    def end(self, piece: int) -> int:
        """Where a piece ends in the text as given."""
        return self.origin[self.ends[piece] - 1] + 1


@cache
def _plain(character: str) -> str:
    """A character as plain ones; empty for one that cannot be seen."""
    if character in _SIGNS:
        return _SIGNS[character]
    if unicodedata.category(character) in _INVISIBLE:
        return ""
    if unicodedata.category(character) == "So":
        return " "  # a trade mark is no part of the name
    if character.isspace() or character < " ":
        return "\n" if character in "\n\r\v\f\x85\u2028\u2029" else " "
    kept = "".join(c for c in unicodedata.normalize("NFKD", character) if unicodedata.category(c) not in _INVISIBLE)
    return "".join(_SIGNS.get(c, c) for c in kept)


def names(listed: str) -> frozenset[str]:
    """The names of a list with commas between."""
    return frozenset(" ".join(name.split()) for name in listed.split(",") if name.strip())


def lowered(text: str) -> str:
    """Lower case, character by character, so that nothing moves."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def fold(text: str) -> str:
    """A name as it is compared: plain characters, lower case."""
    return lowered(text if text.isascii() else "".join(map(_plain, text)))


def read(text: str) -> Written:
    """The text in pieces."""
    if text.isascii():
        shaped, origin = text, range(len(text))
    else:
        characters: list[str] = []
        places: list[int] = []
        for place, character in enumerate(text):
            for plain in _plain(character):
                characters.append(plain)
                places.append(place)
        shaped, origin = "".join(characters), places  # type: ignore[assignment]
    low = lowered(shaped)
    found = [match.span() for match in _PIECES.finditer(low)]
    starts = tuple(start for start, _ in found)
    ends = tuple(end for _, end in found)
    before = (0, *ends)
    return Written(
        shaped,
        low,
        origin,
        tuple(low[start:end] for start, end in found),
        starts,
        ends,
        tuple(joint(low[before[i] : starts[i]]) for i in range(len(found))),
    )


def apart(written: Written, lengths: Callable[[str], Sequence[int]]) -> Written:
    """The same with some pieces taken apart: `lengths` gives those of the words a piece is made of, or none."""
    pieces, starts, ends, joints, cuts = [], [], [], [], []
    for i, piece in enumerate(written.pieces):
        place, sign = written.starts[i], written.joints[i]
        for length in lengths(piece) or (len(piece),):
            pieces.append(written.low[place : place + length])
            starts.append(place)
            ends.append(place + length)
            joints.append(sign)
            cuts += [] if place == written.starts[i] else [place]
            place, sign = place + length, ""
    if not cuts:
        return written
    return Written(
        written.shaped,
        written.low,
        written.origin,
        tuple(pieces),
        tuple(starts),
        tuple(ends),
        tuple(joints),
        frozenset(cuts),
    )


def joint(between: str) -> str:
    """What joins two pieces of one name: nothing, a space, or one sign, some with a space; "?" joins nothing."""
    if not between or between == " ":
        return between
    bare = between.strip()
    if len(between) > 6 or between.count("\n") > 1:
        return "?"
    if not bare:
        return " "
    if bare in {"-", "/"} and between != bare and not between.endswith("\n"):
        return "?"  # a dash between two thoughts, a slash between two things
    return bare if bare in {"-", "/", ".", "'", "#"} else "?"
