"""manage.py access_matrix: who may do what and where, from the code."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from compliance.access import matrix


class Command(BaseCommand):
    help = "Who may do what, and which address needs it, as Markdown"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object instead")
        parser.add_argument(
            "--approve", action="store_true", help="write it where the control check reads what was approved"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        if options["approve"]:
            matrix.APPROVED.write_text(matrix.as_json(), encoding="utf-8")
            self.stdout.write(f"Approved by whoever commits {matrix.APPROVED.name}.")
        elif options["json"]:
            self.stdout.write(matrix.as_json(), ending="")
        else:
            self.stdout.write(matrix.markdown(), ending="")
