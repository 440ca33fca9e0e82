"""Text that speaks to a program instead of a reader: found by wording, whatever letters it is written with.

Precise rather than complete: an editor looks at each place, and "Instructions for use" is in every package insert. What
is missed does no harm by itself: answers only quote, and a second person approves each document.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from chat.corpus.formats.canonical import UNPRINTED

LINES = "looks like a prompt"
"""What is looked for line by line; everything else may go on over the end of a line."""


@dataclass(frozen=True)
class Pattern:
    """`words`: one of them is in everything that the expression matches."""

    label: str
    words: tuple[str, ...]
    expression: re.Pattern[str]


@cache
def patterns() -> tuple[Pattern, ...]:
    """What instructions.txt lists."""
    sections: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for line in Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("[") and line.endswith("]") and line[1:-1].replace(" ", "").isalpha():
            name = line[1:-1]
        elif line.strip() and not line.startswith("#"):
            first, _, second = line.partition(" = " if name == "expressions" else " => ")
            sections.setdefault(name, []).append((first, second))
    named = dict(sections.pop("expressions"))

    def whole(expression: str) -> re.Pattern[str]:
        return re.compile(re.sub("<(machine|ignore|earlier|orders)>", lambda match: named[match[1]], expression))

    return tuple(Pattern(label, tuple(w.split("|")), whole(e)) for label, found in sections.items() for w, e in found)


SPACED = re.compile(r"(?<!\S)(?:\w[ \u00a0._-]{1,3}){9,}\w(?!\w)")
SPACED_WORDS = re.compile(
    r"(?:ignore|disregard|forget)(?:all|any|the|your|previous|prior)|previousinstruct|systemprompt|newinstruct|youarenow"
)
ENCODED = re.compile(r"(?<![\w+/=])(?:[A-Za-z0-9+/]{40,}={0,2})(?![\w+/=])")
WORDS = re.compile(r"[A-Za-z]{2,}(?: [A-Za-z]{2,}){3,}")
LEET = str.maketrans("013457@$", "oieastas")
LEETED = re.compile(r"[a-z][013457@$]+[a-z]")
LOOKALIKES = str.maketrans(
    "аеорсухіјѕԁһԛԝӏАВЕКМНОРСТУХІЈЅοανικρτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧıɡ’‘“”",  # noqa: RUF001  # that they look alike is the point
    "aeopcyxijsdhqwlABEKMHOPCTYXIJSoavikptuxABEZHIKMNOPTYXig''\"\"",
)
"""Cyrillic and Greek letters that look like Latin ones, and quotation marks."""
BLOCK = 4_000


@dataclass(frozen=True)
class Instruction:
    label: str
    start: int
    end: int


def find(text: str) -> list[Instruction]:
    """Places in order, each with what it does; places that overlap are one."""
    found: list[Instruction] = []
    for start, end in _blocks(text):
        block = text[start:end]
        for label, left, right in _in(block):
            found.append(Instruction(label, start + left, start + right))
    return _merged(sorted(found, key=lambda one: (one.start, -one.end)))


def folded(text: str, *, letters: bool = True) -> tuple[str, list[int]]:
    """The text as it looks, small: without characters that have no picture, look-alikes as what they are like.

    With it the offset in `text` of each character, and one past the end.
    """
    out: list[str] = []
    offsets: list[int] = []
    for i, char in enumerate(text):
        if UNPRINTED.match(char):
            shown = chr(ord(char) - 0xE0000) if 0xE0020 <= ord(char) <= 0xE007E else ""
        else:
            shown = char if char.isascii() else unicodedata.normalize("NFKC", char)
        if letters:
            shown = _bare(shown.translate(LOOKALIKES))
        shown = shown.lower()
        out.append(shown)
        offsets += [i] * len(shown)
    return "".join(out), [*offsets, len(text)]


def _in(block: str) -> Iterator[tuple[str, int, int]]:
    for shown, offsets in _readings(block):
        flat = shown.replace("\n", " ")
        for pattern in patterns():
            if any(word in flat for word in pattern.words):
                for match in pattern.expression.finditer(shown if pattern.label == LINES else flat):
                    left = match.end() - len(match[0].lstrip())
                    yield pattern.label, offsets[left], offsets[match.end() - 1] + 1
    for match in SPACED.finditer(block):
        if SPACED_WORDS.search(re.sub(r"[^a-z]", "", match[0].lower())):
            yield "sets instructions aside", *match.span()
    for match in ENCODED.finditer(block):
        if _speaks(match[0]):
            yield "is encoded", *match.span()


def _readings(block: str) -> Iterator[tuple[str, Sequence[int]]]:
    """The ways a block can be read, in small letters: as it stands, as it looks, with figures as letters."""
    offsets: Sequence[int] = range(len(block) + 1)
    shown = block.lower()
    if block.isascii():
        yield shown, offsets
    else:
        yield folded(block, letters=False)
        shown, offsets = folded(block)
        yield shown, offsets
    if len(LEETED.findall(shown)) >= 2:
        yield shown.translate(LEET), offsets


def _speaks(code: str) -> bool:
    """Whether base64 holds words."""
    try:
        text = base64.b64decode(code + "=" * (-len(code) % 4), validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return False
    return WORDS.search(text) is not None


def _bare(char: str) -> str:
    """A letter without its accents."""
    return "".join(c for c in unicodedata.normalize("NFD", char) if not unicodedata.combining(c))


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Paragraphs, and long ones in pieces that overlap: no pattern is longer than the overlap."""
    start = 0
    while start < len(text):
        end = text.find("\n\n", start)
        end = len(text) if end < 0 else end
        for left in range(start, max(end, start + 1), BLOCK):
            yield left, min(left + BLOCK + 500, end)
        start = end + 2


def _merged(found: list[Instruction]) -> list[Instruction]:
    merged: list[Instruction] = []
    for one in found:
        if merged and one.start < merged[-1].end:
            last = merged[-1]
            merged[-1] = Instruction(last.label, last.start, max(last.end, one.end))
        else:
            merged.append(one)
    return merged
