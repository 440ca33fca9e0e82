"""What the validate_… commands share: they make checks of the catalogue now, keep the results, and print them."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.core.management.base import BaseCommand

from compliance.controls import catalogue, running
from compliance.models import ControlResult

State = ControlResult.State
HEAD: Final = ("check", "control", "state", "seen", "expected")
WIDEST: Final = 70
"""Characters of what was seen and expected in the table; --json has all of it."""


def as_dict(result: ControlResult) -> dict[str, Any]:
    """One check, as programs read it."""
    control = catalogue.current().control_of(result.check_key)
    return {
        "key": result.check_key,
        "control": control.id if control else "",
        "state": str(result.state),
        "observed": result.observed,
        "expected": result.expected,
        "failing": result.failing,
        "ms": result.duration_ms,
    }


def table(results: Iterable[ControlResult]) -> str:
    """The same for people, and how many passed."""
    found = [as_dict(one) for one in results]
    rows = [HEAD, *((one["key"], one["control"], one["state"], one["observed"], one["expected"]) for one in found)]
    cut = [tuple(_cut(cell) for cell in row) for row in rows]
    widths = [max(len(row[column]) for row in cut) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cut]
    passed = sum(one["state"] == State.PASS for one in found)
    return "\n".join([*lines, "", f"{passed} of {len(found)} checks passed."])


def _cut(cell: str) -> str:
    return cell if len(cell) <= WIDEST else f"{cell[: WIDEST - 1]}…"


class Validate(BaseCommand):
    """A command that makes the checks of some controls. Exit code 1 when one did not pass."""

    controls: Sequence[str] = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object instead of a table.")

    def handle(self, *args: Any, **options: Any) -> None:
        known = catalogue.current().by_id
        keys = [check.key for control in self.controls for check in known[control].checks]
        results = running.run(running.in_order(keys))
        ok = all(one.state == State.PASS for one in results)
        if options["json"]:
            self.stdout.write(json.dumps({"ok": ok, "checks": [as_dict(one) for one in results]}, indent=2))
        else:
            self.stdout.write(table(results))
        if not ok:
            raise SystemExit(1)
