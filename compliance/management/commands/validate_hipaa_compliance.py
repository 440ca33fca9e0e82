"""manage.py validate_hipaa_compliance"""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from compliance.controls import running, standing
from compliance.controls.scoring import Score
from compliance.controls.validating import as_dict, table

ENVIRONMENTS = ("embedded", "production")


class Command(BaseCommand):
    help = (
        "Make every check of the control catalogue on the running system, keep the results in the audit trail, and "
        "print them with the score. What could not be looked at, is out of date or does not exist counts as nothing. "
        "Exit code 0: every gate is kept, and the score is at least --fail-under; 1: not so; 2: this installation is "
        "not the environment that was named, and nothing was looked at."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--environment",
            choices=ENVIRONMENTS,
            help="Which kind of installation this must be: embedded (one machine, `make run`) or production "
            "(DATABASE_URL is set). So that a pipeline never judges the wrong one.",
        )
        parser.add_argument(
            "--fail-under", type=_score, metavar="N", help="The score that is needed, 0 to 100. Without it: the gates."
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object instead of a table.")

    def handle(self, *args: Any, **options: Any) -> None:
        here = "embedded" if settings.EMBEDDED else "production"
        if options["environment"] not in {None, here}:
            self.stderr.write(f"This installation is {here}, not {options['environment']}. Nothing was looked at.")
            raise SystemExit(2)
        results = running.run_all()
        found = standing.now()
        if options["json"]:
            checks = [as_dict(one) for one in results]
            self.stdout.write(json.dumps({"environment": here, **found.as_dict(), "checks": checks}, indent=2))
        else:
            self.stdout.write("\n".join([table(results), "", *_summary(found)]))
        if not found.compliant or found.value < (options["fail_under"] or 0):
            raise SystemExit(1)


def _summary(found: Score) -> list[str]:
    lines = [
        f"Score {found.value:g} of 100{'' if found.compliant else ', NOT COMPLIANT'} "
        f"({found.uncapped:g} without the cap of gates that are not kept).",
        f"{found.coverage:g} % of the checks have a result. "
        f"Readiness for the proposed rule: {found.readiness:g} of 100.",
    ]
    if found.failing_gates:
        lines.append(f"Gates not kept: {', '.join(found.failing_gates)}.")
    return lines


def _score(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise ArgumentTypeError("must be a number from 0 to 100.")
    return value
