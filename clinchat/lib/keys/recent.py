"""Data keys that were opened a moment ago, so that a page of masked values does not ask Vault or KMS for each again."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import OrderedDict

MOST = 2000
SECONDS = 60.0
"""A key that was withdrawn in Vault or KMS opens nothing here after this time."""


class Recent:
    """At most MOST values, each for at most SECONDS, in the memory of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()

    def get(self, *about: bytes) -> bytes | None:
        with self._lock:
            until, value = self._kept.get(_digest(about), (0.0, b""))
        return value if time.monotonic() < until else None

    def put(self, value: bytes, *about: bytes) -> None:
        with self._lock:
            self._kept[_digest(about)] = time.monotonic() + SECONDS, value
            self._kept.move_to_end(_digest(about))
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)


def _digest(about: tuple[bytes, ...]) -> bytes:
    return hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in about)).digest()


class OfThisThread(threading.local):
    """Clients for each thread, never handed on by a fork: connections must not be shared."""

    def __init__(self) -> None:
        self._pid = 0
        self._clients: dict[str, object] = {}

    def clients(self) -> dict[str, object]:
        """Those made here, by name."""
        if self._pid != os.getpid():
            self._pid, self._clients = os.getpid(), {}
        return self._clients
