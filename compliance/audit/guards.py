"""What keeps the trail append-only in the database, and whether it is still there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from django.db import connection

from compliance.audit import triggers

FUNCTIONS = {
    "compliance_audit_digest": "d191cad84c960cfa",
    "compliance_audit_protect": "2ac4825e817acb9a",
    "compliance_audit_change": "60dc339bf0426baa",
    "compliance_refuse": "fac9beaefab488c7",
}
"""SHA-256 of each function's body, first 16 digits, as the migrations make it."""
_PROTECTED = ("compliance_auditevent", "compliance_seal", "compliance_sealedevent")
_REFUSING = ("clinchat_no_change", "clinchat_no_truncate")

_TABLES = """
SELECT oid, relname FROM pg_class WHERE oid = ANY(%s::regclass[])
   OR oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'compliance_auditevent'::regclass)
"""
_GRANTS = """
SELECT DISTINCT relname, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee)::text END
FROM pg_class, aclexplode(relacl) AS acl
WHERE pg_class.oid = ANY(%s) AND grantee <> relowner AND privilege_type IN ('UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER')
"""


def weaknesses() -> Iterator[tuple[str, str, str]]:
    """(kind, place, what is wrong) for each trigger, function or grant that is not as the migrations make it."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLES, [list(_PROTECTED)])
        tables: dict[int, str] = dict(cursor.fetchall())
        cursor.execute(
            "SELECT tgrelid, tgname, tgenabled::text FROM pg_trigger WHERE tgrelid = ANY(%s)", [list(tables)]
        )
        found = {(oid, name): enabled for oid, name, enabled in cursor.fetchall()}
        cursor.execute(_GRANTS, [list(tables)])
        grants = cursor.fetchall()
        cursor.execute("SELECT proname, prosrc FROM pg_proc WHERE proname = ANY(%s)", [list(FUNCTIONS)])
        bodies = {name: fingerprint(source) for name, source in cursor.fetchall()}
    for oid, table in sorted(tables.items()):
        needed = _REFUSING if table in _PROTECTED[1:] else (*_REFUSING, "clinchat_digest")
        for name in needed:
            if found.get((oid, name)) != "A":
                yield "trigger", table, f"The trigger {name} is gone or switched off."
    for table in triggers.missing():
        yield "trigger", table, "The triggers that record its changes are gone, switched off or altered."
    for table, grantee in sorted(grants):
        yield "grant", table, f"{grantee} may change or remove events."
    for name, body in FUNCTIONS.items():
        if bodies.get(name) != body:
            yield "trigger", name, "The function behind the triggers is gone or altered."


def fingerprint(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:16]


def warnings() -> list[str]:
    """What no verification can make up for, in the operator's words."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolsuper, (SELECT pg_has_role(relowner, 'USAGE') FROM pg_class "
            "WHERE oid = 'compliance_auditevent'::regclass) FROM pg_roles WHERE rolname = current_user"
        )
        superuser, owner = cursor.fetchone()
    if superuser or owner:
        return [
            "This process could switch the triggers off itself: its database role owns the trail. "
            "Tampering is detected here, not prevented."
        ]
    return []
