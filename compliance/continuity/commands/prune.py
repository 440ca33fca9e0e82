"""manage.py backup prune"""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from compliance.continuity.backup import pruning
from compliance.continuity.commands import DONE, FAILED, Console, with_json

HELP = (
    "Remove the backups whose time is over, and what unfinished ones left a day ago. Nothing younger is removed, and "
    "never the newest backup that was read back. Exit code 1: something could not be looked at or removed."
)


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="Only say what would be removed.")
    with_json(parser)


def run(options: dict[str, Any], console: Console) -> int:
    done = pruning.prune(dry_run=options["dry_run"])
    if options["json"]:
        console.json(asdict(done) | {"dry_run": options["dry_run"]})
    else:
        word = "would be removed" if options["dry_run"] else "removed"
        for title, keys in (("", done.removed), ("unfinished, ", done.unfinished)):
            for key in keys:
                console.out(f"{title}{word}: {key}")
        for words in done.failed:
            console.say(words)
        console.out(f"{len(done.removed)} backups {word}, {len(done.kept)} kept; {done.log} pieces of the log {word}.")
    return FAILED if done.failed else DONE
