"""Requests by the thousand in one test, each on the database as it was before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, transaction


class Undoing:
    """Each use undoes what was done inside it and since the last one: `with undoing(): …`.

    As an atomic block that is rolled back, with one statement in the place of its three: the savepoint stays.
    """

    def __init__(self) -> None:
        assert connection.in_atomic_block
        self._point = transaction.savepoint()
        self._hooks = len(connection.run_on_commit)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        try:
            yield
        finally:
            transaction.set_rollback(False)  # a block inside may have asked for it
            transaction.savepoint_rollback(self._point)
            del connection.run_on_commit[self._hooks :]


def touch_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """That a session was renewed is undone as well, so it would be with each request ten seconds after the sign-in."""
    monkeypatch.setattr("compliance.access.session_store.TOUCH_SECONDS", 600)
