"""Read backups from a store: list and authenticate their manifests, verify their parts, decrypt them.

Read-only, but that `verify` records its result in the row of the backup. Wherever a function takes `keys`, these are
the backup keys that may have signed and encrypted the backup; default: those of this process (`keys.ring`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from uuid import UUID

import django.db
from django.db import transaction

from clinchat.lib import clock
from compliance.continuity.backup import manifests, store_identity
from compliance.continuity.backup.manifests import Manifest, Part, object_name
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
from compliance.continuity.storage.stores import Store, configured, primary, read_object
from compliance.models import Backup

ReadProgress = Callable[[str, int], None]
"""Called with the name of the part that is being read, and the number of its bytes read so far."""


def _ignore_progress(_part: str, _bytes: int) -> None:
    return


def scan_manifests(store: Store, *, keys: Sequence[Key] | None = None) -> Iterator[tuple[str, Manifest | Refused]]:
    """Yield the key of each complete backup with its manifest, or with the reason to refuse it; the oldest first.

    Raises StoreEmptied where the store holds nothing of what the database expects there, and StoreFailed.
    """
    trusted = keys or ring()
    _require_expected(store)
    for entry in store.list(f"{manifests.FOLDER}/"):
        folder, _, name = entry.name.removeprefix(f"{manifests.FOLDER}/").rpartition("/")
        if name == MANIFEST:
            try:
                yield folder, read_manifest(store, folder, keys=trusted)
            except Refused as error:
                yield folder, error


def list_manifests(store: Store | None = None, *, keys: Sequence[Key] | None = None) -> list[Manifest]:
    """The valid manifests of a store (default: the first), the oldest first. Raises StoreFailed."""
    found = scan_manifests(store or primary(), keys=keys)
    return [manifest for _, manifest in found if isinstance(manifest, Manifest)]


def read_manifest(store: Store, key: str, *, keys: Sequence[Key] | None = None) -> Manifest:
    """The verified manifest of the backup with that key. Raises Missing, what manifests.parse raises, and Replayed."""
    return manifest_and_digest(store, key, keys=keys)[0]


def manifest_and_digest(store: Store, key: str, *, keys: Sequence[Key] | None = None) -> tuple[Manifest, str]:
    """As `read_manifest`, with the SHA-256 of manifest.json."""
    try:
        data = read_object(store, object_name(key, MANIFEST), max_bytes=manifests.MAX_BYTES)
    except (Absent, ValueError):
        raise Missing from None
    manifest = manifests.parse(data, keys=keys or ring())
    if manifest.key != key or not manifest.key.endswith(f"-{UUID(manifest.id).hex[:8]}"):
        raise Replayed
    return manifest, manifests.sha256(data)


def check(
    store: Store, key: str, *, keys: Sequence[Key] | None = None, progress: ReadProgress = _ignore_progress
) -> Manifest:
    """Authenticate a backup as a whole: its manifest, its list of objects, and every byte of every part.

    Call this before anything of the backup is used. Raises StoreFailed, and a Refused: Unsigned, WrongKey, TooNew,
    Replayed, Missing, Truncated, Altered.
    """
    trusted = keys or ring()
    objects = list(store.list(object_name(key)))  # first: raises where the store is away, so that nothing looks missing
    if not objects:
        _require_expected(store)
    manifest, digest = manifest_and_digest(store, key, keys=trusted)
    _refuse_replays(store, manifest, digest, trusted)
    sizes = {entry.name.removeprefix(object_name(key)): entry.size for entry in objects}
    for part in manifest.parts:
        if part.name not in sizes:
            raise Missing(part.name)
        if sizes[part.name] != part.size:
            raise Truncated(part.name) if sizes[part.name] < part.size else Altered(part.name)
    for name in sizes.keys() - {MANIFEST, *(part.name for part in manifest.parts)}:
        raise Altered(name)
    for part in manifest.parts:
        for _ in _decrypt_part(store, manifest, part, trusted, progress):
            pass
    return manifest


def verify(key: str, *, store: Store | None = None, progress: ReadProgress = _ignore_progress) -> Manifest:
    """Run `check`, record its result in the row of the backup (verified_at, verified_ok), and raise what it raises.

    A store that failed records nothing. WrongKey records verified_ok = None: without the key nobody can tell.
    """
    try:
        manifest = check(store or primary(), key, progress=progress)
    except Refused as error:
        ok = None if isinstance(error, WrongKey) else False
        Backup.objects.filter(key=key).update(verified_at=clock.now(), verified_ok=ok)
        raise
    Backup.objects.filter(pk=manifest.id).update(verified_at=clock.now(), verified_ok=True)
    return manifest


def extract(store: Store, key: str, part: str, *, keys: Sequence[Key] | None = None) -> Iterator[bytes]:
    """The plaintext of a part. Call `check` before.

    Raises a Refused, possibly only after the last chunk: what was read is valid once the iterator is exhausted.
    """
    trusted = keys or ring()
    manifest = read_manifest(store, key, keys=trusted)
    yield from _decrypt_part(store, manifest, manifest.part(part), trusted, _ignore_progress)


def _decrypt_part(
    store: Store, manifest: Manifest, part: Part, keys: Sequence[Key], progress: ReadProgress
) -> Iterator[bytes]:
    """The plaintext of a part, compared with sizes and digests of the manifest at the end."""
    stored_digest, plain_digest, plain_size = hashlib.sha256(), hashlib.sha256(), 0

    def ciphertext() -> Iterator[bytes]:
        size, reported = 0, -1
        for chunk in store.open(object_name(manifest.key, part.name)):
            stored_digest.update(chunk)
            size += len(chunk)
            if size >> 24 != reported:  # every 16 MiB
                reported = size >> 24
                progress(part.name, size)
            yield chunk

    try:
        for chunk in streams.decrypt(ciphertext(), keys=keys, context=f"{manifest.id}/{part.name}"):
            plain_digest.update(chunk)
            plain_size += len(chunk)
            yield chunk
    except Absent:
        raise Missing(part.name) from None
    found = (plain_size, plain_digest.hexdigest(), stored_digest.hexdigest())
    if found != (part.plain_size, part.plain_sha256, part.sha256):
        raise Altered(part.name)


def _refuse_replays(store: Store, manifest: Manifest, digest: str, keys: Sequence[Key]) -> None:
    """Raises Replayed where the database or another store knows another manifest of this backup.

    An older manifest of it has a valid signature too, so the signature alone does not show a replay.
    """
    recorded = _recorded_digest(manifest.id)
    if recorded and recorded != digest:
        raise Replayed
    for other in configured():
        if other.name == store.name:
            continue
        try:
            theirs, their_digest = manifest_and_digest(other, manifest.key, keys=keys)
        except ContinuityError:  # not reached, not there or altered: found when that store is verified
            continue
        if their_digest != digest and theirs.made_at > manifest.made_at:
            raise Replayed


def missing_backups(store: Store, found: Iterable[str]) -> list[str]:
    """Keys of backups that the database records in this store and that are not among the keys `found`.

    Empty where there is no database.
    """
    try:
        with transaction.atomic():
            rows = Backup.objects.filter(state=Backup.State.COMPLETE, stores__contains=[store.name])
            return sorted(set(rows.values_list("key", flat=True)) - set(found))
    except django.db.Error:
        return []


def _require_expected(store: Store) -> None:
    """Raises StoreEmptied. Without a database nothing is expected of a store."""
    try:
        with transaction.atomic():
            expected = store_identity.expected_keys(store)
    except django.db.Error:
        return
    store_identity.require(store, expected)


def _recorded_digest(backup_id: str) -> str:
    """The digest of the manifest by the row of the backup; empty where there is no row, or no database."""
    try:
        with transaction.atomic():
            row = Backup.objects.filter(pk=backup_id).values_list("manifest_sha256", flat=True).first()
    except django.db.Error:  # the database may be what was lost
        return ""
    return row or ""
