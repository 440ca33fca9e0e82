"""What each process of ClinChat takes for the time, noted in Redis beside Redis' own clock."""

from __future__ import annotations

import os
import socket
import time
from typing import Final, cast

import redis
from django.conf import settings

EVERY: Final = 20.0
KEPT_SECONDS: Final = 600
_KEY: Final = "clocks"
_noted = -EVERY


def note() -> None:
    """By how much this process is ahead of Redis, at most every twenty seconds. Fails in silence: others see that."""
    global _noted  # noqa: PLW0603  # one per process
    if time.monotonic() - _noted < EVERY:
        return
    _noted = time.monotonic()
    try:
        with connected() as client:
            ahead, at = measure(client)
            client.hset(_KEY, f"{socket.gethostname()}:{os.getpid()}", f"{ahead:.6f} {at:.3f}")
            client.expire(_KEY, KEPT_SECONDS)
    except (redis.RedisError, OSError):
        return


def measure(client: redis.Redis) -> tuple[float, float]:
    """Seconds this process is ahead of Redis, at best knowledge; and the time by Redis."""
    before = time.time()
    seconds, micros = cast("tuple[int, int]", client.time())
    after = time.time()
    at = seconds + micros / 1e6
    return (before + after) / 2 - at, at


def noted(client: redis.Redis) -> dict[str, float]:
    """What the processes of the last ten minutes noted; older notes are taken away."""
    _, now = measure(client)
    found: dict[str, float] = {}
    for name, text in cast("dict[bytes, bytes]", client.hgetall(_KEY)).items():
        ahead, at = map(float, text.split())
        if now - at <= KEPT_SECONDS:
            found[name.decode()] = ahead
        else:
            client.hdel(_KEY, name.decode())
    return found


def connected() -> redis.Redis:
    """Redis, which answers within a second or not at all."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1)
