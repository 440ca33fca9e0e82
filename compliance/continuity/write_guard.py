"""The write guard of read-only mode: refuses every SQL statement that writes to a product table.

The middleware refuses writing requests before their view runs. The guard is the second line, as a wrapper around each
statement of Django's connections: for views that write on GET, tasks and commands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from functools import cache
from typing import Any, ClassVar, Final

from django.apps import apps
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS

from clinchat.lib.queues import Queues
from compliance.continuity import maintenance

SIGN_IN: Final = "people sign in, and nothing stops their sessions from ending"
TRAIL: Final = "what happens is on record, and sealed"
REVOKED: Final = "rights that are taken away are gone at once"
RECOVERY: Final = "what is done about it"
CHECKS: Final = "checks go on, and whoever has to know is told"
WRITABLE: Final = {
    "compliance.AccessEpoch": SIGN_IN,
    "compliance.AuditEvent": TRAIL,
    "compliance.AuditVerification": TRAIL,
    "compliance.Authenticator": SIGN_IN,
    "compliance.Backup": RECOVERY,
    "compliance.BreakGlass": "an emergency does not wait",
    "compliance.ControlResult": CHECKS,
    "compliance.ControlStatus": CHECKS,
    "compliance.Drill": RECOVERY,
    "compliance.IntegrityRun": RECOVERY,
    "compliance.KnownPlace": SIGN_IN,
    "compliance.Maintenance": RECOVERY,
    "compliance.NetworkBlock": REVOKED,
    "compliance.Notice": CHECKS,
    "compliance.OneTimeLink": SIGN_IN,
    "compliance.PlannedMaintenance": RECOVERY,
    "compliance.Restore": RECOVERY,
    "compliance.Seal": TRAIL,
    "compliance.SealedEvent": TRAIL,
    "compliance.ServiceToken": SIGN_IN,
    "compliance.Session": SIGN_IN,
    "compliance.TokenFamily": SIGN_IN,
    "compliance.User": "whom the hospital's directory knows has an account with the first sign-in",
    "compliance.WalShipping": RECOVERY,
    "django_otp_webauthn.WebAuthnAttestation": SIGN_IN,
    "django_otp_webauthn.WebAuthnCredential": SIGN_IN,
    "django_otp_webauthn.WebAuthnUserHandle": SIGN_IN,
    "otp_static.StaticDevice": SIGN_IN,
    "otp_static.StaticToken": SIGN_IN,
}
"""Models whose tables may be written in read-only mode, and why. A restore takes none of them from the backup."""
REVOCABLE: Final = {
    "compliance.CampaignItem": REVOKED,
    "compliance.Clearance": REVOKED,
    "compliance.RoleAssignment": REVOKED,
    "compliance.RoleRequest": REVOKED,
}
"""Models whose rows may be updated and deleted in read-only mode, but not inserted."""
TASKS_IN_READ_ONLY: Final = {
    "chat.tasks.keep_interactions_backup": "it writes a folder, for when the database is away",
    "compliance.tasks.end_sessions": SIGN_IN,
    "compliance.tasks.run_all_checks": CHECKS,
    "compliance.tasks.run_checks": CHECKS,
    "compliance.tasks.run_control": CHECKS,
    "compliance.tasks.send_mail": CHECKS,
    "compliance.tasks.tell_of_backups": CHECKS,
    "compliance.tasks.verify_all": TRAIL,
    "compliance.tasks.verify_recent": TRAIL,
}
"""Tasks that run in read-only mode, besides those of QUEUES_IN_READ_ONLY."""
QUEUES_IN_READ_ONLY: Final = frozenset({Queues.RECOVERY, Queues.SEALING})
RETRY_SECONDS: Final = 15
"""A task that is not scheduled is put off by this long, again and again until the mode ends."""
GRACE: Final = timedelta(seconds=4 * RETRY_SECONDS)
"""For this long after the mode has ended, work that was put off does not count as lost."""
_STATEMENT: Final = re.compile(r"\s*(?:INSERT|UPDATE|DELETE|TRUNCATE|COPY|MERGE|WITH)\b", re.IGNORECASE)
_WRITES: Final = re.compile(
    r"\b(INSERT\s+INTO|MERGE\s+INTO|UPDATE|DELETE\s+FROM|TRUNCATE(?:\s+TABLE)?|COPY)\s+(?:ONLY\s+)?"
    r'(?:"?public"?\.)?"?(?!(?:SET|OF|SKIP|NOWAIT)\b)(\w+)',  # FOR UPDATE OF, DO UPDATE SET
    re.IGNORECASE,
)


_unguarded: ContextVar[bool] = ContextVar("unguarded", default=False)


class ReadOnlyNow(Exception):
    """A statement was refused because ClinChat is read-only. `mode`: which mode is on, for messages to people."""

    words: ClassVar[str] = "ClinChat is read-only at the moment. Nothing was stored."

    def __init__(self, mode: maintenance.Shown) -> None:
        super().__init__(self.words)
        self.mode = mode


@contextmanager
def unguarded() -> Iterator[None]:
    """Inside, the guard is off: for a restore, whose connection leads to the new database that is not yet live."""
    token = _unguarded.set(True)
    try:
        yield
    finally:
        _unguarded.reset(token)


def guard(execute: Callable[..., Any], statement: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """A wrapper for execute (Django: connection.execute_wrappers). Raises ReadOnlyNow for a refused statement."""
    text = statement if isinstance(statement, str) else statement.as_string(context["connection"].connection)
    if text[:6] != "SELECT" and _STATEMENT.match(text):
        guarded = any(not _writable(verb[:6].upper(), table.lower()) for verb, table in _WRITES.findall(text))
        if guarded and not _unguarded.get() and (mode := maintenance.current()) is not None:
            raise ReadOnlyNow(mode)
    return execute(statement, params, many, context)


def install(connection: Any, **_: Any) -> None:
    """Receiver of connection_created: puts the guard around each new connection to the default database."""
    if connection.alias == DEFAULT_DB_ALIAS and guard not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, guard)


def runs_in_read_only(task: Any) -> bool:
    """Whether the task (of Celery) runs in read-only mode."""
    return task.name in TASKS_IN_READ_ONLY or task.queue in QUEUES_IN_READ_ONLY


def is_scheduled(task: Any) -> bool:
    """Whether beat sends the task periodically, so that a run can be skipped instead of put off."""
    return task.name in {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}


@cache
def _writable(verb: str, table: str) -> bool:
    return table in _tables(WRITABLE) or (verb in {"UPDATE", "DELETE"} and table in _tables(REVOCABLE))


def _tables(labels: dict[str, str]) -> set[str]:
    return {apps.get_model(label)._meta.db_table for label in labels}  # noqa: SLF001  # documented by Django
