"""manage.py backup create"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from compliance.continuity.backup import backups
from compliance.continuity.commands import DONE, Console, prose, shown, with_json
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
    with_json(parser)


def run(options: dict[str, Any], console: Console) -> int:
    name = prose(options["name"], where="backup.name", longest=LONGEST_NAME)
    reason = prose(options["reason"], where="backup.reason", longest=LONGEST_REASON)
    began = time.monotonic()
    try:
        made = backups.create(
            type=options["type"], name=name, reason=reason, kind=options["kind"], progress=console.say
        )
    except KeyboardInterrupt:
        console.say("Stopped. What was written of it is no backup.")
        raise
    seconds = time.monotonic() - began
    if options["json"]:
        console.json(shown(made) | {"seconds": round(seconds, 2)})
        return DONE
    console.out(f"{made.key}: {made.size / 2**20:.1f} MiB in {seconds:.1f} s, kept until {made.keep_until:%Y-%m-%d}")
    console.out(f"in {', '.join(made.stores)}")
    if made.failure:
        console.say(f"left out: {made.failure}")
    return DONE
