"""Compliance checks of backups and restores, from our rows and from what is really in the stores."""

from __future__ import annotations

import base64
import hashlib
import math
import os
import secrets
import statistics
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final

from django.apps import apps
from django.conf import settings

from clinchat.lib import clock
from compliance.continuity.backup import manifests, reading
from compliance.continuity.gauges import age
from compliance.continuity.refusals import MANIFEST, Absent, ContinuityError, Refused, Retained, StoreFailed
from compliance.continuity.restore import carry_over
from compliance.continuity.storage import keys, stores, streams
from compliance.continuity.storage.bucket import CANARY, Bucket
from compliance.controls.registry import CannotLook, Found, check
from compliance.models import Backup, Drill, WalShipping

MAX_AGE: Final = timedelta(hours=6)
BEGUN_WITHIN: Final = timedelta(hours=1)
"""For this long a backup that is being made excuses an older one."""
MAX_LAG: Final = timedelta(minutes=5)
COMPARED: Final = 30
"""Most earlier backups that a size is compared with."""
MIN_COMPARED: Final = 5
"""Fewest earlier backups that a size is compared with."""
MIN_DEVIATION: Final = 0.01
"""Least standard deviation that is assumed, as a fraction of the mean."""
NEWEST_FILES: Final = 20
"""How many of the newest files of a store are looked into."""
SMALL_FILE_BYTES: Final = 4096
"""Files up to this size are searched for the key."""
LOCK_PERIOD: Final = timedelta(days=30)
"""Retention lock of the test object, and least retention of the backup that must be in a write-once store."""
WEEK: Final = timedelta(days=7)
MAX_RTO_SECONDS: Final = 15 * 60.0
MAX_RPO_SECONDS: Final = 5 * 60.0
KEPT_APPS: Final = frozenset({"compliance", "training", "otp_static", "otp_webauthn"})
"""Accounts, rights, audit trail and training. Unless the database was lost, none of it comes from a backup."""

# ── Backups ─────────────────────────────────────────────────────────────────────────────────────────────────────


@check("backup.fresh", keeper=True)
def fresh() -> Found:
    """The newest verified backup is under MAX_AGE old, its manifest is unchanged in the store, and its size is within
    three standard deviations of up to 30 backups before it; and the shipped WAL is under MAX_LAG behind.

    It may be older while the next one, begun in time, is being made. Sizes are compared once there are five.
    """
    newest = Backup.objects.verified(Backup.Kind.FULL).first()
    if newest is None or newest.as_of is None:
        return Found(False, "no backup was read back and found whole", 1, ["no verified backup"])
    seconds = age(newest.as_of)
    failing = [f"{newest.key} is too old"] if not _recent_enough(newest.as_of) else []
    failing += [] if _manifest_unchanged(newest) else [f"{newest.key} is not in the store as it was"]
    others = _sizes_before(newest)
    mean, deviation = _mean_and_deviation(others)
    if len(others) >= MIN_COMPARED and abs(newest.size - mean) > 3 * deviation:
        failing.append(f"{newest.key} has an unusual size")
    shipping = WalShipping.objects.first()
    lag = math.inf if shipping is None else age(shipping.as_of)
    failing += ["the log is not shipped"] if lag >= MAX_LAG.total_seconds() else []
    return Found(
        not failing,
        f"the newest verified backup is {seconds / 3600:.1f} h old, "
        + ("the log was never shipped" if shipping is None else f"the log is {lag:.0f} s behind"),
        3 + len(others),
        failing,
        {"bytes": newest.size, "usual": round(mean), "deviation": round(deviation), "compared": len(others)},
    )


def _recent_enough(as_of: datetime) -> bool:
    """Whether it is under MAX_AGE old, or the next one was begun before then and within the last BEGUN_WITHIN."""
    if clock.now() - as_of < MAX_AGE:
        return True
    next_one = Backup.objects.filter(kind=Backup.Kind.FULL, state=Backup.State.RUNNING, started_at__lt=as_of + MAX_AGE)
    return next_one.filter(started_at__gt=clock.now() - BEGUN_WITHIN).exists()


def _manifest_unchanged(backup: Backup) -> bool:
    """Whether the manifest in the store has the SHA-256 that we recorded."""
    try:
        name = manifests.object_name(backup.key, MANIFEST)
        data = stores.read_object(stores.primary(), name, max_bytes=manifests.MAX_BYTES)
    except Absent:
        return False
    except StoreFailed as error:
        raise CannotLook(error.words) from None
    return hashlib.sha256(data).hexdigest() == backup.manifest_sha256


