"""manage.py audit_export"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from textwrap import fill
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError

from compliance.access.roles import PURPOSES, Action
from compliance.audit import AuditUnavailable, bind, export, search
from compliance.audit.export import Format, Job, Written
from compliance.management.files import beside, check_place
from compliance.models import Code, Outcome

FILTERS = ("since", "until", "person", "patient", "code", "outcome", "correlation")
STDOUT = Path("-")
EXAMPLES = """examples:
  All of November as a table:
    manage.py audit_export --format csv --output november.csv --since 2026-11-01 --until 2026-11-30
  What one person did with one patient's records, for another system:
    manage.py audit_export --format fhir --output - --person alice@clinchat.example --patient P-0123456789abcdef
  A month that an outsider can verify without ClinChat (unpack it and read FORMAT.md):
    manage.py audit_export --bundle november.zip --since 2026-11-01 --until 2026-11-30

exit code: 0 done, 1 a problem, 2 the command line cannot be understood. With a problem no file is left behind,
but one: the bundle of a trail that does not fit its seals is written as it is, because it is evidence.
"""


class Command(BaseCommand):
    help = fill(
        "Write events of the audit trail to a file: as a table (csv), as JSON lines with the bytes that were sealed "
        "(jsonl), as FHIR R4 AuditEvent resources (fhir), or as a bundle: a zip with proofs that verifies on a "
        "machine without ClinChat. All filters given must fit; without any, all events are written. The export is "
        "itself recorded first, and when that cannot be done nothing is written.",
        width=79,
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(
            prog_name, subcommand, epilog=EXAMPLES, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_argument_group("what is written, and where (--output, --bundle or both)")
        choices = [str(form) for form in Format if form is not Format.BUNDLE]
        what.add_argument("--format", choices=choices, help="Form of --output.")
        what.add_argument("--output", type=Path, metavar="FILE", help="File for --format; - writes to the terminal.")
        what.add_argument("--bundle", type=Path, metavar="FILE.zip", help="File for the bundle.")
        what.add_argument("--force", action="store_true", help="Replace a file that exists.")
        which = parser.add_argument_group("which events")
        which.add_argument("--since", metavar="DAY", help="First day, as 2026-11-01.")
        which.add_argument("--until", metavar="DAY", help="Last day.")
        which.add_argument("--person", metavar="WHO", help="Who acted: e-mail address or id.")
        which.add_argument("--patient", metavar="P-…", help="Pseudonym of the patient.")
        which.add_argument("--object", metavar="TYPE[:ID]", help="What it was done to: chat.Turn, or one with its id.")
        which.add_argument("--code", help=f"One of {', '.join(Code.values)}.")
        which.add_argument("--outcome", help=f"One of {', '.join(Outcome.values)}.")
        which.add_argument("--correlation", metavar="E-…", help="Reference of one request, or its whole id.")

    def handle(self, *args: Any, **options: Any) -> None:
        files = _files(options)
        try:
            filter_ = search.parse(_filters(options))
        except search.BadFilter as error:
            raise CommandError(error.message, returncode=2) from None
        try:
            with bind(purpose=PURPOSES[Action.EXPORT_AUDIT]):
                jobs = {path: export.begin(filter_, format=format_) for path, format_ in files.items()}
                written = _write(jobs)
        except export.ExportError as error:
            raise CommandError(error.line) from None
        except AuditUnavailable:
            raise CommandError("The audit trail cannot record this export, so nothing was exported.") from None
        damaged = [sentence for path, result in written.items() for sentence in self._report(path, result)]
        if damaged:
            raise CommandError(
                "The bundle was written, but it will not verify, because the trail does not fit its seals:\n"
                + "\n".join(damaged)
            )

    def _report(self, path: Path, result: Written) -> tuple[str, ...]:
        where = "the terminal" if path == STDOUT else path
        left_out = f"; {result.unsealed} not sealed yet and left out" if result.unsealed else ""
        self.stderr.write(f"{result.events} event{'s' * (result.events != 1)} written to {where}{left_out}.")
        return result.damaged


def _files(options: dict[str, Any]) -> dict[Path, Format]:
    """Where each form goes. Everything that can be refused is, before anything is recorded or written."""
    output, bundle = options["output"], options["bundle"]
    if not output and not bundle:
        raise CommandError("Say where to: --format csv --output FILE, or --bundle FILE.zip.", returncode=2)
    if bool(output) != bool(options["format"]):
        raise CommandError("--format and --output go together; a bundle has a form of its own.", returncode=2)
    if output == bundle:
        raise CommandError("--output and --bundle name the same file.", returncode=2)
    if bundle == STDOUT:
        raise CommandError("A bundle cannot be written to the terminal; name a file.", returncode=2)
    files = {path: form for path, form in ((output, options["format"]), (bundle, Format.BUNDLE)) if path}
    for path in files:
        if path != STDOUT:
            check_place(path, force=options["force"], instead="Use --output - and redirect it.")
    return {path: Format(form) for path, form in files.items()}


def _filters(options: dict[str, Any]) -> dict[str, str]:
    object_type, _, object_id = (options["object"] or "").partition(":")
    given = {name: options[name] or "" for name in FILTERS}
    return given | {"object_type": object_type, "object_id": object_id}


def _write(jobs: dict[Path, Job]) -> dict[Path, Written]:
    """Each under a temporary name beside its place; all get their names when all are complete."""
    written, complete = {}, {}
    try:
        for path, job in jobs.items():
            try:
                with _place(path) as (file, temporary):
                    if temporary is not None:
                        complete[path] = temporary
                    written[path] = job.write(file)
            except BrokenPipeError:
                _silence()
                raise CommandError("Whoever read the output stopped before its end.") from None
            except OSError as error:
                raise CommandError(f"{path} could not be written ({error.strerror}). Nothing was left there.") from None
        for path, temporary in complete.items():
            temporary.replace(path)
    finally:
        for temporary in complete.values():
            temporary.unlink(missing_ok=True)
    return written


@contextmanager
def _place(path: Path) -> Iterator[tuple[BinaryIO, Path | None]]:
    """Where the bytes go: the terminal, or a file beside its place."""
    if path == STDOUT:
        yield sys.stdout.buffer, None
        sys.stdout.buffer.flush()
        return
    with beside(path) as (file, temporary):
        yield file, temporary


def _silence() -> None:
    """Python would complain once more when it flushes the closed pipe at its end."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
