"""manage.py maintenance"""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder

from compliance import free_text, phi
from compliance.api.maintenance import state
from compliance.continuity import maintenance
from compliance.maintenance_forms import LONGEST_REASON


class Command(BaseCommand):
    help = (
        "Make ClinChat read-only, let it store again, or say how it is. It works within two seconds in every process "
        "and is on record with the account that runs this. Exit code 1 when nothing was switched."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        on = acts.add_parser("on", help="from now on nothing is stored but what signing in needs")
        on.add_argument("--reason", required=True, help="shown to everybody; identifiers are masked")
        on.add_argument("--until", type=_moment, metavar="TIME", help="when it is expected to end: 2026-11-22T18:00Z")
        acts.add_parser("off", help="everything is stored again")
        status = acts.add_parser("status", help="whether it is on, since when and why")
        status.add_argument("--json", action="store_true", help="print one JSON object instead of text")

    def handle(self, *args: Any, act: str, **options: Any) -> None:
        try:
            if act == "on":
                reason = free_text.masked(options["reason"].strip(), where="maintenance", longest=LONGEST_REASON)
                maintenance.start(reason=reason, until=options["until"])
            elif act == "off":
                maintenance.end()
        except maintenance.Refused as refused:
            raise CommandError(refused.words) from None
        except phi.PhiUnavailable:
            raise CommandError("The reason could not be checked for identifiers. Nothing was switched.") from None
        found = state()
        self.stdout.write(json.dumps(found, cls=DjangoJSONEncoder) if options.get("json") else _text(found))


def _text(found: dict[str, Any]) -> str:
    if not found["enabled"]:
        return "ClinChat stores what is sent to it: read-only mode is off."
    until = f", until about {found['until']:%Y-%m-%d %H:%M %Z}" if found["until"] else ""
    return f"ClinChat is read-only since {found['since']:%Y-%m-%d %H:%M %Z}{until}: {found['reason']}"


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"“{text}” is no time. Write it as 2026-11-22T18:00Z.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
