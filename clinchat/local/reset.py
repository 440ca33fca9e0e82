"""`make reset`: delete what ClinChat keeps on this machine; only its own folders, never all of CLINCHAT_VAR."""

from __future__ import annotations

import fcntl
import shutil
import sys
from contextlib import suppress

from clinchat.local import postgres, redis_server
from clinchat.local.folders import storage_errors
from clinchat.local.paths import LocalError, Paths, paths
from clinchat.local.services import open_lock


def main(words: list[str]) -> int:
    """Ask, unless `--yes` is among the words, and delete. Returns the exit code."""
    place = paths()
    if not place.var.exists():
        print(f"There is no {place.var}.")
        return 0
    if "--yes" not in words:
        print(f"Delete {place.var}: all conversations, documents, accounts and keys? [y/N] ", end="", flush=True)
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            print("Nothing was deleted.")
            return 1
    try:
        reset(place)
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{place.var} is empty. The next start begins anew.")
    return 0


def reset(place: Paths) -> None:
    """Stop what a crash left running, then delete. Raises LocalError while anybody uses the services."""
    if place.run.exists():
        lock = open_lock(place.run / "users.lock")  # held until this process ends
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalError("ClinChat is running. Stop it first.") from None
        redis_server.stop(place)
        postgres.stop(place)
    drafts = place.var.glob(postgres.DRAFTS)
    for folder in (
        place.pgdata,
        *drafts,
        place.keys,
        place.log,
        place.run,
        *(place.var / name for name in ("static", "checkpoints", "backups", "wal", "scratch")),
    ):
        with storage_errors(folder), suppress(FileNotFoundError):
            shutil.rmtree(folder)
    with suppress(OSError):  # something in it is not ours
        place.var.rmdir()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
