"""Health probes of the database, for its operators, on connections of their own and with a deadline.

They read no table of ours, so they also work in a database that is empty, read-only or partly restored.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, TypeAlias

import psycopg
from django.conf import settings
from django.db import connections

from compliance import connection_errors, deadlines
from compliance.continuity import programs
from compliance.continuity.point_in_time.wal import SLOT
from compliance.logs.faults import kind
from compliance.measured import Measured, State

CONNECT_SECONDS: Final = 5
STATEMENT_SECONDS: Final = 5
TOTAL_SECONDS: Final = 20.0
"""Deadline for all probes of one command together."""
OLDEST_VERSION: Final = 180_000
MB, GB = 2**20, 2**30
Cursor: TypeAlias = "psycopg.Cursor[tuple[Any, ...]]"
ProbeResult: TypeAlias = tuple[State, str, Any]
"""State, text for people, value for programs."""
Probe: TypeAlias = Callable[[Cursor], ProbeResult]


# ── Connections ────────────────────────────────────────────────────────────────────────────────────────────────────


def _connection_parameters() -> dict[str, Any]:
    """The portal's own connection parameters, for plain psycopg."""
    found: dict[str, Any] = connections["default"].get_connection_params()
    return found | {"cursor_factory": psycopg.Cursor, "context": None}


@contextmanager
def connect_read_only(parameters: dict[str, Any]) -> Iterator[Cursor]:
    """A cursor on a new read-only connection, with limits for connecting (CONNECT_SECONDS) and for each statement."""
    limits = f"-c statement_timeout={STATEMENT_SECONDS}s -c lock_timeout=1s -c default_transaction_read_only=on"
    own = {
        "autocommit": True,
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "clinchat-health",
        "options": f"{parameters.get('options', '')} {limits}".strip(),
    }
    with psycopg.connect(**parameters | own) as found, found.cursor() as cursor:
        yield cursor


def connections_of_this_process() -> list[Measured]:
    """Open each connection that a process needs: how many ms that took, as which role, and whether it is encrypted."""
    wanted = {"default": ("Portal", _connection_parameters), "audit": ("Audit trail", _connection_parameters)}
    if settings.OWNER_DATABASE_URL:
        wanted["owner"] = ("Backups", programs.owner_conninfo)
    tried = deadlines.run_all(
        {key: (CONNECT_SECONDS + 1.0, partial(_check_connection, key, *how)) for key, how in wanted.items()}
    )
    return [
        found if isinstance(found, Measured) else Measured(key, wanted[key][0], State.FAILED, _failure_text(found))
        for key, found in tried.items()
    ]


_WHO = """
SELECT current_user, current_database(), coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false),
       inet_server_addr() IS NULL, pg_is_in_recovery()
"""
_READ_ONLY_SETTING = """
SELECT EXISTS (SELECT FROM pg_db_role_setting JOIN pg_database ON pg_database.oid = setdatabase
    WHERE datname = current_database() AND 'default_transaction_read_only=on' = ANY(setconfig))
"""


def _check_connection(key: str, name: str, parameters: Callable[[], dict[str, Any]]) -> Measured:
    began = time.monotonic()
    with connect_read_only(parameters()) as cursor:
        ms = round((time.monotonic() - began) * 1000, 1)
        role, database, ssl, local, standby = _single_row(cursor, _WHO)
        (frozen,) = _single_row(cursor, _READ_ONLY_SETTING)
    transport = "over a socket" if local else "encrypted" if ssl else "not encrypted"
    words, state = f"{ms} ms, {transport}, as {role} to {database}", State.OK
    if standby or frozen:
        words, state = f"{words}; it takes no writes", State.WARNING
    elif not local and not ssl:
        state = State.WARNING
    return Measured(key, name, state, words, {"ms": ms, "role": role, "database": database, "encrypted": ssl or local})


def _failure_text(error: object) -> str:
    if isinstance(error, deadlines.DeadlineExceeded | psycopg.errors.ConnectionTimeout):
        return f"no answer within {CONNECT_SECONDS} seconds"
    return f"not reached: {connection_errors.describe(error)}" if isinstance(error, BaseException) else "not reached"


# ── Running probes, one after the other on one connection ──────────────────────────────────────────────────────────


def run_probes(probes: dict[str, tuple[str, Probe]]) -> list[Measured]:
    """Run the probes in order. One that fails does not affect the others; past TOTAL_SECONDS the rest is skipped."""
    seen: list[Measured] = []
    (ended,) = deadlines.run_all({"": (TOTAL_SECONDS, partial(_run_each, probes, seen))}).values()
    found = list(seen)
    if isinstance(ended, BaseException):
        late = f"no answer within {TOTAL_SECONDS:.0f} seconds"
        words = late if isinstance(ended, deadlines.DeadlineExceeded) else _failure_text(ended)
        found.append(Measured("database", "Database", State.FAILED, words))
    return found


def _run_each(probes: dict[str, tuple[str, Probe]], seen: list[Measured]) -> None:
    with connect_read_only(_connection_parameters()) as cursor:
        for key, (name, one) in probes.items():
            try:
                seen.append(Measured(key, name, *one(cursor)))
            except Exception as error:  # whatever it was: go on with the others
                seen.append(Measured(key, name, State.FAILED, f"could not be looked at: {kind(error)}"))
                if cursor.connection.closed:
                    raise


