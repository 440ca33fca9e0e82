"""What somebody chose in a form, between the page and the grader.

The page names what it shows by letters in the order shown, which say nothing about what is right. What is kept is in
the numbers of the module's file: for options their numbers, for steps the order chosen, for matching and cases one
number for each left side or part (None: left open), for a number its text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Final, TypeAlias

from training.bank.drawing import Drawn
from training.bank.types import Item, Kind

Given: TypeAlias = "list[int | None] | str"
LONGEST_NUMBER: Final = 20
NUMBER: Final = re.compile(r"[+-]?(?:(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.[0-9]*)?|\.[0-9]+)")
"""Commas between thousands only: "0,5" is not 5."""


class NotAnAnswer(Exception):
    """Something else was sent than the question offers; `words` say what to do about it."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


@dataclass(frozen=True)
class Choice:
    """`letter` is its value in the page."""

    letter: str
    text: str
    chosen: bool


@dataclass(frozen=True)
class Asked:
    """One field of a question as it is shown: `name` in the page, its words, and what there is to choose from."""

    name: str
    words: str
    choices: Sequence[Choice]


def shown(item: Item, drawn: Drawn, given: Given | None) -> list[Asked]:
    """The fields of a question, with what was chosen before. Nothing in them tells what is right."""
    chosen = given if isinstance(given, list) else []
    match item.kind:
        case Kind.SINGLE | Kind.MULTIPLE:
            return [Asked("answer", "", _choices([one.text for one in item.options], drawn.orders[0], chosen))]
        case Kind.ORDERING:
            order = drawn.orders[0]
            return [
                Asked(
                    f"step-{ascii_lowercase[place]}",
                    item.steps[number].text,
                    [
                        Choice(str(n + 1), str(n + 1), n < len(chosen) and chosen[n] == number)
                        for n in range(len(order))
                    ],
                )
                for place, number in enumerate(order)
            ]
        case Kind.MATCHING:
            rights = [pair.right for pair in (*item.pairs, *item.extra)]
            return [
                Asked(f"left-{ascii_lowercase[n]}", pair.left, _choices(rights, drawn.orders[0], _one(chosen, n)))
                for n, pair in enumerate(item.pairs)
            ]
        case Kind.CASE:
            return [
                Asked(
                    f"part-{ascii_lowercase[n]}",
                    part.question,
                    _choices([one.text for one in part.options], drawn.orders[n], _one(chosen, n)),
                )
                for n, part in enumerate(item.parts)
            ]
        case Kind.NUMERIC:
            text = given if isinstance(given, str) else ""
            return [Asked("answer", item.numbers[0].unit, [Choice(text, text, bool(text))])]


def read(item: Item, drawn: Drawn, sent: Mapping[str, Sequence[str]]) -> Given | None:
    """What was chosen, from the fields of `shown`; None when nothing was. Raises NotAnAnswer."""
    fields = [asked.name for asked in shown(item, drawn, None)]
    values = {name: [value.strip() for value in sent.get(name, ()) if value.strip()] for name in fields}
    if not any(values.values()):
        return None
    match item.kind:
        case Kind.SINGLE | Kind.MULTIPLE:
            return _options(item, drawn.orders[0], values["answer"])
        case Kind.ORDERING:
            return _steps(drawn.orders[0], [_single(values[name]) for name in fields])
        case Kind.MATCHING:
            found = [_number(_single(values[name]), drawn.orders[0]) for name in fields]
            named = [number for number in found if number is not None]
            if len(set(named)) < len(named):
                raise NotAnAnswer("Two entries have the same match. Use each match once.")
            return found
        case Kind.CASE:
            return [_number(_single(values[name]), drawn.orders[n]) for n, name in enumerate(fields)]
        case Kind.NUMERIC:
            return number_text(_single(values["answer"]))


def number_text(text: str) -> str:
    """A number as people write it, without commas for thousands. Raises NotAnAnswer."""
    plain = text.replace(",", "")
    if not NUMBER.fullmatch(text) or len(plain) > LONGEST_NUMBER:
        raise NotAnAnswer("Enter a number, for example 0.5 or 60.")
    return plain


def is_whole(given: Given | None) -> bool:
    """Whether nothing of it was left open."""
    return given is not None and (isinstance(given, str) or None not in given)


def _options(item: Item, order: Sequence[int], letters: Sequence[str]) -> list[int | None]:
    chosen = {_number(letter, order) for letter in letters}
    if item.kind is Kind.SINGLE and len(chosen) > 1:
        raise NotAnAnswer("Choose one answer.")
    return [*sorted(number for number in chosen if number is not None)]


def _steps(order: Sequence[int], places: Sequence[str]) -> list[int | None]:
    """The steps in the order chosen; None where no step has that place."""
    chosen: list[int | None] = [None] * len(order)
    for number, place in zip(order, places, strict=True):
        if not place:
            continue
        if place not in {str(n + 1) for n in range(len(order))}:
            raise NotAnAnswer("This place does not exist. Choose one of those offered.")
        if chosen[int(place) - 1] is not None:
            raise NotAnAnswer("Two steps have the same place. Give each step its own.")
        chosen[int(place) - 1] = number
    return chosen


def _number(letter: str, order: Sequence[int]) -> int | None:
    if not letter:
        return None
    place = ascii_lowercase.find(letter) if len(letter) == 1 else -1
    if not 0 <= place < len(order):
        raise NotAnAnswer("This option does not exist. Choose one of those offered.")
    return order[place]


def _single(values: Sequence[str]) -> str:
    if len(values) > 1:
        raise NotAnAnswer("Choose one answer.")
    return values[0] if values else ""


def _one(chosen: Sequence[int | None], n: int) -> list[int | None]:
    return [chosen[n]] if n < len(chosen) else []


def _choices(texts: Sequence[str], order: Sequence[int], chosen: Sequence[int | None]) -> list[Choice]:
    return [Choice(ascii_lowercase[place], texts[number], number in chosen) for place, number in enumerate(order)]
