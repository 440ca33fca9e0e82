"""Seals committed events into signed, linked Merkle batches. compliance/audit/standalone/FORMAT.md has the bytes.

An event is sealed when its transaction lies below the oldest one still running: nothing can be committed behind
the sealed point any more. One sealer works at a time.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connection, transaction

from clinchat.lib import clock
from compliance.audit import checkpoints, gaps, merkle, signing
from compliance.models import ActorKind, AuditEvent, AuditVerification, Seal

logger = logging.getLogger("clinchat.audit")

LARGEST = 5000
"""Events of one seal."""
LATE = timedelta(seconds=60)
"""An event unsealed, or a seal without a checkpoint, for longer than this is a condition somebody must look at."""
SET_BACK = "The checkpoints know seals that the database does not: it was set back. Nothing is sealed."
TYPE = "clinchat.audit.seal"
FORM = 1
_LOCK = 0x5EA1

_READY = """
SELECT id, "timestamp", digest, actor_kind, date_trunc('month', "timestamp", 'UTC')::date AS month
FROM compliance_auditevent AS event
WHERE xid >= %(above)s::xid8
  AND (xid < %(below)s::xid8 OR (%(moved)s AND xid >= pg_snapshot_xmax(pg_current_snapshot())))
  AND NOT EXISTS (SELECT FROM compliance_sealedevent AS sealed
                  WHERE sealed.event = event.id AND sealed."timestamp" = event."timestamp")
ORDER BY month, "timestamp", id
LIMIT %(most)s
"""
_LEAVES = """
INSERT INTO compliance_sealedevent (position, seal_id, event, "timestamp", digest)
SELECT %s + row, %s, event, at, digest
FROM unnest(%s::uuid[], %s::timestamptz[], %s::bytea[]) WITH ORDINALITY AS leaf (event, at, digest, row)
"""


class _Ready(NamedTuple):
    id: UUID
    timestamp: datetime
    digest: bytes
    actor_kind: str
    month: date


def seal_all(*, streams: bool = True) -> int:
    """Seal every event that is ready and anchor the newest seal. Returns how many. Raises signing.KeyUnusable.

    Without `streams` the checkpoint goes to the files alone: the lines of a command belong to whoever called it.
    """
    key = signing.private_key()
    if gaps.set_back():
        logger.error("%s", SET_BACK, extra={"code": "AUDIT_SET_BACK"})
        return 0
    total, more = 0, True
    while more:  # not until nothing is left: while others write, something always is
        sealed, more = _seal_batch(key)
        total += sealed
    newest = Seal.objects.order_by("-number").first()
    if newest is not None:
        checkpoints.anchor(newest, streams=streams)
    return total


@transaction.atomic
def _seal_batch(key: Ed25519PrivateKey) -> tuple[int, bool]:
    """How many events were sealed, and whether more are ready."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        if not cursor.fetchone()[0]:
            return 0, False
        last = Seal.objects.order_by("-number").first()
        cursor.execute(
            "SELECT pg_snapshot_xmin(pg_current_snapshot())::text, system_identifier::text, clock_timestamp() "
            "FROM pg_control_system()"
        )
        below, system, now = cursor.fetchone()
        # A restored database counts its transactions anew; what it brought along is told by having no place yet.
        moved = last is not None and (last.system != system or gaps.without_events(last))
        above = last.horizon if last is not None and not moved else "0"
        cursor.execute(_READY, {"above": above, "below": below, "moved": moved, "most": LARGEST + 1})
        ready = [_Ready(*row) for row in cursor.fetchall()]
        batch = [event for event in ready[:LARGEST] if event.month == ready[0].month]
        if not batch:
            return 0, False
        more = len(batch) < len(ready)
        if more and moved and last is not None:
            system = last.system  # what else was brought along is still to be told by having no place
        _write(cursor, batch, last, key, above if more else below, system, now)
    _tell_strangers(batch)
    return len(batch), more


