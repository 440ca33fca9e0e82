"""manage.py access_matrix: who may do what and where, from the code."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from compliance.access import matrix


class Command(BaseCommand):
    help = "Who may do what, and which address needs it, as Markdown"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object instead")

    def handle(self, *_: Any, **options: Any) -> None:
        if not options["json"]:
            self.stdout.write(matrix.markdown(), ending="")
            return
        found = matrix.matrix()
        actions = {row.action: {"roles": sorted(row.roles), "clearance": row.clearance} for row in found.rows}
        routes = [
            {"path": r.path, "verbs": list(r.verbs), "action": r.action, "public": r.public} for r in matrix.routes()
        ]
        self.stdout.write(json.dumps({"actions": actions, "routes": routes}, indent=2))
