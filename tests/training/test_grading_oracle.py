"""2,000 answers graded by the grader and by a second one, written from its description and sharing nothing with it."""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction
from functools import cache
from itertools import cycle, islice, pairwise, product
from typing import Any, Final

import pytest

from tests.training import questions
from training.bank import answers, grading
from training.bank.answers import NotAnAnswer
from training.bank.types import Grading, Item, Kind

CASES: Final = 2_000
REFUSED: Final = "refused"
MANNERS: Final = ("right", "wrong", "partly", "empty", "incomplete", "too much", "any")


# ── The second grader ──────────────────────────────────────────────────────────────────────────────────────────────


def told(item: Item, given: Any) -> Fraction | str:
    """What an answer is worth by the description: lists of numbers as kept, text for a number as typed."""
    if item.kind is Kind.NUMERIC:
        return typed(item, given)
    if not given:
        return Fraction(0)
    good, of = {
        Kind.SINGLE: hits_less_misses,
        Kind.MULTIPLE: hits_less_misses,
        Kind.ORDERING: followers,
        Kind.MATCHING: matches,
        Kind.CASE: parts_right,
    }[item.kind](item, given)
    if good == of:
        return Fraction(1)
    return Fraction(good, of) if item.grading is Grading.PARTIAL else Fraction(0)


def hits_less_misses(item: Item, given: Sequence[int]) -> tuple[int, int]:
    texts = [item.options[number].text for number in given]
    score = 0
    for option in item.options:
        if option.text in texts:
            score += 1 if option.right else -1
    return max(score, 0), len([option for option in item.options if option.right])


def followers(item: Item, given: Sequence[int | None]) -> tuple[int, int]:
    placed = ["-" if number is None else item.steps[number].text for number in given]
    inner = "".join(f"<{text}>" for text in placed)
    wanted = [f"<{item.steps[n].text}><{item.steps[n + 1].text}>" for n in range(len(item.steps) - 1)]
    return sum(pair in inner for pair in wanted), len(wanted)


def matches(item: Item, given: Sequence[int | None]) -> tuple[int, int]:
    if len(given) != len(item.pairs):
        return 0, len(item.pairs)
    rights = [pair.right for pair in item.pairs] + [pair.right for pair in item.extra]
    named = ["" if number is None else rights[number] for number in given]
    return [name == pair.right for name, pair in zip(named, item.pairs, strict=True)].count(True), len(item.pairs)


def parts_right(item: Item, given: Sequence[int | None]) -> tuple[int, int]:
    if len(given) != len(item.parts):
        return 0, len(item.parts)
    right = [number is not None and part.options[number].right for number, part in zip(given, item.parts, strict=True)]
    return right.count(True), len(item.parts)


def typed(item: Item, text: str | None) -> Fraction | str:
    if text is None:
        return Fraction(0)
    if re.search(r"[^0-9.,+-]", text) or not re.search(r"[0-9]", text):
        return REFUSED
    whole, _, rest = text.lstrip("+-").partition(".")
    groups = whole.split(",")
    thousands = len(groups) == 1 or (1 <= len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:]))
    signs = len(text) - len(text.lstrip("+-"))
    if not thousands or signs > 1 or not re.fullmatch("[0-9]*", rest + whole.replace(",", "")):
        return REFUSED
    if len(text.replace(",", "")) > 20:
        return REFUSED
    right = item.numbers[0]
    away = abs(as_whole(text.replace(",", "")) - as_whole(right.value))
    return Fraction(1 if away <= as_whole(right.tolerance) else 0)


def as_whole(text: str) -> int:
    """The number times ten to the thirtieth, by moving the point in its text."""
    whole, _, rest = text.lstrip("+-").partition(".")
    size = int((whole or "0") + rest.ljust(30, "0"))
    return -size if text.startswith("-") else size


# ── The answers ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class One:
    item: Item
    given: Any
    manner: str


