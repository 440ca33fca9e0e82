"""Checks that PostgreSQL logs no statement and no parameter: its log is not masked, and they hold what people type."""

from __future__ import annotations

from typing import Final

from django.db import connection

REQUIRED_SETTINGS: Final[dict[str, set[str | None]]] = {
    "log_statement": {"none"},
    "log_duration": {"off"},
    "log_min_duration_statement": {"-1"},
    "log_min_duration_sample": {"-1"},
    "log_transaction_sample_rate": {"0"},
    "log_parameter_max_length_on_error": {"0"},
    "log_min_error_statement": {"panic"},
    "log_min_messages": {"log", "fatal", "panic"},
    "log_error_verbosity": {"terse"},
    "auto_explain.log_min_duration": {"-1", "", None},
}
"""PostgreSQL settings and their accepted values. None or empty: the setting's module is not loaded."""


def violations() -> list[str]:
    """Names of the settings with another value, by which the log could contain statements, parameters or values."""
    names = list(REQUIRED_SETTINGS)
    with connection.cursor() as cursor:
        cursor.execute("SELECT key, current_setting(key, true) FROM unnest(%s::text[]) AS named(key)", [names])
        return sorted(name for name, value in cursor.fetchall() if value not in REQUIRED_SETTINGS[name])
