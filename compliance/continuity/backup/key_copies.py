"""The copy of the data keys in the stores, for when the database is lost. No dump holds data keys.

There is one object in each store. It is replaced after each full backup, each destruction of a data key and each
rotation of the key-encryption key, so that no store keeps a destroyed key. Base backups and WAL still hold it, until
their own retention ends (BASE_DAYS).

Keys in it that the database does not know are carried over: after a loss a new, empty database may be backed up before
the old one is restored, and then this copy is all there is of the old keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.db import connection, transaction

from compliance import data_keys
from compliance.continuity.backup import store_identity
from compliance.continuity.refusals import Absent, Refused, StoreFailed, WrongKey
from compliance.continuity.storage import keys, streams
from compliance.continuity.storage.replicas import Replicas
from compliance.continuity.storage.stores import Store

NAME: Final = "keys/data-keys"


def write(into: Replicas | None = None) -> None:
    """Replace the copy in every store.

    `into`: the stores of the backup that is being made; its maker reports a failed one. Default: all stores, and any
    failure raises StoreFailed. Raises NoKey, and WrongKey where the current copy cannot be decrypted with our keys.
    """
    key, replicas = keys.newest(), into or store_identity.replicas()
    with transaction.atomic(), connection.cursor() as cursor:
        # One writer at a time, so that the last one writes the newest keys.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('clinchat copies of data keys'))")
        exported = data_keys.export(beside=_current(replicas.stores[0]))
        replicas.put(NAME, streams.encrypt([exported], key=key, context=NAME))
    if replicas.failures and into is None:
        raise StoreFailed(" ".join(replicas.failures.values()))


def read(store: Store, *, ring: Sequence[keys.Key] | None = None) -> bytes:
    """The copy, as `data_keys.load` takes it. Raises NoKey, Absent, StoreFailed and Refused."""
    chunks = streams.decrypt(store.open(NAME), keys=keys.ring() if ring is None else ring, context=NAME)
    return b"".join(chunks)


def _current(store: Store) -> bytes | None:
    """The copy in the store; None where there is none or it is damaged. Raises WrongKey and StoreFailed."""
    try:
        return read(store)
    except WrongKey:
        raise
    except (Absent, Refused):
        return None


def restore(store: Store) -> int:
    """Load the copy into an empty database; returns how many keys, 0 where there is no copy. Raises as `read`."""
    try:
        return data_keys.load(read(store))
    except Absent:
        return 0


def written_at(store: Store) -> datetime | None:
    """When the copy in this store was written, or None. Needs no key. Raises StoreFailed."""
    return next((entry.modified for entry in store.list(NAME) if entry.name == NAME), None)
