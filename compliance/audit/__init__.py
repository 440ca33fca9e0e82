"""What happened: the context of an act, the writers of events, and how an outsider verifies them.

`record` writes what somebody read, tried or was refused. What somebody changed is recorded by the database, for the
tables named with `watch`. docs/audit.md tells the whole of it.
"""

from compliance.audit.context import (
    AuditContext,
    amend,
    bind,
    bind_command,
    bind_task,
    carry,
    current,
    session_digest,
)
from compliance.audit.lane import AuditUnavailable
from compliance.audit.triggers import watch, watched
from compliance.audit.writer import JSON, Act, record, record_all, record_read
from compliance.models.events import ActorKind, AuditEvent, Code, Crude, Lane, Outcome

__all__ = [
    "JSON",
    "Act",
    "ActorKind",
    "AuditContext",
    "AuditEvent",
    "AuditUnavailable",
    "Code",
    "Crude",
    "Lane",
    "Outcome",
    "amend",
    "bind",
    "bind_command",
    "bind_task",
    "carry",
    "current",
    "record",
    "record_all",
    "record_read",
    "session_digest",
    "watch",
    "watched",
]
