"""How long-lived things learn that rights were taken away: one counter in the database, read once a second.

Whatever ends a session or a token, closes an account, takes a right or blocks a network calls `bump` in the same
transaction. What is kept in a process (the list of blocks) or stays open (an event stream) compares `current` with
what it last saw, and looks again only when the number has changed: two hundred open streams cost one query a second.
"""

from __future__ import annotations

import threading
import time

from django.db import connection

FRESH_SECONDS = 1.0


class _Seen:
    """The number as this process last read it."""

    lock = threading.Lock()
    number = -1
    at = float("-inf")


def bump() -> None:
    """Count up, in the caller's transaction: seen by others when it commits."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_accessepoch (id, number) VALUES (1, 1) "
            "ON CONFLICT (id) DO UPDATE SET number = compliance_accessepoch.number + 1"
        )


def current() -> int:
    """The number, at most a second old. Uses a database connection at most once a second in each process.

    While one thread asks, the others go on with the number before: without a database they must not queue behind it.
    """
    if time.monotonic() - _Seen.at >= FRESH_SECONDS and _Seen.lock.acquire(blocking=_Seen.number < 0):
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT number FROM compliance_accessepoch")
                row = cursor.fetchone()
            _Seen.number, _Seen.at = row[0] if row else 0, time.monotonic()
        finally:
            _Seen.lock.release()
    return _Seen.number


def forget() -> None:
    """Read the number anew at the next question: what this process saw in a transaction was undone."""
    _Seen.number, _Seen.at = -1, float("-inf")
