"""manage.py backup create"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from compliance.continuity.backup import backups
from compliance.continuity.commands import DONE, Console, add_json_option, backup_json, mask_text
from compliance.continuity_forms import LONGEST_NAME, LONGEST_REASON
from compliance.models import Backup

HELP = (
    "Make a backup now, and wait until it is in every store: the database, files and settings (or with --kind base the "
    "server's files, for going back to a moment). Exit code 0: it is complete; 1: there is none, and why."
)
_BY_HAND = (Backup.Type.MANUAL, Backup.Type.PRE_DEPLOYMENT, Backup.Type.FORENSIC, Backup.Type.SCHEDULED)


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--kind", choices=Backup.Kind.values, default=Backup.Kind.FULL, help="What to copy (default: full)."
    )
    parser.add_argument(
        "--type",
        choices=[str(one) for one in _BY_HAND],
        default=str(Backup.Type.MANUAL),
        help="What it is for, which says how long it is kept (default: manual, 90 days; forensic: 7 years; scheduled: "
        "as those of the schedule).",
    )
    parser.add_argument("--name", default="", help="What people find it by (default: its type and the time).")
    parser.add_argument("--reason", default="", help="Why it is made; identifiers are masked.")
    add_json_option(parser)


def run(options: dict[str, Any], console: Console) -> int:
    name = mask_text(options["name"], where="backup.name", longest=LONGEST_NAME)
    reason = mask_text(options["reason"], where="backup.reason", longest=LONGEST_REASON)
    started = time.monotonic()
    try:
        backup = backups.create(
            type=options["type"], name=name, reason=reason, kind=options["kind"], progress=console.say
        )
    except KeyboardInterrupt:
        console.say("Stopped. What was written of it is no backup.")
        raise
    seconds = time.monotonic() - started
    if options["json"]:
        console.json(backup_json(backup) | {"seconds": round(seconds, 2)})
        return DONE
    mib = backup.size / 2**20
    console.out(f"{backup.key}: {mib:.1f} MiB in {seconds:.1f} s, kept until {backup.keep_until:%Y-%m-%d}")
    console.out(f"in {', '.join(backup.stores)}")
    if backup.failure:
        console.say(f"left out: {backup.failure}")
    return DONE
