"""Work in threads of its own, in the context of whoever begins it; and work that may hang: a server that takes a
connection and never answers, a name service that is away.

Nobody waits for such a thread longer than its time, not even the end of the process. What hangs is left behind; its own
timeouts end it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from contextvars import copy_context
from functools import partial
from threading import Thread
from typing import TypeVar

from django.db import connections

T = TypeVar("T")


class Late(Exception):
    """Not done in its time."""


def begun(do: Callable[[], T]) -> Future[T]:
    """It begins now; the future has what it returns or raises."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(do())
        except BaseException as error:  # noqa: BLE001  # raised where it is waited for
            future.set_exception(error)

    Thread(target=copy_context().run, args=(run,), daemon=True).start()
    return future


def at_once(work: Mapping[str, tuple[float, Callable[[], T]]]) -> dict[str, T | BaseException]:
    """What each piece returned or raised, or Late; all begin now, each with so many seconds. Raises nothing itself."""
    began = time.monotonic()
    futures = {name: begun(partial(_do, piece)) for name, (_, piece) in work.items()}
    for name, future in futures.items():
        wait([future], max(0.0, began + work[name][0] - time.monotonic()))
    return {name: (one.exception() or one.result()) if one.done() else Late() for name, one in futures.items()}


def _do(piece: Callable[[], T]) -> T:
    try:
        return piece()
    finally:
        connections.close_all()  # of this thread
