"""The connection of the access lane: apart from everybody's transactions, so that what it wrote stays written."""

from __future__ import annotations

import atexit
import os
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import OperationalError, connections
from psycopg_pool import ConnectionPool, PoolTimeout

from compliance import logs

MOST = 4
"""Connections of one process; an event takes well under a millisecond."""
WAIT_SECONDS = 5.0

_making = threading.Lock()
_pools: dict[tuple[int, str], ConnectionPool[psycopg.Connection]] = {}


class AuditUnavailable(OperationalError):
    """The event could not be written: what it was to record must not happen."""


@contextmanager
def connection(*, patience: float | None = None) -> Iterator[psycopg.Connection]:
    """A connection that commits each statement by itself, within `patience` or WAIT_SECONDS.

    Raises AuditUnavailable for whatever fails on it.
    """
    try:
        with _pool().connection(timeout=WAIT_SECONDS if patience is None else patience) as lane:
            yield lane
    except psycopg.Error as error:
        if isinstance(error, (PoolTimeout, psycopg.errors.QueryCanceled)):
            logs.timed_out(what="audit-lane", limit="connect" if isinstance(error, PoolTimeout) else "statement")
        raise AuditUnavailable from None


def _pool() -> ConnectionPool[psycopg.Connection]:
    parameters: dict[str, Any] = connections["default"].get_connection_params()
    # A forked child must not share its parent's connections, nor wait for threads it does not have.
    key = (os.getpid(), parameters["dbname"])
    with _making:
        if key not in _pools:
            _pools[key] = _make(parameters)
        return _pools[key]


def _make(parameters: dict[str, Any]) -> ConnectionPool[psycopg.Connection]:
    options = f"{parameters.get('options', '')} -c statement_timeout={int(WAIT_SECONDS * 1000)}".strip()
    own = {
        "autocommit": True,
        "options": options,
        "application_name": "clinchat-audit",
        "cursor_factory": psycopg.Cursor,
        "context": None,
    }
    return ConnectionPool(
        kwargs=parameters | own,
        min_size=0,
        max_size=MOST,
        max_idle=60,
        num_workers=1,
        check=_check,
        reconnect_timeout=WAIT_SECONDS,
        name="audit",
        open=True,
    )


def _check(lane: psycopg.Connection) -> None:
    """Ask the server only when it has said something: to ask each time takes half as long as the event itself.

    A connection that was closed at the other end has something to read.
    """
    poll = select.poll()
    poll.register(lane.fileno(), select.POLLIN)
    if poll.poll(0):
        ConnectionPool.check_connection(lane)


def close() -> None:
    """Give up this process's connections; the next event opens new ones."""
    for key in [key for key in _pools if key[0] == os.getpid()]:
        _pools.pop(key).close()


atexit.register(close)
