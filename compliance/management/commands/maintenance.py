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
from compliance.continuity import maintenance, planned
from compliance.maintenance_forms import LONGEST_REASON

TIME = "2026-11-22T18:00Z; without a zone it is UTC"


class Command(BaseCommand):
    help = (
        "Make ClinChat read-only, let it store again, plan when it will be read-only, or say how it is. It works "
        "within two seconds in every process and is on record with the account that runs this. Exit code 1 when "
        "nothing was changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        on = acts.add_parser("on", help="from now on nothing is stored but what signing in needs")
        _reason(on)
        on.add_argument("--until", type=_moment, metavar="TIME", help=f"when it is expected to end: {TIME}")
        acts.add_parser("off", help="everything is stored again")
        words = "it comes on by itself at a time; everybody is told by notice and e-mail 48 h and 1 h before"
        plan = acts.add_parser("plan", help=words)
        _times(plan)
        _reason(plan)
        _times(acts.add_parser("move", help="other times for what is planned; who was told of it is told of them"))
        acts.add_parser("cancel", help="give up what is planned; who was told of it is told so")
        status = acts.add_parser("status", help="whether it is on, since when and why, and what is planned")
        status.add_argument("--json", action="store_true", help="print one JSON object instead of text")

    def handle(self, *args: Any, act: str, **options: Any) -> None:
        try:
            _do(act, options)
        except maintenance.Refused as refused:
            raise CommandError(refused.words) from None
        except phi.PhiUnavailable:
            raise CommandError("The reason could not be checked for identifiers. Nothing was switched.") from None
        found = state()
        self.stdout.write(json.dumps(found, cls=DjangoJSONEncoder) if options.get("json") else _text(found))


def _reason(parser: ArgumentParser) -> None:
    parser.add_argument("--reason", required=True, help="shown to everybody; identifiers are masked")


def _times(parser: ArgumentParser) -> None:
    words = f"when it comes on: {TIME}"
    parser.add_argument("--from", dest="starts_at", type=_moment, required=True, metavar="TIME", help=words)
    words = "when it is expected to end; it does not end by itself"
    parser.add_argument("--until", type=_moment, required=True, metavar="TIME", help=words)


def _do(act: str, options: dict[str, Any]) -> None:
    times: dict[str, Any] = {name: options.get(name) for name in ("starts_at", "until")}
    match act:
        case "on":
            maintenance.start(reason=_masked(options["reason"]), until=options["until"])
        case "off":
            maintenance.end()
        case "plan":
            planned.plan(reason=_masked(options["reason"]), **times)
        case "move":
            planned.move(**times)
        case "cancel":
            planned.cancel()


def _masked(reason: str) -> str:
    return free_text.masked(reason.strip(), where="maintenance", longest=LONGEST_REASON)


def _text(found: dict[str, Any]) -> str:
    lines = ["ClinChat stores what is sent to it: read-only mode is off."]
    if found["enabled"]:
        until = f", until about {_shown(found['until'])}" if found["until"] else ""
        lines = [f"ClinChat is read-only since {_shown(found['since'])}{until}: {found['reason']}"]
    if plan := found.get("planned"):
        lines.append(f"Planned from {_shown(plan['from'])} until about {_shown(plan['until'])}: {plan['reason']}")
    return "\n".join(lines)


def _shown(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M %Z}"


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"“{text}” is no time. Write it as 2026-11-22T18:00Z.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
