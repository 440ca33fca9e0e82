"""manage.py validate_phi_protection"""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from compliance import phi_checks

SAMPLE = 1000
MOST = 1_000_000


class Command(BaseCommand):
    help = (
        "Look at the running system and say whether identifiers of patients are kept out of what ClinChat stores and "
        "logs: masking passes its self-test, the word lists are those of this version, a question about an invented "
        "patient leaves nothing readable in the database (it is undone again), nothing is left in the texts stored "
        "last, the values behind the tokens are sealed, log lines are masked, and nothing failed in the last day. "
        "Prints counts, classes and names, never a text. Exit code 0: every check passed; 1: one failed, or could not "
        "be made."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--sample",
            type=number,
            default=SAMPLE,
            metavar="N",
            help=f"How many of the texts stored last, of each kind, and of the values are read again "
            f"(default {SAMPLE}; about 100 a second).",
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object instead of a table.")

    def handle(self, *args: Any, **options: Any) -> None:
        results = phi_checks.run(options["sample"])
        ok = all(one.state is phi_checks.State.PASS for one in results)
        if options["json"]:
            self.stdout.write(json.dumps({"ok": ok, "checks": [asdict(one) for one in results]}, indent=2))
        else:
            self.stdout.write(table(results))
        if not ok:
            raise SystemExit(1)


def number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST:
        raise ArgumentTypeError(f"must be a number from 1 to {MOST}.")
    return int(text)


def table(results: Sequence[phi_checks.Result]) -> str:
    rows = [("check", "state", "seen", "expected")]
    rows += [(one.key, str(one.state), one.observed, one.expected) for one in results]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows
    ]
    passed = sum(one.state is phi_checks.State.PASS for one in results)
    return "\n".join([*lines, "", f"{passed} of {len(results)} checks passed."])
