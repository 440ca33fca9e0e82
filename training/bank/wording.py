"""Questions and answers in words, for whoever reads years later what somebody was asked and what they chose."""

from __future__ import annotations

from collections.abc import Sequence

from training.bank.answers import Given
from training.bank.types import Item, Kind

OPEN = "Not answered"


def asked(item: Item) -> str:
    """The case and the question, with the questions of its parts."""
    words = [item.case, item.question, *(f"{n}. {part.question}" for n, part in enumerate(item.parts, 1))]
    return " ".join(word.strip() for word in words if word)


def shown(item: Item, orders: Sequence[Sequence[int]]) -> str:
    """What there was to choose from, in the order it was shown."""
    texts = _texts(item)
    listed = ["; ".join(f"{n}) {texts[place][one]}" for n, one in enumerate(o, 1)) for place, o in enumerate(orders)]
    if item.kind is Kind.CASE:
        return " / ".join(f"{n}. {one}" for n, one in enumerate(listed, 1))
    if item.kind is Kind.MATCHING:
        lefts = "; ".join(pair.left for pair in item.pairs)
        return f"{lefts} / {listed[0] if listed else ''}"
    return " / ".join(listed)


def given(item: Item, answer: Given | None) -> str:
    """What was chosen, entered or put in order."""
    if answer is None:
        return OPEN
    if isinstance(answer, str):
        return f"{answer} {item.numbers[0].unit if item.numbers else ''}".strip()
    texts = _texts(item)
    match item.kind:
        case Kind.SINGLE | Kind.MULTIPLE:
            return "; ".join(_text(texts[0], one) for one in answer) or OPEN
        case Kind.ORDERING:
            return "; ".join(f"{n}. {_text(texts[0], one)}" for n, one in enumerate(answer, 1))
        case Kind.MATCHING:
            return "; ".join(f"{p.left}: {_text(texts[0], one)}" for p, one in zip(item.pairs, answer, strict=False))
        case _:
            return "; ".join(f"{n + 1}. {_text(texts[n], one)}" for n, one in enumerate(answer[: len(texts)]))


def _texts(item: Item) -> list[list[str]]:
    """The texts that numbers stand for: one list, or one for each part of a case."""
    match item.kind:
        case Kind.SINGLE | Kind.MULTIPLE:
            return [[one.text for one in item.options]]
        case Kind.ORDERING:
            return [[step.text for step in item.steps]]
        case Kind.MATCHING:
            return [[pair.right for pair in (*item.pairs, *item.extra)]]
        case Kind.CASE:
            return [[one.text for one in part.options] for part in item.parts]
        case Kind.NUMERIC:
            return []


def _text(texts: Sequence[str], number: int | None) -> str:
    return texts[number] if number is not None and 0 <= number < len(texts) else OPEN
