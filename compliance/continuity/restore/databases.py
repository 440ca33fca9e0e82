"""The databases of the server, as a restore makes, freezes and exchanges them.

All of it is said on a connection to the database `postgres`, as the owner of ours, and holds as soon as it is said.
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

from compliance.audit import lane
from compliance.continuity import programs
from compliance.continuity.refusals import ContinuityError
from compliance.deadlines import begun

CONTROL: Final = "postgres"
FROZEN: Final = "default_transaction_read_only"
EXCHANGE_TRIES: Final = 12
EMPTIED_EVERY: Final = 0.05
_LOCK: Final = 0x72657374  # "rest": one restore at a time on a server
_DRILL: Final = 0x6472696C  # "dril": one drill at a time
_DRILLS: Final = "drill "
_NAMED: Final = "restore "
"""How the connection of a living restore calls itself, before the restore's id and its step."""
_WAY: Final = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
"""How Django names what libpq names otherwise."""


class AnotherRuns(ContinuityError):
    """Another process has the right to restore."""

    def __init__(self) -> None:
        super().__init__("Another restore is running. Wait until it has ended.")


class AnotherDrills(ContinuityError):
    def __init__(self) -> None:
        super().__init__("Another drill is under way. Wait until it has ended.")


class StillUsed(ContinuityError):
    """Somebody was in one of the databases each time they were to be exchanged."""

    def __init__(self) -> None:
        super().__init__(
            "The databases could not be exchanged: others kept connecting. Nothing was changed; try again."
        )


# ── Who restores ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Hold:
    """The right to restore on this server. It ends with the process: PostgreSQL lets go of what a dead one held."""

    control: psycopg.Connection
    restore_id: UUID

    def tell(self, step: str) -> None:
        """Let everybody see how far it is, also while the live database takes no writes."""
        self.control.execute("SELECT set_config('application_name', %s, false)", [f"{_NAMED}{self.restore_id} {step}"])


@contextmanager
def hold(restore_id: UUID) -> Iterator[Hold]:
    """Take the right to restore, for as long as the context lasts. Raises AnotherRuns."""
    with connect(CONTROL) as control:
        row = control.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK]).fetchone()
        if not row or not row[0]:
            raise AnotherRuns
        held = Hold(control, restore_id)
        held.tell("")
        yield held


class Living(NamedTuple):
    """A restore that runs: its id, and the step it is at."""

    restore_id: str
    step: str


def living() -> Living | None:
    """The restore that runs now. Asked of the server, so that a killed one is not believed."""
    name = _holder(_LOCK)
    if name is None:
        return None
    restore_id, _, step = name.removeprefix(_NAMED).partition(" ")
    return Living(restore_id, step)


@contextmanager
def drilling() -> Iterator[Callable[[str], None]]:
    """The right to hold a drill, which ends with the process; tells its step to everybody. Raises AnotherDrills."""
    with connect(CONTROL) as control:
        row = control.execute("SELECT pg_try_advisory_lock(%s)", [_DRILL]).fetchone()
        if not row or not row[0]:
            raise AnotherDrills

        def tell(step: str) -> None:
            control.execute("SELECT set_config('application_name', %s, false)", [f"{_DRILLS}{step}"])

        tell("")
        yield tell


def drill_step() -> str | None:
    """The step of the drill that runs now, empty before the first; None: none runs. Asked of the server."""
    name = _holder(_DRILL)
    return None if name is None else name.removeprefix(_DRILLS).strip()


def _holder(lock: int) -> str | None:
    """How the connection calls itself that has this lock; None: nobody has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # a transaction would see the same names until its end
        cursor.execute(
            "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid) "
            "WHERE locktype = 'advisory' AND granted AND classid = 0 AND objid = %s AND objsubid = 1 "
            "AND database = (SELECT oid FROM pg_database WHERE datname = %s)",
            [lock, CONTROL],
        )
        row = cursor.fetchone()
    return None if row is None else str(row[0])


# ── Ways in ───────────────────────────────────────────────────────────────────────────────────────────────────────


def live_name() -> str:
    """The database that the portal works with."""
    return str(programs.owner_conninfo()["dbname"])


def connect(name: str) -> psycopg.Connection:
    """A connection of the owner, which commits each statement by itself. It closes at the end of a `with`."""
    return psycopg.connect(**programs.owner_conninfo(name), autocommit=True)  # type: ignore[arg-type]  # names of libpq


@contextmanager
def inside(name: str) -> Iterator[None]:
    """Django's connections of this process are those of the owner to that database."""
    said = connections["default"].settings_dict
    own, way = dict(said), programs.owner_conninfo(name)
    leave()
    said.update({setting: way.pop(word, "") for setting, word in _WAY.items()})
    said["OPTIONS"] = own["OPTIONS"] | way
    try:
        yield
    finally:
        leave()
        said.update(own)


