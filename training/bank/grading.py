"""Grades answers. Points are fractions, so that nothing depends on how a computer rounds."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise

from training.bank.answers import Given
from training.bank.types import Grading, Item, Kind


def points(item: Item, given: Given | None) -> Fraction:
    """What the answer earns, from 0 to 1. What was left open earns nothing.

    All or nothing, except where the item is graded in parts. Then: right options chosen less wrong ones, of the right
    ones, never below 0; of a case the share of its parts; of matching the share of left sides; of an order the share
    of neighbors that follow each other.
    """
    if given is None or (isinstance(given, str) != (item.kind is Kind.NUMERIC)):
        return Fraction(0)
    earned = _number(item, given) if isinstance(given, str) else _share(item, given)
    return earned if item.grading is Grading.PARTIAL or earned == 1 else Fraction(0)


def passes(earned: Iterable[Fraction], *, percent: int) -> bool:
    """Whether the points of all questions reach `percent` of them."""
    each = list(earned)
    return bool(each) and sum(each, Fraction(0)) * 100 >= percent * len(each)


def _share(item: Item, given: list[int | None]) -> Fraction:
    match item.kind:
        case Kind.SINGLE | Kind.MULTIPLE:
            right = {n for n, option in enumerate(item.options) if option.right}
            chosen = set(given)
            return max(Fraction(0), Fraction(len(chosen & right) - len(chosen - right), len(right)))
        case Kind.ORDERING:
            return _neighbors(given, len(item.steps))
        case Kind.MATCHING:
            return _hits(given, list(range(len(item.pairs))))
        case _:
            return _hits(given, [_right(part.options) for part in item.parts])


def _number(item: Item, given: str) -> Fraction:
    right = item.numbers[0]
    return Fraction(abs(Fraction(given) - Fraction(right.value)) <= Fraction(right.tolerance))


def _neighbors(given: list[int | None], number: int) -> Fraction:
    if len(given) != number:
        return Fraction(0)
    follow = sum(a is not None and b == a + 1 for a, b in pairwise(given))
    return Fraction(follow, number - 1)


def _hits(given: list[int | None], right: list[int]) -> Fraction:
    if len(given) != len(right):
        return Fraction(0)
    return Fraction(sum(a == b for a, b in zip(given, right, strict=True)), len(right))


def _right(options: Iterable[object]) -> int:
    return next(n for n, option in enumerate(options) if getattr(option, "right", False))
