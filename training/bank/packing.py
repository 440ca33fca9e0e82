"""A module as JSON, for the database, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from training.bank.types import (
    Card,
    Difficulty,
    Item,
    Lesson,
    Module,
    Objective,
    Option,
    Reference,
    Rules,
)


def pack(module: Module) -> dict[str, Any]:
    return asdict(module) | {"items": [item.as_dict() for item in module.items]}


def unpack(content: Mapping[str, Any]) -> Module:
    """What `pack` made."""
    return Module(
        **{
            **content,
            "objectives": [Objective(**one) for one in content["objectives"]],
            "references": [Reference(**one) for one in content["references"]],
            "rules": Rules(**content["rules"]),
            "blueprint": {
                objective: {Difficulty(key): number for key, number in cells.items()}
                for objective, cells in content["blueprint"].items()
            },
            "card": [Card(**one) for one in content["card"]],
            "lessons": [_lesson(one) for one in content["lessons"]],
            "items": [Item.from_dict(one) for one in content["items"]],
        }
    )


def _lesson(content: Mapping[str, Any]) -> Lesson:
    return Lesson(**{**content, "options": [Option(**one) for one in content["options"]]})
