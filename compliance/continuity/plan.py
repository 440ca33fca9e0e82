"""What is done by itself to keep ClinChat recoverable, when, and where it is put."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from celery.schedules import crontab
from django.conf import settings
from django.db.models import Count, Max, Min, Sum

from clinchat.lib import clock
from compliance.models import Backup, ControlResult, Drill, IntegrityRun, Purge, WalShipping

BACKUP_EVERY: Final = timedelta(hours=6)
BACKUP_LATE: Final = timedelta(hours=7)
"""Begun every six hours, and an hour to be made."""
DRILL_LATE: Final = timedelta(days=8)
INTEGRITY_LATE: Final = timedelta(hours=36)
WRITE_ONCE: Final = "backup.immutable_copy"
"""The check that asks the buckets themselves."""


@dataclass(frozen=True, slots=True)
class Job:
    """`last` None: never. `next` None: all the time."""

    words: str
    recorded: bool
    """Whether its end is on record."""
    last: datetime | None
    next: datetime | None


@dataclass(frozen=True, slots=True)
class StoreShown:
    """`locked`: whether it keeps what it got whatever we do; None: nobody has looked."""

    name: str
    bucket: bool
    backups: int
    size: int
    oldest: datetime | None
    newest: datetime | None
    locked: bool | None


def _latest(model: Any, column: str, **conditions: Any) -> datetime | None:
    found: datetime | None = model.objects.filter(**conditions).aggregate(last=Max(column))["last"]
    return found


_FULL: Final = {"kind": Backup.Kind.FULL, "state": Backup.State.COMPLETE}
JOBS: Final[Mapping[str, tuple[str, Callable[[], datetime | None] | None]]] = {
    "compliance.tasks.make_scheduled_backup": (
        "Backup of everything",
        lambda: _latest(Backup, "finished_at", type=Backup.Type.SCHEDULED, **_FULL),
    ),
    "compliance.tasks.verify_backup_again": ("Reading one back again", lambda: _latest(Backup, "verified_at")),
    "compliance.tasks.prune_backups": ("Removing backups past their time", None),
    "compliance.tasks.tell_of_backups": ("Weekly notice to the operators", None),
    "compliance.tasks.run_drill": ("Restore drill", lambda: _latest(Drill, "started_at")),
    "compliance.tasks.check_integrity": ("Integrity of the data", lambda: _latest(IntegrityRun, "ran_at")),
    "compliance.tasks.purge_expired": ("Removing what is past its time", lambda: _latest(Purge, "ran_at")),
    "chat.tasks.prove_index": ("Proof of the vector index", None),
}
"""What the schedule holds, by task: its words, and when it last came to an end, where that is on record here."""
_recorded: dict[str, Callable[[], datetime | None]] = {}


def recorded(task: str, last: Callable[[], datetime | None]) -> None:
    """When a task of an app last came to an end. Called once by the app, when the process starts."""
    _recorded[task] = last


def jobs(now: datetime) -> list[Job]:
    """What is scheduled, the next first; the log, which is shipped all the time, last."""
    found = []
    for entry in settings.CELERY_BEAT_SCHEDULE.values():
        if (known := JOBS.get(entry["task"])) and isinstance(entry["schedule"], crontab):
            words, last = known[0], known[1] or _recorded.get(entry["task"])
            found.append(Job(words, last is not None, last() if last else None, _next(entry["schedule"], now)))
    found.sort(key=lambda job: job.next or now)
    if settings.BACKUP_PITR:
        found.append(Job("Shipping of the write-ahead log", True, _latest(WalShipping, "updated_at"), None))
    return found


def _next(schedule: crontab, now: datetime) -> datetime:
    wait = schedule.remaining_estimate(now)
    return clock.now() + wait


def stores() -> list[StoreShown]:
    """The one that is read first. Counted from our own record: no store is asked, and only what makes backups need have
    them configured."""
    newest = Backup.objects.complete(Backup.Kind.FULL).first()
    names = settings.BACKUP_STORES or (newest.stores if newest else [])
    kept, write_once = Backup.objects.filter(state=Backup.State.COMPLETE), _write_once()
    figures = {"backups": Count("pk"), "size": Sum("size", default=0), "oldest": Min("as_of"), "newest": Max("as_of")}
    return [
        StoreShown(
            name=name,
            bucket=name.startswith("s3://"),
            locked=write_once if name.startswith("s3://") else False,
            **kept.filter(stores__contains=[name]).aggregate(**figures),
        )
        for name in names
    ]


def _write_once() -> bool | None:
    """What the last check of all buckets found; None: nothing."""
    last = ControlResult.objects.filter(check_key=WRITE_ONCE).order_by("-started_at").first()
    if last is None or last.state == ControlResult.State.ERROR:
        return None
    return bool(last.state == ControlResult.State.PASS)
