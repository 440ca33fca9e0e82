"""Work that may hang: a server that takes a connection and never answers, a name service that is away.

Each piece runs in a thread of its own that nobody waits for longer than its time. What hangs is left behind; its own
timeouts end it, or the process does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextvars import copy_context
from threading import Thread
from typing import TypeVar

from django.db import connections

T = TypeVar("T")


class Late(Exception):
    """Not done in its time."""


def at_once(work: Mapping[str, tuple[float, Callable[[], T]]]) -> dict[str, T | BaseException]:
    """What each piece returned or raised, or Late; all begin now, each with so many seconds. Raises nothing itself."""
    done: dict[str, T | BaseException] = {}
    began = time.monotonic()
    threads = {
        name: Thread(target=copy_context().run, args=(_do, name, piece, done), daemon=True)
        for name, (_, piece) in work.items()
    }
    for one in threads.values():
        one.start()
    for name, one in threads.items():
        one.join(max(0.0, began + work[name][0] - time.monotonic()))
    seen = dict(done)  # what comes in later is too late
    return {name: seen.get(name, Late()) for name in work}


def _do(name: str, piece: Callable[[], T], done: dict[str, T | BaseException]) -> None:
    try:
        done[name] = piece()
    except BaseException as error:  # noqa: BLE001  # whoever asked for it gets it
        done[name] = error
    finally:
        connections.close_all()  # of this thread
