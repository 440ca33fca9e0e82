"""Performance probes of the database: slow statements, indexes, buffer cache, connections.

Of a statement only the verb, the table and a fingerprint are shown, because its text may contain what a person typed.
"""

from __future__ import annotations

from typing import Any, Final

from django.conf import settings

from compliance import metrics
from compliance.database_health import Cursor, Probe, ProbeResult, grade, rows, run_probes
from compliance.logs.database import shape
from compliance.measured import Measured, State

_BY_STATEMENT = """
SELECT query, calls, round(total_exec_time::numeric)::bigint AS total_ms,
    round(mean_exec_time::numeric, 1)::float AS mean_ms, round(max_exec_time::numeric, 1)::float AS max_ms
FROM pg_stat_statements JOIN pg_database ON oid = dbid
WHERE datname = current_database() AND mean_exec_time >= %s ORDER BY total_exec_time DESC LIMIT 10
"""
_RUNNING = """
SELECT query, pid, round((extract(epoch FROM clock_timestamp() - query_start) * 1000)::numeric)::bigint AS ms
FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()
    AND backend_type = 'client backend' AND query_start < clock_timestamp() - make_interval(secs => %s / 1000.0)
ORDER BY query_start LIMIT 10
"""


def _statements(cursor: Cursor) -> ProbeResult:
    """Slow statements from pg_stat_statements where it is installed, else those that run now."""
    slow = settings.CLINCHAT_SLOW_QUERY_MS
    (kept,) = rows(cursor, "SELECT to_regclass('pg_stat_statements') IS NOT NULL AS kept")
    query, words = (_BY_STATEMENT, "{} kinds take") if kept["kept"] else (_RUNNING, "{} have been running for")
    found = [_redacted(one) for one in rows(cursor, query, [slow])]
    last_day = _slow_last_day()
    words = f"{words.format(len(found))} {slow} ms or longer; "
    words += "those of the last day are not known" if last_day is None else f"{last_day} in the last day"
    value = {"by": "pg_stat_statements" if kept["kept"] else "running now", "statements": found, "last_day": last_day}
    return State.WARNING if found or (last_day or 0) > MANY_SLOW else State.OK, words, value


def _redacted(one: dict[str, Any]) -> dict[str, Any]:
    return shape(str(one.pop("query") or "")) | one


def _slow_last_day() -> int | None:
    """How many SLOW_QUERY log lines the last day had; None without Redis."""
    try:
        return metrics.last_day()[metrics.SLOW_STATEMENTS][""]
    except metrics.Unavailable:
        return None


MANY_SLOW: Final = 100
"""More slow statements than this in a day are a warning."""
_UNUSED = """
SELECT s.relname AS table, s.indexrelname AS index, pg_relation_size(s.indexrelid) AS bytes
FROM pg_stat_user_indexes s JOIN pg_index i USING (indexrelid)
WHERE idx_scan = 0 AND NOT indisunique AND pg_relation_size(s.indexrelid) > 1048576
ORDER BY bytes DESC LIMIT 10
"""
_SCANNED = """
SELECT relname AS table, seq_scan AS scans, seq_tup_read / seq_scan AS rows_each, coalesce(idx_scan, 0) AS by_index
FROM pg_stat_user_tables WHERE seq_scan > 1000 AND seq_tup_read / seq_scan > 10000 AND seq_scan > coalesce(idx_scan, 0)
ORDER BY seq_tup_read DESC LIMIT 10
"""


def _indexes(cursor: Cursor) -> ProbeResult:
    unused, missing = rows(cursor, _UNUSED), rows(cursor, _SCANNED)
    words = f"{len(unused)} of more than 1 MB are unused"
    if missing:
        words += f"; read from end to end again and again: {', '.join(str(one['table']) for one in missing)}"
    return State.WARNING if missing else State.OK, words, {"unused": unused, "missing": missing}


_CACHE = """
SELECT blks_hit AS hits, blks_read AS reads, temp_bytes, deadlocks, stats_reset AS since
FROM pg_stat_database WHERE datname = current_database()
"""
ENOUGH_PAGES: Final = 100_000
"""The hit ratio is judged only after this many pages were read."""


def _cache(cursor: Cursor) -> ProbeResult:
    (one,) = rows(cursor, _CACHE)
    asked = one["hits"] + one["reads"]
    ratio = one["hits"] / asked if asked else 1.0
    state = State.WARNING if asked > ENOUGH_PAGES and ratio < 0.9 else State.OK
    return state, f"{ratio:.1%} of {asked:,} pages were in memory", one | {"ratio": round(ratio, 4)}


_POOL = """
SELECT application_name AS application, coalesce(state, 'background') AS state, count(*) AS sessions,
    coalesce(round(max(extract(epoch FROM clock_timestamp() - state_change))::numeric), 0)::int AS longest_seconds
FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
"""


def _pool(cursor: Cursor) -> ProbeResult:
    found = rows(cursor, _POOL)
    forgotten = max((one["longest_seconds"] for one in found if one["state"].startswith("idle in")), default=0)
    words = ", ".join(f"{one['sessions']} {one['state']} ({one['application'] or 'no name'})" for one in found)
    return grade(forgotten, warning=60, failed=600), words, found


PERFORMANCE: Final[dict[str, tuple[str, Probe]]] = {
    "statements": ("Slow statements", _statements),
    "indexes": ("Indexes", _indexes),
    "cache": ("Cache", _cache),
    "pool": ("Connections", _pool),
}


def performance() -> list[Measured]:
    """The results of all performance probes."""
    return run_probes(PERFORMANCE)
