"""manage.py compliance_report"""

from __future__ import annotations

import json
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from textwrap import fill
from typing import Any, BinaryIO, Final, TypeVar

from django.core.management.base import BaseCommand, CommandError
from django.template.loader import render_to_string

from compliance import audit
from compliance.access.roles import PURPOSES, Action
from compliance.audit import AuditUnavailable
from compliance.controls.results import canonical
from compliance.management.files import beside, check_place
from compliance.models import MonthlyReport
from compliance.reports import bundle, monthly, paper, shown

T = TypeVar("T")

FORMS: Final = (".pdf", ".html", ".json")
EXAMPLES: Final = """examples:
  The report of the last month, made if there is none yet:
    manage.py compliance_report
  That of October as a file to print:
    manage.py compliance_report --month 2026-10 --out october.pdf
  What an auditor verifies without ClinChat (README.txt in it says how):
    manage.py compliance_report --bundle q4.zip --from 2026-10-01 --to 2026-12-31

exit code: 0 done, 1 a problem, 2 the command line cannot be understood. With a problem no file is left behind, but
one: the bundle of a trail that does not fit its seals is written as it is, because it is evidence.
"""


class Command(BaseCommand):
    help = fill(
        "Make the compliance report of a month, or show the one there is: the score and what is open, access, the "
        "audit trail, encryption, PHI, training, incidents and backups. What a report says is stored, and its SHA-256 "
        "is sealed in the audit trail; it is made anew only where the figures differ. With --bundle, write the zip an "
        "auditor verifies on a machine without ClinChat. Exports are themselves on record.",
        width=79,
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(
            prog_name, subcommand, epilog=EXAMPLES, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        report = parser.add_argument_group("the report of a month")
        report.add_argument("--month", metavar="YYYY-MM", help="Which; the last one without. The running one: so far.")
        report.add_argument("--out", type=Path, metavar="FILE", help=f"Write it there: {', '.join(FORMS)}.")
        zipped = parser.add_argument_group("the bundle for an auditor")
        zipped.add_argument("--bundle", type=Path, metavar="FILE.zip", help="Write it there.")
        zipped.add_argument("--from", dest="first", metavar="DAY", help="First day, as 2026-10-01, in UTC.")
        zipped.add_argument("--to", dest="last", metavar="DAY", help=f"Last day; at most {bundle.LONGEST} days.")
        zipped.add_argument("--documents", action="store_true", help="With the documents behind attestations.")
        parser.add_argument("--force", action="store_true", help="Replace a file that exists.")
        parser.add_argument("--json", action="store_true", help="Say what was done as one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with audit.bind(purpose=PURPOSES[Action.EXPORT_CONTROLS]):
                said = self._bundle(options) if options["bundle"] else self._report(options)
        except AuditUnavailable:
            raise CommandError("The audit trail cannot record this export, so nothing was exported.") from None
        self.stdout.write(json.dumps(said) if options["json"] else "\n".join(f"{k}: {v}" for k, v in said.items()))

    def _report(self, options: dict[str, Any]) -> dict[str, Any]:
        if options["first"] or options["last"] or options["documents"]:
            raise CommandError("--from, --to and --documents go with --bundle.", returncode=2)
        out, month = options["out"], _month(options["month"])
        if out is not None:
            if out.suffix not in FORMS:
                raise CommandError(f"--out must end in one of {', '.join(FORMS)}.", returncode=2)
            check_place(out, force=options["force"])
        try:
            report = monthly.make(month, None, provisional=True)
        except monthly.NotOver:
            raise CommandError("That month has not begun.", returncode=2) from None
        if out is not None:
            content = _content(report, out.suffix)
            monthly.hand_out(report, content, form=out.suffix[1:])
            _write(out, lambda file: file.write(content))
        return {
            "month": f"{report.month:%Y-%m}",
            "number": report.number,
            "id": str(report.pk),
            "provisional": report.data["provisional"],
            "sha256": report.sha256,
            "score": _score(report),
            **({"file": str(out)} if out else {}),
        }

    def _bundle(self, options: dict[str, Any]) -> dict[str, Any]:
        path = options["bundle"]
        if options["month"] or options["out"]:
            raise CommandError("--bundle does not go with --month or --out.", returncode=2)
        if not options["first"] or not options["last"]:
            raise CommandError("Say which days: --from DAY --to DAY.", returncode=2)
        first, last = _day(options["first"]), _day(options["last"])
        check_place(path, force=options["force"])
        try:
            period = bundle.period(first, last)
            written = _write(path, lambda file: bundle.write(period, file, documents=options["documents"]))
        except bundle.BundleError as refused:
            raise CommandError(refused.line, returncode=2 if isinstance(refused, bundle.BadPeriod) else 1) from None
        if written.damaged:
            raise CommandError(
                "The bundle was written, but it will not verify, because the trail does not fit its seals:\n"
                + "\n".join(written.damaged)
            )
        return {
            "file": str(path),
            "from": period.start.isoformat(),
            "before": period.end.isoformat(),
            "results": written.results,
            "events": written.events,
            "score": written.score,
        }


def _score(report: MonthlyReport) -> Any:
    section = next(one for one in report.data["sections"] if one["key"] == "score")
    return next((value for name, value, _ in section["facts"] if name == "Score at the end"), None)


def _content(report: MonthlyReport, ending: str) -> bytes:
    if ending == ".pdf":
        return paper.pdf(report)
    if ending == ".html":
        return render_to_string("compliance/reports/file.html", {"one": shown.shown(report)}).encode()
    return canonical(report.data)


def _month(text: str | None) -> date:
    if not text:
        return monthly.last_month().month
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        raise CommandError("--month must look like 2026-10.", returncode=2) from None


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CommandError("A day must look like 2026-10-01.", returncode=2) from None


def _write(path: Path, fill_in: Callable[[BinaryIO], T]) -> T:
    """It takes its name when it is complete."""
    temporary = None
    try:
        with beside(path) as (file, temporary):
            done = fill_in(file)
        temporary.replace(path)
    except OSError as error:
        raise CommandError(f"{path} could not be written ({error.strerror}). Nothing was left there.") from None
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
    return done