def of_choice(kind: Kind, how: Grading, manner: str, dice: random.Random) -> One:
    size = dice.randint(3, 6)
    rights = 1 if kind is Kind.SINGLE else dice.randint(2, size - 1)
    right = [n < rights for n in range(size)]
    dice.shuffle(right)
    item = questions.chosen_from(right, grading=how)
    good, bad = [n for n in range(size) if right[n]], [n for n in range(size) if not right[n]]
    given = {
        "right": good,
        "wrong": dice.sample(bad, dice.randint(1, len(bad))),
        "partly": dice.sample(good, max(1, rights - 1)) + dice.sample(bad, dice.randint(0, 1)),
        "empty": dice.choice([None, []]),
        "incomplete": dice.sample(good, rights - 1),
        "too much": good + dice.sample(bad, dice.randint(1, len(bad))),
        "any": dice.sample(range(size), dice.randint(0, size)),
    }[manner]
    return One(item, given and sorted(given), manner)


def of_places(kind: Kind, how: Grading, manner: str, dice: random.Random) -> One:
    """Orders, matches and cases: one number for each place."""
    size = dice.randint(2, 3) if kind is Kind.CASE else dice.randint(3, 5)
    limits = [size] * size
    right = list(range(size))
    if kind is Kind.ORDERING:
        item = questions.ordering(size, grading=how)
    elif kind is Kind.MATCHING:
        extra = dice.randint(0, 2)
        item, limits = questions.matching(size, extra=extra, grading=how), [size + extra] * size
    else:
        choices = dice.randint(3, 5)
        limits, right = [choices] * size, [dice.randrange(choices) for _ in range(size)]
        item = questions.case(right, options=choices, grading=how)
    alone = kind is not Kind.CASE
    shuffled = dice.sample(range(limits[0]), size) if alone else [dice.randrange(limit) for limit in limits]
    moved = [*right[1:], right[0]] if alone else [(number + 1) % limits[0] for number in right]
    swapped = [right[1], right[0], *right[2:]] if alone else [right[0], *moved[1:]]
    left_open: list[int | None] = list(right)
    for place in dice.sample(range(size), dice.randint(1, size - 1)):
        left_open[place] = None
    given = {
        "right": right,
        "wrong": right[::-1] if kind is Kind.ORDERING else moved,
        "partly": swapped,
        "empty": dice.choice([None, [], [None] * size]),
        "incomplete": left_open,
        "too much": [*right, right[0]] if kind is not Kind.ORDERING else shuffled,
        "any": shuffled,
    }[manner]
    return One(item, given, manner)


def of_number(how: Grading, manner: str, dice: random.Random) -> One:
    value, tolerance, forms = dice.choice(NUMBERS)
    item = questions.numeric(value, tolerance=tolerance, grading=how)
    given = {
        "right": value,
        "wrong": dice.choice(["123456", "-" + value.lstrip("-") + "7", "999.5"]),
        "empty": None,
        "incomplete": dice.choice(["-", ".", "+", ",", "1,", "1.5.", "e5", "one"]),
        "too much": dice.choice(["9" * 21, f"{value} mg", "1e3", "1_000", "1,00", "0,5", ",500", "1,0000", "NaN", "٣"]),
    }.get(manner) or dice.choice([*forms, f"{dice.randint(-20, 2000) / 100:.2f}"])
    return One(item, given if manner != "empty" else None, manner)


NUMBERS: Final = (
    ("0.3", "0", ["0.3", ".3", "0.30", "0.300000000000000000", "+.3", "0.30000000000000004", "0.29999999999999999"]),
    ("60", "0.5", ["59.5", "60.5", "59.49", "60.51", "60.500000000000000", "60.500000000000001", "60."]),
    ("1000", "0", ["1,000", "1000", "1,000.0", "01000", "1,001", "10,00", "1000.000000000"]),
    ("0", "0", ["-0", "0", "+0", "-0.000", ".0", "0.", "-.01"]),
    ("-2.5", "0.1", ["-2.6", "-2.4", "-2.61", "-2.39", "2.5", "--2.5", "-2.50"]),
    ("0.1", "0.2", ["0.3", "-0.1", "0.30000000000000001", "-.1", "-0.11", "0.31"]),
    ("1234567.5", "0", ["1,234,567.5", "1234567.50", "12,34567.5", "1,234,567.50", "1,234,567,5"]),
    ("10000000000000000000", "10000000000000000000", ["-0.0000000000000001", "0", "-.0", "20000000000000000000"]),
    ("99999999999999999999", "0", ["99999999999999999999", "99999999999999999998", "99,999,999,999,999,999,999"]),
)


