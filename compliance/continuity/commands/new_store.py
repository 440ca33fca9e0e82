"""manage.py backup new-store"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from compliance.continuity.backup import store_identity
from compliance.continuity.commands import DONE, Console, add_json_option
from compliance.continuity.storage import stores

HELP = (
    "Let a store begin empty: a new disk in the place of one that is gone, or a bucket that was emptied. ClinChat "
    "refuses such a store as long as it expects its old backups there; look first whether the disk is mounted. What "
    "turns up there again is noted by the next prune. Exit code 1: the store holds what was put there, or does not "
    "answer; nothing was changed."
)


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("store", help="The store, as named in CLINCHAT_BACKUPS.")
    add_json_option(parser)


def run(options: dict[str, Any], console: Console) -> int:
    store = stores.named(options["store"])
    no_longer_expected = store_identity.reset(store)
    if options["json"]:
        console.json({"store": store.name, "no_longer_expected": no_longer_expected})
    else:
        console.out(
            f"{store.name} begins anew. It is not expected to hold {no_longer_expected} earlier backups any more."
        )
    return DONE
