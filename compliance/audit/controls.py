"""Checks of the trail itself: it verifies, it is known outside as it is, and nothing can switch it off."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import connection

from clinchat.lib import clock
from compliance.audit import checkpoints, guards, seal, signing, triggers, verify
from compliance.controls.registry import CannotLook, Found, check
from compliance.models import AuditVerification, Seal

Scope = AuditVerification.Scope

FULL_WITHIN: Final = timedelta(hours=24)
BACKLOG_SECONDS: Final = 10
READ_WHOLE: Final = 50_000
"""Events that are all read each time: some 2 s. Of a longer trail the schedule reads the whole once a day."""


@check("audit.chain_verifies", seconds=55, snapshot=True)
def chain_verifies() -> Found:
    """Verifies now: the whole trail while it is short, else what came since the last time; and how long events wait.

    A trail that is read whole needs no other full verification: this is one, and it finds at once what was altered far
    back. Of a longer one the schedule's full verification must be at most 24 hours old, and have found nothing.
    """
    state = seal.state()
    if not state.seals:
        raise CannotLook("nothing was sealed yet, so there is nothing to verify.")
    whole = state.events <= READ_WHOLE
    try:
        report = verify.verify(scope=Scope.FULL if whole else Scope.INCREMENTAL)
    except signing.KeyUnusable:
        raise CannotLook("the public keys of the seals cannot be read.") from None
    stored = AuditVerification.objects.filter(scope=Scope.FULL).first()
    fresh = whole or (stored is not None and stored.ok and clock.now() - stored.ran_at <= FULL_WITHIN)
    waits = state.unsealed_age
    failing = sorted({f"{one.kind}: {one.event}"[:120] for one in report.problems})
    failing += [] if fresh else ["full verification"]
    failing += [f"unsealed for {waits:.0f} s"] if waits >= BACKLOG_SECONDS else []
    return Found(
        ok=not failing,
        observed=f"{report.count} problems in {report.events} events of {report.seals} seals"
        + ("" if fresh else "; no clean full verification in 24 h")
        + f"; the oldest unsealed event waits {waits:.1f} s",
        subjects=max(report.events + report.seals, len(failing)),
        failing=failing,
        evidence={
            "scope": str(report.scope),
            "events": report.events,
            "to_seal": report.to_seal,
            "seconds": report.seconds,
            "kinds": sorted({one.kind for one in report.problems}),
            "last_full": stored.ran_at.isoformat() if stored else None,
            "head_sha256": _head_digest(),
        },
    )


def _head_digest() -> str:
    last = Seal.objects.order_by("-number").first()
    return hashlib.sha256(bytes(last.statement)).hexdigest() if last else ""


@check("audit.anchor")
def anchor() -> Found:
    """The newest checkpoint of each configured file against the seals: the same line, nothing missing before it."""
    files = checkpoints.files()
    wrong = {path.name: why for path in files if (why := _out_of_step(path))}
    newest = _newest()
    return Found(
        ok=bool(files) and not wrong,
        observed=f"{len(files) - len(wrong)} of {len(files)} files outside the database know the trail as it is"
        + ("" if files else ": none is configured (AUDIT_CHECKPOINT_FILES)")
        + "".join(f"; {name}: {why}" for name, why in sorted(wrong.items()))[:150],
        subjects=max(len(files), 1),
        failing=sorted(wrong) if files else ["AUDIT_CHECKPOINT_FILES"],
        evidence={
            "seal": newest.number,
            "files": [path.name for path in files],
            "same_machine": settings.EMBEDDED,
            "syslog": bool(settings.AUDIT_CHECKPOINT_SYSLOG),
        },
    )


def _newest() -> Seal:
    """Raises CannotLook while there is none."""
    newest = Seal.objects.order_by("-number").first()
    if newest is None:
        raise CannotLook("nothing was sealed yet, so nothing is anchored.")
    return newest


def _out_of_step(path: Path) -> str:
    """Why a file does not vouch for the live chain; empty when it does. Raises CannotLook.

    The file is read first: meanwhile the chain may grow, and the file with it.
    """
    try:
        known = checkpoints.last(path)
    except FileNotFoundError:
        return "the file is gone"
    except OSError:
        raise CannotLook(f"the file {path.name} cannot be read from this process.") from None
    if known is None:
        return "its last line is no checkpoint"
    try:
        if not signing.valid(key=known.key, message=known.statement, signature=known.signature):
            return "its checkpoint is not signed by a key that is believed"
    except signing.KeyUnusable:
        raise CannotLook("the public keys of the seals cannot be read.") from None
    newest = _newest()
    if known.number > newest.number:
        return f"it knows seal {known.number}, the database ends at {newest.number}"
    there = Seal.objects.filter(number=known.number).first()
    if there is None or checkpoints.line(there) != known.line:
        return f"seal {known.number} is another one in the database"
    if Seal.objects.filter(number__range=(1, known.number)).count() != known.number:
        return f"seals before {known.number} are gone"
    late = Seal.objects.filter(number__gt=known.number, sealed_at__lt=clock.now() - seal.LATE).exists()
    return f"the seals after {known.number} are not in it" if late else ""


# ── Grants ──────────────────────────────────────────────────────────────────────────────────────────────────────

_ROLES = """
SELECT role.rolname, role.rolsuper, role.rolname = session_user OR role.rolname = current_user,
       array(SELECT DISTINCT relname || ' ' || lower(rights) FROM pg_class,
             unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) AS rights
             WHERE oid = ANY(%s) AND has_table_privilege(role.oid, pg_class.oid, rights)),
       EXISTS (SELECT FROM pg_class WHERE oid = ANY(%s) AND pg_has_role(role.oid, relowner, 'MEMBER'))
