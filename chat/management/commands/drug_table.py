"""manage.py drug_table"""

from __future__ import annotations

import json
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from textwrap import fill
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from chat.interaction_forms import NO_TABLE
from chat.interactions import change_file, current, release, releases
from chat.interactions.release import Damaged
from chat.interactions.release_report import Report
from chat.models import DrugTable, LocalInteraction
from compliance import notices
from compliance.access.roles import Action, permitted_roles

PARTS = ("added", "removed", "raised", "lowered", "shown_otherwise")
MEDICINES = {
    "added": "new medicines",
    "removed": "medicines no longer known",
    "covered": "medicines newly covered",
    "uncovered": "medicines no longer covered",
}
EXAMPLES = """examples:
  Which table is in use, whether it is sound, and what it does not cover:
    manage.py drug_table status
  Take in a new release, read what it changes, and put it into use:
    manage.py drug_table add clinchat-ddi-2027.02.01.zip
    manage.py drug_table apply 2027.02.01 --dry-run
    manage.py drug_table apply 2027.02.01
  Go back to the release before:
    manage.py drug_table apply 2026.11.21
  Take this hospital's own changes to another installation, where each waits for a second person:
    manage.py drug_table export changes.json
    manage.py drug_table import changes.json --by edith@clinchat.example

exit code: 0 done, or sound; 1 a problem, and nothing was changed; 2 the command line cannot be understood.
"""


