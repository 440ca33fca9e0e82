"""One thing that was looked at for an operator, how it is, and what a command makes of many."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from django.core.management.base import BaseCommand


class State(StrEnum):
    """How something is, in the words that are printed."""

    OK = "ok"
    ABSENT = "not available"
    """There is nothing to look at here, by configuration or for lack of a part. Nothing is known of it."""
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Measured:
    """`words` are for people, `value` is for a program; neither holds a value of a statement or what an error said."""

    key: str
    name: str
    state: State
    words: str
    value: Any = None


def worst(found: Sequence[Measured]) -> State:
    """Of all; what is not there does not count."""
    states = {one.state for one in found}
    return next((state for state in (State.FAILED, State.WARNING) if state in states), State.OK)


class MeasuringCommand(BaseCommand, ABC):
    """A command that prints what it measured. Exit code 0: all is well; 1: a warning, or something failed."""

    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object instead of text.")

    def handle(self, *args: Any, **options: Any) -> None:
        found = self.measure()
        state = worst(found)
        if options["json"]:
            document = {"state": state, "checks": [asdict(one) for one in found]}
            self.stdout.write(json.dumps(document, indent=2, default=str))
        else:
            width = max(len(one.name) for one in found)
            self.stdout.write("\n".join(f"{one.state:<13}  {one.name:<{width}}  {one.words}" for one in found))
        if state is not State.OK:
            raise SystemExit(1)

    @abstractmethod
    def measure(self) -> list[Measured]:
        """What is to be printed, in this order: one line at least."""
