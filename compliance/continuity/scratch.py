"""Temporary PostgreSQL servers: on a Unix socket in a private folder, removed with all their files after use.

Each has a folder below `scratch` in CLINCHAT_VAR, whose lock its process holds as long as it lives. The server is
stopped when the thread that started it ends; what a killed process left is removed when the next server is made.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

import psycopg
from django.conf import settings

from clinchat.local import LocalError, cluster
from clinchat.local.folders import locked, open_var, passage, private_folder
from clinchat.local.paths import SHORT, fits_socket
from clinchat.local.supervisor import follow_parent
from compliance.continuity import programs
from compliance.continuity.refusals import ContinuityError

DATABASE = cluster.USER
START_SECONDS = 120.0
STOP_SECONDS = 20.0
_LOG_TAIL_BYTES = 64 * 2**10
_ALWAYS = {
    "dynamic_shared_memory_type": "mmap"
}  # in its data directory, so that nothing is left in /dev/shm when it is killed
_FAST = {
    "max_connections": "60",
    "shared_buffers": "128MB",
    "max_wal_size": "4GB",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "fsync": "off",  # it is never started again after a crash
    "autovacuum": "off",
}


class ScratchServerFailed(ContinuityError):
    """A temporary server could not be made or started."""


class ScratchServer:
    """A temporary server, as a context manager.

    >>> with ScratchServer() as server, server.connect() as connection: ...

    It has an empty database "clinchat"; or `fill` is called with the empty data directory and puts a cluster there,
    whose own configuration is discarded. `server_settings` are parameters of postgresql.conf. `durable` omits the
    settings that trade durability for speed (_FAST). `user` is its superuser. Raises ScratchServerFailed.
    """

    def __init__(
        self,
        *,
        fill: Callable[[Path], None] | None = None,
        server_settings: Mapping[str, str] | None = None,
        user: str = cluster.USER,
        durable: bool = False,
    ) -> None:
        self._fill = fill
        self._server_settings = _ALWAYS | ({} if durable else _FAST) | dict(server_settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._locks = ExitStack()
        self.user = user

    def __enter__(self) -> Self:
        with _translated_errors():
            self._claim_folder()
            try:
                self._make_folders()
                self._make_data()
                self.start()
            except BaseException:
                self._remove()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self._remove()

    # ── Connecting ───────────────────────────────────────────────────────────────────────────────────────────

    def conninfo(self, database: str = DATABASE) -> dict[str, str]:
        """Connection parameters by libpq's names, for psycopg.connect() and `programs`."""
        return {"host": str(self.socket), "port": "5432", "user": self.user, "dbname": database}

    def connect(self, database: str = DATABASE) -> psycopg.Connection:
        """A connection in autocommit mode."""
        return psycopg.connect(**self.conninfo(database), autocommit=True)  # type: ignore[arg-type]

    # ── Starting and stopping ────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Start it and wait until it accepts connections. Raises ScratchServerFailed."""
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        options = cluster.options(self.socket, **self._server_settings)
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603  # PostgreSQL's own
                [str(programs.find("postgres")), "-D", str(self.data), *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
                start_new_session=True,
                preexec_fn=follow_parent(signal.SIGQUIT),  # noqa: PLW1509 - it calls nothing that takes a lock
                **cluster.as_account(self._account),
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            if self._process.poll() is not None:
                raise ScratchServerFailed(f"A PostgreSQL of its own did not start: {_cause(self.log_tail())}.")
            if time.monotonic() > deadline:
                raise ScratchServerFailed(f"A PostgreSQL of its own did not start within {START_SECONDS:.0f} seconds.")
            time.sleep(0.02)

    def configure(self, **settings: str) -> None:
        """Set parameters of postgresql.conf, from the next start on."""
        self._server_settings |= settings

    def stop(self) -> None:
        """Fast shutdown: open sessions are terminated. Its files stay until the block ends."""
        self._signal_and_wait(signal.SIGINT)

    def kill(self) -> None:
        """Kill all its processes, as when the machine loses power."""
        process = self._process
        if process is not None and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster; None: it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def log_tail(self) -> str:
        """The end of the server log since its last start. For finding causes, never to be shown: patient data."""
        with suppress(OSError), self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - _LOG_TAIL_BYTES))
            return log.read().decode(errors="replace")
        return ""

    def _ready(self) -> bool:
        """Whether it accepts connections, by line 8 of postmaster.pid, as pg_ctl --wait tests it."""
        with suppress(OSError):
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return len(lines) > 7 and lines[7].strip() == "ready"
        return False

    def _signal_and_wait(self, signal_number: signal.Signals) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal_number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    # ── Folders ───────────────────────────────────────────────────────────────────────────────────────────

    def _claim_folder(self) -> None:
        root = _root()
        with locked(root, wait=True):
            _sweep(root)
            self.folder = root / secrets.token_hex(4)
            private_folder(self.folder, mode=passage())
            self._locks.enter_context(locked(self.folder))

    def _make_folders(self) -> None:
        self.data, self.log = self.folder / "data", self.folder / "log"
        self.log.touch(mode=0o600)
        self._account = cluster.account(self.data, programs.find("postgres").parent, self.folder)
        self.socket = _socket_folder(self.folder)
        for path in (self.data, self.socket):
            path.mkdir()
            cluster.give(path, self._account)

    def _make_data(self) -> None:
        if self._fill is None:
            if output := cluster.make(programs.find("initdb").parent, self.data, self._account):
                raise ScratchServerFailed(f"A PostgreSQL of its own could not be made: {_cause(output)}.")
            return
        self._fill(self.data)
        _replace_configuration(self.data)
        for folder, _, names in os.walk(self.data):
            for path in (folder, *(f"{folder}/{name}" for name in names)):
                os.chown(path, self._account.uid, self._account.gid)

    def _remove(self) -> None:
        self._signal_and_wait(signal.SIGQUIT)
        _remove(self.folder)
        self._locks.close()


