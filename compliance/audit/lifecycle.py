"""That a process began or ended its work: what an auditor asks first about any day."""

from __future__ import annotations

import logging
from typing import Any

from compliance.audit import lane
from compliance.audit.context import bind
from compliance.audit.writer import record
from compliance.models.events import ActorKind, Code, Crude, Outcome

logger = logging.getLogger("clinchat.audit")


def started(process: str) -> None:
    _record(process, Code.SYS_STARTUP)


def stopped(process: str) -> None:
    """Not called when a process is killed: then the next start stands alone."""
    _record(process, Code.SYS_SHUTDOWN)


def unsound(process: str, *, object_type: str) -> None:
    """A part of this process failed its self-test."""
    _record(process, Code.SYS_INTEGRITY_FAIL, outcome=Outcome.FAILURE, object_type=object_type)


def _record(process: str, code: Code, **event: Any) -> None:
    """Events nothing depends on: a process that starts without its database must be able to wait for it."""
    with bind(kind=ActorKind.SERVICE, name=process, actor=None):
        try:
            record(code=code, action=Crude.EXECUTE, **event)
        except lane.AuditUnavailable:
            logger.warning("not on record: %s", code.value, extra={"code": "AUDIT_UNAVAILABLE"})
    lane.close()  # what this process forks later must not find open connections
