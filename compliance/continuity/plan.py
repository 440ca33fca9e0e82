"""What the page shows of scheduled jobs and of stores, and when something counts as late."""

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
"""Age of the newest full backup: the interval of the schedule, and an hour to make one."""
DRILL_LATE: Final = timedelta(days=8)
INTEGRITY_LATE: Final = timedelta(hours=36)
WRITE_ONCE: Final = "backup.immutable_copy"
"""Key of the control that tests object lock in the buckets."""


@dataclass(frozen=True, slots=True)
class Job:
    """A scheduled job. `last` None: never run. `next` None: it runs continuously."""

    words: str
    recorded: bool
    """Whether it is known when it ran last."""
    last: datetime | None
    next: datetime | None


@dataclass(frozen=True, slots=True)
class StoreSummary:
    """A store, and the complete backups that it holds by our records.

    `locked`: whether object lock was found to work; None: not checked yet.
    """

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
"""The jobs that are shown, by task: their name, and when they finished last, where our models record that."""
_recorded: dict[str, Callable[[], datetime | None]] = {}


def recorded(task: str, last: Callable[[], datetime | None]) -> None:
    """Register how to find out when a task of an app finished last. For AppConfig.ready()."""
    _recorded[task] = last


def jobs(now: datetime) -> list[Job]:
    """The scheduled jobs, ordered by their next run; WAL shipping, which is continuous, last."""
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


def stores() -> list[StoreSummary]:
    """The stores, the primary first. Counted from our own rows: no store is asked, as web processes need not know them.

    Where none is configured here: those that hold the newest backup.
    """
    newest = Backup.objects.complete(Backup.Kind.FULL).first()
    names = settings.BACKUP_STORES or (newest.stores if newest else [])
    complete, write_once = Backup.objects.filter(state=Backup.State.COMPLETE), _write_once()
    figures = {"backups": Count("pk"), "size": Sum("size", default=0), "oldest": Min("as_of"), "newest": Max("as_of")}
    return [
        StoreSummary(
            name=name,
            bucket=name.startswith("s3://"),
            locked=write_once if name.startswith("s3://") else False,
            **complete.filter(stores__contains=[name]).aggregate(**figures),
        )
        for name in names
    ]


def _write_once() -> bool | None:
    """Whether the last run of the control passed; None: it did not run, or could not check."""
    last = ControlResult.objects.filter(check_key=WRITE_ONCE).order_by("-started_at").first()
    if last is None or last.state == ControlResult.State.ERROR:
        return None
    return bool(last.state == ControlResult.State.PASS)
