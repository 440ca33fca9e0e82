"""What the processes say: JSON lines without protected health information, and the markers an operator looks for.

`serve()` is called by web, worker and beat, whose lines go to standard output. Everything else is a command, whose
output may be read by a program, so its lines go to standard error. Importing this loads no Django and no masker.
"""

from __future__ import annotations

import logging
from typing import Any

from compliance.logs.hooks import serve
from compliance.logs.lines import Logger
from compliance.logs.markers import (
    auth_failed,
    emergency_access,
    many_auth_failures,
    phi_detected,
    phi_failed,
    slow_query,
    timed_out,
)

__all__ = [
    "LEVELS",
    "auth_failed",
    "configuration",
    "emergency_access",
    "many_auth_failures",
    "phi_detected",
    "phi_failed",
    "serve",
    "slow_query",
    "timed_out",
]

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_QUIET = {
    # A request path can hold what a person typed; errors are logged by the error views with a reference instead, and
    # what is suspicious is on record in the audit trail.
    "django.request": "CRITICAL",
    "django.security": "CRITICAL",
    "gunicorn.access": "CRITICAL",  # on with any logconfig_dict, whatever accesslog says; the audit trail is ours
    "django.db.backends": "WARNING",  # the parameters of statements
    "httpx": "WARNING",
    # Two lines for every task, one of which runs each ten seconds, hide the lines that matter.
    "celery.worker.strategy": "WARNING",
    "celery.app.trace": "WARNING",
}
_FILTERS = {"celery.worker.request": "timeouts", "gunicorn.error": "timeouts", "celery.beat": "due"}
_STRIPPED = ("django", "django.server", "gunicorn.error", "gunicorn.access", "celery", "celery.task")


def configuration(*, level: str) -> dict[str, Any]:
    """Django's LOGGING, and gunicorn's logconfig_dict. Handlers other than ours are taken from every logger.

    From now on none can be added either: spaCy and pyasn1, for two, bring one that would write past the masking.
    """
    logging.setLoggerClass(Logger)
    loggers: dict[str, dict[str, Any]] = {name: {"handlers": [], "propagate": True} for name in _STRIPPED}
    for name, least in _QUIET.items():
        loggers.setdefault(name, {})["level"] = least
    for name, filter_name in _FILTERS.items():
        loggers.setdefault(name, {})["filters"] = [filter_name]
    for stream in ("audit", "security", "performance"):
        loggers[f"clinchat.{stream}"] = {"level": "INFO"}  # whatever the least level of other lines is
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "compliance.logs.lines.JsonLines"}},
        "filters": {
            "timeouts": {"()": "compliance.logs.markers.Timeouts"},
            "due": {"()": "compliance.logs.lines.DueTasks"},
        },
        "handlers": {"lines": {"()": "compliance.logs.lines.Lines", "formatter": "json"}},
        "root": {"handlers": ["lines"], "level": level},
        "loggers": loggers,
    }
