"""manage.py purge_expired"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from compliance.continuity.deletion import retention


class Command(BaseCommand):
    help = (
        "Remove what is past its time by the rules of retention; the schedule does so every night. What a legal hold "
        "is on stays. Each rule that removed something leaves a record. It can be broken off and run again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Count what is due and remove nothing.")
        parser.add_argument("--rule", action="append", default=[], help="This rule alone; may be given again.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object instead of text.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            turns = retention.purge(dry_run=options["dry_run"], only=options["rule"])
        except KeyError as error:
            known = ", ".join(one.key for one in retention.rules())
            raise CommandError(f"There is no rule {error.args[0]!r}. There are: {known}.") from None
        except retention.NotPurged as error:
            words = f"{error.rule.name}: {error.rule.kept.lower()}. This command removes none of it."
            raise CommandError(words) from None
        if options["json"]:
            self.stdout.write(json.dumps({"dry_run": options["dry_run"], "rules": [_plain(turn) for turn in turns]}))
            return
        word = "due" if options["dry_run"] else "removed"
        for turn in turns:
            held = f", {turn.held} on hold" if turn.held else ""
            self.stdout.write(f"{turn.rule.key}: {turn.removed} {word}{held}, older than {turn.before:%Y-%m-%d}")


def _plain(turn: retention.PurgeResult) -> dict[str, object]:
    return {
        "rule": turn.rule.key,
        "before": turn.before.isoformat(),
        "removed": turn.removed,
        "held": turn.held,
    }
