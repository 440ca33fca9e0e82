"""manage.py check_data_integrity"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError

from compliance.continuity import integrity
from compliance.logs.faults import kind
from compliance.models import IntegrityRun


class Command(BaseCommand):
    help = (
        "Look whether the data fits together, as each night: references between rows, digests and offsets of texts and "
        "quotes, vectors of the searched model, masked values, counters, checksums of pages. Nothing is repaired. What "
        "is found is kept, and told as that of a nightly check. Exit code 0: it was looked at and is in order; 1: "
        "something is wrong, or it could not be looked at."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object instead of text.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            seen = integrity.run()
        except (DatabaseError, InterfaceError) as error:  # nowhere to keep it either
            unknown = {"key": "not_looked", "subject": kind(error), "count": 0, "sample": []}
            seen = IntegrityRun(state=IntegrityRun.State.ERROR, findings=[unknown])
        self.stdout.write(json.dumps(_document(seen), indent=2) if options["json"] else _text(seen))
        if seen.state != IntegrityRun.State.SOUND:
            raise SystemExit(1)


def _document(seen: IntegrityRun) -> dict[str, Any]:
    return {
        "state": seen.state,
        "ran_at": seen.ran_at.isoformat(),
        "seconds": seen.seconds,
        "looked": seen.looked,
        "not_available": integrity.unavailable_checks(seen),
        "findings": seen.findings,
    }


def _text(seen: IntegrityRun) -> str:
    if seen.state == IntegrityRun.State.ERROR:
        return f"It could not be looked at: {seen.findings[0]['subject']}. Nothing is known about the data."
    lines = [f"{key}: {number:,} looked at" for key, number in seen.looked.items() if number is not None]
    lines += [f"{key}: not available here, so nothing is known of it" for key in integrity.unavailable_checks(seen)]
    for one in seen.findings:
        lines += [f"WRONG {one['key']}: {one['count']:,} {one['subject']}", *(f"  {name}" for name in one["sample"])]
    what = "in order" if not seen.findings else f"{len(seen.findings)} checks found something"
    return "\n".join([*lines, f"{what}, {seen.seconds:.1f} s"])
