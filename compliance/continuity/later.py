"""Something that is done in a thread of its own, in the context of whoever began it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def begun(do: Callable[[], T]) -> Future[T]:
    """It begins at once; the future has what it returns or raises. No pool of threads: nobody has to wait for its end,
    not even the process."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(do())
        except BaseException as error:  # noqa: BLE001  # raised where it is waited for
            future.set_exception(error)

    Thread(target=copy_context().run, args=(run,), daemon=True).start()
    return future
