"""manage.py audit_verify"""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from clinchat.lib import clock
from compliance.audit import signing, verify

SHOWN = 20


class Command(BaseCommand):
    help = (
        "Read the audit trail again and say whether anything in it was changed, removed, added behind its back or set "
        "back: digests, leaves, roots, links and signatures of the seals, the checkpoints outside the database, the "
        "order of times, and the triggers and grants that keep it append-only. Nothing is repaired. The outcome is "
        "kept, and shown on the audit page. Exit code 0: nothing found; 1: something does not fit, or the keys "
        "cannot be read."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        part = parser.add_mutually_exclusive_group()
        part.add_argument("--full", action="store_true", help="Read every event (the default).")
        part.add_argument("--since", type=day, metavar="DATE", help="Read what was sealed since this day, 2026-11-21.")
        part.add_argument(
            "--incremental", action="store_true", help="Read what came after the last verification that found nothing."
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object instead of text.")

    def handle(self, *args: Any, **options: Any) -> None:
        scope = verify.Scope.FULL
        if options["since"]:
            scope = verify.Scope.SINCE
        elif options["incremental"]:
            scope = verify.Scope.INCREMENTAL
        try:
            report = verify.run(scope, since=options["since"], progress=self._read)
        except signing.KeyUnusable as error:
            raise CommandError(error.line) from None
        self.stdout.write(json.dumps(report.as_dict(), indent=2) if options["json"] else _text(report))
        if not report.ok:
            raise SystemExit(1)

    def _read(self, events: int) -> None:
        self.stderr.write(f"  read {events:,} events")


def day(text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"“{text}” is no date. Write it as 2026-11-21.") from None
    if found > clock.now().date():
        raise ArgumentTypeError(f"{text} lies in the future.")
    return found


def _text(report: verify.Report) -> str:
    lines = [f"note: {warning}" for warning in report.warnings]
    lines += [f"{problem.kind}: {problem.event}: {problem.detail}" for problem in report.problems[:SHOWN]]
    if report.count > SHOWN:
        lines.append(f"… and {report.count - SHOWN} more")
    found = "nothing that does not fit" if report.ok else f"{report.count} problems"
    lines.append(
        f"{report.events:,} events and {report.seals:,} seals read in {report.seconds:.1f} s, {found} "
        f"({report.events - report.sealed:,} not sealed yet)."
        if report.events >= report.sealed
        else f"{report.events:,} events and {report.seals:,} seals read in {report.seconds:.1f} s, {found}."
    )
    return "\n".join(lines)
