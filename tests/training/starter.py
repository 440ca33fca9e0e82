"""The starter set of modules and policies, as its files have it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from clinchat.lib.located import Problem
from training.bank import policies, reading
from training.bank.policies import PolicyFile
from training.bank.types import Module

FOLDER: Final = Path(__file__).parents[2] / "training" / "content"


@cache
def found() -> tuple[list[Module], list[PolicyFile], list[Problem]]:
    """Modules, policies and problems, read once a process."""
    modules, problems = reading.read_all(FOLDER / "modules")
    lessons = {f"{module.slug}/{lesson.key}" for module in modules for lesson in module.lessons}
    texts, wrong = policies.read_all(FOLDER / "policies", lessons=lessons)
    return modules, texts, [*problems, *wrong]


def modules() -> list[Module]:
    return found()[0]
