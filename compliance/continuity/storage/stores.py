"""Where backups are put: folders and S3 buckets, behind one interface. What they hold is encrypted and signed before.

The first store is the one that is read; every store gets everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from django.conf import settings

from compliance.continuity.refusals import StoreFailed

PIECE = 1024 * 1024
"""Bytes that a store is asked for at a time."""
_NAME = re.compile(r"(?!\.)[A-Za-z0-9._-]+(?:/(?!\.)[A-Za-z0-9._-]+)*")


@dataclass(frozen=True)
class Entry:
    """Something in a store. Its name is a path: backups/20261122T160300Z-0a1b2c3d/database.dump."""

    name: str
    size: int
    modified: datetime


class Store(Protocol):
    """A place for backups. Every method raises StoreFailed where the place does not answer or refuses."""

    name: str
    """As in CLINCHAT_BACKUPS."""

    @property
    def locks(self) -> bool:
        """Whether something that is kept until a time stays, whatever this program or its account does."""

    def put(self, name: str, chunks: Iterable[bytes], *, keep_until: datetime | None = None) -> int:
        """Write it under this name, whole or not at all; returns its size. What had the name before is replaced.

        Raises Kept where that is kept. An exception from `chunks` goes through, and nothing is left.
        """

    def keep(self, name: str, until: datetime) -> None:
        """From now on it cannot be deleted or replaced before that time. Raises Absent."""

    def open(self, name: str) -> Iterator[bytes]:
        """Its bytes, in pieces. Raises Absent, at once or with the first piece."""

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """What is whole, of those names, in the order of their names."""

    def delete(self, name: str) -> None:
        """Remove it; nothing of that name is fine. Raises Kept before its time."""

    def sweep(self, before: datetime) -> int:
        """Remove what was begun before that moment and never became whole; returns how many."""


def stores() -> list[Store]:
    """All of them, the one that is read first. Raises StoreFailed when none is configured."""
    found = configured()
    if not found:
        raise StoreFailed("No store for backups is configured: CLINCHAT_BACKUPS names folders or buckets.")
    return found


def configured() -> list[Store]:
    """As `stores`; none is configured: none."""
    return [_made(where) for where in settings.BACKUP_STORES]


def first() -> Store:
    """The store that is read. Raises StoreFailed."""
    return stores()[0]


def named(name: str) -> Store:
    """The store of that name, as in CLINCHAT_BACKUPS. Raises StoreFailed."""
    for store in stores():
        if store.name == name:
            return store
    raise StoreFailed("CLINCHAT_BACKUPS names no such store.")


def read(store: Store, name: str, *, most: int) -> bytes:
    """A small thing as a whole. Raises Absent and StoreFailed, this also when it is larger than `most` bytes."""
    found = bytearray()
    for piece in store.open(name):
        found += piece
        if len(found) > most:
            raise StoreFailed(f"{name} in {store.name} is larger than it can be.")
    return bytes(found)


def checked(name: str) -> str:
    """The name, if it is one: no way leads out of the store. Raises ValueError."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"no name of something in a store: {name!r}")
    return name


def _made(where: str) -> Store:
    from compliance.continuity.storage.bucket import Bucket
    from compliance.continuity.storage.folder import Folder

    return Bucket(where) if where.startswith("s3://") else Folder(where)
