"""PostgreSQL's own programs: where they are, whom they talk to, and what came of them.

Whom they talk to is in their environment, where only their own account can read it, and never among their arguments.
What they say on standard error may hold rows of a patient: it is looked at, and never shown or logged.
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
from psycopg import conninfo, pq

from clinchat.local import LocalError, cluster
from clinchat.local.supervisor import follow_parent
from compliance import deadlines
from compliance.continuity.refusals import ContinuityError

CHUNK = 2**20
_TOLD = 16 * 2**10
_REASONS = {
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
"""What is looked for in what a program said, the surest first, and the words for it."""


class ProgramMissing(ContinuityError):
    """PostgreSQL's programs are not on this machine."""

    def __init__(self, program: str) -> None:
        super().__init__(
            f"PostgreSQL's program {program} is not installed here. Install PostgreSQL's client programs, the server's "
            "version or newer, and name their folder in CLINCHAT_POSTGRES_PROGRAMS."
        )


class ProgramFailed(ContinuityError):
    """One of PostgreSQL's programs did not do what it was started for."""

    def __init__(self, program: str, code: int, told: str = "") -> None:
        self.program, self.code = program, code
        if code < 0:
            self.reason = f"it was ended by signal {-code}"
        else:
            self.reason = next((words for mark, words in _REASONS.items() if mark in told), f"exit code {code}")
        super().__init__(f"{program} failed: {self.reason}.")


def folder() -> Path | None:
    """Where the programs are; None: in one of the folders of PATH."""
    if settings.POSTGRES_PROGRAMS:
        return Path(settings.POSTGRES_PROGRAMS)
    try:
        return cluster.binaries()
    except LocalError:
        return None


def find(program: str) -> Path:
    """Where this program is. Raises ProgramMissing."""
    place = folder()
    found = shutil.which(program, path=None if place is None else str(place))
    if found is None:
        raise ProgramMissing(program)
    return Path(found)


def parameters(database: str = "") -> dict[str, str]:
    """The owner's way to the live database, or to another one of its server, as libpq names things."""
    if settings.OWNER_DATABASE_URL:
        given: dict[str, Any] = conninfo.conninfo_to_dict(settings.OWNER_DATABASE_URL)
        if not settings.EMBEDDED:
            given.setdefault("sslmode", "require")
    else:
        given = connections["default"].get_connection_params()
        given.pop("application_name", None)  # the portal's; each program has a name of its own
    if database:
        given["dbname"] = database
    return {name: str(given[name]) for name in _variables() if given.get(name)}


def environment(where: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a program that is to talk to the database at `where`."""
    names = _variables()
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C"} | {names[key]: value for key, value in where.items()}


def run(program: str, args: Sequence[object] = (), *, where: Mapping[str, str] | None = None) -> bytes:
    """What the program wrote. Raises ProgramMissing, ProgramFailed."""
    return b"".join(stream(program, args, where=where))


def stream(program: str, args: Sequence[object] = (), *, where: Mapping[str, str] | None = None) -> Iterator[bytes]:
    """What the program writes, as it does. Raises ProgramMissing, and after the last chunk ProgramFailed.

    `where` is the database, the live one unless told. A reader that stops early ends the program.
    """
    with _started(program, args, where, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as child:
        output: IO[bytes] = child.process.stdout
        while chunk := output.read(CHUNK):
            yield chunk
        child.finish()


def feed(
    program: str, args: Sequence[object], chunks: Iterable[bytes], *, where: Mapping[str, str] | None = None
) -> None:
    """Give the program `chunks` as its input and wait. Raises ProgramMissing, ProgramFailed.

    Whatever the chunks themselves raise ends the program before it could take their end for the end of the input.
    """
    with _started(program, args, where, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
        entry: IO[bytes] = child.process.stdin
        with suppress(BrokenPipeError):  # it ended early: finish() tells why
            for chunk in chunks:
                entry.write(chunk)
            entry.close()
        child.finish()


class Child:
    """A program that runs. It ends with the thread that started it, even when that is killed."""

    def __init__(self, program: str, args: Sequence[object], where: Mapping[str, str] | None, **pipes: int) -> None:
        self.program = program
        self.process = subprocess.Popen(  # noqa: S603  # PostgreSQL's own
            [str(find(program)), *map(str, args)],
            env=environment(parameters() if where is None else where),
            cwd="/",
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=follow_parent(),  # noqa: PLW1509 - it calls nothing that takes a lock
            **pipes,  # type: ignore[call-overload]  # stdin and stdout
        )
        self._told = b""
        self._listener = deadlines.begun(self._listen)

    def finish(self) -> None:
        """Wait for its end. Raises ProgramFailed."""
        if code := self.process.wait():
            wait([self._listener], 1)
            raise ProgramFailed(self.program, code, self._told.decode(errors="replace"))

    def kill(self) -> None:
        """End it, if it has not ended, and close what leads to it. Safe to call again."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        wait([self._listener], 1)

    def _listen(self) -> None:
        errors: IO[bytes] = self.process.stderr
        with errors:
            for said in errors:
                self._told = (self._told + said)[-_TOLD:]


@contextmanager
def _started(
    program: str, args: Sequence[object], where: Mapping[str, str] | None, *, stdin: int, stdout: int
) -> Iterator[Child]:
    child = Child(program, args, where, stdin=stdin, stdout=stdout)
    try:
        yield child
    finally:
        child.kill()


def _variables() -> dict[str, str]:
    """libpq's names of what can be said of a connection, with the environment variable that says it."""
    return {
        option.keyword.decode(): option.envvar.decode()
        for option in pq.Conninfo.get_defaults()
        if option.envvar is not None
    }
