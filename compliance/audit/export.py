"""Events handed out: as a table, as JSON lines, as FHIR resources or as a bundle that verifies elsewhere.

What is written comes from the bytes that were hashed and sealed, never from columns that could differ from them.
An export is an event itself, recorded before anything is written.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, cast
from uuid import UUID

from django.db import models, transaction

from clinchat.lib import clock
from compliance.audit import bundle, fhir, handed, search, signing
from compliance.audit.search import EventFilter
from compliance.audit.writer import record
from compliance.models import Code, Crude, SealedEvent

PAGE_LIMIT = 50_000
"""Events somebody may download from a page; more would keep them waiting, and the command has no limit."""
CHUNK = 2000


class Format(models.TextChoices):
    CSV = "csv", "CSV"
    JSONL = "jsonl", "JSON lines"
    FHIR = "fhir", "FHIR R4"
    BUNDLE = "bundle", "Bundle that verifies elsewhere"


FILES = {
    Format.CSV: ("csv", "text/csv; charset=utf-8"),
    Format.JSONL: ("jsonl", "application/jsonl"),
    Format.FHIR: ("ndjson", "application/fhir+ndjson"),
    Format.BUNDLE: ("zip", "application/zip"),
}
"""Ending of the name and content type."""


class ExportError(Exception):
    """Nothing was written; `line` is a sentence or two for whoever asked."""

    def __init__(self, line: str) -> None:
        super().__init__(line)
        self.line = line


class NothingFound(ExportError):
    def __init__(self) -> None:
        super().__init__("No event fits. Change the dates or the other filters.")


class NothingSealed(ExportError):
    def __init__(self) -> None:
        super().__init__("No event that fits is sealed yet, so nothing can be proved about it. Try again in a minute.")


class TooMany(ExportError):
    def __init__(self, limit: int) -> None:
        super().__init__(
            f"More than {limit:,} events fit. Choose fewer days, or use the command: manage.py audit_export"
        )
        self.limit = limit


class NoKeys(ExportError):
    """The public keys, without which a bundle proves nothing, cannot be read; the text says which file."""


class Damaged(ExportError):
    def __init__(self, event: UUID) -> None:
        super().__init__(f"The stored bytes of event {event} cannot be read. Verify the trail: manage.py audit_verify")


@dataclass(frozen=True, slots=True)
class Row:
    """One event as it is handed out. `position` and `seal` are None until it is sealed."""

    id: UUID
    canonical: bytes
    digest: bytes
    position: int | None = None
    seal: int | None = None

    def content(self) -> dict[str, Any]:
        """The columns in the canonical bytes. Raises Damaged."""
        try:
            content: dict[str, Any] = {**json.loads(self.canonical.decode())}
        except (ValueError, TypeError):
            raise Damaged(self.id) from None
        return content


@dataclass(frozen=True, slots=True)
class Written:
    """`unsealed` and `damaged` are about bundles: what was left out, and what does not fit its seal."""

    events: int
    unsealed: int = 0
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """An export that is allowed, recorded and not yet written."""

    filter: EventFilter
    format: Format
    recorded: UUID
    """The event of this export. It is not part of itself."""
    plan: bundle.Plan | None

    @transaction.atomic
    def write(self, out: BinaryIO) -> Written:
        """`out` must be able to seek for a bundle. Raises Damaged."""
        if self.plan is None:
            hashed = _Hashed(out)
            content = rows(self.filter, without=self.recorded)
            written = Written(write(content, format=self.format, out=cast("BinaryIO", hashed)))
            sha256 = hashed.digest.hexdigest()
        else:
            events, damaged = bundle.write(self.plan, out)
            written = Written(events, self.plan.unsealed, damaged)
            sha256 = handed.digest(out)
        handed.out(self.recorded, sha256=sha256, count=written.events)
        return written


class _Hashed(io.BufferedIOBase):
    """Passes on what is written, and works out the digest of it all."""

    def __init__(self, out: BinaryIO) -> None:
        super().__init__()
        self.out, self.digest = out, hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.digest.update(data)
        self.out.write(data)
        return len(data)

    def flush(self) -> None:
        self.out.flush()


@dataclass(frozen=True, slots=True)
class Export:
    """A file to hand out, at its beginning and gone when closed."""

    file: IO[bytes]
    name: str
    content_type: str
    events: int
    unsealed: int
    damaged: tuple[str, ...]


def begin(filter: EventFilter, *, format: Format, limit: int | None = None) -> Job:  # noqa: A002
    """Check that there is something to export and record that it is exported, by whoever the context names.

    Raises NothingFound, NothingSealed, NoKeys, TooMany and audit.AuditUnavailable.
    """
    found = search.events(filter).order_by()
    if not found.exists():
        raise NothingFound
    if limit is not None and found[: limit + 1].count() > limit:
        raise TooMany(limit)
    plan = None
    if format is Format.BUNDLE:
        try:
            plan = bundle.plan(filter)
        except signing.KeyUnusable as error:
            raise NoKeys(error.line) from None
        if plan is None:
            raise NothingSealed
    recorded = record(
        code=Code.SENSITIVE_READ,
        action=Crude.READ,
        object_type="compliance.AuditEvent",
        patient=filter.patient,
        detail={"export": str(format), "filter": {**filter.given()}},
    )
    return Job(filter, format, recorded, plan)


def file_for(filter: EventFilter, *, format: Format, limit: int | None = None) -> Export:  # noqa: A002
    """The export as a temporary file. Raises what `begin` and `Job.write` raise; nothing stays behind then."""
    job = begin(filter, format=format, limit=limit)
    file = tempfile.TemporaryFile()  # noqa: SIM115  # whoever takes it closes it
    try:
        written = job.write(file)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    ending, content_type = FILES[format]
    name = f"audit-{clock.now():%Y%m%dT%H%M%SZ}.{ending}"
    return Export(file, name, content_type, written.events, written.unsealed, written.damaged)


def rows(filter: EventFilter, *, without: UUID | None = None) -> Iterator[Row]:  # noqa: A002
    """The events, oldest first, a chunk at a time from a cursor of the server."""
    columns = search.events(filter).order_by("timestamp", "id").values_list("id", "canonical", "digest")
    chunk: list[tuple[UUID, bytes, bytes]] = []
    for row in columns.iterator(chunk_size=CHUNK):
        if row[0] != without:
            chunk.append(row)
        if len(chunk) == CHUNK:
            yield from _placed(chunk)
            chunk = []
    yield from _placed(chunk)


def _placed(chunk: list[tuple[UUID, bytes, bytes]]) -> Iterator[Row]:
    sealed = SealedEvent.objects.filter(event__in=[row[0] for row in chunk]).order_by()
    places = {event: place for event, *place in sealed.values_list("event", "position", "seal_id")}
    for event, canonical, digest in chunk:
        position, seal = places.get(event, (None, None))
        yield Row(event, bytes(canonical), bytes(digest), position, seal)


def write(rows: Iterable[Row], *, format: Format, out: BinaryIO) -> int:  # noqa: A002
    """Write the rows as they come; returns how many. Raises Damaged for one whose bytes cannot be read."""
    if format is Format.CSV:
        return _write_csv(rows, out)
    line = {Format.JSONL: _json_line, Format.FHIR: _fhir_line}[format]
    return _write_lines(rows, line, out)


def _write_lines(rows: Iterable[Row], line: Callable[[Row], bytes], out: BinaryIO) -> int:
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007  # the last one is how many
        out.write(line(row) + b"\n")
    return count


def _json_line(row: Row) -> bytes:
    """The canonical bytes stand in the line unchanged: it can be hashed from there."""
    row.content()
    place = json.dumps({"position": row.position, "seal": row.seal, "digest": row.digest.hex()})
    return place[:-1].encode() + b', "event": ' + row.canonical + b"}"


def _fhir_line(row: Row) -> bytes:
    content = row.content()
    made = fhir.resource(content, digest=row.digest.hex(), position=row.position, seal=row.seal)
    return json.dumps(made, ensure_ascii=False, separators=(",", ":")).encode()


COLUMNS = {
    "time": "timestamp",
    "event": "id",
    "code": "code",
    "action": "action",
    "outcome": "outcome",
    "actor_kind": "actor_kind",
    "actor_name": "actor_name",
    "actor_roles": "actor_roles",
    "actor_id": "actor_id",
    "source": "remote_addr",
    "proxies": "proxies",
    "object_type": "object_type",
    "object_id": "object_id",
    "patient": "patient",
    "purpose": "purpose",
    "detail": "detail",
    "changes": "changes",
    "correlation_id": "correlation_id",
    "task_id": "task_id",
    "session": "session",
    "app_version": "app_version",
    "lane": "lane",
}
"""Heading and the column of the trail it shows; position, seal and digest follow."""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001  # the wide forms act alike
"""A cell that begins so is run by a spreadsheet program as a formula."""


def _write_csv(rows: Iterable[Row], out: BinaryIO) -> int:
    """RFC 4180: one header, CRLF, quotes where needed; UTF-8 without a byte order mark."""
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    try:
        table = csv.writer(text)
        table.writerow([*COLUMNS, "position", "seal", "digest"])
        count = 0
        for count, row in enumerate(rows, 1):  # noqa: B007  # the last one is how many
            content = row.content()
            cells = [_cell(content.get(column)) for column in COLUMNS.values()]
            table.writerow([*cells, row.position, row.seal, row.digest.hex()])
        return count
    finally:
        text.detach()


def _cell(value: Any) -> str:
    if value is None or value in ({}, []):
        return ""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        value = " ".join(value)
    elif not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False)
    return f"'{value}" if value.startswith(FORMULA) else value