def _sizes_before(newest: Backup) -> list[int]:
    """Sizes in bytes of the verified backups before it, newest first, pruned ones included."""
    found = Backup.objects.filter(kind=Backup.Kind.FULL, verified_ok=True, as_of__lt=newest.as_of)
    return list(found.order_by("-as_of").values_list("size", flat=True)[:COMPARED])


def _mean_and_deviation(sizes: list[int]) -> tuple[float, float]:
    mean = statistics.fmean(sizes) if sizes else 0.0
    return mean, max(statistics.pstdev(sizes) if sizes else 0.0, MIN_DEVIATION * mean)


@check("backup.encrypted", keeper=True, seconds=60)
def encrypted() -> Found:
    """Each part of the newest backup has our header, names the current key and decrypts with it; the newest files of
    the store are encrypted or signed by us, whoever wrote them; and no store folder contains the key."""
    try:
        ring, store = keys.ring(), stores.primary()
        newest = max(reading.list_manifests(store, keys=ring), key=lambda one: one.as_of, default=None)
        if newest is None:
            return Found(False, "there is no backup", 1, ["no backup"])
        failing = [
            f"{part.name} {why}" for part in newest.parts if (why := _why_not_sealed(store, newest, part.name, ring[0]))
        ]
        files = sorted(store.list(), key=lambda entry: entry.modified)[-NEWEST_FILES:]
        failing += [f"{one.name} is not encrypted" for one in files if not _is_ours(store, one.name, ring)]
    except ContinuityError as error:
        raise CannotLook(error.words) from None
    failing += [f"the key lies in {name}" for name in _files_with_key()]
    return Found(
        not failing,
        f"{len(newest.parts)} parts and the {len(files)} newest files, {len(failing)} of them readable or the key",
        len(newest.parts) + len(files),
        failing,
        {"backup": newest.key, "key": ring[0].id},
    )


def _why_not_sealed(store: stores.Store, of: manifests.Manifest, part: str, key: keys.Key) -> str:
    """Why the part is not sealed with the current key; empty: it is."""
    name = manifests.object_name(of.key, part)
    beginning = _beginning(store, name)
    if not beginning.startswith(streams.MAGIC):
        return "bears no header of ours"
    if not beginning.startswith(streams.MAGIC + key.id.encode()):
        return "was sealed with another key than the current one"
    try:
        next(streams.decrypt(store.open(name), keys=[key], context=f"{of.id}/{part}"), None)
    except Refused:
        return "does not open"
    return ""


def _is_ours(store: stores.Store, name: str, ring: Sequence[keys.Key]) -> bool:
    """Whether it is an encrypted stream or a manifest signed by us. A file deleted meanwhile counts as ours."""
    if name.startswith(CANARY):
        return True
    try:
        if name.endswith(f"/{MANIFEST}"):
            manifests.parse(stores.read_object(store, name, max_bytes=manifests.MAX_BYTES), keys=ring)
            return True
        return _beginning(store, name).startswith(streams.MAGIC)
    except Absent:
        return True
    except Refused:
        return False


def _beginning(store: stores.Store, name: str) -> bytes:
    return b"".join(islice(store.open(name), 1))[: streams.HEADER]


def _files_with_key() -> Iterator[str]:
    """Names of files in store folders that contain a backup key, or of the key file if it lies in one."""
    forms = [form for one in settings.BACKUP_KEYS() for form in (one, base64.b64encode(one), one.hex().encode())]
    own = Path(settings.BACKUP_KEY_PATH).resolve() if settings.BACKUP_KEY_PATH else None
    for root in (Path(where) for where in settings.BACKUP_STORES if where.startswith("/")):
        if own is not None and own.is_relative_to(root.resolve()):
            yield str(own.name)
        for folder, _, names in os.walk(root):
            for path in (Path(folder, name) for name in names):
                with suppress(OSError):
                    if path.stat().st_size <= SMALL_FILE_BYTES and any(form in path.read_bytes() for form in forms):
                        yield path.name


@check("backup.immutable_copy", keeper=True, seconds=60)
def immutable_copy() -> Found:
    """There are two stores, and a write-once one (object lock) among them has a backup of the last week that is kept
    for 30 days or more. Each write-once store must itself refuse to delete a test object locked for 30 days.
    """
    try:
        there = stores.stores()
        found = [one for one in there if isinstance(one, Bucket) and one.enforces_retention]
        held = {one.name: _kept_for_lock_period(one) for one in found}
        open_ones = [one.name for one in found if not _refuses_deletion(one)]
    except ContinuityError as error:
        raise CannotLook(error.words) from None
    failing = [] if found else ["no store is write-once"]
    failing += [f"{name} has no backup of this week that is kept 30 days" for name, kept in held.items() if not kept]
    failing += [f"{name} lets this account delete what is locked" for name in open_ones]
    failing += [] if len(there) > 1 else ["there is no second copy"]
    return Found(
        not failing,
        f"{len(found)} of {len(there)} stores are write-once, {len(open_ones)} of them let locked objects be deleted",
        len(there),
        failing,
        {"kept": {name: kept[:5] for name, kept in held.items()}},
    )


