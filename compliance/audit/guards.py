"""What keeps the trail append-only in the database, and whether it is still there."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connection

from compliance.audit import triggers

FUNCTIONS = {
    "compliance_audit_digest": "f06040f4fbe2c902",
    "compliance_audit_protect": "c31516bb4a7b4abb",
    "compliance_audit_change": "24ee33188ea6ab33",
    "compliance_refuse": "0285af2d014f8d90",
}
"""Each function's fingerprint (`_FUNCTIONS`) as the migrations make it."""
_TRIGGERS = {
    "clinchat_no_change": (26, "compliance_refuse"),  # before update or delete, for each statement
    "clinchat_no_truncate": (34, "compliance_refuse"),  # before truncate, for each statement
    "clinchat_digest": (7, "compliance_audit_digest"),  # before insert, for each row
}
"""pg_trigger.tgtype and the function of each trigger."""
_PROTECTED = ("compliance_auditevent", "compliance_seal", "compliance_sealedevent")

_TABLES = """
SELECT oid, relname FROM pg_class WHERE oid = ANY(%s::regclass[])
   OR oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'compliance_auditevent'::regclass)
"""
_GRANTS = """
SELECT DISTINCT relname, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee)::text END
FROM pg_class, LATERAL (
    SELECT grantee, privilege_type FROM aclexplode(relacl)
    UNION ALL SELECT grantee, privilege_type FROM pg_attribute, aclexplode(attacl) WHERE attrelid = pg_class.oid) AS acl
WHERE grantee <> relowner AND (relname = 'compliance_auditkey' OR pg_class.oid = ANY(%(tables)s)
    AND privilege_type IN ('UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER'))
    AND (relname = 'compliance_auditkey' OR pg_class.oid = ANY(%(tables)s))
"""
"""The last line says nothing new. It keeps PostgreSQL from reading the columns of every table there is."""
_FUNCTIONS = """
SELECT proname, left(encode(sha256(convert_to(concat_ws(
    E'\\n', lanname, prosecdef, proconfig, prosrc), 'UTF8')), 'hex'), 16)
FROM pg_proc JOIN pg_language ON pg_language.oid = prolang
WHERE pronamespace = 'public'::regnamespace AND proname = ANY(%s)
"""


def weaknesses() -> Iterator[tuple[str, str, str]]:
    """(kind, place, what is wrong) for each trigger, function or grant that is not as the migrations make it."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLES, [list(_PROTECTED)])
        tables: dict[int, str] = dict(cursor.fetchall())
        cursor.execute(_GRANTS, {"tables": list(tables)})
        grants = cursor.fetchall()
        cursor.execute(_FUNCTIONS, [list(FUNCTIONS)])
        functions = cursor.fetchall()
    yield from _triggers(tables)
    for table in triggers.missing():
        yield "trigger", table, "The triggers that record its changes are gone, switched off or altered."
    for table, grantee in sorted(grants):
        yield "grant", table, f"{grantee} has rights that nobody may have."
    if sorted(functions) != sorted(FUNCTIONS.items()):
        yield "trigger", "functions", "The functions behind the triggers are gone or altered."


def _triggers(tables: dict[int, str]) -> Iterator[tuple[str, str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgrelid, tgname, tgenabled::text, tgtype, tgfoid::regproc::text, "
            "tgqual IS NULL AND tgattr::text = '' FROM pg_trigger WHERE tgrelid = ANY(%s)",
            [list(tables)],
        )
        found = {(oid, name): tuple(shape) for oid, name, *shape in cursor.fetchall()}
        watched = [one.table for one in triggers.watched().values()]
        cursor.execute(
            "SELECT relname FROM pg_class WHERE (oid = ANY(%s) OR oid = ANY(%s::regclass[])) "
            "AND (relrowsecurity OR EXISTS (SELECT FROM pg_rewrite WHERE ev_class = pg_class.oid))",
            [list(tables), watched],
        )
        ruled = cursor.fetchall()
    for oid, table in sorted(tables.items()):
        for name, shape in _TRIGGERS.items():
            if name == "clinchat_digest" and table in _PROTECTED[1:]:
                continue
            if found.pop((oid, name), None) != ("A", *shape, True):
                yield "trigger", table, f"The trigger {name} is gone, switched off or altered."
    for oid, name in sorted(found):
        yield "trigger", tables[oid], f"The trigger {name} is none of ours."
    for (table,) in ruled:
        yield "trigger", table, "A rule or policy of the database stands before its rows."


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
