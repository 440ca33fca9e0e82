"""Making one backup: streams into all stores, then the signed manifest. What was not finished looks like nothing."""

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
from compliance.continuity.backup.manifests import Manifest, Part, place
from compliance.continuity.point_in_time import base
from compliance.continuity.refusals import MANIFEST
from compliance.continuity.storage import streams
from compliance.continuity.storage.copies import Copies
from compliance.continuity.storage.keys import Key
from compliance.models import Backup

logger = logging.getLogger("clinchat.continuity")
Progress = Callable[[str], None]

_DUMP: Final = (
    "--format=custom",
    "--compress=gzip:1",  # on a processor of 2024 three times as fast as the default, and a tenth larger
    "--no-password",
    "--lock-wait-timeout=60000",
    *(f"--exclude-table-data=public.{table}" for table in figures.LEFT_OUT),
)
_MIB: Final = 1024 * 1024


class Reported:
    """Tells how far it is, at most once a second: to whoever waits, and in the backup's row."""

    def __init__(self, backup: Backup, progress: Progress) -> None:
        self._backup, self._progress = backup, progress
        self._told = 0.0

    def __call__(self, words: str, *, now: bool = False) -> None:
        if not now and time.monotonic() - self._told < 1:
            return
        self._told = time.monotonic()
        self._progress(words)
        Backup.objects.filter(pk=self._backup.pk, state=Backup.State.RUNNING).update(progress=words[:60])


@dataclass
class Seen:
    """What there is to say of the database as the backup holds it."""

    as_of: datetime
    rows: dict[str, dict[str, Any]]
    audit: dict[str, Any]
    people: dict[str, int]
    schema: dict[str, Any]
    questions: list[dict[str, Any]] | None = None


class Making:
    """One backup while it is made. `connection` is the owner's, in no transaction, and nobody else uses it."""

    def __init__(
        self,
        backup: Backup,
        *,
        connection: psycopg.Connection,
        copies: Copies,
        key: Key,
        progress: Progress,
    ) -> None:
        self.backup, self.copies = backup, copies
        self._connection, self._key = connection, key
        self._report = Reported(backup, progress)
        self._parts: list[Part] = []

    def run(self) -> tuple[Manifest, bytes]:
        """Everything, the manifest last. What fails goes through, after what was written was taken back."""
        began = clock.now()
        try:
            if self.backup.kind == Backup.Kind.BASE:
                seen, whence = self._base()
            else:
                seen, whence = self._full(), {}
            self._put(contents.CONFIGURATION, [contents.configuration()])
            manifest = self._manifest(seen, whence)
            data = manifests.written(manifest, key=self._key)
            if self.backup.kind == Backup.Kind.FULL:
                key_copies.write(self.copies)
            self.copies.put(place(self.backup.key, MANIFEST), [data])
            keep(self.copies, manifest)
        except BaseException:
            names = [MANIFEST, *(part.name for part in self._parts)]
            self.copies.drop(place(self.backup.key, name) for name in names)
            raise
        self._report(f"done in {(clock.now() - began).total_seconds():.1f} s", now=True)
        return manifest, data

    def _full(self) -> Seen:
        """The dump and the figures are of the same moment, and are made at the same time."""
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute("SELECT pg_export_snapshot(), clock_timestamp()")
            snapshot, as_of = cursor.fetchone() or ("", None)
            questions = _asked(snapshot)
            looking = deadlines.begun(partial(_look, cursor, as_of))
            try:
                self._put("database.dump", programs.stream("pg_dump", [*_DUMP, f"--snapshot={snapshot}"]))
            except BaseException:
                self._connection.cancel_safe()
                wait([looking])
                raise
            self._report("counting rows", now=True)
            seen = looking.result()
        seen.questions = questions
        self._put(contents.FILES, contents.files_tar())
        return seen

    def _base(self) -> tuple[Seen, dict[str, Any]]:
        """A copy of the server's files holds the moment at which it ends, once the log up to there is added."""
        begin = self._position()
        self._put("base.tar.gz", base.base_copy())
        end = self._position()
        with self._connection.transaction(), self._connection.cursor() as cursor:
            seen = Seen(end["at"], {}, figures.audit(cursor), figures.people(cursor), figures.schema(cursor))
        whence = {f"begin_{name}": str(value) for name, value in begin.items()}
        return seen, whence | {f"end_{name}": str(value) for name, value in end.items()}

    def _position(self) -> dict[str, Any]:
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp(), pg_current_wal_lsn()::text")
            at, lsn = cursor.fetchone() or (None, "")
        return {"at": at, "lsn": lsn}

    def _put(self, name: str, chunks: Iterable[bytes]) -> None:
        plain = _Meter(chunks, lambda size: self._report(f"{name}: {size // _MIB} MiB"))
        sealed = _Meter(streams.encrypt(plain, key=self._key, place=f"{self.backup.pk}/{name}"))
        self._report(name, now=True)
        self.copies.put(place(self.backup.key, name), sealed)
        self._parts.append(Part(name, sealed.size, sealed.sha256, plain.size, plain.sha256))

    def _manifest(self, seen: Seen, whence: dict[str, Any]) -> Manifest:
        backup, at = self.backup, clock.now()
        until = pruning.keep_until(type=backup.type, kind=backup.kind, at=seen.as_of)
        last = Backup.objects.filter(state=Backup.State.COMPLETE).order_by("-finished_at").first()
        return Manifest(
            id=str(backup.pk),
            key=backup.key,
            kind=backup.kind,
            type=backup.type,
            name=backup.name,
            environment=settings.ENVIRONMENT,
            as_of=seen.as_of,
            made_at=at,
            keep_until=until,
            app_version=__version__,
            schema=seen.schema,
            tools=_tools(self._connection),
            parts=tuple(self._parts),
            rows=seen.rows,
            audit=seen.audit,
            people=seen.people,
            questions=seen.questions,
            previous=last.manifest_sha256 if last else "",
            base=whence,
        )


def keep(copies: Copies, manifest: Manifest) -> None:
    """Nothing of it is removed before its time. Not earlier: what is not finished must be removable."""
    for name in (*(part.name for part in manifest.parts), MANIFEST):
        copies.keep(place(manifest.key, name), manifest.keep_until)


class _Meter:
    """Counts and digests what passes through."""

    def __init__(self, chunks: Iterable[bytes], tell: Callable[[int], None] = lambda _: None) -> None:
        self._chunks, self._tell, self._digest = chunks, tell, hashlib.sha256()
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._digest.update(chunk)
            self.size += len(chunk)
            self._tell(self.size)
            yield chunk

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def _look(cursor: psycopg.Cursor[Any], as_of: datetime) -> Seen:
    return Seen(
        as_of=as_of,
        audit=figures.audit(cursor),
        people=figures.people(cursor),
        schema=figures.schema(cursor),
        rows=figures.figures(cursor),
    )


def _asked(snapshot: str) -> list[dict[str, Any]] | None:
    """The known questions, asked of the database as the backup sees it."""
    if default.in_atomic_block:
        return contents.asked()
    with transaction.atomic(), default.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SET TRANSACTION SNAPSHOT %s", [snapshot])
        return contents.asked()


def _tools(connection: psycopg.Connection) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        (server,) = cursor.fetchone() or ("",)
    dumper = programs.run("pg_dump", ["--version"]).decode("ascii", "replace").split()
    return {"server": str(server), "pg_dump": dumper[2] if len(dumper) > 2 else ""}
