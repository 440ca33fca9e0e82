"""Whether the database would write what people type into its own log, where nothing masks it."""

from __future__ import annotations

from typing import Final

from django.db import connection

QUIET: Final[dict[str, set[str | None]]] = {
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
"""What each of PostgreSQL's settings must be; None or nothing: its module is not loaded."""


def talkative() -> list[str]:
    """The settings by which a statement, a parameter or what an error quotes of them would be written."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT key, current_setting(key, true) FROM unnest(%s::text[]) AS named(key)", [list(QUIET)])
        return sorted(name for name, value in cursor.fetchall() if value not in QUIET[name])
