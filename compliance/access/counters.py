"""What Redis counts for limits and lock-outs: shared by all processes, each question one script and one round trip.

Scripts run one at a time in Redis and take its clock, so counts are exact whoever asks at once. Keys are keyed digests:
a copy of Redis names no person and no address. Counters are kept in memory only; a restart of Redis forgets them.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, Final

import redis
from django.conf import settings
from django.db import OperationalError

from clinchat.lib import sealed

SECONDS: Final = 2
"""Longest wait for Redis; a sign-in must not hang on it."""
PREFIX: Final = "abuse:"
_apart: ContextVar[str] = ContextVar("counted_apart", default="")


class Unavailable(OperationalError):
    """Redis does not answer, so nothing can be counted: what was asked for is not done (a page answers 503)."""


class Script:
    """One Lua script. Raises Unavailable for whatever keeps it from running to its end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._script: Any = None

    def __call__(self, *, keys: list[str], args: list[int | str]) -> Any:
        if self._script is None:
            self._script = client().register_script(self._text)
        try:
            return self._script(keys=[key(name) for name in keys], args=args, client=client())
        except redis.RedisError:
            raise Unavailable from None


def key(name: str) -> str:
    """What Redis calls the counter of this name."""
    return f"{PREFIX}{_apart.get()}{name}"


@contextmanager
def apart() -> Iterator[str]:
    """What is counted inside begins at nothing, counts for nobody outside, and is gone afterwards.

    For checks that try limits and locks: nobody real is slowed down by them. Yields how the names of the keys begin.
    """
    token = _apart.set(f"apart:{secrets.token_hex(8)}:")
    try:
        yield key("")
    finally:
        begins = key("")
        _apart.reset(token)
        try:
            if found := list(client().scan_iter(match=f"{begins}*", count=1000)):
                client().delete(*found)
        except redis.RedisError:
            pass  # they end by themselves, each with its window


def client() -> redis.Redis:
    return _client(settings.REDIS_URL)


@cache
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, socket_connect_timeout=SECONDS, socket_timeout=SECONDS)


def once(name: str, seconds: int) -> bool:
    """Whether this is the first call for `name` in that many seconds, of all processes. Raises Unavailable."""
    try:
        return bool(client().set(key(f"once:{name}"), 1, nx=True, ex=seconds))
    except redis.RedisError:
        raise Unavailable from None


def digest(*parts: str) -> str:
    """A name for a key that gives nothing away, of whatever somebody typed."""
    text = "\x00".join(parts).encode(errors="backslashreplace").decode()
    return sealed.blind_index(text, context="abuse counter").hex()[:32]


def neighborhood(source: str | None) -> str:
    """An address as it is counted: IPv4 alone, IPv6 by its /64, of which one household has all (RFC 6177).

    Whoever comes through a unix socket, or from no address we believe, shares one count.
    """
    try:
        address = ipaddress.ip_address(source or "")
    except ValueError:
        return "nowhere"
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address.packed, 64), strict=False))
