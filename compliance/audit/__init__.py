"""What happened: the context of an act, the only writer of events, the models whose changes count."""

from compliance.audit.changes import watch, watched
from compliance.audit.context import AuditContext, bind, current, session_digest
from compliance.audit.writer import JSON, record
from compliance.models.events import AuditEvent, Code, Crude, Outcome

__all__ = [
    "JSON",
    "AuditContext",
    "AuditEvent",
    "Code",
    "Crude",
    "Outcome",
    "bind",
    "current",
    "record",
    "session_digest",
    "watch",
    "watched",
]
