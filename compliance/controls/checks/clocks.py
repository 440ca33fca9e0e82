"""The check that all clocks say the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import redis
from django.conf import settings
from django.db import connection

from clinchat.lib import clock
from compliance.controls import clocks
from compliance.controls.registry import CannotLook, Found, check
from compliance.models import ControlResult, Seal

MOST: Final = 0.5
"""Seconds by which two clocks may differ."""
STEP: Final = timedelta(seconds=2)
SEALS: Final = 5000
_BACKWARDS: Final = """
SELECT number FROM (SELECT number, sealed_at, lag(sealed_at) OVER (ORDER BY number) AS before
    FROM compliance_seal WHERE number > (SELECT coalesce(max(number), 0) - %s FROM compliance_seal)) AS seal
WHERE sealed_at < before ORDER BY number
"""


@check("time.sync")
def time_sync() -> Found:
    """This process, the database and Redis now; every worker as it noted itself; seals, results and the form of times.

    Workers note their clocks beside that of Redis with each task they do, at most every twenty seconds; one that had
    nothing to do for ten minutes is not there.
    """
    ahead = {"database": _ahead_of_database()}
    try:
        with clocks.connected() as client:
            ahead["redis"] = clocks.measure(client)[0]
            workers = clocks.noted(client)
    except (redis.RedisError, OSError):
        raise CannotLook("Redis does not answer, so its clock and those of the workers are unknown.") from None
    ahead |= {f"worker {name}": value - ahead["redis"] for name, value in workers.items()}
    failing = [name for name, seconds in ahead.items() if abs(seconds) > MOST]
    failing += [f"seal {number} is earlier than the one before it" for number in _backwards()]
    late = clock.now() + STEP
    if ControlResult.objects.filter(started_at__gt=late).exists():
        failing.append("results of checks from the future")
    if Seal.objects.filter(sealed_at__gt=late).exists():
        failing.append("seals from the future")
    failing += _not_utc()
    worst = max(map(abs, ahead.values()))
    return Found(
        ok=not failing,
        observed=f"{worst * 1000:.0f} ms at most between {len(ahead) + 1} clocks, {len(workers)} of them of workers; "
        f"{len(failing)} things wrong",
        subjects=len(ahead) + 4 + len(failing),
        failing=[one[:100] for one in failing],
        evidence={"milliseconds": {name: round(seconds * 1000, 1) for name, seconds in sorted(ahead.items())[:50]}},
    )


def _ahead_of_database() -> float:
    with connection.cursor() as cursor:

        def told() -> float:
            cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
            return float(cursor.fetchone()[0])

        return clocks.against(told)[0]


def _backwards() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(_BACKWARDS, [SEALS])
        return [number for (number,) in cursor.fetchall()]


def _not_utc() -> list[str]:
    """Where a time is kept or written that does not say that it is UTC."""
    found = []
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('TimeZone')")
        if cursor.fetchone()[0] not in {"UTC", "Etc/UTC"}:
            found.append("time zone of the connection")
        cursor.execute(
            "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public' "
            "AND data_type = 'timestamp without time zone'"
        )
        found += [name for (name,) in cursor.fetchall()]
    if not settings.USE_TZ:
        found.append("USE_TZ")
    if clock.now().utcoffset() != timedelta(0) or abs(clock.now() - datetime.now(UTC)) > timedelta(seconds=MOST):
        found.append("clock of ClinChat")
    return found
