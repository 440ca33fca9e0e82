"""Reads the trail again and says what does not fit. Reads only; what it finds is returned, not repaired.

Checked: each event's columns against the bytes that were hashed, the bytes against the digest, the digest against
its leaf, the leaves against the root, the root against the signed statement, each statement against the one before,
the signatures against the public keys, the seals against the checkpoints outside the database, the order of times,
what stands behind the sealed point, and the triggers and grants that keep the trail append-only.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from itertools import groupby, islice
from typing import Any, NamedTuple

import psycopg
from django.db import DataError, ProgrammingError, connection, transaction
from django.db.models import Q

from clinchat.lib import clock
from compliance.audit import checkpoints, gaps, guards, merkle, signing
from compliance.audit.seal import FORM, LATE, TYPE
from compliance.audit.writer import record
from compliance.models import AuditPurge, AuditVerification, Code, Crude, Outcome, Seal, SealedEvent

logger = logging.getLogger("clinchat.audit")
Scope = AuditVerification.Scope

LONGEST_TRANSACTION = timedelta(minutes=15)
"""An event is sealed after its transaction ends, so this much later than a neighbour at most."""
CLOCK_STEP = timedelta(seconds=2)
KEPT = 1000
"""Problems that are listed; the rest is only counted."""
_CHUNK = 20_000

_LEAVES = """
SELECT leaf.position, leaf.seal_id, leaf.event::text, leaf.digest, entry.canonical, entry.digest, entry."timestamp",
       pg_catalog.convert_to((pg_catalog.to_jsonb(entry) - '{canonical,digest}'::text[])::text, 'UTF8')
           = entry.canonical
FROM compliance_sealedevent AS leaf
LEFT JOIN compliance_auditevent AS entry ON entry.id = leaf.event AND entry."timestamp" = leaf."timestamp"
    AND entry."timestamp" >= %(month)s AND entry."timestamp" < %(next)s
WHERE leaf.position BETWEEN %(first)s AND %(last)s
ORDER BY leaf.position
"""
_COLUMNS = """
SELECT (pg_catalog.to_jsonb(entry) - '{canonical,digest}'::text[] - ARRAY(
    SELECT key FROM pg_catalog.jsonb_each(pg_catalog.to_jsonb(entry)) WHERE value = 'null' AND key <> ALL (%s)))::text
FROM compliance_auditevent AS entry
WHERE id = %s AND "timestamp" = %s
"""
_UNSEALED = """
SELECT entry.id::text, entry.canonical, entry.digest, entry."timestamp", entry.xid < %(horizon)s::xid8,
       pg_catalog.convert_to((pg_catalog.to_jsonb(entry) - '{canonical,digest}'::text[])::text, 'UTF8')
           = entry.canonical
FROM compliance_auditevent AS entry
WHERE entry.xid >= %(above)s::xid8 AND NOT EXISTS (
    SELECT FROM compliance_sealedevent AS leaf WHERE leaf.event = entry.id AND leaf."timestamp" = entry."timestamp")
