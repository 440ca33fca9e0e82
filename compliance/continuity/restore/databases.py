"""Databases of the server during a restore: locks, create and drop, read-only, and the switch-over by renaming.

Every function that takes `control` runs on an autocommit connection to the database `postgres`, as the owner of ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event
from typing import Final, NamedTuple
from uuid import UUID

import psycopg
from django.db import connection, connections
from psycopg import sql

from compliance import deadlines
from compliance.audit import lane
from compliance.continuity import programs
from compliance.continuity.refusals import ContinuityError

CONTROL_DATABASE: Final = "postgres"
"""Databases are created, renamed and dropped on a connection to this one, and the locks below live in it."""
READ_ONLY_SETTING: Final = "default_transaction_read_only"
SWITCH_OVER_ATTEMPTS: Final = 12
EVICTION_SECONDS: Final = 0.05
"""During a switch-over, sessions of the two databases are ended this often."""
_RESTORE_LOCK: Final = 0x72657374  # "rest"
_DRILL_LOCK: Final = 0x6472696C  # "dril"
"""Keys of the advisory locks: one restore and one drill at a time on a server."""
_DRILL: Final = "drill"
_RESTORE: Final = "restore"
"""A lock holder's `application_name` begins with this; a restore's id and the current step follow, after spaces."""
_DJANGO_TO_LIBPQ: Final = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
"""Keys of Django's connection settings, and libpq's names for them."""


class RestoreInProgress(ContinuityError):
    """Another process holds the restore lock."""

    def __init__(self) -> None:
        super().__init__("Another restore is running. Wait until it has ended.")


class DrillInProgress(ContinuityError):
    """Another process holds the drill lock."""

    def __init__(self) -> None:
        super().__init__("Another drill is under way. Wait until it has ended.")


class DatabaseInUse(ContinuityError):
    """At every attempt to switch over, a session was open in one of the two databases."""

    def __init__(self) -> None:
        super().__init__(
            "The databases could not be exchanged: others kept connecting. Nothing was changed; try again."
        )


# ── Locks ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class ServerLock:
    """A session-level advisory lock of this server, held by `control`. A process that dies loses it."""

    control: psycopg.Connection
    label: str

    def report(self, step: str) -> None:
        """Publish the current step in pg_stat_activity, which works while the live database takes no writes."""
        self.control.execute("SELECT set_config('application_name', %s, false)", [f"{self.label} {step}"])


@contextmanager
def restore_lock(restore_id: UUID) -> Iterator[ServerLock]:
    """Hold the restore lock inside the context. Raises RestoreInProgress at once where another process has it."""
    with _advisory_lock(_RESTORE_LOCK, f"{_RESTORE} {restore_id}", RestoreInProgress) as lock:
        yield lock


@contextmanager
def drill_lock() -> Iterator[ServerLock]:
    """Hold the drill lock inside the context. Raises DrillInProgress at once where another process has it."""
    with _advisory_lock(_DRILL_LOCK, _DRILL, DrillInProgress) as lock:
        yield lock


@contextmanager
def _advisory_lock(key: int, label: str, refusal: Callable[[], ContinuityError]) -> Iterator[ServerLock]:
    with connect(CONTROL_DATABASE) as control:
        row = control.execute("SELECT pg_try_advisory_lock(%s)", [key]).fetchone()
        if not row or not row[0]:
            raise refusal()
        lock = ServerLock(control, label)
        lock.report("")
        try:
            yield lock
        finally:  # the server notices a closed connection only a while after it
            with suppress(psycopg.Error):  # the connection is lost, and the lock with it
                control.execute("SELECT pg_advisory_unlock(%s)", [key])


class RunningRestore(NamedTuple):
    """The id and the current step of the restore whose process holds the lock."""

    restore_id: str
    step: str


def running_restore() -> RunningRestore | None:
    """The restore that runs now. Read from the lock and not from its row, so a killed process does not count."""
    name = _lock_holder(_RESTORE_LOCK)
    if name is None:
        return None
    restore_id, _, step = name.removeprefix(f"{_RESTORE} ").partition(" ")
    return RunningRestore(restore_id, step)


def running_drill_step() -> str | None:
    """The step of the drill that runs now, empty before the first; None where no process holds the drill lock."""
    name = _lock_holder(_DRILL_LOCK)
    return None if name is None else name.removeprefix(_DRILL).strip()


def _lock_holder(lock: int) -> str | None:
    """The application_name of the connection that holds this lock; None where none does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees the same names until its end
        cursor.execute(
            "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid) "
            "WHERE locktype = 'advisory' AND granted AND classid = 0 AND objid = %s AND objsubid = 1 "
            "AND database = (SELECT oid FROM pg_database WHERE datname = %s)",
            [lock, CONTROL_DATABASE],
        )
        row = cursor.fetchone()
    return None if row is None else str(row[0])


