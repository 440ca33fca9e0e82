"""Reading backups: which there are, whether one is what was put there, and what is in it. Nothing is written here but
what came of `verify`.

`keys` are the backup keys that may have signed and sealed it; those of this process unless told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from uuid import UUID

import django.db
from django.db import transaction

from clinchat.lib import clock
from compliance.continuity.backup import manifests
from compliance.continuity.backup.manifests import Manifest, Part, place
from compliance.continuity.refusals import (
    MANIFEST,
    Absent,
    Altered,
    ContinuityError,
    Missing,
    Refused,
    Replayed,
    Truncated,
    WrongKey,
)
from compliance.continuity.storage import streams
from compliance.continuity.storage.keys import Key, ring
from compliance.continuity.storage.stores import Store, configured, first, read
from compliance.models import Backup

Tell = Callable[[str, int], None]
"""Told the part that is read, and how many of its bytes were."""


def _quiet(_part: str, _bytes: int) -> None:
    return


def entries(store: Store, *, keys: Sequence[Key] | None = None) -> Iterator[tuple[str, Manifest | Refused]]:
    """The folder of each finished backup with its manifest, the oldest first, or with why that is not believed."""
    known = keys or ring()
    for entry in store.list(f"{manifests.FOLDER}/"):
        folder, _, name = entry.name.removeprefix(f"{manifests.FOLDER}/").rpartition("/")
        if name == MANIFEST:
            try:
                yield folder, manifest(store, folder, keys=known)
            except Refused as error:
                yield folder, error


def listing(store: Store | None = None, *, keys: Sequence[Key] | None = None) -> list[Manifest]:
    """The finished backups of a store, the first unless told, that bear our signature; the oldest first."""
    return [one for _, one in entries(store or first(), keys=keys) if isinstance(one, Manifest)]


def manifest(store: Store, key: str, *, keys: Sequence[Key] | None = None) -> Manifest:
    """The signed manifest of the backup in that folder. Raises Missing and the other refusals of a manifest."""
    return signed(store, key, keys=keys)[0]


def signed(store: Store, key: str, *, keys: Sequence[Key] | None = None) -> tuple[Manifest, str]:
    """As `manifest`, with the SHA-256 of its file."""
    try:
        data = read(store, place(key, MANIFEST), most=manifests.MOST)
    except (Absent, ValueError):
        raise Missing from None
    found = manifests.read(data, keys=keys or ring())
    if found.key != key or not found.key.endswith(f"-{UUID(found.id).hex[:8]}"):
        raise Replayed
    return found, manifests.sha256(data)


def check(store: Store, key: str, *, keys: Sequence[Key] | None = None, progress: Tell = _quiet) -> Manifest:
    """Read the whole of a backup and authenticate every byte of it; only then is any of it used.

    Raises a Refused: Unsigned, WrongKey, TooNew, Replayed, Missing, Truncated, Altered.
    """
    known = keys or ring()
    lying = list(store.list(place(key)))  # first: a store that is away is not a backup that is missing
    found, digest = signed(store, key, keys=known)
    _refuse_replays(store, found, digest, known)
    sizes = {entry.name.removeprefix(place(key)): entry.size for entry in lying}
    for part in found.parts:
        if part.name not in sizes:
            raise Missing(part.name)
        if sizes[part.name] != part.size:
            raise Truncated(part.name) if sizes[part.name] < part.size else Altered(part.name)
    for name in sizes.keys() - {MANIFEST, *(part.name for part in found.parts)}:
        raise Altered(name)
    for part in found.parts:
        for _ in _authenticated(store, found, part, known, progress):
            pass
    return found


def verify(key: str, *, store: Store | None = None, progress: Tell = _quiet) -> Manifest:
    """As `check`, and what came of it is on record with the backup. What could not be read is no verification.

    Without its key nothing is known of a backup: it is neither whole nor damaged.
    """
    try:
        found = check(store or first(), key, progress=progress)
    except Refused as error:
        ok = None if isinstance(error, WrongKey) else False
        Backup.objects.filter(key=key).update(verified_at=clock.now(), verified_ok=ok)
        raise
    Backup.objects.filter(pk=found.id).update(verified_at=clock.now(), verified_ok=True)
    return found


def extract(store: Store, key: str, part: str, *, keys: Sequence[Key] | None = None) -> Iterator[bytes]:
    """The plaintext of a part, after `check`. Raises a Refused, at the latest after the last piece."""
    known = keys or ring()
    found = manifest(store, key, keys=known)
    yield from _authenticated(store, found, found.part(part), known, _quiet)


def _authenticated(store: Store, of: Manifest, part: Part, keys: Sequence[Key], progress: Tell) -> Iterator[bytes]:
    sealed, plain, size = hashlib.sha256(), hashlib.sha256(), 0

    def hashed() -> Iterator[bytes]:
        read_, before = 0, -1
        for piece in store.open(place(of.key, part.name)):
            sealed.update(piece)
            read_ += len(piece)
            if read_ >> 24 != before:
                before = read_ >> 24
                progress(part.name, read_)
            yield piece

    try:
        for piece in streams.decrypt(hashed(), keys=keys, place=f"{of.id}/{part.name}"):
            plain.update(piece)
            size += len(piece)
            yield piece
    except Absent:
        raise Missing(part.name) from None
    if (size, plain.hexdigest(), sealed.hexdigest()) != (part.plain_size, part.plain_sha256, part.sha256):
        raise Altered(part.name)


def _refuse_replays(store: Store, found: Manifest, digest: str, keys: Sequence[Key]) -> None:
    """An earlier manifest is signed as well: what the database and the other stores know of this backup counts."""
    known = _on_record(found.id)
    if known and known != digest:
        raise Replayed
    for other in configured():
        if other.name == store.name:
            continue
        try:
            theirs, their_digest = signed(other, found.key, keys=keys)
        except ContinuityError:  # away, or not there, or altered: that is another reading's matter
            continue
        if their_digest != digest and theirs.made_at > found.made_at:
            raise Replayed


def lost(store: Store, found: Iterable[str]) -> list[str]:
    """Keys of backups that this store should hold by the record of the database, and that are not among these.

    Without a database nothing is known of them.
    """
    try:
        with transaction.atomic():
            rows = Backup.objects.filter(state=Backup.State.COMPLETE, stores__contains=[store.name])
            return sorted(set(rows.values_list("key", flat=True)) - set(found))
    except django.db.Error:
        return []


def _on_record(backup_id: str) -> str:
    """The digest of the manifest, as the database has it; empty where there is none, or no database."""
    try:
        with transaction.atomic():
            row = Backup.objects.filter(pk=backup_id).values_list("manifest_sha256", flat=True).first()
    except django.db.Error:  # lost: that is what backups are for
        return ""
    return row or ""
