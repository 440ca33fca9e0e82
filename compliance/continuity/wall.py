"""The wall behind the forms: while ClinChat is read-only, no statement writes to a table of the product.

The middleware refuses requests before a view runs. This holds whatever gets past it or never went through it: a view
that writes though it was asked to read, a task, a command.
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
TAKEN: Final = "rights that are taken away are gone at once"
RECOVERY: Final = "what is done about it"
CHECKS: Final = "checks go on, and whoever has to know is told"
OPEN: Final = {
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
    "compliance.NetworkBlock": TAKEN,
    "compliance.Notice": CHECKS,
    "compliance.OneTimeLink": SIGN_IN,
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
"""Models that are written all the same, and why. A restore takes none of them back."""
TAKEN_AWAY: Final = {
    "compliance.CampaignItem": TAKEN,
    "compliance.Clearance": TAKEN,
    "compliance.RoleAssignment": TAKEN,
    "compliance.RoleRequest": TAKEN,
}
"""Models of which rows are changed and removed, and none is added."""
GOES_ON: Final = {
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
"""Tasks that run all the same, beside those of GOING_ON."""
GOING_ON: Final = frozenset({Queues.RECOVERY, Queues.SEALING})
PUT_OFF_SECONDS: Final = 15
"""After so long a task that somebody waits for is tried again."""
GRACE: Final = timedelta(seconds=4 * PUT_OFF_SECONDS)
"""So long after the mode has ended nobody's work is declared lost for having waited."""
_STATEMENT: Final = re.compile(r"\s*(?:INSERT|UPDATE|DELETE|TRUNCATE|COPY|MERGE|WITH)\b", re.IGNORECASE)
_WRITES: Final = re.compile(
    r"\b(INSERT\s+INTO|MERGE\s+INTO|UPDATE|DELETE\s+FROM|TRUNCATE(?:\s+TABLE)?|COPY)\s+(?:ONLY\s+)?"
    r'(?:"?public"?\.)?"?(?!(?:SET|OF|SKIP|NOWAIT)\b)(\w+)',  # FOR UPDATE OF, DO UPDATE SET
    re.IGNORECASE,
)


_elsewhere: ContextVar[bool] = ContextVar("elsewhere", default=False)


class ReadOnlyNow(Exception):
    """Nothing was written: ClinChat is read-only. `mode` is what is on, for whoever says so to a person."""

    words: ClassVar[str] = "ClinChat is read-only at the moment. Nothing was stored."

    def __init__(self, mode: maintenance.Shown) -> None:
        super().__init__(self.words)
        self.mode = mode


@contextmanager
def elsewhere() -> Iterator[None]:
    """Inside, the connection is to a database that is being made ready, and nobody sees yet: it is written to."""
    token = _elsewhere.set(True)
    try:
        yield
    finally:
        _elsewhere.reset(token)


def refuse(execute: Callable[..., Any], statement: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Wraps every statement of a connection. Raises ReadOnlyNow for one that writes where nothing is written now."""
    text = statement if isinstance(statement, str) else statement.as_string(context["connection"].connection)
    if text[:6] != "SELECT" and _STATEMENT.match(text):
        closed = any(not _open(verb[:6].upper(), table.lower()) for verb, table in _WRITES.findall(text))
        if closed and not _elsewhere.get() and (mode := maintenance.current()) is not None:
            raise ReadOnlyNow(mode)
    return execute(statement, params, many, context)


def on_connection(connection: Any, **_: Any) -> None:
    """Runs for each new connection of a thread (Django's connection_created). Other databases are no business of it."""
    if connection.alias == DEFAULT_DB_ALIAS and refuse not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, refuse)


def goes_on(task: Any) -> bool:
    """Whether the task runs while ClinChat is read-only."""
    return task.name in GOES_ON or task.queue in GOING_ON


def comes_again(task: Any) -> bool:
    """Whether beat sends the task anyway, so that one left out is made up for by the next."""
    return task.name in {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}


@cache
def _open(verb: str, table: str) -> bool:
    return table in _tables(OPEN) or (verb in {"UPDATE", "DELETE"} and table in _tables(TAKEN_AWAY))


def _tables(labels: dict[str, str]) -> set[str]:
    return {apps.get_model(label)._meta.db_table for label in labels}  # noqa: SLF001  # documented by Django
