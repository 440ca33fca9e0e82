"""Ways to break what a control check looks at, each taken back at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.db import connection, transaction
from django.urls import URLPattern, URLResolver, get_resolver


@contextmanager
def undone(*statements: str, params: list[Any] | None = None) -> Iterator[None]:
    """SQL that nobody of the application ran; with constraints in the way dropped before, as an intruder would."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for statement in statements:
                cursor.execute(statement, params if "%s" in statement else None)
        yield
        transaction.set_rollback(True)


@contextmanager
def doing(act: Callable[[], object]) -> Iterator[None]:
    """What `act` changes in the database, for as long as this lasts."""
    with transaction.atomic():
        act()
        yield
        transaction.set_rollback(True)


@contextmanager
def instead(target: object, name: str, value: object) -> Iterator[None]:
    """Another value of an attribute, or with a mapping, of an entry."""
    with pytest.MonkeyPatch.context() as patch:
        if isinstance(target, dict):
            patch.setitem(target, name, value)
        else:
            patch.setattr(target, name, value)
        yield


def pattern(name: str, resolver: URLResolver | None = None) -> URLPattern:
    """The address of this name, as the portal resolves it; admin:login is the admin's."""
    space, _, plain = name.rpartition(":")
    for entry in (resolver or get_resolver()).url_patterns:
        if isinstance(entry, URLResolver):
            if space and entry.namespace == space:
                return pattern(plain, entry)
            if not entry.namespace:
                with suppress(LookupError):
                    return pattern(name, entry)
        elif not space and entry.name == plain:
            return entry
    raise LookupError(name)


def view(name: str, changed: Callable[[Any], Any]) -> Any:
    """The view of an address, changed; as by somebody who forgot a decorator."""
    found = pattern(name)
    return instead(found, "callback", changed(found.callback))
