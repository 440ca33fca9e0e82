"""Reads the questions of a module."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from typing import Final

from clinchat.lib.located import At, Problems, entries
from training.bank.types import Difficulty, Grading, Item, Kind, Number, Option, Pair, Part, Step

LONGEST: Final = 600
NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)")
KEY: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*-[0-9]{3}")
_COMMON: Final = ("key", "kind", "objective", "clause", "difficulty", "question", "case", "grading")
_OWN: Final[Mapping[Kind, Sequence[str]]] = {
    Kind.SINGLE: ("options",),
    Kind.MULTIPLE: ("options",),
    Kind.ORDERING: ("steps",),
    Kind.MATCHING: ("pairs", "extra"),
    Kind.NUMERIC: ("answer", "common"),
    Kind.CASE: ("parts",),
}
_USUAL: Final[Mapping[Kind, Grading]] = {Kind.MATCHING: Grading.PARTIAL, Kind.CASE: Grading.PARTIAL}


def read(text: str, problems: Problems, *, objectives: Collection[str], clauses: Collection[str]) -> list[Item]:
    """The questions of items.yaml. What is wrong with them is among the problems."""
    items: list[Item] = []
    keys: set[str] = set()
    for at in entries(text, problems):
        item = _item(at, objectives, clauses)
        if not KEY.fullmatch(item.key):
            at.wrong("key must look like hipaa-001.", "key")
        if item.key in keys:
            at.wrong(f"The key {item.key} is used twice.", "key")
        keys.add(item.key)
        items.append(item)
    return items


def _item(at: At, objectives: Collection[str], clauses: Collection[str]) -> Item:
    kind = Kind(at.choice("kind", [kind.value for kind in Kind]))
    at.only(*_COMMON, *_OWN[kind])
    return Item(
        key=at.text("key", longest=60),
        kind=kind,
        objective=at.choice("objective", objectives),
        clause=at.choice("clause", clauses),
        difficulty=Difficulty(at.choice("difficulty", [one.value for one in Difficulty])),
        question=at.text("question", longest=LONGEST),
        grading=Grading(at.choice("grading", [one.value for one in Grading], usual=_USUAL.get(kind, Grading.ALL))),
        case=at.text("case", longest=1_500, required=kind is Kind.CASE),
        options=_options(at, kind) if kind in {Kind.SINGLE, Kind.MULTIPLE} else (),
        steps=_steps(at) if kind is Kind.ORDERING else (),
        pairs=_pairs(at, "pairs", fewest=3, most=5) if kind is Kind.MATCHING else (),
        extra=_pairs(at, "extra", fewest=0, most=2) if kind is Kind.MATCHING else (),
        numbers=_numbers(at) if kind is Kind.NUMERIC else (),
        parts=_parts(at) if kind is Kind.CASE else (),
    )


def _options(at: At, kind: Kind) -> tuple[Option, ...]:
    found = options(at, fewest=3, most=6)
    right = sum(option.right for option in found)
    if kind is Kind.SINGLE and right != 1:
        at.wrong(f"{right} options are right; a question with a single answer needs exactly one.", "options")
    if kind is Kind.MULTIPLE and not 2 <= right < len(found):
        at.wrong(f"{right} options are right; at least two, and not all, are needed.", "options")
    return found


def options(at: At, *, fewest: int, most: int) -> tuple[Option, ...]:
    """Options with their reasons, all different."""
    found = []
    for entry in at.each("options", fewest=fewest, most=most):
        entry.only("text", "right", "why")
        text, why = entry.text("text", longest=LONGEST), entry.text("why", longest=LONGEST)
        found.append(Option(text=text, why=why, right=entry.flag("right")))
    _different(at, "options", [option.text for option in found])
    return tuple(found)


def one_right(at: At, found: Sequence[Option]) -> None:
    """Exactly one of the options is right, or that is a problem."""
    right = sum(option.right for option in found)
    if right != 1:
        at.wrong(f"{right} options are right; exactly one is needed.", "options")


def _steps(at: At) -> tuple[Step, ...]:
    found = []
    for entry in at.each("steps", fewest=3, most=6):
        entry.only("text", "why")
        found.append(Step(entry.text("text", longest=LONGEST), entry.text("why", longest=LONGEST)))
    _different(at, "steps", [step.text for step in found])
    return tuple(found)


def _pairs(at: At, name: str, *, fewest: int, most: int) -> tuple[Pair, ...]:
    found = []
    for entry in at.each(name, fewest=fewest, most=most):
        entry.only(*(("left", "right", "why") if name == "pairs" else ("right", "why")))
        left = entry.text("left", longest=300) if name == "pairs" else ""
        found.append(Pair(right=entry.text("right", longest=300), why=entry.text("why", longest=LONGEST), left=left))
    _different(at, name, [pair.right for pair in found])
    if name == "pairs":
        _different(at, name, [pair.left for pair in found])
    return tuple(found)


def _numbers(at: At) -> tuple[Number, ...]:
    answer = at.inside("answer")
    answer.only("value", "tolerance", "unit", "why")
    tolerance = answer.text("tolerance", longest=20, required=False) or "0"
    unit = answer.text("unit", longest=30, required=False)
    right = Number(answer.text("value", longest=20), answer.text("why", longest=LONGEST), tolerance, unit)
    found = [right]
    for entry in at.each("common", fewest=1, most=3):
        entry.only("value", "why")
        found.append(Number(entry.text("value", longest=20), entry.text("why", longest=LONGEST), unit=unit))
        if not NUMBER.fullmatch(found[-1].value):
            entry.wrong("value must be a number such as 0.5 or 60.", "value")
    if not NUMBER.fullmatch(right.value):
        answer.wrong("value must be a number such as 0.5 or 60.", "value")
    if not NUMBER.fullmatch(tolerance) or tolerance.startswith("-"):
        answer.wrong("tolerance must be a number such as 0.5, not below 0.", "tolerance")
    elif any(_within(one, right) for one in found[1:]):
        at.wrong("A usual wrong number lies within the tolerance of the right one.", "common")
    return tuple(found)


def _within(one: Number, right: Number) -> bool:
    if not NUMBER.fullmatch(one.value) or not NUMBER.fullmatch(right.value):
        return False
    return abs(Fraction(one.value) - Fraction(right.value)) <= Fraction(right.tolerance)


def _parts(at: At) -> tuple[Part, ...]:
    found = []
    for entry in at.each("parts", fewest=2, most=3):
        entry.only("question", "options")
        choices = options(entry, fewest=3, most=5)
        one_right(entry, choices)
        found.append(Part(entry.text("question", longest=LONGEST), choices))
    return tuple(found)


def _different(at: At, name: str, texts: Sequence[str]) -> None:
    if len({text.lower() for text in texts}) < len(texts):
        at.wrong(f"Two of the {name} are the same.", name)
