"""The WAL in the stores: its object names and formats, download for a recovery, and pruning. `shipping` writes it.

Each WAL segment is one object, `wal/<system identifier>/<segment>`, compressed and encrypted. The segment that is still
being written is `<segment>.partial`: its bytes so far. The object `shipped` beside them is the state (ShippedWal): the
range of LSNs that the store holds without a gap. LSNs are integers here (base.parse_lsn).
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from django.conf import settings

from clinchat.lib import clock
from compliance.continuity.backup import reading
from compliance.continuity.point_in_time.base import WalRange, format_lsn, parse_lsn
from compliance.continuity.refusals import Absent, Altered, ContinuityError, Retained, Truncated
from compliance.continuity.storage import keys, streams
from compliance.continuity.storage.keys import Key
from compliance.continuity.storage.stores import Store, read_object
from compliance.models import Backup

SLOT = "clinchat_wal"
"""The physical replication slot that makes the server keep the WAL that is not shipped yet."""
FOLDER = "wal"
PARTIAL = ".partial"
RETENTION = timedelta(days=7)
"""How long WAL is kept in the stores; longer where a base backup that is kept needs it."""
CLOCK_TOLERANCE = timedelta(minutes=1)
"""How much the timestamp of a commit record may differ from the time at which its LSN was flushed."""
_MAX_HEADER_BYTES = 4096
_MAX_STATE_BYTES = 2**20
_CHUNK_BYTES = 2**20


class WalMissing(ContinuityError):
    """WAL that is needed is not in the store."""


class OutsideRecoveryWindow(ContinuityError):
    """The recovery target is none of the moments that base backups and WAL in the store lead to."""


@dataclass(frozen=True)
class WalStream:
    """The WAL of one server on one timeline."""

    system: str
    """The system identifier of the server: segments of another server have the same names."""
    timeline: int
    segment_bytes: int

    def segment_name(self, number: int) -> str:
        """The file name of a segment by its number: its first LSN divided by segment_bytes."""
        per_file_id = 2**32 // self.segment_bytes
        return f"{self.timeline:08X}{number // per_file_id:08X}{number % per_file_id:08X}"

    def segment_number(self, segment: str) -> int:
        """The number of a segment by its file name, the reverse of `segment_name`."""
        return int(segment[8:16], 16) * (2**32 // self.segment_bytes) + int(segment[16:24], 16)

    def object_name(self, name: str) -> str:
        """The object name of a segment, or of `shipped`."""
        return object_name(self.system, name)


@dataclass(frozen=True)
class ShippedWal(WalStream):
    """The range of the WAL that a store holds without a gap: LSNs from `first` to `position`.

    The names of the fields are the JSON keys of the object `shipped`.
    """

    first: int
    since: datetime
    """When the WAL had come to `first`."""
    position: int
    as_of: datetime
    """Everything that was committed before this moment is before `position`."""


def object_name(system: str, name: str) -> str:
    """The object name of a segment, or of `shipped`; also the context of its encryption (streams.py)."""
    return f"{FOLDER}/{system}/{name}"


# ── Segments ───────────────────────────────────────────────────────────────────────────────────────────────────────


def encrypt_segment(data: Iterable[bytes], *, as_of: datetime, end_lsn: int, key: Key, name: str) -> Iterator[bytes]:
    """The object of a segment: a JSON line with `as_of` and `end_lsn`, then its bytes; compressed and encrypted.

    `end_lsn` is how far the WAL was received at the moment `as_of`. `name` is the object name.
    """
    header = json.dumps({"as_of": as_of.isoformat(), "position": format_lsn(end_lsn)}).encode() + b"\n"
    return streams.encrypt(_compress(header, data), key=key, context=name)


def download_segment(
    store: Store, name: str, target: Path, *, segment_bytes: int, ring: Sequence[Key]
) -> tuple[datetime, int]:
    """Write a segment to `target`, padded with zeros to its full size; returns its `as_of` and `end_lsn`.

    Raises Absent, StoreFailed, WrongKey, Altered and Truncated. `target` exists only once all of it is authenticated.
    """
    draft = target.with_suffix(".draft")
    chunks = streams.decrypt(store.open(name), keys=ring, context=name)
    header, body = _split_header(chunks, name)
    size, inflate = 0, zlib.decompressobj()
    with draft.open("wb") as file:
        for chunk in body:
            for data in _decompress(inflate, chunk, name):
                file.write(data)
                size += len(data)
                if size > segment_bytes:
                    raise Altered(name)
        file.truncate(segment_bytes)
    if not inflate.eof:
        raise Truncated(name)
    draft.rename(target)
    return datetime.fromisoformat(header["as_of"]), parse_lsn(header["position"])


def _compress(header: bytes, data: Iterable[bytes]) -> Iterator[bytes]:
    yield header
    deflate = zlib.compressobj(1)
    for chunk in data:
        yield deflate.compress(chunk)
    yield deflate.flush()


def _split_header(chunks: Iterator[bytes], name: str) -> tuple[dict[str, str], Iterator[bytes]]:
    header, mark, body = next(chunks).partition(b"\n")
    if not mark or len(header) > _MAX_HEADER_BYTES:
        raise Altered(name)
    return json.loads(header), chain((body,), chunks)


def _decompress(inflate: Any, chunk: bytes, name: str) -> Iterator[bytes]:
    """Inflate in bounded chunks: a few compressed bytes may expand to very many."""
    try:
        while chunk:
            yield inflate.decompress(chunk, _CHUNK_BYTES)
            chunk = inflate.unconsumed_tail
    except zlib.error:
        raise Altered(name) from None


# ── State ───────────────────────────────────────────────────────────────────────────────────────────────────────


def write_state(store: Store, shipped: ShippedWal, *, key: Key) -> None:
    """Write the object `shipped`."""
    name = shipped.object_name("shipped")
    payload = asdict(shipped) | {"since": shipped.since.isoformat(), "as_of": shipped.as_of.isoformat()}
    store.put(name, streams.encrypt([json.dumps(payload).encode()], key=key, context=name))


def read_state(store: Store, system: str, *, ring: Sequence[Key] | None = None) -> ShippedWal | None:
    """The range of WAL of that server in the store, or None. Raises StoreFailed, WrongKey, Altered and Truncated."""
    name = object_name(system, "shipped")
    try:
        data = read_object(store, name, max_bytes=_MAX_STATE_BYTES)
    except Absent:
        return None
    payload = json.loads(b"".join(streams.decrypt([data], keys=ring or keys.ring(), context=name)))
    times = {name: datetime.fromisoformat(payload[name]) for name in ("since", "as_of")}
    return ShippedWal(**payload | times)


def read_states(store: Store, *, ring: Sequence[Key] | None = None) -> list[ShippedWal]:
    """As `read_state`, for every server whose WAL is in the store, former ones too; the most recent one last."""
    systems = {entry.name.split("/")[1] for entry in store.list(f"{FOLDER}/") if entry.name.endswith("/shipped")}
    found = [read_state(store, system, ring=ring) for system in systems]
    return sorted((state for state in found if state), key=lambda state: state.as_of)


# ── Recovery and pruning ──────────────────────────────────────────────────────────────────────────────────────────


def download(
    store: Store, wal_range: WalRange, folder: Path, *, until: datetime | None = None, ring: Sequence[Key] | None = None
) -> ShippedWal:
    """Download into `folder` the WAL that a base backup needs to be recovered up to `until`, or as far as possible.

    `wal_range` is that of the base backup. Returns the state of the store at the beginning. Raises
    OutsideRecoveryWindow, WalMissing, and what `download_segment` raises.
    """
    ring = ring or keys.ring()
    found = read_state(store, wal_range.system, ring=ring)
    if found is None or found.timeline != wal_range.timeline or found.position < wal_range.end:
        raise WalMissing("The log that belongs to the newest copy is not in the store yet.")
    if until is not None and until > found.as_of:
        raise OutsideRecoveryWindow(
            f"The store holds what was written until {format_time(found.as_of)}, and no later moment."
        )
    number, last = wal_range.start // found.segment_bytes, (found.position - 1) // found.segment_bytes
    while number <= last or until is None:
        try:
            as_of, end_lsn = _download_whole_or_partial(store, found, number, folder, ring)
        except WalMissing:
            if number <= last:
                raise
            break  # beyond the state: there are no more segments
        if until is not None and as_of > until + CLOCK_TOLERANCE and end_lsn >= wal_range.end:
            last = min(last, (end_lsn - 1) // found.segment_bytes)  # later segments hold commits after `until` alone
        number += 1
    return found


def _download_whole_or_partial(
    store: Store, found: ShippedWal, number: int, folder: Path, ring: Sequence[Key]
) -> tuple[datetime, int]:
    segment = found.segment_name(number)
    for name in (segment, segment + PARTIAL, segment):  # it may be completed between the first two
        try:
            source, target = found.object_name(name), folder / segment
            return download_segment(store, source, target, segment_bytes=found.segment_bytes, ring=ring)
        except Absent:
            continue
    raise WalMissing(f"The log has a gap: segment {segment} is not in the store.")


def prune(store: Store, *, dry_run: bool = False) -> int:
    """Delete WAL past its retention that no base backup in the store needs; returns how many segments.

    Raises StoreFailed.
    """
    removed, before = 0, _needed_from(store)
    for entry in list(store.list(f"{FOLDER}/")):
        if entry.modified >= before or entry.name.endswith("/shipped"):
            continue
        try:
            if not dry_run:
                store.delete(entry.name)
        except Retained:
            continue
        removed += 1
    return removed


def _needed_from(store: Store) -> datetime:
    """Segments uploaded before this moment may go: each is uploaded after its last byte was written."""
    manifests = reading.list_manifests(store)
    started = [_started_at(manifest.key) for manifest in manifests if manifest.kind == Backup.Kind.BASE]
    return min([clock.now() - RETENTION, *started])


def _started_at(key: str) -> datetime:
    """When the backup with that key was started (manifests.folder_name), less CLOCK_TOLERANCE."""
    return datetime.strptime(key[:16] + "+0000", "%Y%m%dT%H%M%SZ%z") - CLOCK_TOLERANCE


def format_time(moment: datetime) -> str:
    """Text for people, in UTC to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def ceil_second(moment: datetime) -> datetime:
    """Rounded up to a whole second, as people enter moments: so the beginning of a recovery window stays inside it."""
    return moment + timedelta(microseconds=-moment.microsecond % 1_000_000)


def spool_folder() -> Path:
    """The folder of WAL that is not in every store yet."""
    return Path(settings.VAR) / "wal"
