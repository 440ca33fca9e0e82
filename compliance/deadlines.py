"""Runs functions in daemon threads, and several at once with a deadline each.

For calls that may hang, such as a server that accepts a connection and never answers, or DNS that is down. Unlike those
of ThreadPoolExecutor, such a thread is waited for no longer than its deadline, not even when the interpreter exits; it
ends by the timeouts of its own call.
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


class DeadlineExceeded(Exception):
    """The function did not return within its deadline."""


def start(function: Callable[[], T]) -> Future[T]:
    """Start the function in a daemon thread, with a copy of the caller's context variables. Returns its future."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001  # raised where the future is read
            future.set_exception(error)

    Thread(target=copy_context().run, args=(run,), daemon=True).start()
    return future


def run_all(work: Mapping[str, tuple[float, Callable[[], T]]]) -> dict[str, T | BaseException]:
    """Start all functions now, each with a deadline in seconds. Returns what each has returned or raised, or
    DeadlineExceeded; raises nothing itself."""
    began = time.monotonic()
    futures = {name: start(partial(_then_close, function)) for name, (_, function) in work.items()}
    for name, future in futures.items():
        wait([future], max(0.0, began + work[name][0] - time.monotonic()))
    return {
        name: (future.exception() or future.result()) if future.done() else DeadlineExceeded()
        for name, future in futures.items()
    }


def _then_close(function: Callable[[], T]) -> T:
    """Call the function, then close Django's connections of this thread."""
    try:
        return function()
    finally:
        connections.close_all()