# ── Connections ───────────────────────────────────────────────────────────────────────────────────────────────────


def live_name() -> str:
    """The name of the database that the portal works with."""
    return str(programs.owner_conninfo()["dbname"])


def connect(name: str) -> psycopg.Connection:
    """An autocommit connection as the owner to that database. Closed at the end of a `with`."""
    return psycopg.connect(**programs.owner_conninfo(name), autocommit=True)  # type: ignore[arg-type]  # names of libpq


@contextmanager
def as_default(name: str) -> Iterator[None]:
    """Inside, Django's default connection in this process leads to that database, as the owner."""
    current = connections["default"].settings_dict
    original, parameters = dict(current), programs.owner_conninfo(name)
    close_connections()
    current.update({setting: parameters.pop(word, "") for setting, word in _DJANGO_TO_LIBPQ.items()})
    current["OPTIONS"] = original["OPTIONS"] | parameters
    try:
        yield
    finally:
        close_connections()
        current.update(original)


def close_connections() -> None:
    """Close the database connections of this process: PostgreSQL renames no database that has sessions."""
    lane.close()
    connections.close_all()


# ── Create and drop ───────────────────────────────────────────────────────────────────────────────────────────────

_TEMPLATE_FOR = """
SELECT t.datname, pg_encoding_to_char(l.encoding), l.datlocprovider, l.datcollate, l.datctype, l.datlocale
FROM pg_database AS l JOIN pg_database AS t ON t.datname IN (l.datname || '_template', 'template1', 'template0')
 AND ((t.encoding, t.datlocprovider, t.datcollate, t.datctype, t.datlocale) IS NOT DISTINCT FROM
      (l.encoding, l.datlocprovider, l.datcollate, l.datctype, l.datlocale) OR t.datname = 'template0')
WHERE l.datname = %s ORDER BY t.datname = 'template0', t.datname = 'template1' LIMIT 1
"""


def exists(control: psycopg.Connection, name: str) -> bool:
    """Whether the server has a database of that name."""
    return control.execute("SELECT FROM pg_database WHERE datname = %s", [name]).rowcount > 0


def create(control: psycopg.Connection, name: str, *, like: str) -> None:
    """Create an empty database with the encoding and the collation of `like`, if that one exists.

    Its template is the database `like`_template, where there is one: it holds extensions that only a superuser may
    create. `vector` is created here as well: the embedded server has it from initdb, so pg_dump leaves it out.
    """
    row = control.execute(_TEMPLATE_FOR, [like]).fetchone()
    options: sql.Composable = sql.SQL("")
    if row is not None:
        template, encoding, provider, collate, ctype, locale = row
        options = sql.SQL("TEMPLATE {} ENCODING {} LOCALE_PROVIDER {} LC_COLLATE {} LC_CTYPE {} {}").format(
            sql.Identifier(template),
            sql.Literal(encoding),
            sql.SQL({"b": "builtin", "c": "libc", "i": "icu"}[provider]),
            sql.Literal(collate),
            sql.Literal(ctype),
            sql.SQL({"b": "BUILTIN_LOCALE {}", "c": "", "i": "ICU_LOCALE {}"}[provider]).format(sql.Literal(locale)),
        )
    control.execute(sql.SQL("CREATE DATABASE {} {}").format(sql.Identifier(name), options))
    with connect(name) as new:
        new.execute("CREATE EXTENSION IF NOT EXISTS vector")