FROM pg_roles AS role WHERE rolcanlogin
"""


@check("audit.grants")
def grants() -> Found:
    """What each role that can sign in to the database may do to the trail; the triggers that refuse; rights in Django.

    Other superusers than the one this process uses are counted, not judged: a cluster has one, and ClinChat is not it.
    """
    from django.contrib.auth.models import Permission

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT array_agg(oid) FROM pg_class WHERE oid = ANY(ARRAY['compliance_auditevent', 'compliance_seal', "
            "'compliance_sealedevent']::regclass[]) OR oid IN (SELECT inhrelid FROM pg_inherits "
            "WHERE inhparent = 'compliance_auditevent'::regclass)"
        )
        (tables,) = cursor.fetchone()
        cursor.execute(_ROLES, [tables, tables])
        roles = cursor.fetchall()
    failing: list[str] = []
    for name, superuser, ours, rights, owner in roles:
        if superuser and not ours:
            continue
        failing += [f"role {name} is a superuser"] if superuser else []
        failing += [f"role {name} owns the trail"] if owner and not superuser else []
        failing += [f"role {name}: {right}" for right in rights[:8] if not superuser and not owner]
    failing += [f"{kind}: {place}" for kind, place, _ in guards.weaknesses()]
    verbs = [f"{verb}_{name}" for verb in ("delete", "change") for name in ("auditevent", "seal", "sealedevent")]
    held = Permission.objects.filter(codename__in=verbs, group__isnull=False)
    failing += [f"Django permission {codename}" for codename in held.values_list("codename", flat=True).distinct()]
    return Found(
        ok=not failing,
        observed=f"{len(failing)} ways to change the trail: {len(roles)} roles that sign in, {len(tables)} tables",
        subjects=max(len(roles) + len(tables), len(failing)),
        failing=failing,
        evidence={
            "roles": len(roles),
            "tables": len(tables),
            "other_superusers": sum(superuser and not ours for _, superuser, ours, _, _ in roles),
        },
    )


# ── Nothing switches it off ─────────────────────────────────────────────────────────────────────────────────────

PRODUCT: Final = ("clinchat", "compliance", "chat", "training")
_WORDS: Final = re.compile(
    r"disable_auditlog|auditlogflush|\btruncate\b|session_replication_role|(?:disable|drop)\s+trigger|\bflush\b",
    re.IGNORECASE,
)
_SQL: Final = re.compile(
    r"\btruncate\s+(?!on\b)(?:table\s+|only\s+)?[\"%{\w]|session_replication_role|(?:disable|drop)\s+trigger",
    re.IGNORECASE,
)
_NAMES: Final = frozenset({"disable_auditlog", "auditlogflush"})
EXCEPTIONS: Final = {
    "chat/migrations/0004_move_to_versions.py": "moves rows once, within the migration that switches its triggers on",
    "compliance/audit/controls.py": "what this check looks for",
    "compliance/audit/triggers.py": "puts the triggers on anew after each migration, in one transaction",
    "compliance/migrations/0003_audit_trail.py": "gives events of version 0.1 their digests, then puts the guard on",
}
"""Files that may hold such a statement, and why. Migrations that take a trigger off do so only when they are undone."""
_SWITCHES: Final = (
    "AUDITLOG_DISABLE_ON_RAW_SAVE",
    "AUDITLOG_DISABLE_REMOTE_ADDR",
    "AUDITLOG_EXCLUDE_TRACKING_MODELS",
    "AUDITLOG_EXCLUDE_TRACKING_FIELDS",
)
_RECORDERS: Final = ("clinchat.middleware.RequestContext", "compliance.api.bearer.BearerToken")


@check("audit.cannot_be_disabled")
def cannot_be_disabled() -> Found:
    """Every module of the product as it is installed (AST), the settings of this process, and its connection.

    What only stands in a comment or docstring does nothing, and is left out. A migration's way back is not looked at.
    """
    found: list[str] = []
    excused = 0
    files = [path for name in PRODUCT for path in sorted((settings.BASE_DIR / name).rglob("*.py"))]
    for path in files:
        place = path.relative_to(settings.BASE_DIR).as_posix()
        found_at = path.stat()
        lines = _off_switches(path, (found_at.st_mtime_ns, found_at.st_size))
        if place in EXCEPTIONS:
            excused += bool(lines)
        else:
            found += [f"{place}:{line} {what}" for line, what in lines]
    found += [f"setting {name}" for name in _SWITCHES if getattr(settings, name, None)]
    if settings.AUDITLOG_LOGENTRY_MODEL != "compliance.AuditEvent":
        found.append("setting AUDITLOG_LOGENTRY_MODEL")
    found += [f"middleware {name}" for name in _RECORDERS if name not in settings.MIDDLEWARE]
    if triggers.carry_context not in connection.execute_wrappers:
        found.append("connection without its context")
    return Found(
        ok=bool(files) and not found,
        observed=f"{len(found)} ways to switch recording off in {len(files)} modules and the settings",
        subjects=len(files) and max(len(files), len(found)),
        failing=found,
        evidence={"modules": len(files), "excused": excused, "exceptions": sorted(EXCEPTIONS)},
    )


@lru_cache(maxsize=4096)
def _off_switches(path: Path, _written: tuple[int, int]) -> tuple[tuple[int, str], ...]:
    """Read once, and again when it was written to."""
    return tuple(_switches_in(path, path.read_text(encoding="utf-8")))


def _switches_in(path: Path, text: str) -> Iterator[tuple[int, str]]:
    if not _WORDS.search(text):
        return
    tree = ast.parse(text)
    parted = {id(one) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for one in node.values}
    said = _docstrings(tree) | (_undone(tree) if "migrations" in path.parts else set())
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name) if name in _NAMES:
                yield getattr(node, "lineno", 0), name
            case ast.Call(
                func=ast.Name(id="call_command") | ast.Attribute(attr="call_command"),
                args=[ast.Constant(value=str(name)), *_],
            ) if name in {"flush", "auditlogflush"}:
                yield node.lineno, name
            case ast.JoinedStr(values=parts) if id(node) not in said and (hit := _SQL.search(_with_gaps(parts))):
                yield node.lineno, " ".join(re.findall(r"\w+", hit[0].lower()))[:40]
            case ast.Constant(value=str(words)) if id(node) not in said | parted and (hit := _SQL.search(words)):
                yield node.lineno, " ".join(re.findall(r"\w+", hit[0].lower()))[:40]


def _with_gaps(parts: list[ast.expr]) -> str:
    """An f-string, with something in the place of each value."""
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)


def _docstrings(tree: ast.AST) -> set[int]:
    """Strings that stand by themselves."""
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


_BACKWARD: Final = re.compile(r"BACKWARD|_AGAIN|UNDO|REVERSE|DROP")


def _undone(tree: ast.AST) -> set[int]:
    """Constants of a migration's way back: what is bound to a name that says so, or given as reverse_sql."""
    roots: list[ast.AST] = []
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name), *_], value=value) if _BACKWARD.search(name):
                roots.append(value)
            case ast.keyword(arg="reverse_sql", value=value):
                roots.append(value)
            case ast.Call(func=ast.Attribute(attr="RunSQL"), args=[_, value, *_]):
                roots.append(value)
    return {id(one) for root in roots for one in ast.walk(root)}
