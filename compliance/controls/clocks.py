"""What each process of ClinChat takes for the time, noted in Redis beside Redis' own clock."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import Final, cast

import redis
from django.conf import settings

EVERY: Final = 20.0
KEPT_SECONDS: Final = 600
_KEY: Final = "clocks"
_TRIES: Final = 5
_QUICK_SECONDS: Final = 0.1
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

    def told() -> float:
        seconds, micros = cast("tuple[int, int]", client.time())
        return seconds + micros / 1e6

    return against(told)


def against(told: Callable[[], float]) -> tuple[float, float]:
    """Seconds this process is ahead of another clock, and what that one told.

    By the quickest of a few answers: where the machine is busy, an answer may be old when it comes.
    """
    answers = []
    for _ in range(_TRIES):
        before = time.time()
        there = told()
        after = time.time()
        answers.append((after - before, (before + after) / 2 - there, there))
        if after - before < _QUICK_SECONDS:
            break
    _, ahead, there = min(answers)
    return ahead, there


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
