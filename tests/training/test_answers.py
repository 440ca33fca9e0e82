"""What is shown and what comes back: every choice survives, nothing else gets through, nothing is given away."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from string import ascii_lowercase
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from tests.training import questions, starter
from training.bank import answers, drawing, grading
from training.bank.answers import Given, NotAnAnswer
from training.bank.drawing import Drawn
from training.bank.types import Item, Kind

Sent = Mapping[str, Sequence[str]]
SINGLE = questions.chosen_from([False, True, False, False])
MULTIPLE = questions.chosen_from([True, False, True, False, True])
ORDER = questions.ordering(4)
MATCH = questions.matching(3, extra=2)
CASE = questions.case([1, 2, 0])
NUMBER = questions.numeric("1000")
ALL = (SINGLE, MULTIPLE, ORDER, MATCH, CASE, NUMBER)
FIELDS = {
    Kind.SINGLE: ["answer"],
    Kind.MULTIPLE: ["answer"],
    Kind.ORDERING: ["step-a", "step-b", "step-c", "step-d"],
    Kind.MATCHING: ["left-a", "left-b", "left-c"],
    Kind.CASE: ["part-a", "part-b", "part-c"],
    Kind.NUMERIC: ["answer"],
}


def drawn(item: Item, seed: str = "seed") -> Drawn:
    return Drawn(item.key, drawing.orders(item, seed=seed))


def pressed(item: Item, seed: str, given: Given | None) -> dict[str, list[str]]:
    """What a browser sends of the page as it is shown: the chosen values of every field."""
    asked = answers.shown(item, drawn(item, seed), given)
    return {one.name: [choice.letter for choice in one.choices if choice.chosen] for one in asked}


def texts(item: Item, seed: str, given: Given) -> list[list[str]]:
    asked = answers.shown(item, drawn(item, seed), given)
    return [[choice.text for choice in one.choices if choice.chosen] for one in asked]


def refused(item: Item, sent: Sent) -> str:
    with pytest.raises(NotAnAnswer) as caught:
        answers.read(item, drawn(item), sent)
    return caught.value.words


# ── There and back ─────────────────────────────────────────────────────────────────────────────────────────────────


@st.composite
def chosen(draw: Any) -> tuple[Item, Given]:
    """A question and what somebody may have chosen in it; never nothing."""
    item: Item = draw(st.sampled_from(ALL))
    places: list[int | None]
    match item.kind:
        case Kind.SINGLE:
            return item, [draw(st.integers(0, len(item.options) - 1))]
        case Kind.MULTIPLE:
            numbers = st.sets(st.integers(0, len(item.options) - 1), min_size=1)
            return item, [*sorted(draw(numbers))]
        case Kind.ORDERING:
            places = draw(st.permutations(range(len(item.steps))))
        case Kind.MATCHING:
            places = draw(st.permutations(range(len(item.pairs) + len(item.extra))))[: len(item.pairs)]
        case Kind.CASE:
            places = [draw(st.integers(0, len(part.options) - 1)) for part in item.parts]
        case Kind.NUMERIC:
            return item, str(draw(st.decimals(-9999, 9999, places=3)))
    left_open = draw(st.sets(st.integers(0, len(places) - 1), max_size=len(places) - 1))
    return item, [None if n in left_open else number for n, number in enumerate(places)]


@settings(max_examples=100, deadline=None)
@for_all(chosen(), st.text(ascii_lowercase, min_size=1, max_size=6))
def test_what_was_chosen_is_shown_and_read_again(choice: tuple[Item, Given], seed: str) -> None:
    item, given = choice
    sent = pressed(item, seed, given)
    assert answers.read(item, drawn(item, seed), sent) == given
    assert json.loads(json.dumps(given)) == given
    assert answers.is_whole(given) == (isinstance(given, str) or None not in given)


@settings(max_examples=60, deadline=None)
@for_all(chosen(), st.text(ascii_lowercase, min_size=1, max_size=6), st.text(ascii_lowercase, min_size=1, max_size=6))
def test_the_order_shown_changes_the_letters_and_not_the_answer(choice: tuple[Item, Given], a: str, b: str) -> None:
    item, given = choice
    if item.kind is not Kind.ORDERING:
        assert [set(one) for one in texts(item, a, given)] == [set(one) for one in texts(item, b, given)]
    again = answers.read(item, drawn(item, b), pressed(item, b, given))
    assert grading.points(item, again) == grading.points(item, given)


@pytest.mark.parametrize("item", ALL, ids=lambda item: item.kind)
def test_nothing_chosen_is_no_answer(item: Item) -> None:
    sent: Sent
    for sent in ({}, {name: [] for name in FIELDS[item.kind]}, {name: ["", "  "] for name in FIELDS[item.kind]}):
        assert answers.read(item, drawn(item), sent) is None
    assert not answers.is_whole(None)
    assert not any(pressed(item, "seed", None)[name] for name in FIELDS[item.kind])


def test_the_letters_are_those_of_the_order_shown() -> None:
    shown = Drawn(SINGLE.key, [[2, 0, 3, 1]])
    (asked,) = answers.shown(SINGLE, shown, [1])
    assert [(one.letter, one.text) for one in asked.choices] == [
        ("a", "option 2"),
        ("b", "option 0"),
        ("c", "option 3"),
        ("d", "option 1"),
    ]
    assert [one.letter for one in asked.choices if one.chosen] == ["d"]
    assert answers.read(SINGLE, shown, {"answer": [" d "]}) == [1]
    assert grading.points(SINGLE, [1]) == 1


def test_steps_are_numbered_by_place() -> None:
    shown = Drawn(ORDER.key, [[3, 1, 0, 2]])
    assert [asked.words for asked in answers.shown(ORDER, shown, None)] == ["step 3", "step 1", "step 0", "step 2"]
    sent = {"step-a": ["4"], "step-b": ["2"], "step-c": ["1"], "step-d": ["3"]}
    assert answers.read(ORDER, shown, sent) == [0, 1, 2, 3]
    assert answers.read(ORDER, shown, {"step-a": ["1"]}) == [3, None, None, None]


# ── Numbers as people write them ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("1,000", "1000"),
        ("1,234,567.5", "1234567.5"),
        (".5", ".5"),
        ("5.", "5."),
        ("-0", "-0"),
        ("+2.50", "+2.50"),
        ("00012", "00012"),
        ("12345678901234567890", "12345678901234567890"),
    ],
)
def test_a_number(text: str, kept: str) -> None:
    assert answers.number_text(text) == kept
    assert grading.points(questions.numeric(kept.strip("+").rstrip(".")), kept) == 1


@pytest.mark.parametrize(
    "text",
    [
        *("0,5", "1,5", "1,00", ",500", "1,0000", "1,,000", "5 mg", "1 000", "1_000", "1e3", "1E3", "NaN", "-inf"),
        *("Infinity", "sNaN", "1.5.2", "--5", "+-5", ".", "-", "½", "٣", "\uff15", "1\n2", "1\x002", "0x10", "one"),
        *("1" * 21, "1" + ",000" * 9_999, "9" * 100_000, "12345678901234567890.0"),
    ],
    ids=lambda text: ascii(text[:12]),
)
def test_no_number(text: str) -> None:
    assert refused(NUMBER, {"answer": [text]}) == "Enter a number, for example 0.5 or 60."


@settings(max_examples=120, deadline=None)
@for_all(st.text(max_size=30) | st.text("0123456789.,+-eE_ ", max_size=24))
def test_whatever_is_typed_is_a_number_or_refused(text: str) -> None:
    try:
        kept = answers.read(NUMBER, drawn(NUMBER), {"answer": [text]})
    except NotAnAnswer:
        return
    assert grading.points(NUMBER, kept) in {0, 1}


# ── Sent by somebody who does not use the page ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "letter", ["f", "z", "A", "aa", "0", "-1", "`", "{", "á", "\uff41", "1", "a,b", "null", "\x00", "²"]
)
def test_letters_that_are_not_offered(letter: str) -> None:
    for item in (SINGLE, MULTIPLE, MATCH, CASE):
        words = refused(item, {FIELDS[item.kind][0]: [letter]})
        assert words == "This option does not exist. Choose one of those offered."
    assert refused(MULTIPLE, {"answer": ["a", letter]}) == "This option does not exist. Choose one of those offered."


@pytest.mark.parametrize("place", ["0", "5", "01", "-1", "a", "1.0", "²", "٣", "1 ,"])
def test_places_that_are_not_offered(place: str) -> None:
    words = refused(ORDER, {"step-b": [place]})
    assert words == "This place does not exist. Choose one of those offered."


def test_the_same_twice() -> None:
    assert refused(ORDER, {"step-a": ["1"], "step-c": ["1"]}) == (
        "Two steps have the same place. Give each step its own."
    )
    assert refused(MATCH, {"left-a": ["b"], "left-c": ["b"]}) == (
        "Two entries have the same match. Use each match once."
    )
    assert answers.read(MULTIPLE, drawn(MULTIPLE), {"answer": ["a", "a"]}) == [drawn(MULTIPLE).orders[0][0]]
    both = answers.read(CASE, drawn(CASE), {"part-a": ["a"], "part-b": ["a"]})
    assert both == [drawn(CASE).orders[0][0], drawn(CASE).orders[1][0], None]


@pytest.mark.parametrize("item", [SINGLE, ORDER, MATCH, CASE, NUMBER], ids=lambda item: item.kind)
def test_two_values_where_one_is_asked(item: Item) -> None:
    values = ["1", "2"] if item.kind in {Kind.ORDERING, Kind.NUMERIC} else ["a", "b"]
    assert refused(item, {FIELDS[item.kind][0]: values}) == "Choose one answer."
    assert refused(item, {FIELDS[item.kind][0]: values * 500}) == "Choose one answer."


def test_more_values_than_options() -> None:
    everything = answers.read(MULTIPLE, drawn(MULTIPLE), {"answer": [*"abcde"] * 1_000})
    assert everything == [0, 1, 2, 3, 4]
    assert grading.points(MULTIPLE, everything) == 0


@pytest.mark.parametrize("item", ALL, ids=lambda item: item.kind)
def test_fields_of_another_question_are_never_an_answer(item: Item) -> None:
    others = {name: ["1"] for fields in FIELDS.values() for name in fields if name not in FIELDS[item.kind]}
    sent = others | {"step-z": ["1"], "part-z": ["a"], "left-z": ["a"], "right": ["a"], "orders": ["[[0]]"]}
    assert answers.read(item, drawn(item), sent) is None


def test_an_answer_of_another_kind_is_refused_or_worth_nothing() -> None:
    for item in ALL:
        for other in ALL:
            if FIELDS[item.kind] == FIELDS[other.kind] or item is other:
                continue
            kept = answers.read(item, drawn(item), pressed(other, "seed", _right(other)))
            assert kept is None
    assert refused(SINGLE, {"answer": ["1000"]}) == "This option does not exist. Choose one of those offered."
    assert refused(NUMBER, {"answer": ["a"]}) == "Enter a number, for example 0.5 or 60."
    for item in ALL:
        assert grading.points(item, "1000") == (item is NUMBER)
    assert grading.points(NUMBER, [0]) == 0


WORDS = {
    "Choose one answer.",
    "Enter a number, for example 0.5 or 60.",
    "This option does not exist. Choose one of those offered.",
    "This place does not exist. Choose one of those offered.",
    "Two entries have the same match. Use each match once.",
    "Two steps have the same place. Give each step its own.",
}
"""Fixed, so that none repeats what was sent."""
FIELD = st.sampled_from([name for fields in FIELDS.values() for name in fields] + ["csrf", "step-e", "left-"])
VALUE = st.sampled_from(["", " ", *"abcdefz", *"0123456", "1,000", "-0"]) | st.text(max_size=5)


@settings(max_examples=100, deadline=None)
@for_all(st.sampled_from(ALL), st.dictionaries(FIELD, st.lists(VALUE, max_size=4), max_size=8))
def test_whatever_is_sent_is_an_answer_or_refused_in_words(item: Item, sent: Sent) -> None:
    kept = None
    try:
        kept = answers.read(item, drawn(item), sent)
    except NotAnAnswer as refusal:
        words = refusal.words
    else:
        words = ""
    if words:
        assert words in WORDS
        return
    assert kept is None or (isinstance(kept, str) == (item.kind is Kind.NUMERIC))
    assert 0 <= grading.points(item, kept) <= 1
    if kept is not None:
        assert answers.read(item, drawn(item), pressed(item, "seed", kept)) == kept


# ── Nothing is given away ──────────────────────────────────────────────────────────────────────────────────────────


def _right(item: Item) -> Given:
    match item.kind:
        case Kind.SINGLE | Kind.MULTIPLE:
            return [n for n, option in enumerate(item.options) if option.right]
        case Kind.ORDERING:
            return [*range(len(item.steps))]
        case Kind.MATCHING:
            return [*range(len(item.pairs))]
        case Kind.CASE:
            return [next(n for n, option in enumerate(part.options) if option.right) for part in item.parts]
        case Kind.NUMERIC:
            return item.numbers[0].value


def moved(item: Item) -> Item:
    """The same words with something else right, and other reasons."""
    options = [replace(one, right=not one.right, why="another reason") for one in item.options]
    parts = [
        replace(part, options=[replace(one, right=n == 0, why="another reason") for n, one in enumerate(part.options)])
        for part in item.parts
    ]
    numbers = [replace(one, value="77", tolerance="5", why="another reason") for one in item.numbers]
    return replace(item, options=options, parts=parts, numbers=numbers)


@pytest.mark.parametrize("item", ALL, ids=lambda item: item.kind)
def test_what_is_shown_is_the_same_whatever_is_right(item: Item) -> None:
    assert grading.points(item, _right(item)) == 1
    assert answers.shown(item, drawn(item), None) == answers.shown(moved(item), drawn(item), None)
    if item.options or item.numbers:
        assert grading.points(moved(item), _right(item)) == 0


def whys(item: Item) -> list[str]:
    options = [*item.options, *(option for part in item.parts for option in part.options)]
    found = [one.why for one in options] + [one.why for one in item.steps] + [one.why for one in item.numbers]
    return found + [one.why for one in (*item.pairs, *item.extra)]


def test_no_reason_and_no_number_of_the_starter_set_is_shown() -> None:
    for module in starter.modules():
        for item in module.items:
            shown = answers.shown(item, drawn(item), None)
            said = json.dumps([asdict(one) for one in shown])
            words = "\n".join([one.words for one in shown] + [choice.text for one in shown for choice in one.choices])
            assert '"why"' not in said
            assert '"right"' not in said
            assert not [why for why in whys(item) if why in words], item.key
            if item.kind is Kind.NUMERIC:
                assert said == json.dumps([{"name": "answer", "words": item.numbers[0].unit, "choices": [EMPTY]}])


EMPTY = {"letter": "", "text": "", "chosen": False}


def test_every_question_of_the_starter_set_can_be_answered_right() -> None:
    asked = [item for module in starter.modules() for item in module.items]
    for item in asked:
        sent = pressed(item, "any", _right(item))
        assert grading.points(item, answers.read(item, drawn(item, "any"), sent)) == 1, item.key
    assert len(asked) >= 240