def drop(control: psycopg.Connection, name: str) -> None:
    """Drop the database and its sessions; does nothing where there is none of that name."""
    control.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def copy_settings(control: psycopg.Connection, name: str, *, like: str) -> None:
    """Copy grants and settings (ALTER DATABASE … SET) of `like`, without READ_ONLY_SETTING."""
    new = sql.Identifier(name)
    with control.transaction():
        acl = control.execute(
            "SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END, privilege_type, "
            "is_grantable FROM pg_database, aclexplode(datacl) WHERE datname = %s AND grantee <> datdba",
            [like],
        ).fetchall()
        if control.execute("SELECT FROM pg_database WHERE datname = %s AND datacl IS NOT NULL", [like]).rowcount:
            control.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(new))
        for grantee, privilege, grantable in acl:
            control.execute(
                sql.SQL("GRANT {} ON DATABASE {} TO {} {}").format(
                    sql.SQL(privilege), new, sql.SQL(grantee), sql.SQL("WITH GRANT OPTION" if grantable else "")
                )
            )
        settings = control.execute(
            "SELECT rolname, split_part(assignment, '=', 1), substr(assignment, strpos(assignment, '=') + 1) "
            "FROM pg_db_role_setting LEFT JOIN pg_roles ON pg_roles.oid = setrole, unnest(setconfig) AS assignment "
            "WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = %s)",
            [like],
        ).fetchall()
        for role, setting, value in settings:
            if setting == READ_ONLY_SETTING:
                continue
            whose = sql.SQL("ROLE {} IN DATABASE").format(sql.Identifier(role)) if role else sql.SQL("DATABASE")
            control.execute("SELECT set_config(%s, %s, true)", [setting, value])  # a list stays a list this way
            control.execute(sql.SQL("ALTER {} {} SET {} FROM CURRENT").format(whose, new, sql.SQL(setting)))


# ── Read-only, and switch-over ────────────────────────────────────────────────────────────────────────────────────


def set_read_only(control: psycopg.Connection, name: str) -> None:
    """Make new sessions of the database read-only, and end the open ones."""
    control.execute(sql.SQL("ALTER DATABASE {} SET {} = on").format(sql.Identifier(name), sql.SQL(READ_ONLY_SETTING)))
    end_sessions(control, name)


def set_writable(control: psycopg.Connection, name: str) -> None:
    """Undo `set_read_only`, and end the read-only sessions."""
    control.execute(sql.SQL("ALTER DATABASE {} RESET {}").format(sql.Identifier(name), sql.SQL(READ_ONLY_SETTING)))
    end_sessions(control, name)


def is_read_only(control: psycopg.Connection, name: str) -> bool:
    """Whether `set_read_only` is in force for the database."""
    return (
        control.execute(
            "SELECT FROM pg_db_role_setting WHERE setrole = 0 AND %s = ANY(setconfig) "
            "AND setdatabase = (SELECT oid FROM pg_database WHERE datname = %s)",
            [f"{READ_ONLY_SETTING}=on", name],
        ).rowcount
        > 0
    )


def end_sessions(control: psycopg.Connection, name: str) -> None:
    """End every other session of the database and wait up to 5 s for each. Call close_connections() first: this ends
    sessions of this process too."""
    control.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE datname = %s AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
        [name],
    )


def switch_over(control: psycopg.Connection, *, live: str, new: str, previous: str) -> None:
    """Rename `live` to `previous` and `new` to `live`, in one transaction. Raises DatabaseInUse.

    A rename locks the database until commit, so nobody connects in between. PostgreSQL waits five seconds for sessions
    to end before it refuses a rename; whoever connects in that time is evicted, so a busy portal switches as fast as an
    idle one.
    """
    for _ in range(SWITCH_OVER_ATTEMPTS):
        for name in (live, new):
            end_sessions(control, name)
        try:
            with _evicting(live, new), control.transaction():
                if exists(control, live):
                    _rename(control, live, previous)
                _rename(control, new, live)
            return
        except psycopg.errors.ObjectInUse:  # a session outlived its termination
            time.sleep(0.1)
    raise DatabaseInUse


@contextmanager
def _evicting(*names: str) -> Iterator[None]:
    """Inside, a thread ends every session of these databases, again and again. Unlike ALLOW_CONNECTIONS false, this
    leaves nothing behind when the process is killed."""
    done = Event()

    def evict() -> None:
        with suppress(psycopg.Error), connect(CONTROL_DATABASE) as other:
            while not done.wait(EVICTION_SECONDS):
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = ANY(%s) AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
                    [list(names)],
                )

    thread = deadlines.start(evict)
    try:
        yield
    finally:
        done.set()
        wait([thread])


def _rename(control: psycopg.Connection, name: str, to: str) -> None:
    control.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(to)))
