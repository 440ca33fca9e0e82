"""Whether a store is the one that backups were put into, by the record in the database.

A disk that is not mounted leaves an empty folder; somebody may empty a bucket, or configure another one under its name.
The sign are the backups that ClinChat never deletes there: those under retention, and the protected one. If a store has
none of them, nothing is written to it, read from it, or recorded about it. Nothing is expected of a new store, nor by a
database that was lost.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django.db import transaction
from django.db.models import Q, QuerySet

from clinchat.lib import clock
from compliance.continuity.backup.manifests import object_name
from compliance.continuity.refusals import MANIFEST, ContinuityError, StoreEmptied, StoreFailed, StoreMissing
from compliance.continuity.storage.replicas import Replicas
from compliance.continuity.storage.stores import Store, stores
from compliance.models import Backup

logger = logging.getLogger("clinchat.continuity")


class NothingMissing(ContinuityError):
    """The store holds what is expected, or nothing is: there is no reason to reset it."""


def protected_key() -> str:
    """The key of the backup that is never removed: the newest full one that was verified, or while none was, the newest
    full one. Empty: there is none."""
    newest = Backup.objects.verified(Backup.Kind.FULL).first() or Backup.objects.complete(Backup.Kind.FULL).first()
    return newest.key if newest else ""


def expected_keys(store: Store) -> list[str]:
    """Keys of the backups that nobody may have removed from this store, the newest first."""
    undeletable = Q(keep_until__gt=clock.now()) | Q(key=protected_key())
    return list(_recorded(store).filter(undeletable).order_by("-as_of").values_list("key", flat=True))


def require(store: Store, expected: Sequence[str] | None = None) -> None:
    """Raises StoreEmptied where none of the expected backups (default: `expected_keys`) is there, and StoreFailed."""
    keys = expected_keys(store) if expected is None else expected
    if not keys or any(_holds(store, key) for key in keys):
        return
    what = "the backup" if len(keys) == 1 else f"any of the {len(keys)} backups"
    doubt = "Is it the right one?" if store.name.startswith("s3://") else "Is its disk mounted?"
    raise StoreEmptied(
        f"{store.name} does not hold {what} put there. {doubt} To begin it empty: manage.py backup new-store"
    )


def replicas() -> Replicas:
    """All stores, to write to; those that are not the expected ones are left out. Raises StoreFailed where that is the
    first."""
    found = Replicas(stores())
    for store in list(found.stores):
        try:
            require(store)
        except StoreFailed as error:
            found.leave_out(store, error.words)
    return found


@transaction.atomic
def reset(store: Store) -> int:
    """Expect nothing of this store any more: it begins anew, empty. Returns how many backups it was to hold.

    Backups that turn up there again are recorded by the next prune. Raises NothingMissing and StoreFailed.
    """
    rows = list(_recorded(store).select_for_update())
    if not rows:
        raise NothingMissing(f"Nothing is expected in {store.name}: the next backup goes there.")
    if any(_holds(store, row.key) for row in rows):
        raise NothingMissing(f"{store.name} holds backups that were put there. Nothing was changed.")
    for row in rows:
        row.stores = [name for name in row.stores if name != store.name]
        row.save(update_fields=["stores"])
    logger.warning("%s begins anew, without %d backups", store.name, len(rows), extra={"code": "BACKUP_STORE"})
    return len(rows)


def _recorded(store: Store) -> QuerySet[Backup]:
    return Backup.objects.filter(state=Backup.State.COMPLETE, stores__contains=[store.name])


def _holds(store: Store, key: str) -> bool:
    """Whether the manifest is there, valid or not. Raises StoreFailed where the store does not answer."""
    try:
        return any(store.list(object_name(key, MANIFEST)))
    except StoreMissing:
        return False