def _single_row(cursor: Cursor, query: str) -> tuple[Any, ...]:
    cursor.execute(query.encode())
    (found,) = cursor.fetchall()
    return found


def rows(cursor: Cursor, query: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """The result of a query as dictionaries. Only for constant queries of ours."""
    cursor.execute(query.encode(), params or None)
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def grade(value: float, *, warning: float, failed: float) -> State:
    """OK below `warning`, WARNING below `failed`, else FAILED."""
    return State.FAILED if value >= failed else State.WARNING if value >= warning else State.OK


# ── Probes ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _version(cursor: Cursor) -> ProbeResult:
    number, text = _single_row(
        cursor, "SELECT current_setting('server_version_num')::int, current_setting('server_version')"
    )
    state = State.OK if number >= OLDEST_VERSION else State.FAILED
    return state, f"PostgreSQL {text}" + ("" if state is State.OK else "; 18 or newer is needed"), number


def _sessions(cursor: Cursor) -> ProbeResult:
    used, most = _single_row(
        cursor,
        "SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'), "
        "current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int",
    )
    return grade(used / most, warning=0.8, failed=0.95), f"{used} of {most} in use", {"used": used, "most": most}


_BLOCKED = """
SELECT pid, pg_blocking_pids(pid) AS blocked_by, application_name AS application,
    round(extract(epoch FROM clock_timestamp() - query_start)::numeric, 1)::float AS seconds
FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
    AND cardinality(pg_blocking_pids(pid)) > 0 ORDER BY query_start LIMIT 20
"""


def _locks(cursor: Cursor) -> ProbeResult:
    found = rows(cursor, _BLOCKED)
    longest = max((one["seconds"] or 0 for one in found), default=0)
    words = f"{len(found)} sessions wait for a lock, the longest for {longest:.0f} s" if found else "nobody waits"
    return grade(longest, warning=5, failed=60), words, found


_LONG = """
SELECT pid, application_name AS application, state,
    round(extract(epoch FROM clock_timestamp() - xact_start)::numeric)::int AS seconds
FROM pg_stat_activity WHERE datname = current_database() AND xact_start < clock_timestamp() - interval '5 minutes'
    AND backend_type = 'client backend' ORDER BY xact_start LIMIT 20
"""


def _transactions(cursor: Cursor) -> ProbeResult:
    found = rows(cursor, _LONG)
    (prepared,) = _single_row(cursor, "SELECT count(*) FROM pg_prepared_xacts")
    longest = max((one["seconds"] for one in found), default=0)
    words = f"{len(found)} longer than 5 minutes, the longest {longest} s" if found else "none longer than 5 minutes"
    state = grade(longest, warning=300, failed=3600)
    if prepared:
        words, state = f"{words}; {prepared} prepared and forgotten", max(state, State.WARNING, key=list(State).index)
    return state, words, found


_NOW = "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END"
_REPLICAS = f"""
SELECT application_name AS application, state, sync_state,
    coalesce(round(extract(epoch FROM CASE WHEN replay_lsn IS NULL THEN write_lag ELSE replay_lag END)::numeric, 1), 0)
        ::float AS seconds,
    coalesce(pg_wal_lsn_diff({_NOW}, coalesce(replay_lsn, write_lsn)), 0)::bigint AS bytes
FROM pg_stat_replication ORDER BY application_name
"""  # noqa: S608  # only constants of this module
"""pg_receivewal replays nothing and flushes whole segments only, so its lag is that of what it has written."""


def _replication(cursor: Cursor) -> ProbeResult:
    found = rows(cursor, _REPLICAS)
    if not found:
        return State.ABSENT, "nobody is connected to copy the log", found
    seconds, behind = max(one["seconds"] for one in found), max(one["bytes"] for one in found)
    state = grade(max(seconds / 30, behind / GB), warning=1, failed=10)
    return state, f"{len(found)} connected, {seconds:.1f} s and {behind / MB:.1f} MB behind at most", found


_SLOTS = f"""
SELECT slot_name AS name, active, coalesce(wal_status, 'lost') AS wal_status,
    coalesce(pg_wal_lsn_diff({_NOW}, restart_lsn), 0)::bigint AS retained_bytes
FROM pg_replication_slots ORDER BY slot_name
"""  # noqa: S608  # only constants of this module


def _slots(cursor: Cursor) -> ProbeResult:
    found = rows(cursor, _SLOTS)
    words = [
        f"{one['name']} keeps {one['retained_bytes'] / MB:.0f} MB" + ("" if one["active"] else ", nobody reads it")
        for one in found
    ]
    state = State.OK if found else State.ABSENT
    if any(not one["active"] or one["retained_bytes"] > GB or one["wal_status"] != "reserved" for one in found):
        state = State.WARNING
    if settings.BACKUP_PITR and SLOT not in {one["name"] for one in found}:
        words, state = [*words, f"{SLOT} is missing: the log is not copied"], State.WARNING
    if any(one["wal_status"] == "lost" for one in found):
        words, state = [*words, "one is lost: a new base copy is needed"], State.FAILED
    return state, "; ".join(words) or "none", found


_DEAD = """
SELECT relname AS table, n_live_tup AS live, n_dead_tup AS dead, greatest(last_autovacuum, last_vacuum) AS vacuumed_at
FROM pg_stat_user_tables WHERE n_dead_tup > 10000 AND n_dead_tup > 0.2 * n_live_tup ORDER BY n_dead_tup DESC LIMIT 10
"""
_BLOAT = """
SELECT relname AS table, pg_relation_size(class.oid) AS bytes,
    (pg_relation_size(class.oid) - ceil(reltuples * (28 + width) / 8100) * 8192)::bigint AS unused_bytes
FROM pg_class class JOIN (
    SELECT schemaname, tablename, sum((1 - null_frac) * avg_width) AS width FROM pg_stats GROUP BY 1, 2
) w ON schemaname = 'public' AND tablename = relname
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND reltuples > 0
    AND pg_relation_size(class.oid) > 100 * 1048576
    AND pg_relation_size(class.oid) - ceil(reltuples * (28 + width) / 8100) * 8192 > 0.4 * pg_relation_size(class.oid)
ORDER BY unused_bytes DESC LIMIT 10
"""
"""Tables over 100 MB with more than 40 % unused space, estimated from the planner's statistics."""


def _bloat(cursor: Cursor) -> ProbeResult:
    dead, unused = rows(cursor, _DEAD), rows(cursor, _BLOAT)
    names = sorted({str(one["table"]) for one in (*dead, *unused)})
    words = f"much dead or unused room in {', '.join(names)}" if names else "no table with much dead room"
    return State.WARNING if names else State.OK, words, {"dead_rows": dead, "unused": unused}


def _wraparound(cursor: Cursor) -> ProbeResult:
    (age,) = _single_row(cursor, "SELECT max(greatest(age(datfrozenxid), mxid_age(datminmxid))) FROM pg_database")
    return grade(age, warning=5e8, failed=1.5e9), f"oldest transaction {age:,} of 2,147,483,648 back", age


_VECTOR = """
SELECT installed_version, default_version,
    array(SELECT relname::text FROM pg_index JOIN pg_class ON oid = indexrelid JOIN pg_am ON pg_am.oid = relam
          WHERE amname IN ('hnsw', 'ivfflat') AND NOT indisvalid ORDER BY relname) AS invalid
FROM pg_available_extensions WHERE name = 'vector'
"""


def _vector(cursor: Cursor) -> ProbeResult:
    found = rows(cursor, _VECTOR)
    if not found or not found[0]["installed_version"]:
        return State.FAILED, "the extension is not there: nothing can be searched", None
    (one,) = found
    if one["invalid"]:
        return State.FAILED, f"indexes that are not whole: {', '.join(one['invalid'])}", one
    older = one["installed_version"] != one["default_version"]
    words = f"{one['installed_version']}" + (f"; {one['default_version']} is there, not yet in use" if older else "")
    return State.WARNING if older else State.OK, words, one


def _checksums(cursor: Cursor) -> ProbeResult:
    on, failures = _single_row(
        cursor,
        "SELECT current_setting('data_checksums') = 'on', coalesce(sum(checksum_failures), 0)::bigint "
        "FROM pg_stat_database",
    )
    state = State.FAILED if failures else State.OK if on else State.WARNING
    return state, f"{'on' if on else 'off'}, {failures} pages were wrong", {"on": on, "failures": failures}


def _size(cursor: Cursor) -> ProbeResult:
    database, may = _single_row(
        cursor, "SELECT pg_database_size(current_database()), has_function_privilege('pg_ls_waldir()', 'EXECUTE')"
    )
    (log,) = _single_row(cursor, "SELECT sum(size)::bigint FROM pg_ls_waldir()") if may else (None,)
    value = {"database_bytes": database, "wal_bytes": log}
    words = f"{database / MB:,.0f} MB" + ("" if log is None else f" and {log / MB:,.0f} MB of log")
    if not settings.EMBEDDED:
        return State.OK, f"{words}; its disk is not seen from here", value
    disk = shutil.disk_usage(settings.VAR)
    state = grade(-disk.free, warning=-max(2 * GB, disk.total // 20), failed=-GB // 2)  # the less, the worse
    return state, f"{words}, {disk.free / GB:,.1f} GB free", value | {"free_bytes": disk.free}


HEALTH: Final[dict[str, tuple[str, Probe]]] = {
    "version": ("Version", _version),
    "connections": ("Connections", _sessions),
    "locks": ("Locks", _locks),
    "transactions": ("Transactions", _transactions),
    "replication": ("Replication", _replication),
    "slots": ("Replication slots", _slots),
    "bloat": ("Bloat", _bloat),
    "wraparound": ("Transaction ids", _wraparound),
    "vector": ("Vector extension", _vector),
    "checksums": ("Checksums", _checksums),
    "size": ("Size", _size),
}


def health() -> list[Measured]:
    """The results of all health probes."""
    return run_probes(HEALTH)
