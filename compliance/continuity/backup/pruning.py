"""How long each backup is kept, which is decided when it is made, and the removal of those whose time is over."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q

from clinchat.lib import clock
from compliance.continuity.backup.manifests import FOLDER, Manifest, place
from compliance.continuity.backup.reading import entries
from compliance.continuity.point_in_time import wal
from compliance.continuity.refusals import MANIFEST, ContinuityError, Kept
from compliance.continuity.storage.stores import Entry, Store, stores
from compliance.models import Backup

logger = logging.getLogger("clinchat.continuity")

DAYS: Final = 7
"""Of a scheduled backup; the first one of a week, a month or a year is kept for longer."""
WEEKLY_DAYS: Final = 5 * 7
MONTHLY_DAYS: Final = 366
YEARLY_DAYS: Final = 7 * 365 + 2
BASE_DAYS: Final = wal.KEPT.days
"""Of copies of the server's files, as of the log: they hold what was destroyed since, and so are kept no longer."""
BY_HAND_DAYS: Final = 90
UNFINISHED: Final = timedelta(hours=24)
"""After this time what no manifest names is no backup in the making any more."""


@dataclass
class Pruned:
    """Keys of backups, in one store at least."""

    removed: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    log: int = 0
    """Pieces of the log."""
    failed: list[str] = field(default_factory=list)
    """What could not be looked at or removed, in words."""


def keep_until(*, type: str, kind: str, at: datetime) -> datetime:  # noqa: A002  # the name of the column
    """Until when a backup made at that moment is kept: the first one of a year, month or week for longer."""
    if kind == Backup.Kind.BASE:
        return at + timedelta(days=BASE_DAYS)
    if type == Backup.Type.FORENSIC:
        return at + timedelta(days=YEARLY_DAYS)
    if type != Backup.Type.SCHEDULED:
        return at + timedelta(days=BY_HAND_DAYS)
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    for start, days in (
        (day.replace(month=1, day=1), YEARLY_DAYS),
        (day.replace(day=1), MONTHLY_DAYS),
        (day - timedelta(days=day.weekday()), WEEKLY_DAYS),
    ):
        if _is_first_since(start, at):
            return at + timedelta(days=days)
    return at + timedelta(days=DAYS)


def _is_first_since(start: datetime, at: datetime) -> bool:
    others = Backup.objects.filter(kind=Backup.Kind.FULL, type=Backup.Type.SCHEDULED, as_of__gte=start, as_of__lt=at)
    return not others.filter(state__in=[Backup.State.COMPLETE, Backup.State.PRUNED]).exists()


def prune(*, dry_run: bool = False) -> Pruned:
    """Remove from every store what is past its time, and what unfinished backups left a day ago.

    Never the newest full backup that was read back, or the newest at all while none was. A store that fails does not
    keep the others from being pruned; a manifest that is not believed is left for somebody to look at.
    """
    done, spared, began = Pruned(), _spared(), clock.now()
    held: dict[str, set[str]] = defaultdict(set)
    looked = set()
    for store in stores():
        try:
            _prune_store(store, done, spared, held, dry_run=dry_run)
            looked.add(store.name)
        except ContinuityError as error:
            logger.error("%s", error.words, extra={"code": "BACKUP_PRUNE"})
            done.failed.append(error.words)
    if not dry_run:
        _note(held, looked, began)
    for names in (done.removed, done.unfinished, done.kept):
        names[:] = sorted(set(names))
    return done


def _spared() -> str:
    found = Backup.objects.verified(Backup.Kind.FULL).first() or Backup.objects.complete(Backup.Kind.FULL).first()
    return found.key if found else ""


def _prune_store(store: Store, done: Pruned, spared: str, held: dict[str, set[str]], *, dry_run: bool) -> None:
    now = clock.now()
    finished = dict(entries(store))
    for key, found in finished.items():
        if isinstance(found, Manifest) and found.keep_until <= now and key != spared:
            if _removed(store, key, done, dry_run=dry_run):
                done.removed.append(key)
                continue
        elif not isinstance(found, Manifest):
            done.failed.append(f"{key} in {store.name}: {found.words}")
        done.kept.append(key)
        held[key].add(store.name)
    for key, pieces in _unfinished(store, set(finished)).items():
        if max(piece.modified for piece in pieces) < now - UNFINISHED and _removed(store, key, done, dry_run=dry_run):
            done.unfinished.append(key)
    if not dry_run:
        store.sweep(now - UNFINISHED)
    done.log += wal.prune(store, dry_run=dry_run)


def _unfinished(store: Store, finished: set[str]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in store.list(f"{FOLDER}/"):
        key = entry.name.removeprefix(f"{FOLDER}/").partition("/")[0]
        if key not in finished:
            found[key].append(entry)
    return found


def _removed(store: Store, key: str, done: Pruned, *, dry_run: bool) -> bool:
    """The manifest goes first: without it nothing looks like a backup."""
    if dry_run:
        return True
    names = [entry.name for entry in store.list(place(key))]
    try:
        for name in sorted(names, key=lambda name: (not name.endswith(MANIFEST), name)):
            store.delete(name)
    except Kept as error:
        done.failed.append(error.words)
        return False
    return True


def _note(held: dict[str, set[str]], looked: set[str], began: datetime) -> None:
    """Where each backup is now. One that no store has any more, all of which were looked at, is gone.

    Of one that became complete since the look began nobody knows whether it was seen.
    """
    for backup in Backup.objects.filter(~Q(key=""), state=Backup.State.COMPLETE, finished_at__lt=began):
        here = held[backup.key]
        left = [name for name in backup.stores if name in here or name not in looked]
        left += sorted(here - set(left))  # back again: its disk was away when somebody looked before
        if left == backup.stores:
            continue
        backup.stores = left
        if not left and backup.keep_until is not None and backup.keep_until <= clock.now():
            backup.state = Backup.State.PRUNED
        backup.save(update_fields=["stores", "state"])