def _kept_for_lock_period(store: stores.Store) -> list[str]:
    """Keys of the backups of the last week in the store that are kept for 30 days or more."""
    since = clock.now() - WEEK
    found = reading.list_manifests(store)
    return [one.key for one in found if one.made_at >= since and one.keep_until - one.made_at >= LOCK_PERIOD]


def _refuses_deletion(store: Bucket) -> bool:
    """Whether the store refuses to delete a locked object. Removes test objects of earlier runs whose lock is over."""
    for entry in list(store.list(CANARY)):
        with suppress(Retained):
            store.delete(entry.name)
    name = f"{CANARY}{clock.now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"  # two checks may run in the same second
    store.put(name, [b"canary"], keep_until=clock.now() + LOCK_PERIOD)
    try:
        store.force_delete(name)
    except Retained:
        return True
    return False


# ── Restoring ───────────────────────────────────────────────────────────────────────────────────────────────────

REQUIRED_ASSERTIONS: Final = frozenset(
    {
        *("schema", "rows", "checksums", "passages", "trail", "trail_continues", "vector_search", "sign_in"),
        *("people", "used_codes", "blocks", "no_rewind"),
    }
)
"""Assertions that a drill must have made for it to count."""


@check("restore.drill_recent")
def drill_recent() -> Found:
    """The last drill passed, began within the last seven days, and every one of REQUIRED_ASSERTIONS held in it."""
    last = Drill.objects.first()
    if last is None:
        return Found(False, "no drill was held yet", 1, ["no drill"])
    answers = {one["key"]: one["ok"] for one in last.assertions}
    failing = [f"the last drill: {last.get_state_display()}"] if last.state != Drill.State.PASSED else []
    failing += ["it was more than 7 days ago"] if age(last.started_at) > WEEK.total_seconds() else []
    failing += [f"not well answered: {key}" for key in sorted(REQUIRED_ASSERTIONS) if answers.get(key) is not True]
    return Found(
        not failing,
        f"the last drill {last.get_state_display().lower()}, {age(last.started_at) / 86400:.1f} days ago; "
        f"{sum(ok is True for ok in answers.values())} of {len(answers)} questions well answered",
        2 + max(len(answers), len(REQUIRED_ASSERTIONS)),
        failing,
        {"drill": str(last.pk), "steps": last.steps},
    )


@check("restore.rto_rpo")
def rto_rpo() -> Found:
    """The last passed drill measured an RTO of at most 15 minutes and an RPO of at most 5 minutes."""
    last = Drill.objects.filter(state=Drill.State.PASSED).first()
    if last is None or last.rto_seconds is None or last.rpo_seconds is None:
        return Found(False, "no drill passed yet", 1, ["no drill"])
    failing = ["it took longer than 15 minutes"] if last.rto_seconds > MAX_RTO_SECONDS else []
    failing += ["more than 5 minutes would be lost"] if last.rpo_seconds > MAX_RPO_SECONDS else []
    return Found(
        not failing,
        f"back after {last.rto_seconds:.1f} s, {last.rpo_seconds:.1f} s would be lost",
        2,
        failing,
        {"drill": str(last.pk), "rto": last.rto_seconds, "rpo": last.rpo_seconds},
    )


@check("restore.no_rewind")
def no_rewind() -> Found:
    """A restore undoes no audit event, revocation, network block or used code: no table of KEPT_APPS comes from a
    backup, and in the last drill, within seven days, what was done after the backup survived a restore of it.
    """
    kept = {model._meta.db_table for model in apps.get_models() if model._meta.app_label in KEPT_APPS}  # noqa: SLF001
    restored = carry_over.restored_tables()
    failing = [f"table {table} would come from the backup" for table in sorted(kept & restored)]
    last = Drill.objects.first()
    result = next((one for one in last.assertions if one["key"] == "no_rewind"), None) if last else None
    if last is None or result is None or age(last.started_at) > WEEK.total_seconds():
        failing.append("it was not tried within 7 days")
    elif result["ok"] is not True:
        failing.append("in the last drill something was undone, or could not be looked at")
    return Found(
        not failing,
        f"{len(kept & restored)} of {len(kept)} tables that must stay would come from a backup"
        + (f"; tried on {last.started_at:%Y-%m-%d}: {result['observed']}" if last and result else ""),
        len(kept) + 1,
        failing,
        {"taken_back": sorted(restored)},
    )
