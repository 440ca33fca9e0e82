"""The copy of the data keys beside the backups: the newest alone, in every store, for a database that is lost.

It is written anew after each full backup, after each destruction of a key, and after each new key-encryption key. So no
store holds a destroyed key; what base copies and the shipped log still hold goes with them, BASE_DAYS later.

Keys in it that the database does not know stay: after a loss an empty one may be backed up before the old one is
brought back, and this copy is all there is of the old keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.db import connection, transaction

from compliance import data_keys
from compliance.continuity.refusals import Absent, Refused, StoreFailed, WrongKey
from compliance.continuity.storage import keys, streams
from compliance.continuity.storage.copies import Copies
from compliance.continuity.storage.stores import Store, stores

NAME: Final = "keys/data-keys"


def write(among: Copies | None = None) -> None:
    """Put the keys there are now into every store, in the place of the earlier ones.

    `among`: into those of a backup that is being made instead; that one store of it fails is told there. Raises NoKey,
    StoreFailed, and WrongKey where the copy that is there was sealed with a backup key that is not at hand.
    """
    key, copies = keys.newest(), among or Copies(stores())
    with transaction.atomic(), connection.cursor() as cursor:  # of two, the later one must not hold the older keys
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('clinchat copies of data keys'))")
        held = data_keys.export(beside=_there(copies.stores[0]))
        copies.put(NAME, streams.encrypt([held], key=key, place=NAME))
    if copies.lost and among is None:
        raise StoreFailed(" ".join(copies.lost.values()))


def read(store: Store, *, ring: Sequence[keys.Key] | None = None) -> bytes:
    """What `data_keys.load` takes. Raises NoKey, Absent, StoreFailed and Refused."""
    found = streams.decrypt(store.open(NAME), keys=keys.ring() if ring is None else ring, place=NAME)
    return b"".join(found)


def _there(store: Store) -> bytes | None:
    """The copy as it is; None where there is none, or none that says anything."""
    try:
        return read(store)
    except WrongKey:
        raise
    except (Absent, Refused):
        return None


def restore(store: Store) -> int:
    """Take the keys into an empty database; how many came. Raises as `read` does; nothing there is no key."""
    try:
        return data_keys.load(read(store))
    except Absent:
        return 0


def written_at(store: Store) -> datetime | None:
    """When the copy in this store was written; None where there is none. Needs no key. Raises StoreFailed."""
    return next((entry.modified for entry in store.list(NAME) if entry.name == NAME), None)
