"""Object stores for backups: folders and S3 buckets behind one interface (CLINCHAT_BACKUPS).

A store holds named objects. Everything is written to every store; reads go to the first one, the primary. A store sees
ciphertext and signatures alone: encryption and authentication are done by whoever puts and opens objects.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from django.conf import settings

from compliance.continuity.refusals import StoreFailed

CHUNK_BYTES = 1024 * 1024
"""Most bytes of one chunk that `Store.open` yields."""
_NAME = re.compile(r"(?!\.)[A-Za-z0-9._-]+(?:/(?!\.)[A-Za-z0-9._-]+)*")


@dataclass(frozen=True)
class Entry:
    """An object in a listing. Its name is a path: backups/20261122T160300Z-0a1b2c3d/database.dump. Size in bytes."""

    name: str
    size: int
    modified: datetime


class Store(Protocol):
    """One store. Everything but `name` may raise StoreFailed: it does not answer, is full, or refuses."""

    name: str
    """Its path or s3:// URL, as in CLINCHAT_BACKUPS."""

    @property
    def enforces_retention(self) -> bool:
        """Whether the store itself enforces retention (S3 object lock): no account can delete or replace earlier."""

    def put(self, name: str, chunks: Iterable[bytes], *, keep_until: datetime | None = None) -> int:
        """Write an object atomically, replacing one of the same name; returns its size in bytes.

        `keep_until` sets retention, as `retain`. Raises Retained where an object to be replaced is under retention.
        An exception from `chunks` propagates, and nothing is written.
        """

    def retain(self, name: str, until: datetime) -> None:
        """Set the retention of an object: no delete or replacement before `until`. Never shortens it. Raises Absent."""

    def open(self, name: str) -> Iterator[bytes]:
        """The bytes of an object, in chunks. Raises Absent, possibly only with the first chunk."""

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """The complete objects whose names begin with `prefix`, ordered by name."""

    def delete(self, name: str) -> None:
        """Delete an object, if there is one of that name. Raises Retained while it is under retention."""

    def remove_unfinished(self, before: datetime) -> int:
        """Remove uploads begun before that moment and never completed; returns how many."""


def stores() -> list[Store]:
    """All configured stores, the primary first. Raises StoreFailed when none is configured."""
    found = configured()
    if not found:
        raise StoreFailed("No store for backups is configured: CLINCHAT_BACKUPS names folders or buckets.")
    return found


def configured() -> list[Store]:
    """As `stores`, but empty when none is configured."""
    return [_store(location) for location in settings.BACKUP_STORES]


def primary() -> Store:
    """The first store, which all reads go to. Raises StoreFailed when none is configured."""
    return stores()[0]


def named(name: str) -> Store:
    """The store with that path or URL, as in CLINCHAT_BACKUPS. Raises StoreFailed when there is none."""
    for store in stores():
        if store.name == name:
            return store
    raise StoreFailed("CLINCHAT_BACKUPS names no such store.")


def read_object(store: Store, name: str, *, max_bytes: int) -> bytes:
    """A small object as a whole. Raises Absent, and StoreFailed, also when it is larger than `max_bytes`."""
    found = bytearray()
    for chunk in store.open(name):
        found += chunk
        if len(found) > max_bytes:
            raise StoreFailed(f"{name} in {store.name} is larger than it can be.")
    return bytes(found)


def valid_name(name: str) -> str:
    """The name itself, if it is allowed: it cannot point outside the store. Raises ValueError."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"no name of something in a store: {name!r}")
    return name


def _store(location: str) -> Store:
    from compliance.continuity.storage.bucket import Bucket
    from compliance.continuity.storage.folder import Folder

    return Bucket(location) if location.startswith("s3://") else Folder(location)
