"""Compliance check of read-only mode, which is switched on for this check alone, in a transaction that is undone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.apps import apps
from django.db import connection, transaction
from psycopg import sql

from clinchat.lib import clock
from compliance import audit
from compliance.access import Role, matrix
from compliance.access.matrix import Route
from compliance.continuity import maintenance, write_guard
from compliance.controls import canary, visits
from compliance.controls.registry import Found, check
from compliance.controls.results import word
from compliance.models import AuditEvent

if TYPE_CHECKING:
    from django.http import HttpResponse
    from django.test import Client

VERBS: Final = ("POST", "PUT", "PATCH", "DELETE")
PAGES: Final = ("/status/", "/settings/", "/compliance/", "/compliance/audit/", "/compliance/continuity/maintenance/")
WORK_ON: Final = frozenset(
    {
        # signing in, and leaving
        "api-login",
        "api-logout",
        "api-refresh",
        "api-second-factor",
        "api-verify",
        "session-renew",
        "signin",
        "signin-again",
        "signin-code",
        "signin-link",
        "signin-passkey",
        "signin-passkey-setup",
        "signin-recovery",
        "signin-setup",
        "signout",
        # what is taken away, and what does not wait
        "api-block-ip",
        "api-revoke-all-sessions",
        "api-unblock-ip",
        "blocks",
        "blocks-end",
        "emergency",
        "emergency-end",
        "person-close",
        "person-leave",
        "person-sessions-end",
        "services-revoke",
        "sessions",
        "settings-session-end",
        "settings-sessions-end-all",
        "settings-sessions-end-others",
        # what reads what it is sent, and what goes out
        "api-certificate-verify",
        "api-library-search",
        "ask-identifiers",
        "audit-export",
        "audit-patient",
        "csp-report",
        "disclosures-export",
        "disclosures-patient",
        "evidence-all",
        "evidence-csv",
        "evidence-pdf",
        "interaction-again",
        "library",
        "mask-report-words",
        "question-search",
        "report-json",
        "report-pdf",
        "reports-bundle",
        "verify",
        # backups and restores: a restore makes it read-only, and is accepted or undone in it
        "api-emergency-rollback",
        "api-restore",
        "api-restore-accept",
        "api-restore-approve",
        "api-restore-cancel",
        "api-restore-undo",
        "api-snapshots",
        "continuity-backup",
        "continuity-drill",
        "restore-accept",
        "restore-approve",
        "restore-cancel",
        "restore-undo",
        "rollback",
        "snapshot-new",
        "snapshot-restore",
        "snapshot-verify",
        # checks, and the mode itself
        "api-maintenance",
        "api-maintenance-cancel",
        "api-maintenance-move",
        "audit-verify",
        "control-run",
        "controls-run",
        "maintenance-cancel",
        "maintenance-end",
        "maintenance-move",
        "maintenance-plan",
        "maintenance-start",
    }
)
"""Names of the URLs that may still be posted to in read-only mode; each view says why (access.works_read_only)."""
_REASON: Final = "A check of the read-only mode"


@check("maintenance.readonly_canary", seconds=60)
def readonly_canary() -> Found:
    """In read-only mode every URL outside WORK_ON answers POST, PUT, PATCH and DELETE with 503 and Retry-After, no
    statement writes to a product table, pages can still be read, and audit events are still recorded.

    The mode is on in this context only: other processes and threads go on writing.
    """
    mode = maintenance.Shown(UUID(int=0), maintenance.Kind.MANUAL, _REASON, clock.now(), None)
    with visits.apart("maintenance.readonly_canary"):
        person = canary.person(Role.AUDITOR, can_type=False)
        routes = [one for one in matrix.routes() if one.name not in WORK_ON]
        tables = list(_guarded_tables())
        with maintenance.set_aside(mode):
            before = _row_changes()
            failing = [*_accepted(person.client, routes)]
            failing += [f"rows changed: {table}" for table, _ in sorted(_row_changes() - before)]
            failing += [f"a statement changes {table}" for table in tables if _lets_delete_through(table)]
            failing += [f"not read: {path}" for path in PAGES if person.client.get(path).status_code != 200]
            failing += [] if _on_record() else ["no event is recorded"]
    tried = len(routes) * len(VERBS)
    observed = f"{tried} requests and {len(tables)} statements; {len(failing)} not as they should be"
    subjects = tried + len(tables) + len(PAGES) + 1
    evidence = {"requests": tried, "tables": len(tables), "pages": len(PAGES), "work_on": len(WORK_ON)}
    return Found(not failing, observed, max(subjects, len(failing)), [*map(word, failing)], evidence)


def _accepted(client: Client, routes: list[Route]) -> Iterator[str]:
    for route in routes:
        path = visits.address(route)
        for verb in VERBS:
            with transaction.atomic():  # one that fails on the way leaves the others theirs
                response = visits.send(client, verb, path)
                transaction.set_rollback(True)
            if not _refused(response):
                yield f"{verb} {route.path}: {response.status_code}"


def _refused(response: HttpResponse) -> bool:
    return response.status_code == 503 and response.headers.get("Retry-After", "").isdigit()


def _guarded_tables() -> Iterator[str]:
    """Tables that the write guard protects against every kind of write."""
    for model in apps.get_models(include_auto_created=True):
        label, table = model._meta.label, model._meta.db_table  # noqa: SLF001  # documented by Django
        if label not in write_guard.WRITABLE and label not in write_guard.REVOCABLE:
            yield table


def _row_changes() -> set[tuple[str, int]]:
    """Protected tables that this transaction has written to, with the number of row changes, rolled back or not."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_xact_user_tables WHERE relname = ANY(%s)",
            [[*_guarded_tables()]],
        )
        return set(cursor.fetchall())


def _lets_delete_through(table: str) -> bool:
    """Whether the write guard lets a DELETE through to the table."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql.SQL("DELETE FROM {} WHERE false").format(sql.Identifier(table)))
    except write_guard.ReadOnlyNow:
        return False
    return True


def _on_record() -> bool:
    event = audit.record(code=audit.Code.SENSITIVE_READ, action=audit.Crude.READ)
    return AuditEvent.objects.filter(pk=event).exists()
