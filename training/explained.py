"""What was right in a question, and why: for pages of attempts that are graded and after which none is left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from training.attempts import Question
from training.bank.types import Item, Kind, Option


@dataclass(frozen=True)
class Line:
    """One option. `chosen` where it is what the person chose, `given` in their words where that is something else."""

    text: str
    why: str
    right: bool
    chosen: bool
    given: str = ""


@dataclass(frozen=True)
class Part:
    """The options of one question; a case has several, with their own words."""

    words: str
    lines: Sequence[Line]


@dataclass(frozen=True)
class Explained:
    number: int
    item: Item
    points: str
    """right, partly or wrong"""
    parts: Sequence[Part]


def explain(questions: Iterable[Question]) -> list[Explained]:
    """Every option of every question, in the order it was shown."""
    found = []
    for one in questions:
        points = one.answer.points or 0
        words = "right" if points == 1 else "partly" if points else "wrong"
        found.append(Explained(one.answer.number, one.item, words, list(_parts(one))))
    return found


def _parts(one: Question) -> Iterator[Part]:
    item, given = one.item, one.answer.given
    chosen: list[int | None] = given if isinstance(given, list) else []
    match item.kind:
        case Kind.SINGLE | Kind.MULTIPLE:
            yield Part("", _options(item.options, one.drawn.orders[0], chosen))
        case Kind.CASE:
            for n, part in enumerate(item.parts):
                yield Part(part.question, _options(part.options, one.drawn.orders[n], chosen[n : n + 1]))
        case Kind.ORDERING:
            yield Part("The right order", [_step(item, n, chosen) for n in range(len(item.steps))])
        case Kind.MATCHING:
            yield Part("The right matches", [_pair(item, n, chosen) for n in range(len(item.pairs))])
            if item.extra:
                yield Part("Fits nothing", [Line(one.right, one.why, right=False, chosen=False) for one in item.extra])
        case Kind.NUMERIC:
            yield Part("", list(_numbers(item, given if isinstance(given, str) else "", one.answer.points == 1)))


def _options(options: Sequence[Option], order: Sequence[int], chosen: Sequence[int | None]) -> list[Line]:
    return [Line(options[n].text, options[n].why, options[n].right, n in chosen) for n in order]


def _step(item: Item, n: int, chosen: Sequence[int | None]) -> Line:
    step = item.steps[n]
    placed = chosen.index(n) if n in chosen else None
    words = "not placed" if placed is None else f"place {placed + 1}"
    return Line(f"{n + 1}. {step.text}", step.why, right=True, chosen=placed == n, given="" if placed == n else words)


def _pair(item: Item, n: int, chosen: Sequence[int | None]) -> Line:
    pair, number = item.pairs[n], chosen[n] if n < len(chosen) else None
    rights = [one.right for one in (*item.pairs, *item.extra)]
    words = "no match" if number is None else rights[number]
    return Line(
        f"{pair.left}: {pair.right}", pair.why, right=True, chosen=number == n, given="" if number == n else words
    )


def _numbers(item: Item, given: str, earned: bool) -> Iterator[Line]:
    right, *usual = item.numbers
    words = f"{right.value} {right.unit}".strip()
    yield Line(words, right.why, right=True, chosen=earned, given="" if earned else given)
    for one in usual:
        yield Line(f"{one.value} {right.unit}".strip(), one.why, right=False, chosen=given == one.value)