@cache
def graded() -> tuple[One, ...]:
    """The same 2,000 on every machine."""
    dice = random.Random(8)
    wanted = islice(cycle(product(Kind, Grading, MANNERS)), CASES)
    return tuple(_one(kind, how, manner, dice) for kind, how, manner in wanted)


def _one(kind: Kind, how: Grading, manner: str, dice: random.Random) -> One:
    if kind is Kind.NUMERIC:
        return of_number(how, manner, dice)
    return (of_choice if kind in {Kind.SINGLE, Kind.MULTIPLE} else of_places)(kind, how, manner, dice)


def said(item: Item, given: Any) -> Fraction | str:
    """What the portal makes of it."""
    try:
        kept = answers.number_text(given) if isinstance(given, str) else given
    except NotAnAnswer:
        return REFUSED
    return grading.points(item, kept)


def disagreements() -> Iterator[One]:
    for one in graded():
        if said(one.item, one.given) != told(one.item, one.given):
            yield one


# ── The comparison ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_both_graders_agree_on_2000_answers() -> None:
    assert len(graded()) == CASES
    assert list(disagreements()) == []


def test_the_answers_are_of_every_kind_grading_and_manner() -> None:
    found = Counter((one.item.kind, one.item.grading, one.manner) for one in graded())
    assert len(found) == len(Kind) * len(Grading) * len(MANNERS)
    assert min(found.values()) >= 20
    worth = Counter(told(one.item, one.given) for one in graded())
    assert {Fraction(0), Fraction(1), Fraction(1, 2), Fraction(1, 3), Fraction(3, 4), REFUSED} <= set(worth)
    assert min(worth[Fraction(0)], worth[Fraction(1)]) >= 300
    assert sum(count for points, count in worth.items() if points not in {Fraction(0), Fraction(1), REFUSED}) >= 150
    assert worth[REFUSED] >= 50


def test_the_second_grader_by_hand() -> None:
    multiple = questions.chosen_from([True, True, False, False], grading=Grading.PARTIAL)
    assert [told(multiple, given) for given in ([0], [0, 2], [0, 1, 2], [2, 3])] == [
        Fraction(1, 2),
        0,
        Fraction(1, 2),
        0,
    ]
    order = questions.ordering(4, grading=Grading.PARTIAL)
    assert told(order, [1, 2, 3, 0]) == Fraction(2, 3)
    assert told(order, [0, 1, None, 3]) == Fraction(1, 3)
    assert told(questions.matching(3, extra=1), [0, 3, None]) == Fraction(1, 3)
    assert told(questions.case([2, 0]), [2, 1]) == Fraction(1, 2)
    assert told(questions.case([2, 0], grading=Grading.ALL), [2, 1]) == 0
    assert told(questions.numeric("0.3"), "0.30000000000000004") == 0


def _neighbors_of_all(given: list[int | None], number: int) -> Fraction:
    follow = sum(a is not None and b is not None and b > a for a, b in pairwise(given))
    return Fraction(follow, number - 1)


def _generous(item: Item, given: list[int | None]) -> Fraction:
    right = {n for n, option in enumerate(item.options) if option.right}
    return Fraction(len(set(given) & right), len(right)) if right else _SHARE(item, given)


def _debt(item: Item, given: list[int | None]) -> Fraction:
    right = {n for n, option in enumerate(item.options) if option.right}
    return Fraction(len(set(given) & right) - len(set(given) - right), len(right)) if right else _SHARE(item, given)


def _whole_or_share(item: Item, given: Any) -> Fraction:
    earned = _POINTS(item, given)
    return earned if item.grading is Grading.ALL else Fraction(math.floor(earned))


