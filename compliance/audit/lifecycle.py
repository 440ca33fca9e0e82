"""That a process began or ended its work: what an auditor asks first about any day."""

from __future__ import annotations

import logging

from compliance.audit import lane
from compliance.audit.context import bind
from compliance.audit.writer import record
from compliance.models.events import ActorKind, Code, Crude

logger = logging.getLogger("clinchat.audit")


def started(process: str) -> None:
    _record(process, Code.SYS_STARTUP)


def stopped(process: str) -> None:
    """Not called when a process is killed: then the next start stands alone."""
    _record(process, Code.SYS_SHUTDOWN)


def _record(process: str, code: Code) -> None:
    """The one event nothing depends on: a process that starts without its database must be able to wait for it."""
    with bind(kind=ActorKind.SERVICE, name=process, actor=None):
        try:
            record(code=code, action=Crude.EXECUTE)
        except lane.AuditUnavailable:
            logger.warning("not on record: %s", code.value, extra={"code": "AUDIT_UNAVAILABLE"})
    lane.close()  # what this process forks later must not find open connections
