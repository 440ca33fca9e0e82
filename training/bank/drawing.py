"""Draws the form of one attempt: which questions, in which order, with their options in which order.

Everything follows from the seed, by SHA-256, so that a form can be made again on any machine and any Python.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from training.bank.types import Difficulty, Item, Kind

T = TypeVar("T")


@dataclass(frozen=True)
class Drawn:
    """A question of a form. `orders` says which option stands where: numbers as in the module's file, shown order.

    One order for options and steps, one for each part of a case, that of the right sides for matching; none for a
    number.
    """

    key: str
    orders: Sequence[Sequence[int]]

    def as_dict(self) -> dict[str, Any]:
        return {"key": self.key, "orders": [list(order) for order in self.orders]}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        return cls(content["key"], tuple(tuple(order) for order in content["orders"]))


def draw(
    items: Sequence[Item],
    blueprint: Mapping[str, Mapping[Difficulty, int]],
    *,
    seed: str,
    seen: Collection[str] = (),
) -> list[Drawn]:
    """A form as the blueprint wants it. Questions whose keys are in `seen` are taken only where no other is left."""
    drawn: list[Item] = []
    for objective, cells in blueprint.items():
        for difficulty, number in cells.items():
            fitting = [one for one in items if one.objective == objective and one.difficulty == difficulty]
            mixed = _mixed(seed, objective, difficulty, {one.key: one for one in fitting})
            drawn += sorted(mixed, key=lambda one: one.key in seen)[:number]
    form = _mixed(seed, "form", "", {one.key: one for one in drawn})
    return [Drawn(item.key, orders(item, seed=seed)) for item in form]


def orders(item: Item, *, seed: str) -> list[list[int]]:
    """In which order the options of the item are shown."""
    match item.kind:
        case Kind.SINGLE | Kind.MULTIPLE:
            return [_order(seed, item.key, len(item.options))]
        case Kind.ORDERING:
            order = _order(seed, item.key, len(item.steps))
            return [order if order != sorted(order) else order[::-1]]
        case Kind.MATCHING:
            return [_order(seed, item.key, len(item.pairs) + len(item.extra))]
        case Kind.CASE:
            return [_order(seed, f"{item.key}:{n}", len(part.options)) for n, part in enumerate(item.parts)]
        case Kind.NUMERIC:
            return []


def _order(seed: str, name: str, number: int) -> list[int]:
    return _mixed(seed, name, "order", {str(n): n for n in range(number)})


def _mixed(seed: str, name: str, part: str, things: Mapping[str, T]) -> list[T]:
    """The things in an order that only the seed decides."""
    rank = {key: hashlib.sha256(f"{seed}\0{name}\0{part}\0{key}".encode()).digest() for key in things}
    return [things[key] for key in sorted(things, key=rank.__getitem__)]
