"""Write one backup: its parts as encrypted streams into all stores, then the signed manifest.

The manifest is last, so that a backup which was not completed is not taken for one.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import wait
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

import psycopg
from django.conf import settings
from django.db import connection as default
from django.db import transaction

from clinchat import __version__
from clinchat.lib import clock
from compliance import deadlines
from compliance.continuity import programs
from compliance.continuity.backup import contents, figures, key_copies, manifests, pruning
from compliance.continuity.backup.manifests import Manifest, Part, object_name
from compliance.continuity.point_in_time import base
from compliance.continuity.refusals import MANIFEST
from compliance.continuity.storage import streams
from compliance.continuity.storage.keys import Key
from compliance.continuity.storage.replicas import Replicas
from compliance.models import Backup

logger = logging.getLogger("clinchat.continuity")
Progress = Callable[[str], None]

_PG_DUMP_ARGUMENTS: Final = (
    "--format=custom",
    "--compress=gzip:1",  # on a processor of 2024 three times as fast as the default, and a tenth larger
    "--no-password",
    "--lock-wait-timeout=60000",
    *(f"--exclude-table-data=public.{table}" for table in figures.EXCLUDED_TABLES),
)
_MIB: Final = 1024 * 1024


class ProgressReporter:
    """Reports progress, at most once a second: to a callback, and in the row of the backup."""

    def __init__(self, backup: Backup, progress: Progress) -> None:
        self._backup, self._progress = backup, progress
        self._reported_at = 0.0

    def __call__(self, words: str, *, now: bool = False) -> None:
        if not now and time.monotonic() - self._reported_at < 1:
            return
        self._reported_at = time.monotonic()
        self._progress(words)
        Backup.objects.filter(pk=self._backup.pk, state=Backup.State.RUNNING).update(progress=words[:60])


@dataclass
class DatabaseState:
    """What the manifest says about the database in the state that the backup holds."""

    as_of: datetime
    rows: dict[str, dict[str, Any]]
    audit: dict[str, Any]
    people: dict[str, int]
    schema: dict[str, Any]
    questions: list[dict[str, Any]] | None = None


class BackupWriter:
    """Writes one backup. `connection` is the database owner's, in autocommit mode and used for nothing else."""

    def __init__(
        self,
        backup: Backup,
        *,
        connection: psycopg.Connection,
        replicas: Replicas,
        key: Key,
        progress: Progress,
    ) -> None:
        self.backup, self.replicas = backup, replicas
        self._connection, self._key = connection, key
        self._report = ProgressReporter(backup, progress)
        self._parts: list[Part] = []

    def run(self) -> tuple[Manifest, bytes]:
        """Write everything, the manifest last; returns it, and the bytes of manifest.json.

        On failure what was written is deleted again, best effort, and the exception propagates.
        """
        started_at = clock.now()
        try:
            if self.backup.kind == Backup.Kind.BASE:
                state, wal_range = self._write_base()
            else:
                state, wal_range = self._write_full(), {}
            self._write_part(contents.CONFIGURATION, [contents.configuration()])
            manifest = self._manifest(state, wal_range)
            data = manifests.serialize(manifest, key=self._key)
            if self.backup.kind == Backup.Kind.FULL:
                key_copies.write(self.replicas)
            self.replicas.put(object_name(self.backup.key, MANIFEST), [data])
            set_retention(self.replicas, manifest)
        except BaseException:
            names = [MANIFEST, *(part.name for part in self._parts)]
            self.replicas.delete(object_name(self.backup.key, name) for name in names)
            raise
        self._report(f"done in {(clock.now() - started_at).total_seconds():.1f} s", now=True)
        return manifest, data

    def _write_full(self) -> DatabaseState:
        """pg_dump, and in parallel the checksums of all tables, in one exported snapshot; then the files."""
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute("SELECT pg_export_snapshot(), clock_timestamp()")
            snapshot, as_of = cursor.fetchone() or ("", None)
            questions = _known_questions(snapshot)
            reading = deadlines.start(partial(_read_state, cursor, as_of))
            try:
                dump = programs.stream("pg_dump", [*_PG_DUMP_ARGUMENTS, f"--snapshot={snapshot}"])
                self._write_part("database.dump", dump)
            except BaseException:
                self._connection.cancel_safe()
                wait([reading])
                raise
            self._report("counting rows", now=True)
            state = reading.result()
        state.questions = questions
        self._write_part(contents.FILES, contents.files_tar())
        return state

    def _write_base(self) -> tuple[DatabaseState, dict[str, Any]]:
        """pg_basebackup. The copy is consistent as of its end, once the WAL from its begin to its end is replayed."""
        begin = self._wal_position()
        self._write_part("base.tar.gz", base.base_backup())
        end = self._wal_position()
        with self._connection.transaction(), self._connection.cursor() as cursor:
            state = DatabaseState(
                as_of=end["at"],
                rows={},
                audit=figures.audit_head(cursor),
                people=figures.access_counts(cursor),
                schema=figures.schema(cursor),
            )
        wal_range = {f"begin_{name}": str(value) for name, value in begin.items()}
        return state, wal_range | {f"end_{name}": str(value) for name, value in end.items()}

    def _wal_position(self) -> dict[str, Any]:
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp(), pg_current_wal_lsn()::text")
            at, lsn = cursor.fetchone() or (None, "")
        return {"at": at, "lsn": lsn}

    def _write_part(self, name: str, chunks: Iterable[bytes]) -> None:
        plain = _HashingIterator(chunks, lambda size: self._report(f"{name}: {size // _MIB} MiB"))
        encrypted = _HashingIterator(streams.encrypt(plain, key=self._key, context=f"{self.backup.pk}/{name}"))
        self._report(name, now=True)
        self.replicas.put(object_name(self.backup.key, name), encrypted)
        self._parts.append(Part(name, encrypted.size, encrypted.sha256, plain.size, plain.sha256))

    def _manifest(self, state: DatabaseState, wal_range: dict[str, Any]) -> Manifest:
        backup, at = self.backup, clock.now()
        until = pruning.keep_until(type=backup.type, kind=backup.kind, at=state.as_of)
        last = Backup.objects.filter(state=Backup.State.COMPLETE).order_by("-finished_at").first()
        return Manifest(
            id=str(backup.pk),
            key=backup.key,
            kind=backup.kind,
            type=backup.type,
            name=backup.name,
            environment=settings.ENVIRONMENT,
            as_of=state.as_of,
            made_at=at,
            keep_until=until,
            app_version=__version__,
            schema=state.schema,
            tools=_tool_versions(self._connection),
            parts=tuple(self._parts),
            rows=state.rows,
            audit=state.audit,
            people=state.people,
            questions=state.questions,
            previous=last.manifest_sha256 if last else "",
            base=wal_range,
        )