"""


@dataclass(frozen=True)
class Problem:
    """`kind` names what does not fit, `event` the event or seal, `detail` says it in words."""

    kind: str
    event: str
    detail: str


@dataclass
class Report:
    """What was read, and what does not fit. `sealed` counts the events with a place in a seal that was read."""

    scope: Scope
    events: int = 0
    sealed: int = 0
    seals: int = 0
    to_seal: int = 0
    seconds: float = 0.0
    count: int = 0
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    gaps: list[gaps.Gap] = field(default_factory=list)
    """Seals that were lost before a backup was restored, as sealed events say."""

    @property
    def ok(self) -> bool:
        return self.count == 0

    def add(self, kind: str, event: object, detail: str) -> None:
        self.count += 1
        if len(self.problems) < KEPT:
            self.problems.append(Problem(kind, str(event), detail))

    def lost(self, number: int) -> bool:
        return any(gap.first <= number <= gap.last for gap in self.gaps)

    def as_dict(self) -> dict[str, Any]:
        said = asdict(self)
        del said["gaps"]  # they are among the warnings
        return {"ok": self.ok, **said}


class _Head(NamedTuple):
    """What the next seal must follow.

    `drained_at` is when everything that was ready had been sealed for the last time: what comes later is younger.
    """

    number: int
    position: int
    statement: bytes
    sealed_at: datetime | None
    log: str
    horizon: str
    drained_at: datetime | None


_START = _Head(0, 0, b"", None, "", "0", None)


class _Batch(NamedTuple):
    """A seal, and the earliest time an event in it may have."""

    seal: Seal
    earliest: datetime | None


def verify(
    *, scope: Scope = Scope.FULL, since: date | None = None, progress: Callable[[int], None] = lambda _: None
) -> Report:
    """Read the whole trail, the part sealed since a day, or what came after the last verification that found nothing.

    `progress` is told how many events were read. Raises signing.KeyUnusable when there is no public key to verify with.
    """
    started = time.perf_counter()
    report = Report(scope)
    signing.public_keys()
    try:
        with _snapshot():
            _read(report, _from(scope, since), progress)
    except (DataError, ProgrammingError, TypeError):
        # A table or a column is gone, or holds what it never could.
        report.add("unreadable", "", "A part of the trail cannot be read; what follows it was not read either.")
    report.seconds = round(time.perf_counter() - started, 2)
    return report


def _read(report: Report, start: _Head, progress: Callable[[int], None]) -> None:
    for kind, place, detail in guards.weaknesses():
        report.add(kind, place, detail)
    report.gaps = gaps.declared()
    report.warnings = [*guards.warnings(), *(gap.words() for gap in report.gaps)]
    head = _read_seals(report, start, progress)
    _read_outside(report, head)
    _read_unsealed(report)
    _compare_checkpoints(report, head, after=start.number)
    report.to_seal = head.number


def run(scope: Scope, *, since: date | None = None, progress: Callable[[int], None] = lambda _: None) -> Report:
    """Verify, keep the outcome for the pages and the next incremental verification, and say aloud what was found."""
    report = verify(scope=scope, since=since, progress=progress)
    if not report.ok:
        kinds = sorted({problem.kind for problem in report.problems})
        logger.error("%d problems in the audit trail: %s", report.count, kinds, extra={"code": "AUDIT_ALTERED"})
        record(
            code=Code.SYS_INTEGRITY_FAIL,
            action=Crude.READ,
            outcome=Outcome.FAILURE,
            object_type="compliance.AuditEvent",
            detail={"problems": report.count, "kinds": list(kinds)},
        )
    AuditVerification.objects.create(
        scope=report.scope,
        ok=report.ok,
        events=report.events,
        to_seal=report.to_seal,
        problems=[asdict(problem) for problem in report.problems[:100]],
        seconds=report.seconds,
    )
    return report


@contextmanager
def _snapshot() -> Iterator[None]:
    """One state of the database for all that is read, and names that mean what PostgreSQL means by them."""
    outermost = not connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if outermost:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SET LOCAL search_path = pg_catalog, public; SET LOCAL timezone = 'UTC'")
        yield
        if not outermost:  # after an error the rolled back savepoint does it
            cursor.execute("SET LOCAL search_path TO DEFAULT")


def _from(scope: Scope, since: date | None) -> _Head:
    """The seal before the first one to be read; the start of the trail when there is none."""
    seals = Seal.objects.order_by("-number")
    if scope == Scope.SINCE:
        last = seals.filter(sealed_at__lt=since).first()
    elif scope == Scope.INCREMENTAL:
        sound = AuditVerification.objects.filter(ok=True).first()
        last = seals.filter(number=sound.to_seal).first() if sound else None
    else:
        last = None
    if last is None:
        return _START
    statement = bytes(last.statement)
    position, log = last.first + last.size - 1, _said(statement).get("log", "")
    drained = _drained_before(last)
    return _Head(last.number, position, statement, last.sealed_at, log, last.horizon, drained)


def _drained_before(seal: Seal) -> datetime | None:
    """When everything ready had been sealed, as of this seal. Those of a backlog keep the horizon they found."""
    if seal.horizon == "0":
        return None
    other = Seal.objects.filter(number__lt=seal.number).exclude(horizon=seal.horizon).order_by("-number").first()
    return Seal.objects.filter(number=other.number + 1 if other else 1).values_list("sealed_at", flat=True).first()


def _read_seals(report: Report, head: _Head, progress: Callable[[int], None]) -> _Head:
    purged = AuditPurge.objects.filter(status=AuditPurge.Status.DONE).order_by("-before").first()
    later = Seal.objects.filter(number__gt=head.number) if head.number else Seal.objects.all()
    seals = later.order_by("number").iterator(chunk_size=500)
    for month, group in groupby(seals, key=lambda seal: seal.month):
        excused = purged is not None and month < purged.before and _next(month) <= _ten_years_ago()
        waiting: list[_Batch] = []
        for seal in group:
            waiting.append(_Batch(seal, head.drained_at - LONGEST_TRANSACTION if head.drained_at else None))
            head = _read_seal(report, seal, head)
            if seal.number in {gap.last for gap in report.gaps} and gaps.without_events(seal):
                waiting.pop()
            if sum(one.seal.size for one in waiting) >= _CHUNK:
                _read_leaves(report, waiting, excused=excused)
                waiting = []
                progress(report.events)
        if waiting:
            _read_leaves(report, waiting, excused=excused)
            progress(report.events)
    return head


def _read_seal(report: Report, seal: Seal, head: _Head) -> _Head:
    """Check the seal itself; its leaves come later, many seals at once."""
    name = f"seal {seal.number}"
    statement = bytes(seal.statement)
    said = _said(statement)
    columns = {
        "type": TYPE,
        "form": FORM,
        "number": seal.number,
        "first": seal.first,
        "size": seal.size,
        "root": bytes(seal.root).hex(),
        "previous": bytes(seal.previous).hex(),
        "month": f"{seal.month:%Y-%m}",
        "horizon": seal.horizon,
        "system": seal.system,
        "sealed_at": seal.sealed_at.isoformat(timespec="microseconds"),
    }
    if {key: said.get(key) for key in columns} != columns:
        report.add("seal", name, "The columns of the seal differ from its signed statement.")
    if not signing.valid(key=seal.key_id, message=statement, signature=bytes(seal.signature)):
        report.add("signature", name, "The seal is not signed by a key that is believed.")
    brought_back = any(gap.last == seal.number and gap.first == head.number + 1 for gap in report.gaps)
    if seal.number != head.number + 1 and not brought_back:
        report.add("gap", name, f"The seal before it is number {head.number}.")
    skipped = brought_back and seal.number != head.number + 1
    if seal.first != head.position + 1 and not (skipped and seal.first > head.position):
        report.add("gap", name, f"It begins at position {seal.first}; {head.position + 1} was expected.")
    linked = hashlib.sha256(head.statement).hexdigest() if head.statement else "0" * 64
    if (said.get("previous") != linked and not skipped) or (head.log and said.get("log") != head.log):
        report.add("link", name, "It does not follow from the seal before it.")
    if (
        head.sealed_at is not None and seal.sealed_at < head.sealed_at - CLOCK_STEP
    ) or seal.sealed_at > clock.now() + CLOCK_STEP:
        report.add("time", name, "It was made at a time before its predecessor or after now: a clock was set.")
    report.seals += 1
    # Of a backlog of several seals only the last moves the horizon, which is zero where there was none before.
    drained = seal.sealed_at if seal.horizon not in {head.horizon, "0"} else head.drained_at
    if brought_back:
        drained = None  # what the backup held unsealed is sealed after it, though it is older
    position, log = seal.first + seal.size - 1, said.get("log", "")
    return _Head(seal.number, position, statement, seal.sealed_at, log, seal.horizon, drained)


def _read_leaves(report: Report, batches: list[_Batch], *, excused: bool) -> None:
    seals = [batch.seal for batch in batches]
    month = seals[0].month
    bounds = {
        "month": month,
        "next": _next(month),
        "first": seals[0].first,
        "last": seals[-1].first + seals[-1].size - 1,
    }
    # As bytes, which take a third of the time of text.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        rows = {row[0]: row for row in cursor.execute(_LEAVES, bounds, binary=True)}
    for batch in batches:
        seal, digests = batch.seal, []
        for position in range(seal.first, seal.first + seal.size):
            row = rows.get(position)
            if row is None:
                report.add("gap", f"position {position}", "The trail has no leaf at this position.")
                continue
            digests.append(row[3])
            _read_event(report, row, batch, excused=excused)
        if merkle.root(digests) != bytes(seal.root):
            report.add("root", f"seal {seal.number}", "The leaves do not add up to the root that was signed.")
    report.sealed += sum(seal.size for seal in seals)


def _read_event(report: Report, row: tuple[Any, ...], batch: _Batch, *, excused: bool) -> None:
    _, number, event, leaf, canonical, digest, timestamp, same = row
    if number != batch.seal.number:
        report.add("leaf", event, "The leaf of the event names another seal.")
    if canonical is None:
        if not excused:
            report.add("missing", event, "A sealed event is gone, or its time was changed.")
        return
    report.events += 1
    if digest != leaf:
        report.add("leaf", event, "The digest of the event is not the one that was sealed.")
    if hashlib.sha256(b"\0" + canonical).digest() != digest:
        report.add("digest", event, "The digest does not belong to the bytes that were hashed.")
    if not same and not _agree(event, timestamp, canonical):
        report.add("column", event, "The columns of the event differ from the bytes that were hashed.")
    if timestamp > batch.seal.sealed_at + CLOCK_STEP or (batch.earliest is not None and timestamp < batch.earliest):
        report.add("time", event, "The time of the event does not fit the time of its seal.")


def _agree(event: str, timestamp: datetime, canonical: bytes) -> bool:
    """Whether the columns say what the bytes say. A column the trail did not have when it was written is empty."""
    try:
        written = json.loads(canonical)
    except ValueError:
        return False
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS, [list(written), event, timestamp])
        columns: str = cursor.fetchone()[0]
    # As text: to Python 1, 1.0 and true are the same.
    return columns.encode() == canonical


def _read_outside(report: Report, head: _Head) -> None:
    """An event that has a leaf counts as sealed, so a leaf that no seal covers would hide one."""
    outside = SealedEvent.objects.filter(Q(position__lt=1) | Q(position__gt=head.position))
    for position in outside.values_list("position", flat=True)[:KEPT]:
        report.add("gap", f"position {position}", "No seal covers the leaf at this position.")


def _read_unsealed(report: Report) -> None:
    last = Seal.objects.order_by("-number").first()
    with connection.cursor() as cursor:
        cursor.execute("SELECT system_identifier::text FROM pg_control_system()")
        # A restored database counts its transactions anew; its next seal says from where.
        counted = last is not None and cursor.fetchone()[0] == last.system and not gaps.without_events(last)
        horizon = last.horizon if last is not None and counted else "0"
        above = horizon if report.scope == Scope.INCREMENTAL else "0"
        cursor.execute(_UNSEALED, {"horizon": horizon, "above": above})
        rows = cursor.fetchall()
    oldest = clock.now() - LATE
    for event, canonical, digest, timestamp, behind, same in rows:
        report.events += 1
        if behind:
            report.add("behind", event, "The event appeared behind the sealed point.")
        elif timestamp < oldest:
            report.add("unsealed", event, "The event was not sealed within a minute.")
        if canonical is None or hashlib.sha256(b"\0" + canonical).digest() != digest:
            report.add("digest", event, "The digest does not belong to the bytes that were hashed.")
        elif not same and not _agree(event, timestamp, canonical):
            report.add("column", event, "The columns of the event differ from the bytes that were hashed.")


def _compare_checkpoints(report: Report, head: _Head, *, after: int) -> None:
    for path in checkpoints.files():
        newest = after
        try:
            lines = checkpoints.read(path, after=after)
            while batch := list(islice(lines, 1000)):
                newest = max(newest, _compare(report, path.name, batch, head))
        except OSError:
            if head.number:
                report.add("checkpoint", path.name, "The file with the checkpoints cannot be read.")
            continue
        if newest < head.number and head.sealed_at and clock.now() - head.sealed_at > LATE:
            report.add("checkpoint", path.name, f"The newest seals, from {newest + 1} on, have no checkpoint.")


def _compare(report: Report, file: str, batch: list[checkpoints.Checkpoint | None], head: _Head) -> int:
    """Compare some lines of a file with the seals they speak of. Returns the highest number among them."""
    numbers = [found.number for found in batch if found is not None]
    stored = {seal.number: checkpoints.line(seal) for seal in Seal.objects.filter(number__in=numbers)}
    for found in batch:
        if found is None:
            report.add("checkpoint", file, "A line of the file is no checkpoint.")
        elif stored.get(found.number) == found.line:
            continue
        elif not signing.valid(key=found.key, message=found.statement, signature=found.signature):
            report.add("checkpoint", f"seal {found.number}", "A checkpoint is not signed by a key that is believed.")
        elif report.lost(found.number):
            continue
        elif found.number > head.number:
            report.add("rollback", f"seal {found.number}", "A checkpoint knows this seal, and the database does not.")
        else:
            report.add("checkpoint", f"seal {found.number}", "The seal is another one than the checkpoint knows.")
    return max(numbers, default=0)


def _said(statement: bytes) -> dict[str, Any]:
    try:
        said = json.loads(statement)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _next(month: date) -> date:
    return (month.replace(day=1) + timedelta(days=32)).replace(day=1)


def _ten_years_ago() -> date:
    today = clock.now().date()
    return today.replace(year=today.year - 10, day=1)
