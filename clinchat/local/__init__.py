"""The embedded default: PostgreSQL, Redis, keys and one supervisor, so one machine needs nothing but Python.

Standard library only until a service is started, because settings import this package in every process.
"""

from __future__ import annotations

from clinchat.local.keys import ensure_keys
from clinchat.local.paths import LocalError, Paths, database_url, paths, redis_url
from clinchat.local.services import embedded, ensure_services

__all__ = ["LocalError", "Paths", "database_url", "embedded", "ensure_keys", "ensure_services", "paths", "redis_url"]
