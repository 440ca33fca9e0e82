"""manage.py backup verify"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from compliance.continuity.backup import reading
from compliance.continuity.commands import DONE, Console, add_json_option, add_store_option, chosen_store, require_known
from compliance.continuity.refusals import ContinuityError

HELP = (
    "Read a backup back from a store, every byte of it, and compare it with its signed manifest. Nothing is restored: "
    "backup drill does that. Exit code 3: it is not what was put there; 1: it could not be read, which proves nothing."
)


def arguments(parser: ArgumentParser) -> None:
    parser.add_argument("key", nargs="?", help="The backup's key, as `backup list` shows it (default: the newest).")
    add_store_option(parser)
    add_json_option(parser)


def run(options: dict[str, Any], console: Console) -> int:
    store = chosen_store(options)
    key = options["key"]
    if key is None:
        key = max((found for found, _ in reading.scan_manifests(store)), default="")  # refused ones too
        if not key:
            raise ContinuityError(f"There is no backup in {store.name}.")
    else:
        require_known(store, key)
    console.say(f"{key} in {store.name}")
    started = time.monotonic()
    manifest = reading.verify(
        key, store=store, progress=lambda part, size: console.say(f"{part}: {size // 2**20} MiB") if size else None
    )
    seconds = time.monotonic() - started
    if options["json"]:
        console.json({"key": key, "store": store.name, "ok": True, "size": manifest.size, "seconds": round(seconds, 2)})
    else:
        mib = manifest.size / 2**20
        console.out(f"{key}: {mib:.1f} MiB read back in {seconds:.1f} s, all of it as it was written.")
    return DONE