def leave() -> None:
    """Close what this process has open: a database that somebody is in cannot be renamed."""
    lane.close()
    connections.close_all()


# ── Making and removing ───────────────────────────────────────────────────────────────────────────────────────────

_KIN = """
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
    """An empty database with the encoding and order of `like`, if that exists.

    It begins as the database `like`_template, if there is one: that holds the extensions only a superuser may add.
    The vector type is made here as well: in the embedded server it is older than what pg_dump thinks worth naming.
    """
    row = control.execute(_KIN, [like]).fetchone()
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
    """Remove the database, sessions in it included; one that is not there is fine."""
    control.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def copy_settings(control: psycopg.Connection, name: str, *, like: str) -> None:
    """Who may connect, and the settings, as those of `like`. What freezes that one is left out."""
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
            "SELECT rolname, split_part(said, '=', 1), substr(said, strpos(said, '=') + 1) "
            "FROM pg_db_role_setting LEFT JOIN pg_roles ON pg_roles.oid = setrole, unnest(setconfig) AS said "
            "WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = %s)",
            [like],
        ).fetchall()
        for role, setting, value in settings:
            if setting == FROZEN:
                continue
            whose = sql.SQL("ROLE {} IN DATABASE").format(sql.Identifier(role)) if role else sql.SQL("DATABASE")
            control.execute("SELECT set_config(%s, %s, true)", [setting, value])  # a list stays a list this way
            control.execute(sql.SQL("ALTER {} {} SET {} FROM CURRENT").format(whose, new, sql.SQL(setting)))


# ── Freezing and exchanging ───────────────────────────────────────────────────────────────────────────────────────


def freeze(control: psycopg.Connection, name: str) -> None:
    """From now on nobody writes there: new sessions only read, and those that were open are ended."""
    control.execute(sql.SQL("ALTER DATABASE {} SET {} = on").format(sql.Identifier(name), sql.SQL(FROZEN)))
    end_sessions(control, name)


def thaw(control: psycopg.Connection, name: str) -> None:
    """As before `freeze`. Sessions that only read are ended, so that the next ones write."""
    control.execute(sql.SQL("ALTER DATABASE {} RESET {}").format(sql.Identifier(name), sql.SQL(FROZEN)))
    end_sessions(control, name)


def frozen(control: psycopg.Connection, name: str) -> bool:
    """Whether `freeze` holds there."""
    return (
        control.execute(
            "SELECT FROM pg_db_role_setting WHERE setrole = 0 AND %s = ANY(setconfig) "
            "AND setdatabase = (SELECT oid FROM pg_database WHERE datname = %s)",
            [f"{FROZEN}=on", name],
        ).rowcount
        > 0
    )


def end_sessions(control: psycopg.Connection, name: str) -> None:
    """End every session in the database, and wait until it is gone. Sessions of this process as well: leave() first."""
    control.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE datname = %s AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
        [name],
    )


def exchange(control: psycopg.Connection, *, live: str, new: str, before: str) -> None:
    """`live` becomes `before`, and `new` becomes `live`: both or neither. Raises StillUsed.

    PostgreSQL lets nobody in between the two, and refuses while somebody is in one of them: it waits five seconds for
    them to go. Whoever came in before that is ended meanwhile, so a busy portal is exchanged as fast as an idle one.
    """
    for _ in range(EXCHANGE_TRIES):
        for name in (live, new):
            end_sessions(control, name)
        try:
            with _kept_empty(live, new), control.transaction():
                if exists(control, live):
                    _rename(control, live, before)
                _rename(control, new, live)
            return
        except psycopg.errors.ObjectInUse:  # somebody does not go
            time.sleep(0.1)
    raise StillUsed


@contextmanager
def _kept_empty(*names: str) -> Iterator[None]:
    """Inside, whoever gets into one of these databases is put out again. Needs no right that outlives this process."""
    over = Event()

    def keep() -> None:
        with suppress(psycopg.Error), connect(CONTROL) as other:
            while not over.wait(EMPTIED_EVERY):
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = ANY(%s) AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
                    [list(names)],
                )

    keeper = begun(keep)
    try:
        yield
    finally:
        over.set()
        wait([keeper])


def _rename(control: psycopg.Connection, name: str, to: str) -> None:
    control.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(name), sql.Identifier(to)))
