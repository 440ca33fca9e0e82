"""Whether the parts ClinChat needs are there. Apps register their own probes in AppConfig.ready()."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import redis
from django.conf import settings
from django.db import Error as DatabaseProblem
from django.db import connection

from compliance import phi


class Check(NamedTuple):
    key: str
    name: str
    ok: bool


_probes: dict[str, tuple[str, Callable[[], bool]]] = {}


def register(key: str, name: str, probe: Callable[[], bool]) -> None:
    """`probe` says within seconds whether the part works and does not raise; `name` is shown to the public."""
    _probes[key] = (name, probe)


def run_checks() -> list[Check]:
    return [Check(key, name, probe()) for key, (name, probe) in _probes.items()]


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


def masking() -> bool:
    try:
        phi.warm()
    except phi.PhiUnavailable:
        return False
    return True


register("database", "Database", database)
register("queue", "Answer queue", queue)
register("masking", "Masking of identifiers", masking)
