"""Whether the parts ClinChat needs are there. Apps register their own probes in AppConfig.ready()."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import redis
from django.conf import settings
from django.db import Error as DatabaseProblem
from django.db import connection

from compliance import masking
from compliance.audit import lane


class Check(NamedTuple):
    key: str
    name: str
    ok: bool
    needed: bool = True


_probes: dict[str, tuple[str, Callable[[], bool], bool]] = {}


def register(key: str, name: str, probe: Callable[[], bool], *, needed: bool = True) -> None:
    """`probe` says within seconds whether the part works and does not raise; `name` is shown to the public. Without a
    part that is not `needed` questions are answered all the same, and say what is missing."""
    _probes[key] = (name, probe, needed)


def run_checks() -> list[Check]:
    return [Check(key, name, probe(), needed) for key, (name, probe, needed) in _probes.items()]


def database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_extension WHERE extname = 'vector'")
            return cursor.fetchone() is not None
    except DatabaseProblem:
        return False


def queue() -> bool:
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False


def audit_trail() -> bool:
    """Whether an event could be written now: its own connection, and a table for this month."""
    try:
        with lane.connection(patience=1.0) as own:
            row = own.execute("SELECT to_regclass('compliance_auditevent_' || to_char(now(), 'YYYYMM'))").fetchone()
    except lane.AuditUnavailable:
        return False
    return row is not None and row[0] is not None


register("database", "Database", database)
register("audit", "Audit trail", audit_trail)
register("queue", "Answer queue", queue)
register("masking", "Masking of identifiers", masking.ready)