def _write(
    cursor: Any,
    batch: list[_Ready],
    last: Seal | None,
    key: Ed25519PrivateKey,
    horizon: str,
    system: str,
    now: datetime,
) -> None:
    first = last.first + last.size if last else 1
    root = merkle.root([bytes(event.digest) for event in batch])
    previous = hashlib.sha256(bytes(last.statement)).digest() if last else bytes(32)
    statement = json.dumps(
        {
            "type": TYPE,
            "form": FORM,
            "log": json.loads(bytes(last.statement))["log"] if last else str(uuid4()),
            "number": last.number + 1 if last else 1,
            "first": first,
            "size": len(batch),
            "root": root.hex(),
            "previous": previous.hex(),
            "month": f"{batch[0].month:%Y-%m}",
            "horizon": horizon,
            "system": system,
            "sealed_at": now.isoformat(timespec="microseconds"),
        },
        sort_keys=True,
        separators=(",", ":"),
    ).encode("ascii")
    seal = Seal.objects.create(
        number=last.number + 1 if last else 1,
        first=first,
        size=len(batch),
        root=root,
        previous=previous,
        month=batch[0].month,
        sealed_at=now,
        statement=statement,
        signature=key.sign(statement),
        key_id=signing.key_id(key.public_key().public_bytes_raw()),
        horizon=horizon,
        system=system,
    )
    cursor.execute(
        _LEAVES,
        [
            first - 1,
            seal.number,
            [event.id for event in batch],
            [event.timestamp for event in batch],
            [event.digest for event in batch],
        ],
    )


def _tell_strangers(batch: list[_Ready]) -> None:
    strangers = [event.id for event in batch if event.actor_kind == ActorKind.UNKNOWN_DB]
    if strangers:
        logger.warning(
            "changes made outside ClinChat: %d, the first is event %s",
            len(strangers),
            strangers[0],
            extra={"code": "UNKNOWN_WRITER"},
        )


@dataclass(frozen=True)
class SealState:
    """How things stand. `unsealed_age` in seconds, 0 without unsealed events; `conditions` say what needs somebody."""

    events: int
    sealed: int
    seals: int
    last: Seal | None
    unsealed_age: float
    verified: AuditVerification | None
    anchored_at: datetime | None
    conditions: list[str]


def state() -> SealState:
    """What the pages and the health check show. Reads only."""
    last = Seal.objects.order_by("-number").first()
    unsealed, oldest = _unsealed(last)
    now = clock.now()
    sealed = last.first + last.size - 1 if last else 0
    verified = AuditVerification.objects.first()
    anchored = checkpoints.newest()
    age = max(0.0, (now - oldest).total_seconds()) if oldest else 0.0
    strangers = AuditEvent.objects.filter(
        actor_kind=ActorKind.UNKNOWN_DB, timestamp__gte=now - timedelta(days=1)
    ).count()
    behind = last is not None and (anchored is None or anchored.number < last.number) and now - last.sealed_at > LATE
    conditions = [
        sentence
        for holds, sentence in (
            (verified is not None and not verified.ok, "The last verification found something that does not fit."),
            (age > LATE.total_seconds(), "Events wait longer than a minute to be sealed: the sealer does not run."),
            (behind, "The newest seals have no checkpoint outside the database."),
            (gaps.set_back(), SET_BACK),
            (strangers > 0, f"Changes made outside ClinChat in the last 24 hours: {strangers}."),
        )
        if holds
    ]
    return SealState(
        events=sealed + unsealed,
        sealed=sealed,
        seals=last.number if last else 0,
        last=last,
        unsealed_age=age,
        verified=verified,
        anchored_at=anchored.sealed_at if anchored else None,
        conditions=conditions,
    )


def _unsealed(last: Seal | None) -> tuple[int, datetime | None]:
    with connection.cursor() as cursor:
        cursor.execute(
            'SELECT count(*), min("timestamp") FROM compliance_auditevent AS event WHERE xid >= %s::xid8 '
            "AND NOT EXISTS (SELECT FROM compliance_sealedevent AS sealed "
            'WHERE sealed.event = event.id AND sealed."timestamp" = event."timestamp")',
            [last.horizon if last else "0"],
        )
        count, oldest = cursor.fetchone()
    return count, oldest
