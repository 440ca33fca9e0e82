"""Runs PostgreSQL's client programs (pg_dump, pg_restore, pg_basebackup, pg_receivewal) as child processes.

Connection parameters (`conninfo`: libpq's names and values) are passed in the environment, where only the account that
runs them can read them, never as arguments. Standard error may contain patient data (rows): it is searched for known
causes, and never shown or logged.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import connections
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from clinchat.local import LocalError, cluster
from clinchat.local.supervisor import follow_parent
from compliance import deadlines
from compliance.continuity.refusals import ContinuityError

CHUNK = 2**20
_STDERR_BYTES = 16 * 2**10
_CAUSES = {
    "No space left on device": "the disk is full",
    "server version mismatch": "the programs are older than the server",
    "unsupported version": "the file was made by a newer version",
    "no password supplied": "the database asks for a password",
    "authentication failed": "the database refused the name or the password",
    "no pg_hba.conf entry": "the database does not let this role in from here",
    "permission denied": "the role lacks a right",
    "must be superuser": "the role lacks a right",
    "must be able to": "the role lacks a right",
    "does not exist": "something it needs is not there",
    "already exists": "something of that name is there already",
    "has already been removed": "the log it needs is no longer there",
    "could not connect": "the database cannot be reached",
    "connection to server": "the database cannot be reached",
    "terminating connection": "the server ended the connection",
    "server closed the connection": "the server ended the connection",
    "violates": "a row breaks a rule of the table",
    "out of memory": "the memory did not suffice",
}
"""What is looked for in standard error, the most specific first, and how the cause is shown."""


class ProgramMissing(ContinuityError):
    """The program is not installed on this machine."""

    def __init__(self, program: str) -> None:
        super().__init__(
            f"PostgreSQL's program {program} is not installed here. Install PostgreSQL's client programs, the server's "
            "version or newer, and name their folder in CLINCHAT_POSTGRES_PROGRAMS."
        )


class ProgramFailed(ContinuityError):
    """The program exited with an error. `reason` is the cause in words, `code` its exit code (negative: a signal)."""

    def __init__(self, program: str, code: int, stderr: str = "") -> None:
        self.program, self.code = program, code
        if code < 0:
            self.reason = f"it was ended by signal {-code}"
        else:
            self.reason = next((words for mark, words in _CAUSES.items() if mark in stderr), f"exit code {code}")
        super().__init__(f"{program} failed: {self.reason}.")


def folder() -> Path | None:
    """The folder of the programs; None: search PATH."""
    if settings.POSTGRES_PROGRAMS:
        return Path(settings.POSTGRES_PROGRAMS)
    try:
        return cluster.binaries()
    except LocalError:
        return None


def find(program: str) -> Path:
    """The path of the program. Raises ProgramMissing."""
    place = folder()
    found = shutil.which(program, path=None if place is None else str(place))
    if found is None:
        raise ProgramMissing(program)
    return Path(found)


def owner_conninfo(database: str = "") -> dict[str, str]:
    """Connection parameters of the database owner: for the live database, or another one of the same server."""
    if settings.OWNER_DATABASE_URL:
        found: dict[str, Any] = conninfo_to_dict(settings.OWNER_DATABASE_URL)
        if not settings.EMBEDDED:
            found.setdefault("sslmode", "require")
    else:
        found = connections["default"].get_connection_params()
        found.pop("application_name", None)  # the portal's; each program has a name of its own
    if database:
        found["dbname"] = database
    return {name: str(found[name]) for name in _environment_variables() if found.get(name)}


def environment(conninfo: Mapping[str, str]) -> dict[str, str]:
    """The complete environment of a program that connects with `conninfo`."""
    names = _environment_variables()
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C"} | {names[key]: value for key, value in conninfo.items()}


def run(program: str, args: Sequence[object] = (), *, conninfo: Mapping[str, str] | None = None) -> bytes:
    """Run a program to its end; returns its standard output. Raises ProgramMissing and ProgramFailed."""
    return b"".join(stream(program, args, conninfo=conninfo))


def stream(program: str, args: Sequence[object] = (), *, conninfo: Mapping[str, str] | None = None) -> Iterator[bytes]:
    """Yield the standard output of a program while it runs. `conninfo`: default is the live database.

    Raises ProgramMissing, and ProgramFailed after the last chunk. Closing the iterator early kills the program.
    """
    with _running(program, args, conninfo, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as child:
        stdout_pipe: IO[bytes] = child.process.stdout
        while chunk := stdout_pipe.read(CHUNK):
            yield chunk
        child.finish()


def feed(
    program: str, args: Sequence[object], chunks: Iterable[bytes], *, conninfo: Mapping[str, str] | None = None
) -> None:
    """Run a program with `chunks` as its standard input. Raises ProgramMissing and ProgramFailed.

    An exception from `chunks` kills the program before it sees the end of its input: it cannot succeed on half of it.
    """
    with _running(program, args, conninfo, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
        stdin_pipe: IO[bytes] = child.process.stdin
        with suppress(BrokenPipeError):  # it exited early: finish() raises why
            for chunk in chunks:
                stdin_pipe.write(chunk)
            stdin_pipe.close()
        child.finish()


class Child:
    """A running program. It is killed when the thread that started it ends, even by SIGKILL."""

    def __init__(self, program: str, args: Sequence[object], conninfo: Mapping[str, str] | None, **pipes: int) -> None:
        self.program = program
        self.process = subprocess.Popen(  # noqa: S603  # PostgreSQL's own
            [str(find(program)), *map(str, args)],
            env=environment(owner_conninfo() if conninfo is None else conninfo),
            cwd="/",
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=follow_parent(),  # noqa: PLW1509 - it calls nothing that takes a lock
            **pipes,  # type: ignore[call-overload]  # stdin and stdout
        )
        self._stderr = b""
        self._stderr_reader = deadlines.start(self._read_stderr)

    def finish(self) -> None:
        """Wait until it exits. Raises ProgramFailed."""
        if code := self.process.wait():
            wait([self._stderr_reader], 1)
            raise ProgramFailed(self.program, code, self._stderr.decode(errors="replace"))

    def kill(self) -> None:
        """Kill it, if it still runs, and close its pipes. Idempotent."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        wait([self._stderr_reader], 1)

    def _read_stderr(self) -> None:
        errors: IO[bytes] = self.process.stderr
        with errors:
            for line in errors:
                self._stderr = (self._stderr + line)[-_STDERR_BYTES:]


@contextmanager
def _running(
    program: str, args: Sequence[object], conninfo: Mapping[str, str] | None, *, stdin: int, stdout: int
) -> Iterator[Child]:
    child = Child(program, args, conninfo, stdin=stdin, stdout=stdout)
    try:
        yield child
    finally:
        child.kill()


def _environment_variables() -> dict[str, str]:
    """libpq's names of connection parameters, with the environment variable of each."""
    return {
        option.keyword.decode(): option.envvar.decode()
        for option in pq.Conninfo.get_defaults()
        if option.envvar is not None
    }