def _sweep(root: Path) -> None:
    """Remove the folders of killed processes. Hold the lock of `root` meanwhile."""
    for folder in [path for path in root.iterdir() if path.is_dir()]:
        with suppress(BlockingIOError), locked(folder):  # locked: its process lives
            _remove(folder)


def _remove(folder: Path) -> None:
    if pid := cluster.postmaster(folder / "data"):  # on Linux it ended with its parent, elsewhere not
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGQUIT)
    shutil.rmtree(_socket_folder(folder), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _root() -> Path:
    root = Path(settings.VAR) / "scratch"
    open_var(Path(settings.VAR))
    private_folder(root, mode=passage())
    return root


def _socket_folder(folder: Path) -> Path:
    """In the folder, unless that path is too long for a Unix socket."""
    inside = folder / "s"
    return inside if fits_socket(inside) else SHORT / f"clinchat-scratch-{folder.name}"


def _replace_configuration(data: Path) -> None:
    """Discard the configuration of the server that these files were copied from."""
    for name in ("postgresql.conf", "postgresql.auto.conf", "pg_ident.conf"):
        (data / name).write_text("")
    (data / "pg_hba.conf").write_text("local all all trust\n")
    for name in ("postmaster.pid", "postmaster.opts"):
        (data / name).unlink(missing_ok=True)


def _cause(output: str) -> str:
    """The cause in our own words: the output of the server itself may hold patient data."""
    marks = {
        "No space left on device": "the disk is full",
        "shared memory": "the machine gives it too little shared memory",
        "incompatible with server": "the files are of another version",
        "could not access file": "an extension it needs is not installed",
        "is not available": "an extension it needs is not installed",
        "invalid checkpoint record": "its files are incomplete",
        "could not locate required checkpoint": "its files are incomplete",
        "before configured recovery target": "the log ends before the moment asked for",
        "before end of online backup": "the log ends before the copy was complete",
    }
    return next((words for mark, words in marks.items() if mark in output), "it gave no reason we know")


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Turn LocalError and OSError into ScratchServerFailed."""
    try:
        yield
    except LocalError as error:
        raise ScratchServerFailed(error.line) from None
    except OSError as error:
        raise ScratchServerFailed(f"A PostgreSQL of its own could not be made: {error.strerror}.") from None