class Command(BaseCommand):
    help = fill(
        "The table of drug interactions: which release is in use, what others there are, and this hospital's own "
        "changes. A release is taken in only if its files are what its manifest says, known pairs are answered as "
        "they must, and every pair comes out word for word. It is applied in one step; each process of the portal "
        "follows within a second, and knowledge editors are told. Everything is on record with the account that "
        "runs this.",
        width=79,
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(
            prog_name, subcommand, epilog=EXAMPLES, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
        status = what.add_parser("status", help="The release in use, its limits, and the changes in force.")
        status.add_argument("--json", action="store_true", help="Print one JSON object.")
        listed = what.add_parser("list", help="All releases, the newest first.")
        listed.add_argument("--json", action="store_true", help="Print a JSON array.")
        add = what.add_parser("add", help="Take in a release. It is not applied.")
        add.add_argument(
            "path",
            type=Path,
            nargs="?",
            metavar="PATH",
            help="The ZIP file of a release, or a folder with its files. Without it: the one that came with ClinChat.",
        )
        apply = what.add_parser("apply", help="Print what a release changes, and put it into use.")
        apply.add_argument("version", metavar="VERSION", help="As `list` shows it.")
        apply.add_argument("--dry-run", action="store_true", help="Print what it would change, and change nothing.")
        export = what.add_parser("export", help="Write this hospital's changes to a file, as JSON.")
        export.add_argument("file", type=Path, metavar="FILE", help="It must not exist; - writes to the terminal.")
        take = what.add_parser("import", help="Propose every change of such a file, all or none.")
        take.add_argument("file", type=Path, metavar="FILE")
        take.add_argument(
            "--by", required=True, metavar="E-MAIL", help="The knowledge editor who proposes them; another decides."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, f"_{options['what']}")(options)

    # ── What there is ──────────────────────────────────────────────────────────────────────────────────────────────

    def _status(self, options: dict[str, Any]) -> None:
        try:
            state = current.current()
        except current.Unavailable:
            raise CommandError(NO_TABLE) from None
        table = state.table
        limits = releases.limits(table)
        found = limits | {
            "sha256": table.release.sha256,
            "backup": state.from_backup,
            "sources": dict(limits["sources"]),
            "reviewed_by_pharmacist": False,
            "changes_in_force": len(state.changes),
            "changes_waiting": 0 if state.from_backup else LocalInteraction.objects.open().count(),
        }
        if options["json"]:
            self.stdout.write(json.dumps(found, ensure_ascii=False, indent=2))
            return
        self.stdout.write(
            f"Version {found['version']} is in use{', from the backup: no database' if state.from_backup else ''}.\n"
            f"{found['pairs']:,} pairs of {found['medicines']:,} medicines: "
            + ", ".join(f"{count:,} {severity}" for severity, count in found["severities"].items())
            + f".\nChanges of this hospital: {found['changes_in_force']} in force, "
            f"{found['changes_waiting']} waiting.\n"
            f"Limits: no pharmacist has reviewed it yet. {found['not_covered']} medicines are not covered, "
            f"{len(found['common_not_covered'])} of them common: {', '.join(found['common_not_covered']) or 'none'}.\n"
            "Its sources: " + "; ".join(f"{name} ({date})" for name, date in found["sources"].items()) + "."
        )

    def _list(self, options: dict[str, Any]) -> None:
        found = [
            {
                "version": row.version,
                "sha256": row.sha256,
                "added_at": row.added_at.isoformat(timespec="seconds"),
                "applied_at": row.applied_at.isoformat(timespec="seconds") if row.applied_at else None,
                "in_use": row.in_use,
            }
            for row in releases.ordered()
        ]
        if options["json"]:
            self.stdout.write(json.dumps(found, indent=2))
            return
        for one in found:
            state = "in use" if one["in_use"] else f"applied {one['applied_at']}" if one["applied_at"] else "waits"
            self.stdout.write(f"{one['version']}  added {one['added_at']}  {state}")
        if not found:
            self.stdout.write(f"The one that came with ClinChat is in use: {release.shipped().version}.")

    # ── Releases ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _add(self, options: dict[str, Any]) -> None:
        try:
            row = releases.add(path=options["path"], by=None) if options["path"] else releases.offer_shipped()
        except Damaged as damaged:
            raise CommandError(f"Nothing was stored. {damaged.reason}") from None
        except releases.Unsound as unsound:
            raise CommandError(f"Nothing was stored. It fails its self-test: {', '.join(unsound.failed)}.") from None
        except releases.VersionTaken:
            raise CommandError("Nothing was stored. Another release with different files has this version.") from None
        except releases.AlreadyThere as there:
            self.stdout.write(f"Version {there.row.version} is there already.")
            return
        if row is None:
            self.stdout.write(f"Version {release.shipped().version} is there already.")
        elif row.in_use:
            self.stdout.write(f"Version {row.version} is in use: it is the first.")
        else:
            self.stdout.write(
                f"Version {row.version} was taken in. Put it into use: manage.py drug_table apply VERSION"
            )

    def _apply(self, options: dict[str, Any]) -> None:
        row = DrugTable.objects.defer("packed").filter(version=options["version"]).first()
        if row is None:
            raise CommandError("There is no release of this version. See manage.py drug_table list")
        if row.in_use:
            self.stdout.write(f"Version {row.version} is in use already.")
            return
        used = releases.in_use()
        try:
            if report := releases.report(row):
                self._print(report)
            else:
                self.stdout.write("There is nothing to compare it with: the release in use is damaged, or the same.")
            if options["dry_run"]:
                return
            releases.apply(table_id=row.pk, by=None, seen=used.sha256 if used else "")
        except (Damaged, releases.Unsound):
            raise CommandError("Nothing was changed: the stored release is damaged.") from None
        except releases.Overtaken:
            raise CommandError("Nothing was changed: another release came into use at this moment.") from None
        self.stdout.write(f"Version {row.version} is in use.")

    def _print(self, report: Report) -> None:
        pairs = report["pairs"]
        self.stdout.write(
            f"Compared with {report['against']}: {pairs['before']:,} pairs before, {pairs['after']:,} after"
        )
        for key in PARTS:
            part = report[key]
            if part["count"]:
                self.stdout.write(
                    f"{part['count']:,} {key.replace('_', ' ')}, {part['interruptive']:,} that interrupt:"
                )
                for pair in part["examples"]:
                    was, becomes = pair["before"] or "not there", pair["after"] or "not there"
                    self.stdout.write(f"  {pair['a']} with {pair['b']}: {was}, then {becomes}")
                if part["interruptive"] > len(part["examples"]):
                    self.stdout.write(f"  … and {part['interruptive'] - len(part['examples']):,} more")
        for key, words in MEDICINES.items():
            part = report["medicines"][key]
            if part["count"]:
                self.stdout.write(f"{part['count']:,} {words}: {', '.join(part['examples'])}")
        for source in report["sources"]:
            if source["before"] != source["after"]:
                was, becomes = source["before"] or "not used", source["after"] or "not used"
                self.stdout.write(f"{source['name']}: {was}, then {becomes}")
        for one in report["local"]:
            self.stdout.write(f"look at the local change of {one['a']} with {one['b']}, {one['severity']} here")

    # ── The hospital's changes ─────────────────────────────────────────────────────────────────────────────────────

    def _export(self, options: dict[str, Any]) -> None:
        content = change_file.export()
        if options["file"] == Path("-"):
            self.stdout.write(change_file.text(content), ending="")
            return
        try:
            with options["file"].open("x", encoding="utf-8") as file:
                file.write(change_file.text(content))
        except FileExistsError:
            raise CommandError("The file exists already. Nothing was written.") from None
        except OSError:
            raise CommandError("The file cannot be written.") from None
        self.stderr.write(f"{len(content['changes'])} changes were written.")

    def _import(self, options: dict[str, Any]) -> None:
        editors = notices.holders(*permitted_roles(Action.EDIT_INTERACTIONS))
        person = next((one for one in editors if one.email.casefold() == options["by"].casefold()), None)
        if person is None:
            raise CommandError("Nobody with this e-mail address edits the interaction table.")
        try:
            text = options["file"].read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError):
            raise CommandError("The file cannot be read as text in UTF-8.") from None
        try:
            done = change_file.take_in(text=text, by=person, url=reverse("interaction-changes"))
        except change_file.Malformed as malformed:
            raise CommandError("Nothing was proposed.\n" + "\n".join(malformed.problems)) from None
        except current.Unavailable:
            raise CommandError(NO_TABLE) from None
        self.stdout.write(f"{done.proposed} proposed, {done.skipped} skipped.")
