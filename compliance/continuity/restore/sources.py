"""Where a restore reads from: the dump of a verified backup, or a dump of a scratch server that was recovered to a
point in time (PITR)."""

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
    """A dump that can be read repeatedly. `as_of`: the moment it holds; `rows`: count and checksum of each table."""

    @property
    def as_of(self) -> datetime: ...
    @property
    def rows(self) -> dict[str, Any]: ...
    def read(self) -> Iterator[bytes]: ...


@contextmanager
def open_source(key: str, to_time: datetime | None = None) -> Iterator[Source]:
    """Yield the dump of the backup `key`, verified as a whole; with `to_time`, one of the database at that moment.

    Raises what reading.check and moment.at raise, before anything of the backup is used.
    """
    with _stored_backup(key) if to_time is None else _recovered_server(to_time) as source:
        yield source


def verify(key: str) -> None:
    """Verify the backup `key` by reading all of it, without using any. Raises what reading.check raises."""
    reading.check(stores.primary(), key)


@dataclass(frozen=True)
class _StoredBackup:
    store: stores.Store
    key: str
    as_of: datetime
    rows: dict[str, Any]

    def read(self) -> Iterator[bytes]:
        return reading.extract(self.store, self.key, DUMP)


@contextmanager
def _stored_backup(key: str) -> Iterator[Source]:
    store = stores.primary()
    manifest = reading.check(store, key)
    yield _StoredBackup(store, key, manifest.as_of, manifest.rows)


@dataclass(frozen=True)
class _RecoveredServer:
    where: dict[str, str]
    as_of: datetime
    rows: dict[str, Any]

    def read(self) -> Iterator[bytes]:
        return programs.stream("pg_dump", ["--format=custom", "--compress=none"], conninfo=self.where)


@contextmanager
def _recovered_server(to_time: datetime) -> Iterator[Source]:
    name = programs.owner_conninfo()["dbname"]
    with moment.server_at(to_time) as server:
        with server.connect(name) as connection, connection.transaction(), connection.cursor() as cursor:
            rows = figures.table_checksums(cursor)
        yield _RecoveredServer(server.conninfo(name), to_time, rows)
