"""manage.py scan"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError

from clinchat.lib import clock
from compliance import scanning
from compliance.scanning.types import SEVERITIES, Scan, Unusable

HEAD = ("scanner", "state", "version", "proved", "crit/high/med/low", "seconds", "went by")


class Command(BaseCommand):
    help = (
        "Scan the source, the installed packages and the container files for known mistakes, written-in secrets and "
        "published weaknesses, and keep the results for the compliance controls. Every scanner also gets a fault that "
        "is known to be one: a scanner that overlooks it, is not installed, hangs or cannot reach its advisories is "
        "an error, never clean. Exit code 0: every scanner that was asked is clean and the results are kept; 1 "
        "otherwise. `make scan` installs the scanners first. Nothing is repaired."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object instead of text.")
        names = ", ".join(scanning.SCANNERS)
        parser.add_argument(
            "--only",
            nargs="+",
            choices=list(scanning.SCANNERS),
            default=(),
            metavar="NAME",
            help=f"Run only these scanners: {names}.",
        )
        parser.add_argument(
            "--sbom",
            type=Path,
            metavar="FILE",
            help="Write the bill of materials (CycloneDX, JSON) of the installed packages into this file.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        tree = Path(settings.BASE_DIR)
        if options["sbom"]:
            options["sbom"] = options["sbom"].resolve()
        try:
            build = scanning.build_digest(tree)
        except Unusable as problem:
            raise CommandError(f"Nothing was scanned: {problem.reason}.") from None
        scans = scanning.run_all(tree, options["only"], bill=options["sbom"])
        stored = self._store(scans, build)
        if options["json"]:
            self.stdout.write(json.dumps(_document(scans, build, stored), indent=2))
        else:
            self.stdout.write(_text(scans, build))
        if not stored or any(scan.state != "clean" for scan in scans):
            raise SystemExit(1)

    def _store(self, scans: Sequence[Scan], build: str) -> bool:
        from compliance.scanning import storing

        try:
            storing.store(scans, build=build)
        except (DatabaseError, InterfaceError):
            self.stderr.write("The results are not kept: the database cannot be reached, or is not migrated.")
            return False
        return True


def _document(scans: Sequence[Scan], build: str, stored: bool) -> dict[str, Any]:
    shown = [{**asdict(scan), "source_date": _day(scan)} for scan in scans]
    return {"build": build, "clean": all(scan.state == "clean" for scan in scans), "kept": stored, "scans": shown}


def _text(scans: Sequence[Scan], build: str) -> str:
    rows = [HEAD, *(_row(scan) for scan in scans)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += [f"{scan.scanner}: {scan.reason}" for scan in scans if scan.reason]
    for scan in scans:
        lines += [f"{one.severity}: {one.place}: {scan.scanner} {one.rule}: {one.title}" for one in scan.findings]
    clean = sum(scan.state == "clean" for scan in scans)
    return "\n".join([*lines, f"{clean} of {len(scans)} scanners are clean. Build {build[:16]}."])


def _row(scan: Scan) -> tuple[str, ...]:
    count = Counter(one.severity for one in scan.findings)
    severities = "/".join(str(count[name]) for name in SEVERITIES) if scan.proved else "-"
    proved = "yes" if scan.proved else "no"
    return (scan.scanner, scan.state, scan.version or "-", proved, severities, f"{scan.seconds:.1f}", _source(scan))


def _source(scan: Scan) -> str:
    if not scan.source_date:
        return scan.source or "-"
    days = (clock.now().date() - scan.source_date).days
    return f"{scan.source}, of {scan.source_date} ({days} days old)"


def _day(scan: Scan) -> str | None:
    return scan.source_date.isoformat() if scan.source_date else None
