"""Forms: the same from the same seed, as the blueprint wants them, and silent about what is right."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.training import questions, starter
from training.bank import drawing
from training.bank.drawing import Drawn
from training.bank.types import SIX, Difficulty, Item, Kind, Module

PAIRS = 300
MOST_OVERLAP = 0.4
CHANCE_OF_ONE_IN_A_THOUSAND = {1: 10.83, 2: 13.82, 3: 16.27, 4: 18.47, 5: 20.52, 9: 27.88, 15: 37.70}
"""Chi-square by degrees of freedom. The seeds are fixed, so that nothing here fails by chance."""


GOLDEN = [("made-001", [1, 3, 2, 0]), ("made-004", [0, 1, 2, 3]), ("made-000", [3, 1, 2, 0])]
GOLDEN_STEPS = [[2, 1, 0, 4, 3]]


def module(slug: str) -> Module:
    return next(one for one in starter.modules() if one.slug == slug)


def form(slug: str, seed: str, *, seen: Sequence[str] = ()) -> list[Drawn]:
    one = module(slug)
    return drawing.draw(one.items, one.blueprint, seed=seed, seen=seen)


def chi_square(counts: Counter[int], size: int) -> float:
    expected = counts.total() / size
    return sum((counts[n] - expected) ** 2 / expected for n in range(size))


def assert_even(counts: Counter[int], size: int) -> None:
    assert set(counts) <= set(range(size))
    assert chi_square(counts, size) < CHANCE_OF_ONE_IN_A_THOUSAND[size - 1], counts


@pytest.mark.parametrize("slug", SIX)
def test_the_same_seed_makes_the_same_form_and_another_another(slug: str) -> None:
    assert form(slug, "one") == form(slug, "one")
    assert form(slug, "one") != form(slug, "two")
    whole = module(slug)
    turned = replace(whole, items=list(reversed(whole.items)))
    assert drawing.draw(turned.items, turned.blueprint, seed="one") == form(slug, "one")


def test_a_form_can_be_made_again_years_later() -> None:
    """Written down once: another result means that no earlier form can be made again."""
    items = [replace(questions.chosen_from([True, *[False] * 3]), key=f"made-{n:03}") for n in range(9)]
    drawn = drawing.draw(items, {"made": {Difficulty.EASY: 3}}, seed="0" * 32)
    assert [(one.key, list(one.orders[0])) for one in drawn] == GOLDEN
    assert drawing.orders(questions.ordering(5), seed="0" * 32) == GOLDEN_STEPS


@pytest.mark.parametrize("slug", SIX)
def test_the_form_is_what_the_blueprint_wants(slug: str) -> None:
    one = module(slug)
    by_key = {item.key: item for item in one.items}
    wanted = {
        (objective, difficulty): number
        for objective, cells in one.blueprint.items()
        for difficulty, number in cells.items()
    }
    for n in range(40):
        drawn = [by_key[question.key] for question in form(slug, f"form {n}")]
        assert Counter((item.objective, item.difficulty) for item in drawn) == wanted
        assert len({item.key for item in drawn}) == len(drawn)


@pytest.mark.parametrize("slug", SIX)
def test_two_forms_share_at_most_four_in_ten_questions(slug: str) -> None:
    shared = 0.0
    for n in range(PAIRS):
        first, second = ({one.key for one in form(slug, f"{side} {n}")} for side in ("left", "right"))
        shared += len(first & second) / len(first)
    assert 0 < shared / PAIRS <= MOST_OVERLAP


@pytest.mark.parametrize("slug", SIX)
def test_questions_already_seen_come_only_when_no_other_is_left(slug: str) -> None:
    one = module(slug)
    attempts: list[set[str]] = []
    for n in range(3):
        seen = {key for keys in attempts for key in keys}
        attempts.append({question.key for question in form(slug, f"try {n}", seen=sorted(seen))})
    assert not attempts[0] & attempts[1]
    assert not (attempts[0] | attempts[1]) & attempts[2]
    everything = [item.key for item in one.items]
    assert form(slug, "again", seen=everything) == form(slug, "again")
    spare = next(item for item in one.items if item.difficulty in one.blueprint[item.objective])
    assert spare.key in {
        question.key for question in form(slug, "x", seen=[key for key in everything if key != spare.key])
    }


@pytest.mark.parametrize("slug", SIX)
def test_every_question_of_a_drawn_cell_is_drawn_sometimes(slug: str) -> None:
    one = module(slug)
    drawn = {question.key for n in range(150) for question in form(slug, f"often {n}")}
    assert drawn == {item.key for item in one.items if item.difficulty in one.blueprint[item.objective]}


@pytest.mark.parametrize("slug", SIX)
def test_what_is_shown_is_everything_once(slug: str) -> None:
    by_key = {item.key: item for item in module(slug).items}
    for n in range(30):
        for question in form(slug, f"shown {n}"):
            item = by_key[question.key]
            assert [len(order) for order in question.orders] == sizes(item)
            assert all(sorted(order) == list(range(len(order))) for order in question.orders)
            assert Drawn.from_dict(json.loads(json.dumps(question.as_dict()))).as_dict() == question.as_dict()


def sizes(item: Item) -> list[int]:
    return {
        Kind.SINGLE: [len(item.options)],
        Kind.MULTIPLE: [len(item.options)],
        Kind.ORDERING: [len(item.steps)],
        Kind.MATCHING: [len(item.pairs) + len(item.extra)],
        Kind.NUMERIC: [],
        Kind.CASE: [len(part.options) for part in item.parts],
    }[item.kind]


def test_steps_are_never_shown_in_the_right_order() -> None:
    steps = [item for one in starter.modules() for item in one.items if item.kind is Kind.ORDERING]
    assert len(steps) >= 6
    for item in [*steps, questions.ordering(3)]:
        shown = {tuple(drawing.orders(item, seed=f"{n}")[0]) for n in range(300)}
        assert tuple(range(len(item.steps))) not in shown
        assert len(shown) >= min(math.factorial(len(item.steps)) - 1, 20)


def test_no_letter_is_right_more_often_than_another() -> None:
    for size in (3, 4, 5, 6):
        for right in (0, size - 1):
            item = questions.chosen_from([n == right for n in range(size)])
            assert_even(Counter(drawing.orders(item, seed=f"{n}")[0].index(right) for n in range(1_500)), size)


@pytest.mark.parametrize("slug", SIX)
def test_no_letter_is_right_more_often_in_the_forms_of_a_module(slug: str) -> None:
    by_key = {item.key: item for item in module(slug).items}
    places: dict[int, Counter[int]] = {}
    for n in range(250):
        for question in form(slug, f"letters {n}"):
            item = by_key[question.key]
            asked = [item.options] if item.options else [part.options for part in item.parts]
            for options, order in zip(asked, question.orders, strict=False):
                right = Counter(place for place, number in enumerate(order) if options[number].right)
                places.setdefault(len(options), Counter()).update(right)
    assert places[4].total() > 500
    for size, counts in places.items():
        assert_even(counts, size)


def test_no_match_stands_at_the_place_of_its_left_side() -> None:
    item = questions.matching(4, extra=1)
    orders = [drawing.orders(item, seed=f"{n}")[0] for n in range(1_500)]
    for left in range(4):
        assert_even(Counter(order.index(left) for order in orders), 5)


def test_one_letter_says_nothing_about_the_next() -> None:
    first, second = (replace(questions.chosen_from([True, False, False, False]), key=f"made-{n}") for n in (1, 2))
    case = questions.case([0, 0], options=4)
    both: Counter[int] = Counter()
    parts: Counter[int] = Counter()
    for n in range(1_600):
        both[drawing.orders(first, seed=f"{n}")[0].index(0) * 4 + drawing.orders(second, seed=f"{n}")[0].index(0)] += 1
        one, other = drawing.orders(case, seed=f"{n}")
        parts[one.index(0) * 4 + other.index(0)] += 1
    assert_even(both, 16)
    assert_even(parts, 16)


def test_a_pattern_would_be_noticed() -> None:
    with pytest.raises(AssertionError):
        assert_even(Counter({0: 300, 1: 400, 2: 400, 3: 400}), 4)
