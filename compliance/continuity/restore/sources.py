"""Where a restore takes the content from: a backup that was read whole and believed, or the database as it was at a
moment, brought about in a server of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from compliance.continuity import programs
from compliance.continuity.backup import figures, reading
from compliance.continuity.point_in_time import moment
from compliance.continuity.storage import stores

DUMP: Final = "database.dump"


class Source(Protocol):
    """A dump that can be read again and again, the moment it is of, and number and checksum of each table's rows."""

    @property
    def as_of(self) -> datetime: ...
    @property
    def rows(self) -> dict[str, Any]: ...
    def read(self) -> Iterator[bytes]: ...


@contextmanager
def opened(key: str, to_time: datetime | None = None) -> Iterator[Source]:
    """The backup of that folder, read as a whole before; or with `to_time` the database as it was then.

    Raises what reading.check and moment.at raise; nothing has been used then.
    """
    with _stored(key) if to_time is None else _at(to_time) as source:
        yield source


def check(key: str) -> None:
    """Read the backup of that folder as a whole, and use nothing of it. Raises what reading.check raises."""
    reading.check(stores.primary(), key)


@dataclass(frozen=True)
class _Stored:
    store: stores.Store
    key: str
    as_of: datetime
    rows: dict[str, Any]

    def read(self) -> Iterator[bytes]:
        return reading.extract(self.store, self.key, DUMP)


@contextmanager
def _stored(key: str) -> Iterator[Source]:
    store = stores.primary()
    manifest = reading.check(store, key)
    yield _Stored(store, key, manifest.as_of, manifest.rows)


@dataclass(frozen=True)
class _Server:
    where: dict[str, str]
    as_of: datetime
    rows: dict[str, Any]

    def read(self) -> Iterator[bytes]:
        return programs.stream("pg_dump", ["--format=custom", "--compress=none"], conninfo=self.where)


@contextmanager
def _at(to_time: datetime) -> Iterator[Source]:
    name = programs.owner_conninfo()["dbname"]
    with moment.server_at(to_time) as server:
        with server.connect(name) as connection, connection.transaction(), connection.cursor() as cursor:
            rows = figures.table_checksums(cursor)
        yield _Server(server.conninfo(name), to_time, rows)
