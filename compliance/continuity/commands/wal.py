"""manage.py backup wal"""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any, Final

from clinchat.lib import clock
from compliance.continuity.commands import DONE, FAILED, Console
from compliance.continuity.point_in_time import shipping
from compliance.models import WalShipping

HELP = "Ship PostgreSQL's log into every store as it is written, until it is stopped."
MAX_SILENCE: Final = timedelta(minutes=1)
"""Four times the interval at which the process updates its row (shipping_record.SECONDS)."""


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--healthy",
        action="store_true",
        help="Ship nothing; exit code 0: the process that ships was heard of within a minute; 1: it was not.",
    )


def run(options: dict[str, Any], console: Console) -> int:
    if options["healthy"]:
        return DONE if WalShipping.objects.filter(updated_at__gt=clock.now() - MAX_SILENCE).exists() else FAILED
    console.say("Shipping the log")
    shipping.run()
    return DONE
