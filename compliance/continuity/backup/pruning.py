"""Retention of backups: until when one is kept, decided when it is made, and removal of the expired ones."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q

from clinchat.lib import clock
from compliance.continuity.backup import store_identity
from compliance.continuity.backup.manifests import FOLDER, Manifest, object_name
from compliance.continuity.backup.reading import scan_manifests
from compliance.continuity.point_in_time import wal
from compliance.continuity.refusals import MANIFEST, ContinuityError, Retained
from compliance.continuity.storage.stores import Entry, Store, stores
from compliance.models import Backup

logger = logging.getLogger("clinchat.continuity")

SCHEDULED_DAYS: Final = 7
"""Retention of a scheduled backup; the first one of each week, month and year is kept longer."""
WEEKLY_DAYS: Final = 5 * 7
MONTHLY_DAYS: Final = 366
YEARLY_DAYS: Final = 7 * 365 + 2
BASE_DAYS: Final = wal.RETENTION.days
"""Retention of base backups. As short as that of the WAL: both still hold data keys that were destroyed since."""
MANUAL_DAYS: Final = 90
ABANDONED_AFTER: Final = timedelta(hours=24)
"""Objects of this age without a manifest belong to no backup that is still being made."""


@dataclass
class Pruned:
    """The result of `prune`: keys of backups, each as it was in at least one store. (Its fields are JSON keys.)"""

    removed: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    log: int = 0
    """Number of WAL segments removed."""
    failed: list[str] = field(default_factory=list)
    """What could not be looked at or removed, in words."""


def keep_until(*, type: str, kind: str, at: datetime) -> datetime:  # noqa: A002  # the name of the column
    """The end of the retention of a backup made at that moment, by its type and kind; see the constants above."""
    if kind == Backup.Kind.BASE:
        return at + timedelta(days=BASE_DAYS)
    if type == Backup.Type.FORENSIC:
        return at + timedelta(days=YEARLY_DAYS)
    if type != Backup.Type.SCHEDULED:
        return at + timedelta(days=MANUAL_DAYS)
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    for start, days in (
        (day.replace(month=1, day=1), YEARLY_DAYS),
        (day.replace(day=1), MONTHLY_DAYS),
        (day - timedelta(days=day.weekday()), WEEKLY_DAYS),
    ):
        if _is_first_since(start, at):
            return at + timedelta(days=days)
    return at + timedelta(days=SCHEDULED_DAYS)


def _is_first_since(start: datetime, at: datetime) -> bool:
    others = Backup.objects.filter(kind=Backup.Kind.FULL, type=Backup.Type.SCHEDULED, as_of__gte=start, as_of__lt=at)
    return not others.filter(state__in=[Backup.State.COMPLETE, Backup.State.PRUNED]).exists()


def prune(*, dry_run: bool = False) -> Pruned:
    """Remove from every store expired backups, remains of backups never completed, and WAL that no base backup needs.

    The newest full backup that was verified is never removed; while none was verified, the newest one. A store that
    fails is reported and skipped. A backup whose manifest is refused stays: somebody must look at it.
    """
    result, protected, started_at = Pruned(), store_identity.protected_key(), clock.now()
    present: dict[str, set[str]] = defaultdict(set)  # by key, the names of the stores that hold it
    scanned = set()
    for store in stores():
        try:
            _prune_store(store, result, protected, present, dry_run=dry_run)
            scanned.add(store.name)
        except ContinuityError as error:
            logger.error("%s", error.words, extra={"code": "BACKUP_PRUNE"})
            result.failed.append(error.words)
    if not dry_run:
        _update_rows(present, scanned, started_at)
    for names in (result.removed, result.unfinished, result.kept):
        names[:] = sorted(set(names))
    return result


def _prune_store(store: Store, result: Pruned, protected: str, present: dict[str, set[str]], *, dry_run: bool) -> None:
    now = clock.now()
    finished = dict(scan_manifests(store))
    for key, manifest in finished.items():
        if isinstance(manifest, Manifest) and manifest.keep_until <= now and key != protected:
            if _remove(store, key, result, dry_run=dry_run):
                result.removed.append(key)
                continue
        elif not isinstance(manifest, Manifest):
            result.failed.append(f"{key} in {store.name}: {manifest.words}")
        result.kept.append(key)
        present[key].add(store.name)
    for key, objects in _unfinished(store, set(finished)).items():
        abandoned = max(entry.modified for entry in objects) < now - ABANDONED_AFTER
        if abandoned and _remove(store, key, result, dry_run=dry_run):
            result.unfinished.append(key)
    if not dry_run:
        store.remove_unfinished(now - ABANDONED_AFTER)
    result.log += wal.prune(store, dry_run=dry_run)


def _unfinished(store: Store, finished: set[str]) -> dict[str, list[Entry]]:
    """The objects of backups without manifest, by the key of the backup."""
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in store.list(f"{FOLDER}/"):
        key = entry.name.removeprefix(f"{FOLDER}/").partition("/")[0]
        if key not in finished:
            found[key].append(entry)
    return found


def _remove(store: Store, key: str, result: Pruned, *, dry_run: bool) -> bool:
    """Delete the objects of a backup, the manifest first, so that what is left is never taken for a backup."""
    if dry_run:
        return True
    names = [entry.name for entry in store.list(object_name(key))]
    try:
        for name in sorted(names, key=lambda name: (not name.endswith(MANIFEST), name)):
            store.delete(name)
    except Retained as error:
        result.failed.append(error.words)
        return False
    return True


def _update_rows(present: dict[str, set[str]], scanned: set[str], started_at: datetime) -> None:
    """Record in the rows which stores hold each backup. `present` was found in the stores of `scanned`.

    One that no store holds any more and that has expired is PRUNED. Rows of backups completed after the scan was
    started are left alone: it may have missed them.
    """
    for backup in Backup.objects.filter(~Q(key=""), state=Backup.State.COMPLETE, finished_at__lt=started_at):
        found_in = present[backup.key]
        holding = [name for name in backup.stores if name in found_in or name not in scanned]
        holding += sorted(found_in - set(holding))  # a store that was away at an earlier scan
        if holding == backup.stores:
            continue
        backup.stores = holding
        if not holding and backup.keep_until is not None and backup.keep_until <= clock.now():
            backup.state = Backup.State.PRUNED
        backup.save(update_fields=["stores", "state"])
