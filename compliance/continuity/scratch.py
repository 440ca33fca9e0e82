"""PostgreSQL servers for a moment: of their own, behind a socket in a private folder, gone when the work is done.

Each has a folder below `scratch` in CLINCHAT_VAR, and whoever lives holds its lock. The server ends with the thread
that started it; what a killed process left is removed by the next one that comes.
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
_LOG_READ = 64 * 2**10
_ALWAYS = {"dynamic_shared_memory_type": "mmap"}  # among its own files, so that nothing else is left where it is killed
_QUICK = {
    "max_connections": "60",
    "shared_buffers": "128MB",
    "max_wal_size": "4GB",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "fsync": "off",  # it is thrown away, whatever happens
    "autovacuum": "off",
}


class Unusable(ContinuityError):
    """A server of its own could not be made or started."""


class ScratchServer:
    """A server with an empty database "clinchat", or one whose files `fill` puts into the folder it is given.

    >>> with ScratchServer() as server, server.connect() as connection: ...

    `tell` are settings of PostgreSQL's beside those of speed; `durable` leaves the latter out. Raises Unusable.
    """

    def __init__(
        self,
        *,
        fill: Callable[[Path], None] | None = None,
        tell: Mapping[str, str] | None = None,
        user: str = cluster.USER,
        durable: bool = False,
    ) -> None:
        self._fill = fill
        self._settings = _ALWAYS | ({} if durable else _QUICK) | dict(tell or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._life = ExitStack()
        self.user = user

    def __enter__(self) -> Self:
        with _operators_words():
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

    # ── Where it is ───────────────────────────────────────────────────────────────────────────────────────────

    def parameters(self, database: str = DATABASE) -> dict[str, str]:
        """As libpq names things; for psycopg.connect() and `programs`."""
        return {"host": str(self.socket), "port": "5432", "user": self.user, "dbname": database}

    def connect(self, database: str = DATABASE) -> psycopg.Connection:
        """A connection that commits each statement by itself."""
        return psycopg.connect(**self.parameters(database), autocommit=True)  # type: ignore[arg-type]

    # ── Its life ──────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Start it and wait until it takes connections. Raises Unusable."""
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603  # PostgreSQL's own
                [str(programs.find("postgres")), "-D", str(self.data), *cluster.options(self.socket, **self._settings)],
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
                raise Unusable(f"A PostgreSQL of its own did not start: {_reason(self.told())}.")
            if time.monotonic() > deadline:
                raise Unusable(f"A PostgreSQL of its own did not start within {START_SECONDS:.0f} seconds.")
            time.sleep(0.02)

    def tell(self, **settings: str) -> None:
        """Settings of PostgreSQL's from the next start on."""
        self._settings |= settings

    def stop(self) -> None:
        """Stop it in order, open sessions included; its files stay until the block ends."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """As when the machine loses power."""
        process = self._process
        if process is not None and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    @property
    def pid(self) -> int | None:
        """Of the server's first process; None: it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def told(self) -> str:
        """The end of what the server said since its last start. To look for causes; never to be shown."""
        with suppress(OSError), self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - _LOG_READ))
            return log.read().decode(errors="replace")
        return ""

    def _ready(self) -> bool:
        """Whether its last line in postmaster.pid says so, which is what pg_ctl waits for too."""
        with suppress(OSError):
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return len(lines) > 7 and lines[7].strip() == "ready"
        return False

    def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    # ── Its folders ───────────────────────────────────────────────────────────────────────────────────────────

    def _claim_folder(self) -> None:
        home = _home()
        with locked(home, wait=True):
            _sweep(home)
            self.folder = home / secrets.token_hex(4)
            private_folder(self.folder, mode=passage())
            self._life.enter_context(locked(self.folder))

    def _make_folders(self) -> None:
        self.data, self.log = self.folder / "data", self.folder / "log"
        self.log.touch(mode=0o600)
        self._account = cluster.account(self.data, programs.find("postgres").parent, self.folder)
        self.socket = _socket_folder(self.folder)
        for made in (self.data, self.socket):
            made.mkdir()
            cluster.give(made, self._account)

    def _make_data(self) -> None:
        if self._fill is None:
            if told := cluster.make(programs.find("initdb").parent, self.data, self._account):
                raise Unusable(f"A PostgreSQL of its own could not be made: {_reason(told)}.")
            return
        self._fill(self.data)
        _take_over(self.data)
        for folder, _, names in os.walk(self.data):
            for path in (folder, *(f"{folder}/{name}" for name in names)):
                os.chown(path, self._account.uid, self._account.gid)

    def _remove(self) -> None:
        self._end(signal.SIGQUIT)
        _remove(self.folder)
        self._life.close()


def sweep() -> None:
    """Remove what killed processes left."""
    home = _home()
    with locked(home, wait=True):
        _sweep(home)


def _sweep(home: Path) -> None:
    for folder in [path for path in home.iterdir() if path.is_dir()]:
        with suppress(BlockingIOError), locked(folder):  # somebody's who lives
            _remove(folder)


def _remove(folder: Path) -> None:
    if pid := cluster.postmaster(folder / "data"):  # Linux ends it with its parent, other systems do not
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGQUIT)
    shutil.rmtree(_socket_folder(folder), ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _home() -> Path:
    home = Path(settings.VAR) / "scratch"
    open_var(Path(settings.VAR))
    private_folder(home, mode=passage())
    return home


def _socket_folder(folder: Path) -> Path:
    """In the folder, or where its name is short enough for a socket."""
    inside = folder / "s"
    return inside if fits_socket(inside) else SHORT / f"clinchat-scratch-{folder.name}"


def _take_over(data: Path) -> None:
    """Let nothing of the settings of the server that these files were copied from take effect."""
    for name in ("postgresql.conf", "postgresql.auto.conf", "pg_ident.conf"):
        (data / name).write_text("")
    (data / "pg_hba.conf").write_text("local all all trust\n")
    for left in ("postmaster.pid", "postmaster.opts"):
        (data / left).unlink(missing_ok=True)


def _reason(told: str) -> str:
    """A cause in our own words: what the server said may hold what a person typed."""
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
    return next((words for mark, words in marks.items() if mark in told), "it gave no reason we know")


@contextmanager
def _operators_words() -> Iterator[None]:
    """What the account, the folders or the disk have against it, as this module's exception."""
    try:
        yield
    except LocalError as error:
        raise Unusable(error.line) from None
    except OSError as error:
        raise Unusable(f"A PostgreSQL of its own could not be made: {error.strerror}.") from None
