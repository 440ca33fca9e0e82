"""PostgreSQL's log in the store: what it is called there, how it is written, read back and removed.

The log is one long row of bytes, cut into segments. Each segment is an object of its own, compressed and encrypted for
its name: `wal/<the server's number>/<segment>`. The one that is still being written is there as `<segment>.partial`,
as far as it has come. `shipped` beside them says from where to where nothing is missing. `shipping` writes all this.
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
from compliance.continuity.point_in_time.base import Stretch, position, written
from compliance.continuity.refusals import Absent, Altered, ContinuityError, Kept, Truncated
from compliance.continuity.storage import keys, streams
from compliance.continuity.storage.keys import Key
from compliance.continuity.storage.stores import Store, read
from compliance.models import Backup

SLOT = "clinchat_wal"
"""The replication slot that keeps the server from throwing away what is not shipped yet."""
FOLDER = "wal"
PARTIAL = ".partial"
KEPT = timedelta(days=7)
"""So long the log stays, and longer where a copy that is kept begins before."""
SLACK = timedelta(minutes=1)
"""How much the time of a commit may differ from the time at which its place in the log was reached."""
_LONGEST_LINE = 4096
_MOST_STATE = 2**20
_PIECE = 2**20


class LogMissing(ContinuityError):
    """Part of the log that is needed is not in the store."""


class Outside(ContinuityError):
    """The moment is not among those that can be gone back to."""


@dataclass(frozen=True)
class Log:
    """The log of one server."""

    system: str
    """The server's number: another one's log has segments of the same names."""
    timeline: int
    segment_bytes: int

    def segment(self, number: int) -> str:
        """PostgreSQL's name for the segment of that number, counted from the first."""
        each = 2**32 // self.segment_bytes
        return f"{self.timeline:08X}{number // each:08X}{number % each:08X}"

    def number(self, segment: str) -> int:
        """The other way round: 0 is the first."""
        return int(segment[8:16], 16) * (2**32 // self.segment_bytes) + int(segment[16:24], 16)

    def place(self, name: str) -> str:
        """The name in a store of a segment, or of `shipped`."""
        return place(self.system, name)


@dataclass(frozen=True)
class Shipped(Log):
    """From where to where a store has it, without a gap. Positions are bytes of the log."""

    first: int
    since: datetime
    position: int
    as_of: datetime
    """Whatever was committed until then is before `position`."""


def place(system: str, name: str) -> str:
    """Its name in a store, which is also what it is encrypted for."""
    return f"{FOLDER}/{system}/{name}"


# ── One segment ────────────────────────────────────────────────────────────────────────────────────────────────────


def seal(data: Iterable[bytes], *, as_of: datetime, reached: int, key: Key, name: str) -> Iterator[bytes]:
    """The object of a segment: when the log had come to `reached`, then its bytes."""
    line = json.dumps({"as_of": as_of.isoformat(), "position": written(reached)}).encode() + b"\n"
    return streams.encrypt(_packed(line, data), key=key, place=name)


def lay(store: Store, name: str, target: Path, *, segment_bytes: int, ring: Sequence[Key]) -> tuple[datetime, int]:
    """Write a segment where the server looks for it; returns when the log had come where.

    Raises Absent, StoreFailed, WrongKey, Altered and Truncated. Nothing is at `target` before all was authenticated.
    """
    draft = target.with_suffix(".draft")
    pieces = streams.decrypt(store.open(name), keys=ring, place=name)
    line, rest = _headed(pieces, name)
    size, inflate = 0, zlib.decompressobj()
    with draft.open("wb") as file:
        for piece in rest:
            for data in _inflated(inflate, piece, name):
                file.write(data)
                size += len(data)
                if size > segment_bytes:
                    raise Altered(name)
        file.truncate(segment_bytes)
    if not inflate.eof:
        raise Truncated(name)
    draft.rename(target)
    return datetime.fromisoformat(line["as_of"]), position(line["position"])


def _packed(line: bytes, data: Iterable[bytes]) -> Iterator[bytes]:
    yield line
    deflate = zlib.compressobj(1)
    for piece in data:
        yield deflate.compress(piece)
    yield deflate.flush()


def _headed(pieces: Iterator[bytes], name: str) -> tuple[dict[str, str], Iterator[bytes]]:
    line, mark, rest = next(pieces).partition(b"\n")
    if not mark or len(line) > _LONGEST_LINE:
        raise Altered(name)
    return json.loads(line), chain((rest,), pieces)


def _inflated(inflate: Any, piece: bytes, name: str) -> Iterator[bytes]:
    """At most so much at a time: a few bytes can stand for very many."""
    try:
        while piece:
            yield inflate.decompress(piece, _PIECE)
            piece = inflate.unconsumed_tail
    except zlib.error:
        raise Altered(name) from None


# ── How far it is ──────────────────────────────────────────────────────────────────────────────────────────────────


def note(store: Store, shipped: Shipped, *, key: Key) -> None:
    """Leave word in the store."""
    name = shipped.place("shipped")
    said = asdict(shipped) | {"since": shipped.since.isoformat(), "as_of": shipped.as_of.isoformat()}
    store.put(name, streams.encrypt([json.dumps(said).encode()], key=key, place=name))


def shipped(store: Store, system: str, *, ring: Sequence[Key] | None = None) -> Shipped | None:
    """How far the log of that server is in the store. Raises StoreFailed, WrongKey, Altered and Truncated."""
    name = place(system, "shipped")
    try:
        data = read(store, name, most=_MOST_STATE)
    except Absent:
        return None
    said = json.loads(b"".join(streams.decrypt([data], keys=ring or keys.ring(), place=name)))
    times = {each: datetime.fromisoformat(said[each]) for each in ("since", "as_of")}
    return Shipped(**said | times)


def logs(store: Store, *, ring: Sequence[Key] | None = None) -> list[Shipped]:
    """As `shipped`, of every server whose log is there: the one that came last, and those that were lost."""
    systems = {entry.name.split("/")[1] for entry in store.list(f"{FOLDER}/") if entry.name.endswith("/shipped")}
    found = [shipped(store, system, ring=ring) for system in systems]
    return sorted((each for each in found if each), key=lambda each: each.as_of)


# ── What a copy needs of it ────────────────────────────────────────────────────────────────────────────────────────


def fetch(
    store: Store, stretch: Stretch, folder: Path, *, until: datetime | None = None, ring: Sequence[Key] | None = None
) -> Shipped:
    """Lay out the log that a copy needs, from where it begins to a moment, or to the last there is.

    Returns how far it was in the store. Raises Outside, LogMissing, and what `lay` raises.
    """
    ring = ring or keys.ring()
    found = shipped(store, stretch.system, ring=ring)
    if found is None or found.timeline != stretch.timeline or found.position < stretch.end:
        raise LogMissing("The log that belongs to the newest copy is not in the store yet.")
    if until is not None and until > found.as_of:
        raise Outside(f"The store holds what was written until {shown(found.as_of)}, and no later moment.")
    number, last = stretch.start // found.segment_bytes, (found.position - 1) // found.segment_bytes
    while number <= last or until is None:
        try:
            when, reached = _lay(store, found, number, folder, ring)
        except LogMissing:
            if number <= last:
                raise
            break  # up to here, and nothing that was sent after the last word of it
        if until is not None and when > until + SLACK and reached >= stretch.end:
            last = min(last, (reached - 1) // found.segment_bytes)  # what comes after was written later
        number += 1
    return found


def _lay(store: Store, found: Shipped, number: int, folder: Path, ring: Sequence[Key]) -> tuple[datetime, int]:
    segment = found.segment(number)
    for name in (segment, segment + PARTIAL, segment):  # it may become whole between two looks
        try:
            return lay(store, found.place(name), folder / segment, segment_bytes=found.segment_bytes, ring=ring)
        except Absent:
            continue
    raise LogMissing(f"The log has a gap: segment {segment} is not in the store.")


def prune(store: Store, *, dry_run: bool = False) -> int:
    """Remove the log that no copy in the store needs any more; returns how many segments. Raises StoreFailed."""
    removed, before = 0, _needed_from(store)
    for entry in list(store.list(f"{FOLDER}/")):
        if entry.modified >= before or entry.name.endswith("/shipped"):
            continue
        try:
            if not dry_run:
                store.delete(entry.name)
        except Kept:
            continue
        removed += 1
    return removed


def _needed_from(store: Store) -> datetime:
    """What was put there before that moment is of no use. A segment is put after its last byte was written."""
    begun = [_begun(each.key) for each in reading.listing(store) if each.kind == Backup.Kind.BASE]
    return min([clock.now() - KEPT, *begun])


def _begun(key: str) -> datetime:
    """When the backup in that folder was begun (manifests.key_of), and a little before."""
    return datetime.strptime(key[:16] + "+0000", "%Y%m%dT%H%M%SZ%z") - SLACK


def shown(moment: datetime) -> str:
    """For people, in UTC to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def whole_second(moment: datetime) -> datetime:
    """The first one from then on. People name moments by seconds: of the first that can be had, this is."""
    return moment + timedelta(microseconds=-moment.microsecond % 1_000_000)


def spool() -> Path:
    """The folder of the log that is not in every store yet."""
    return Path(settings.VAR) / "wal"
