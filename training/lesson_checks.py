"""The question at the end of a lesson, which nobody is graded on and of which nothing is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from training.bank.answers import Choice
from training.bank.types import Lesson, Option

LETTERS: Final = "abcdefgh"


@dataclass(frozen=True)
class Check:
    """What there is to choose from, and what was chosen; None while nothing of it was."""

    choices: Sequence[Choice]
    chosen: Option | None


def of(slug: str, lesson: Lesson, letter: str = "") -> Check:
    """The check of a lesson, in an order that is the same each time, and not that of the file."""
    order = sorted(lesson.options, key=lambda one: hashlib.sha256(f"{slug}/{lesson.key}/{one.text}".encode()).digest())
    named = dict(zip(LETTERS, order, strict=False))
    choices = [Choice(one, option.text, one == letter) for one, option in named.items()]
    return Check(choices, named.get(letter))
