"""Where the embedded services live, and the addresses that follow. Pure: nothing is created or started."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# The system's limit is 107 bytes on Linux and 103 on macOS.
_LONGEST_SOCKET = 103
# Other characters mean something to libpq, PostgreSQL's settings or a Redis address.
_PLAIN = re.compile(r"[A-Za-z0-9/._-]+")
# Not TMPDIR: it differs between shells, and every process of a var has to find the same sockets.
SHORT = Path("/tmp")  # nosec B108  # folders in it are closed to others (folders.private_folder)
"""Where sockets are when a folder of theirs has too long a name."""


class LocalError(Exception):
    """The embedded services cannot do what was asked; the message tells the operator why and what to do."""

    def __init__(self, line: str) -> None:
        super().__init__(line)
        self.line = line


@dataclass(frozen=True)
class Paths:
    var: Path
    pgdata: Path
    run: Path
    keys: Path
    log: Path

    @property
    def pg_socket_dir(self) -> Path:
        return self.run / "pg"

    @property
    def redis_socket(self) -> Path:
        return self.run / "redis.sock"


def paths() -> Paths:
    var = Path(os.environ.get("CLINCHAT_VAR") or ROOT / "var").expanduser().resolve()
    return Paths(var=var, pgdata=var / "pgdata", run=_run_dir(var), keys=var / "keys", log=var / "log")


def database_url() -> str:
    return f"postgresql:///clinchat?host={paths().pg_socket_dir}&user=clinchat"


def redis_url() -> str:
    return f"unix://{paths().redis_socket}?db=0"


def fits_socket(folder: Path) -> bool:
    """Whether PostgreSQL can have its socket in this folder."""
    longest = os.fsencode(folder / ".s.PGSQL.5432")
    return len(longest) <= _LONGEST_SOCKET and _PLAIN.fullmatch(str(folder)) is not None


def _run_dir(var: Path) -> Path:
    run = var / "run"
    if fits_socket(run / "pg"):
        return run
    return SHORT / f"clinchat-{hashlib.sha256(os.fsencode(var)).hexdigest()[:12]}"