def set_retention(replicas: Replicas, manifest: Manifest) -> None:
    """Put all objects of a complete backup under retention; earlier a failed one could not be deleted."""
    for name in (*(part.name for part in manifest.parts), MANIFEST):
        replicas.retain(object_name(manifest.key, name), manifest.keep_until)


class _HashingIterator:
    """Passes chunks through; `size` and `sha256` are those of all chunks so far."""

    def __init__(self, chunks: Iterable[bytes], progress: Callable[[int], None] = lambda _: None) -> None:
        self._chunks, self._progress, self._digest = chunks, progress, hashlib.sha256()
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._digest.update(chunk)
            self.size += len(chunk)
            self._progress(self.size)
            yield chunk

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def _read_state(cursor: psycopg.Cursor[Any], as_of: datetime) -> DatabaseState:
    return DatabaseState(
        as_of=as_of,
        audit=figures.audit_head(cursor),
        people=figures.access_counts(cursor),
        schema=figures.schema(cursor),
        rows=figures.table_checksums(cursor),
    )


def _known_questions(snapshot: str) -> list[dict[str, Any]] | None:
    """The known questions, answered by the default connection in the snapshot of the backup."""
    if default.in_atomic_block:
        return contents.known_questions()
    with transaction.atomic(), default.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SET TRANSACTION SNAPSHOT %s", [snapshot])
        return contents.known_questions()


def _tool_versions(connection: psycopg.Connection) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        (server,) = cursor.fetchone() or ("",)
    pg_dump = programs.run("pg_dump", ["--version"]).decode("ascii", "replace").split()
    return {"server": str(server), "pg_dump": pg_dump[2] if len(pg_dump) > 2 else ""}
