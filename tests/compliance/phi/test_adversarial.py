"""Texts made to be slow to read: each is masked, or refused, in bounded time."""

from __future__ import annotations

import contextlib
import random
import time

import pytest

from compliance import phi
from compliance.phi import engine

SHORT, LONG = 20_000, 100_000
SECONDS = {SHORT: 8.0, LONG: 40.0}
"""Of the processor, far above what was measured (docs/phi.md): a pattern gone wild takes minutes."""
UNITS = {
    "one letter": "a",
    "one capital": "A",
    "spaces": " ",
    "digits": "7",
    "digits and spaces": "1 ",
    "digits and dashes": "12-",
    "digits and dots": "1.",
    "slashes": "1/",
    "initials": "A. ",
    "capitalised words": "Ab ",
    "capitals": "AB ",
    "name after name": "Maria Lopez ",
    "names and commas": "Lopez, Maria, ",
    "carets": "LOPEZ^",
    "titles": "Dr. ",
    "at signs": "a@",
    "dots and letters": "a.",
    "web address": "http://",
    "path": "/a",
    "brackets": "[",
    "begun tokens": "[NAME-",
    "colons": "a:",
    "hex and colons": "0:",
    "quotes": "O'",
    "hyphens": "a-",
    "ordinals": "1st ",
    "months": "may ",
    "roads": "1 A St ",
    "towns": "in A, ",
    "keywords": "mrn is ",
    "keyword and dash": "id-",
    "line breaks": "\n",
    "tabs and numbers": "1\t",
    "accents": "e\u0301",
    "zero width": "1\u200b",
    "full-width digits": "\uff11",
    "one character for many": "\ufdfa",
    "half pairs": "\ud800",
    "repeated trial names": "MARIA^",
    "fractions": "3/4 a b ",
    "fields": '{"city": "A", ',
}


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is past the deadline is refused, and goes on in a thread nobody waits for: here it is waited for."""
    monkeypatch.setattr(engine._state, "deadline_seconds", 60)


def read(text: str) -> None:
    began = time.process_time()
    spans = phi.find(text)
    assert time.process_time() - began < SECONDS[len(text)]
    assert all(span.end <= len(text) for span in spans)


@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS.keys())
def test_a_repetition_ends_soon(unit: str) -> None:
    with contextlib.suppress(phi.PhiUnavailable):  # single characters that stand for whole phrases
        read((unit * SHORT)[:SHORT])


def test_a_long_text_of_everything_ends_soon() -> None:
    chosen = random.Random(5)
    read("".join(chosen.choice(list(UNITS.values())) for _ in range(LONG))[:LONG])
