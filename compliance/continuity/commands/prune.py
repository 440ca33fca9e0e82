"""manage.py backup prune"""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from compliance.continuity.backup import pruning
from compliance.continuity.commands import DONE, FAILED, Console, add_json_option

HELP = (
    "Remove the backups whose time is over, and what unfinished ones left a day ago. Nothing younger is removed, and "
    "never the newest backup that was read back. Exit code 1: something could not be looked at or removed."
)


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="Only say what would be removed.")
    add_json_option(parser)


def run(options: dict[str, Any], console: Console) -> int:
    result = pruning.prune(dry_run=options["dry_run"])
    if options["json"]:
        console.json(asdict(result) | {"dry_run": options["dry_run"]})
    else:
        verb = "would be removed" if options["dry_run"] else "removed"
        for title, keys in (("", result.removed), ("unfinished, ", result.unfinished)):
            for key in keys:
                console.out(f"{title}{verb}: {key}")
        for words in result.failed:
            console.say(words)
        removed, kept = len(result.removed), len(result.kept)
        console.out(f"{removed} backups {verb}, {kept} kept; {result.log} pieces of the log {verb}.")
    return FAILED if result.failed else DONE