_SHARE, _POINTS, _HITS, _NEIGHBORS = grading._share, grading.points, grading._hits, grading._neighbors
WRONG: Final[dict[str, tuple[str, Callable[..., Any]]]] = {
    "wrong ones cost nothing": ("_share", _generous),
    "below nothing": ("_share", _debt),
    "no share for a part": ("points", _whole_or_share),
    "always a share": (
        "points",
        lambda item, given: _SHARE(item, given) if isinstance(given, list) else _POINTS(item, given),
    ),
    "any later step follows": ("_neighbors", _neighbors_of_all),
    "of the steps, not the pairs": (
        "_neighbors",
        lambda given, number: _NEIGHBORS(given, number) * (number - 1) / number,
    ),
    "a place too many": ("_hits", lambda given, right: _HITS(given[: len(right)], right)),
    "open is right": (
        "_hits",
        lambda given, right: _HITS([b if a is None else a for a, b in zip(given, right, strict=False)], right),
    ),
    "the tolerance is outside": (
        "_number",
        lambda item, given: Fraction(
            given == item.numbers[0].value
            or abs(Decimal(given) - Decimal(item.numbers[0].value)) < Decimal(item.numbers[0].tolerance)
        ),
    ),
    "binary numbers": (
        "_number",
        lambda item, given: Fraction(
            abs(float(given) - float(item.numbers[0].value)) <= float(item.numbers[0].tolerance)
        ),
    ),
    "28 digits": (
        "_number",
        lambda item, given: Fraction(
            abs(Decimal(given) - Decimal(item.numbers[0].value)) <= Decimal(item.numbers[0].tolerance)
        ),
    ),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_mistake_in_the_grader_is_noticed(mistake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, wrong = WRONG[mistake]
    monkeypatch.setattr(grading, name, wrong)
    assert next(disagreements(), None) is not None


# ── The pass mark ──────────────────────────────────────────────────────────────────────────────────────────────────


def reached(earned: Sequence[Fraction], percent: int) -> bool:
    """By whole numbers: everything times a number that all parts divide."""
    shared = math.lcm(*[one.denominator for one in earned])
    return sum(int(one * shared) for one in earned) * 100 >= percent * len(earned) * shared


@cache
def forms() -> tuple[tuple[list[Fraction], int], ...]:
    """Forms at the mark, just below and anywhere."""
    dice = random.Random(18)
    parts = [Fraction(n, of) for of in (1, 2, 3, 4, 5) for n in range(of + 1)]
    made = []
    for _ in range(400):
        earned = [dice.choice(parts) for _ in range(dice.randint(1, 18))]
        exact = sum(earned) * 100 / len(earned)
        made += [(earned, math.floor(exact)), (earned, math.ceil(exact)), (earned, dice.randint(50, 100))]
    return tuple(made)


def test_the_pass_mark_is_met_to_the_last_third() -> None:
    thirds = [Fraction(1), Fraction(1), Fraction(1, 3), Fraction(1, 3), Fraction(1, 3)]
    assert grading.passes(thirds, percent=60)
    assert not grading.passes(thirds, percent=61)
    assert grading.passes([Fraction(1, 3), Fraction(2, 3), Fraction(1, 3), Fraction(2, 3)], percent=50)
    assert grading.passes([Fraction(4, 5)] * 14, percent=80)
    assert not grading.passes([*[Fraction(4, 5)] * 13, Fraction(79, 100)], percent=80)
    assert grading.passes([Fraction(1)] * 14, percent=100)
    assert not grading.passes([], percent=50)


def test_whole_numbers_agree_on_every_form() -> None:
    assert len(forms()) == 1_200
    for earned, percent in forms():
        assert grading.passes(earned, percent=percent) == reached(earned, percent), (earned, percent)
    assert sum(sum(earned) * 100 == percent * len(earned) for earned, percent in forms()) >= 50
    assert sum(reached(earned, percent) for earned, percent in forms()) >= 300


def _kept(one: Fraction) -> Decimal:
    return (Decimal(one.numerator) / Decimal(one.denominator)).quantize(Decimal("0.0001"), ROUND_DOWN)


WRONG_MARKS: Final[dict[str, Callable[[list[Fraction], int], bool]]] = {
    "more than the mark": lambda earned, percent: sum(earned) * 100 > percent * len(earned),
    "four places": lambda earned, percent: sum(_kept(one) for one in earned) * 100 >= percent * len(earned),
    "binary": lambda earned, percent: sum(float(one) for one in earned) / len(earned) * 100 >= percent,
    "rounded": lambda earned, percent: round(sum(earned) * 100 / len(earned)) >= percent,
    "one question less": lambda earned, percent: sum(earned) * 100 >= percent * (len(earned) - 1),
}


@pytest.mark.parametrize("mistake", WRONG_MARKS)
def test_a_mistaken_pass_mark_is_noticed(mistake: str) -> None:
    assert any(WRONG_MARKS[mistake](earned, percent) != reached(earned, percent) for earned, percent in forms())
