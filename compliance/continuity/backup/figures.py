"""Figures of a database by which two copies of it are compared: rows and checksums of every table, and some counts.

A row's digest is the SHA-256 of the row as PostgreSQL writes it; a table's checksum is the sums of the digests' first
and second eight bytes, each read as a signed number. It does not depend on the order of rows.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final, Protocol

from psycopg import sql

LEFT_OUT: Final = ("compliance_datakey",)
"""Tables whose rows are in no dump."""
_AS_TEXT: Final = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "search_path": "public",
}
"""What says how PostgreSQL writes a value."""
_TABLES: Final = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname = 'public' AND c.relname <> ALL (%s)
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
ORDER BY c.relname
"""
_SUMS: Final = sql.SQL("""
SELECT count(*), coalesce(sum(('x' || left(h, 16))::bit(64)::bigint), 0),
       coalesce(sum(('x' || substr(h, 17, 16))::bit(64)::bigint), 0)
FROM (SELECT encode(sha256(convert_to(t::text, 'UTF8')), 'hex') AS h FROM ONLY {} t) digests
""")
_PEOPLE: Final = {
    "people": "SELECT count(*) FROM compliance_user",
    "closed accounts": "SELECT count(*) FROM compliance_user WHERE NOT is_active",
    "suspended roles": "SELECT count(*) FROM compliance_roleassignment WHERE suspended_at IS NOT NULL",
    "revoked clearances": "SELECT count(*) FROM compliance_clearance WHERE revoked_at IS NOT NULL",
    "revoked tokens": "SELECT count(*) FROM compliance_tokenfamily WHERE revoked_at IS NOT NULL",
    "revoked service tokens": "SELECT count(*) FROM compliance_servicetoken WHERE revoked_at IS NOT NULL",
    "used links": "SELECT count(*) FROM compliance_onetimelink WHERE used_at IS NOT NULL",
}
"""What must never become less: who may no longer come in, and what was used up."""


class Cursor(Protocol):
    """Of psycopg, or Django's."""

    def execute(self, query: Any, params: Any = None, /) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def fetchone(self) -> Any: ...


def tables(cursor: Cursor) -> list[str]:
    """The tables that hold rows, partitions included, in order; those of extensions and LEFT_OUT are none of ours."""
    cursor.execute(_TABLES, [list(LEFT_OUT)])
    return [name for (name,) in cursor.fetchall()]


def figures(cursor: Cursor) -> dict[str, dict[str, Any]]:
    """Of each table "rows" and "sum". In a transaction, whose settings it changes: it is made for that alone."""
    for name, value in _AS_TEXT.items():
        cursor.execute("SELECT set_config(%s, %s, true)", [name, value])
    found: dict[str, dict[str, Any]] = {}
    for table in tables(cursor):
        cursor.execute(_SUMS.format(sql.Identifier(table)))
        rows, first, second = cursor.fetchone()
        found[table] = {"rows": rows, "sum": f"{first} {second}"}
    return found


def people(cursor: Cursor) -> dict[str, int]:
    """How many there are of those who were shut out, and of what was used up."""
    found = {}
    for name, query in _PEOPLE.items():
        cursor.execute(query)
        found[name] = int(cursor.fetchone()[0])
    return found


def audit(cursor: Cursor) -> dict[str, Any]:
    """The newest seal, and how many events the trail has. Nothing is sealed yet: seal 0."""
    cursor.execute("SELECT number, encode(sha256(statement), 'hex') FROM compliance_seal ORDER BY number DESC LIMIT 1")
    seal, digest = cursor.fetchone() or (0, "")
    cursor.execute("SELECT count(*) FROM compliance_auditevent")
    return {"seal": seal, "statement_sha256": digest, "events": int(cursor.fetchone()[0])}


def schema(cursor: Cursor) -> dict[str, Any]:
    """The applied migrations, and the digest of their list."""
    cursor.execute("SELECT app || '.' || name FROM django_migrations ORDER BY app, name")
    names = [name for (name,) in cursor.fetchall()]
    return {"migrations": names, "digest": hashlib.sha256("\n".join(names).encode()).hexdigest()}
