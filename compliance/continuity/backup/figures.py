"""Figures by which two copies of a database are compared: row counts and checksums of all tables, and some counts.

The digest of a row is the SHA-256 of its text form (t::text). The checksum of a table is two sums over all rows: of the
first and of the second eight bytes of the digests, each read as a signed integer. So the order of rows does not matter.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final, Protocol

from psycopg import sql

EXCLUDED_TABLES: Final = ("compliance_datakey",)
"""Tables whose rows no dump holds: data keys are kept apart (key_copies.py)."""
_TEXT_SETTINGS: Final = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "search_path": "public",
}
"""The settings that the text form of values depends on."""
_TABLES: Final = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname = 'public' AND c.relname <> ALL (%s)
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
ORDER BY c.relname
"""
_CHECKSUM: Final = sql.SQL("""
SELECT count(*), coalesce(sum(('x' || left(h, 16))::bit(64)::bigint), 0),
       coalesce(sum(('x' || substr(h, 17, 16))::bit(64)::bigint), 0)
FROM (SELECT encode(sha256(convert_to(t::text, 'UTF8')), 'hex') AS h FROM ONLY {} t) digests
""")
_ACCESS_COUNTS: Final = {
    "people": "SELECT count(*) FROM compliance_user",
    "closed accounts": "SELECT count(*) FROM compliance_user WHERE NOT is_active",
    "suspended roles": "SELECT count(*) FROM compliance_roleassignment WHERE suspended_at IS NOT NULL",
    "revoked clearances": "SELECT count(*) FROM compliance_clearance WHERE revoked_at IS NOT NULL",
    "revoked tokens": "SELECT count(*) FROM compliance_tokenfamily WHERE revoked_at IS NOT NULL",
    "revoked service tokens": "SELECT count(*) FROM compliance_servicetoken WHERE revoked_at IS NOT NULL",
    "used links": "SELECT count(*) FROM compliance_onetimelink WHERE used_at IS NOT NULL",
}
"""Counts that a restore must never lower: access that was taken away, one-time secrets that were used."""


class Cursor(Protocol):
    """A cursor of psycopg or of Django."""

    def execute(self, query: Any, params: Any = None, /) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def fetchone(self) -> Any: ...


def tables(cursor: Cursor) -> list[str]:
    """Names of all tables with rows, ordered: partitions too, without those of extensions and EXCLUDED_TABLES."""
    cursor.execute(_TABLES, [list(EXCLUDED_TABLES)])
    return [name for (name,) in cursor.fetchall()]


def table_checksums(cursor: Cursor) -> dict[str, dict[str, Any]]:
    """Of each table "rows" and "sum". Run it in a transaction of its own: it changes settings of the transaction."""
    for name, value in _TEXT_SETTINGS.items():
        cursor.execute("SELECT set_config(%s, %s, true)", [name, value])
    found: dict[str, dict[str, Any]] = {}
    for table in tables(cursor):
        cursor.execute(_CHECKSUM.format(sql.Identifier(table)))
        rows, first, second = cursor.fetchone()
        found[table] = {"rows": rows, "sum": f"{first} {second}"}
    return found


def access_counts(cursor: Cursor) -> dict[str, int]:
    """The counts of _ACCESS_COUNTS by their names."""
    found = {}
    for name, query in _ACCESS_COUNTS.items():
        cursor.execute(query)
        found[name] = int(cursor.fetchone()[0])
    return found


def audit_head(cursor: Cursor) -> dict[str, Any]:
    """Number of the newest seal (0: none yet), SHA-256 of its statement, and number of events in the audit trail."""
    cursor.execute("SELECT number, encode(sha256(statement), 'hex') FROM compliance_seal ORDER BY number DESC LIMIT 1")
    seal, digest = cursor.fetchone() or (0, "")
    cursor.execute("SELECT count(*) FROM compliance_auditevent")
    return {"seal": seal, "statement_sha256": digest, "events": int(cursor.fetchone()[0])}


def schema(cursor: Cursor) -> dict[str, Any]:
    """The applied migrations, and the SHA-256 of their list."""
    cursor.execute("SELECT app || '.' || name FROM django_migrations ORDER BY app, name")
    names = [name for (name,) in cursor.fetchall()]
    return {"migrations": names, "digest": hashlib.sha256("\n".join(names).encode()).hexdigest()}
