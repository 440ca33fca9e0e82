"""What the trail says of itself after its database was lost and a backup restored.

A backup ends with some seal; the checkpoints outside know later ones, whose events are gone. The trail does not go
back to the older seal and on from there as if nothing had been: it goes on behind the newest seal that was ever
anchored. That seal comes back into the table, out of its checkpoint and without its events, and an event of the
restore names the seals that are lost. Verification excuses what such an event names, if it is sealed, and says so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import OuterRef, Subquery

from clinchat.lib import clock
from compliance.audit import checkpoints, signing
from compliance.audit.writer import JSON, record
from compliance.models import AuditEvent, Code, Crude, Seal, SealedEvent

OBJECT_TYPE = "compliance.Restore"
BEHIND = 3
"""Seals in which the event of a restore may be after those it names: what the backup held unsealed comes first."""


class Unfit(Exception):
    """The newest checkpoint is not of this trail, or not signed by a key that is believed."""


@dataclass(frozen=True)
class Gap:
    """Seals `first` to `last` are lost: `last` stands in the table without its events, the others do not."""

    first: int
    last: int
    at: datetime

    def words(self) -> str:
        which = f"Seal {self.first} was" if self.first == self.last else f"Seals {self.first} to {self.last} were"
        return f"{which} lost before a backup was restored on {self.at:%Y-%m-%d %H:%M} UTC."


def set_back() -> bool:
    """Whether the checkpoints know seals that the database does not, and no restore is on record that would say why.

    Sealing on would give the number of a lost seal to another one.
    """
    anchored = checkpoints.newest()
    newest = Seal.objects.order_by("-number").first()
    return anchored is not None and newest is not None and anchored.number > newest.number and _same(anchored, newest)


def note_restore(*, restore_id: str, backup_key: str, as_of: datetime) -> Gap | None:
    """Put a restore on record, with the seals that were lost by it. Before anything is sealed anew. Raises Unfit."""
    now = clock.now()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE compliance_seal IN SHARE ROW EXCLUSIVE MODE")
        newest = Seal.objects.order_by("-number").first()
        anchored = checkpoints.newest()
        gap = None
        if newest is not None and anchored is not None and anchored.number > newest.number:
            if not _same(anchored, newest) or not signing.valid(
                key=anchored.key, message=anchored.statement, signature=anchored.signature
            ):
                raise Unfit
            gap = Gap(newest.number + 1, anchored.number, now)
            _bring_back(anchored)
        lost: JSON = {"first": gap.first, "last": gap.last} if gap else None
        detail: dict[str, JSON] = {
            "backup": backup_key,
            "as_of": as_of.isoformat(),
            "until": now.isoformat(),
            "lost_seals": lost,
        }
        record(
            code=Code.SYS_RESTORE,
            action=Crude.EXECUTE,
            object_type=OBJECT_TYPE,
            object_id=restore_id,
            detail=detail,
        )
    return gap


def declared() -> list[Gap]:
    """The gaps that events of this trail name which were sealed right behind them. A later one would excuse anything
    that was ever removed."""
    sealed = SealedEvent.objects.filter(event=OuterRef("pk"), timestamp=OuterRef("timestamp"))
    events = AuditEvent.objects.annotate(seal=Subquery(sealed.values("seal_id")[:1])).filter(
        code=Code.SYS_RESTORE, seal__isnull=False, detail__has_key="lost_seals"
    )
    found = [(event.detail["lost_seals"], event.seal, event.timestamp) for event in events.order_by("timestamp")]
    return [
        Gap(lost["first"], lost["last"], at)
        for lost, seal, at in found
        if _numbers(lost) and lost["last"] < seal <= lost["last"] + BEHIND
    ]


def without_events(seal: Seal) -> bool:
    """Whether the seal came back out of its checkpoint: not even its first place is there."""
    return not SealedEvent.objects.filter(position=seal.first).exists()


def _numbers(lost: Any) -> bool:
    return isinstance(lost, dict) and all(type(lost.get(name)) is int for name in ("first", "last"))


def _same(anchored: checkpoints.Checkpoint, seal: Seal) -> bool:
    """Whether both speak of one trail."""
    return bool(json.loads(anchored.statement)["log"] == json.loads(bytes(seal.statement))["log"])


def _bring_back(anchored: checkpoints.Checkpoint) -> None:
    said = json.loads(anchored.statement)
    Seal.objects.create(
        number=said["number"],
        first=said["first"],
        size=said["size"],
        root=bytes.fromhex(said["root"]),
        previous=bytes.fromhex(said["previous"]),
        month=f"{said['month']}-01",
        sealed_at=datetime.fromisoformat(said["sealed_at"]),
        statement=anchored.statement,
        signature=anchored.signature,
        key_id=anchored.key,
        horizon=said["horizon"],
        system=said["system"],
    )
