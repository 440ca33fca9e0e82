"""The lines an operator searches for: AUTH_FAILED, BREAK_GLASS, PHI_DETECTED,
PHI_DETECTION_FAILED, SLOW_QUERY, TIMEOUT. No free text."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from compliance.phi import Span

_WORD = re.compile(r"[a-zA-Z][\w.:-]{0,79}")
_audit = logging.getLogger("clinchat.audit")
_security = logging.getLogger("clinchat.security")
_performance = logging.getLogger("clinchat.performance")


def auth_failed(*, event_id: UUID, step: str = "", account: UUID | None = None) -> None:
    """A sign-in that failed. The audit event says the rest; step and account spare looking it up."""
    fields = {"event_id": _id(event_id), "step": _word(step), "account": _id(account)}
    _emit(_audit, logging.WARNING, "AUTH_FAILED", "A sign-in failed", fields)


def many_auth_failures(*, event_id: UUID, more_than: int, seconds: int) -> None:
    """More than so many sign-ins failed in so many seconds, of all accounts: somebody may be trying passwords."""
    fields = {"event_id": _id(event_id), "more_than": more_than, "seconds": seconds}
    _emit(_security, logging.ERROR, "AUTH_FAILURES", "Many sign-ins fail", fields)


def phi_detected(spans: Iterable[Span], *, where: str) -> None:
    """Identifiers were found and masked: how many of which kind. Says nothing when there are none."""
    labels = Counter(str(span.label) for span in spans)
    if labels:
        fields = {"where": _word(where), "count": labels.total(), "labels": dict(sorted(labels.items()))}
        _emit(_security, logging.INFO, "PHI_DETECTED", "Identifiers were masked", fields)


def phi_failed(*, where: str) -> None:
    """A text could not be masked, so it was refused."""
    _emit(_security, logging.ERROR, "PHI_DETECTION_FAILED", "A text could not be masked", {"where": _word(where)})


def emergency_access(*, access: UUID, account: UUID, kind: str) -> None:
    """Somebody took emergency access to one object of this kind."""
    fields = {"access": _id(access), "account": _id(account), "kind": _word(kind)}
    _emit(_security, logging.WARNING, "BREAK_GLASS", "Emergency access was taken", fields)


def slow_query(*, ms: float, fingerprint: str, statement: str, table: str = "") -> None:
    """A statement took long. `fingerprint` stands for its text, `statement` is its first word."""
    fields = {"ms": round(ms), "fingerprint": _hex(fingerprint), "statement": _word(statement), "table": _word(table)}
    _emit(_performance, logging.WARNING, "SLOW_QUERY", "A statement was slow", fields)


def timed_out(*, what: str, limit: str = "", seconds: float | None = None, task: str = "", task_id: str = "") -> None:
    """Something did not end, or did not answer, in the time it had."""
    fields = {
        "what": _word(what),
        "limit": _word(limit),
        "seconds": seconds,
        "task": _word(task),
        "of_task": _id(task_id),
    }
    _emit(_performance, logging.WARNING, "TIMEOUT", "A time limit was reached", fields)


class Timeouts(logging.Filter):
    """What Celery and gunicorn say of a time limit, said as TIMEOUT instead.

    Celery sends no signal when a task handles its soft limit, and gunicorn has none at all; this line is all there is.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        match record.msg, record.args:
            case ("Soft time limit (%ss) exceeded for %s[%s]" | "Hard time limit (%ss) exceeded for %s[%s]") as msg, (
                float() | int() as seconds,
                task,
                task_id,
            ):
                limit = "soft" if msg.startswith("Soft") else "hard"
                timed_out(what="task", limit=limit, seconds=seconds, task=str(task), task_id=str(task_id))
            case "WORKER TIMEOUT (pid:%s)", _:
                timed_out(what="web-worker")
            case _:
                return True
        return False


def _emit(logger: logging.Logger, level: int, code: str, text: str, fields: Mapping[str, object]) -> None:
    known = {name: value for name, value in fields.items() if value not in ("", None)}
    logger.log(level, text, extra={"code": code, "fields": known})


def _word(value: str) -> str:
    """A word of the code's own; anything else is not passed on."""
    return value if _WORD.fullmatch(value) else ""


def _hex(value: str) -> str:
    return value if re.fullmatch(r"[0-9a-f]{8,64}", value) else ""


def _id(value: UUID | str | None) -> str:
    try:
        return str(UUID(str(value))) if value else ""
    except ValueError:
        return ""
