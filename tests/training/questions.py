"""Questions of every kind, small and made up, for the tests of grading and answering."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from training.bank.types import Difficulty, Grading, Item, Kind, Number, Option, Pair, Part, Step


def _item(kind: Kind, grading: Grading, **own: Any) -> Item:
    return Item(
        key=f"made-{kind}-001",
        kind=kind,
        objective="made",
        clause="1",
        difficulty=Difficulty.EASY,
        question="What now?",
        grading=grading,
        **own,
    )


def _options(name: str, right: Sequence[bool]) -> tuple[Option, ...]:
    return tuple(Option(text=f"{name} {n}", why=f"because {n}", right=one) for n, one in enumerate(right))


def chosen_from(right: Sequence[bool], *, grading: Grading = Grading.ALL) -> Item:
    """Options of which those are right; a single one makes it a question with a single answer."""
    kind = Kind.SINGLE if sum(right) == 1 else Kind.MULTIPLE
    return _item(kind, grading, options=_options("option", right))


def ordering(steps: int, *, grading: Grading = Grading.ALL) -> Item:
    return _item(Kind.ORDERING, grading, steps=tuple(Step(f"step {n}", f"because {n}") for n in range(steps)))


def matching(pairs: int, *, extra: int = 0, grading: Grading = Grading.PARTIAL) -> Item:
    return _item(
        Kind.MATCHING,
        grading,
        pairs=tuple(Pair(left=f"left {n}", right=f"right {n}", why=f"because {n}") for n in range(pairs)),
        extra=tuple(Pair(right=f"extra {n}", why="fits nothing") for n in range(extra)),
    )


def case(right: Sequence[int], *, options: int = 3, grading: Grading = Grading.PARTIAL) -> Item:
    """A case whose parts have so many options each, of which the one with that number is right."""
    parts = [
        Part(f"part {p}?", _options(f"of {p}:", [n == one for n in range(options)])) for p, one in enumerate(right)
    ]
    return _item(Kind.CASE, grading, case="Somebody arrives.", parts=tuple(parts))


def numeric(value: str, *, tolerance: str = "0", unit: str = "mg", grading: Grading = Grading.ALL) -> Item:
    numbers = (Number(value, "because", tolerance, unit), Number("987654", "a slip", unit=unit))
    return _item(Kind.NUMERIC, grading, numbers=numbers)
