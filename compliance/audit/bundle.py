"""A zip that proves, on a machine without ClinChat, that the events in it are those that were sealed.

standalone/FORMAT.md, which goes into every bundle, describes each file of it; standalone/verify.py checks them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from pathlib import Path
from typing import IO, Any, BinaryIO
from uuid import UUID

from django.db.models import Exists, Max, Min, OuterRef, QuerySet

from clinchat import __version__
from clinchat.lib import clock
from compliance.audit import checkpoints, merkle, search, signing
from compliance.audit.context import current
from compliance.audit.search import EventFilter
from compliance.models import AuditEvent, AuditPurge, Seal, SealedEvent

STANDALONE = Path(__file__).parent / "standalone"
TEXTS = ("FORMAT.md", "verify.py", "ed25519.py")
NAMES = ("manifest.json", "events.jsonl", "seals.jsonl", "checkpoints.jsonl", "public_keys.txt", *TEXTS)
"""As SHA256SUMS lists them."""
MARK = b"clinchat-audit-bundle sha256:"
CHUNK = 500
EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the zip: when it was made is in the manifest."""
TOLD = 20
"""Damages that are told one by one."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes into a bundle, fixed before it is written: nothing sealed later gets in."""

    filter: EventFilter
    places: QuerySet[SealedEvent]
    newest: int
    """Number of the newest seal."""
    unsealed: int
    """Events that fit and are not sealed yet."""
    period: Period | None


@dataclass(frozen=True, slots=True)
class Period:
    """All that was recorded from `start` on and before `end`, in whole seals: only dates were asked for.

    A seal holds events that are older than itself, so the period lies in the seals from the last that was made
    before it begins to the first that was made after it ended.
    """

    start: datetime | None
    end: datetime | None
    first: int
    last: int

    def outside(self, seal: Seal) -> bool:
        """Whether no event of the seal is of the period. Such a seal is there for its time, without its events."""
        if self.start is None:
            return False
        return seal.sealed_at < self.start or seal.month < self.start.date().replace(day=1)

    def holds(self, moment: datetime) -> bool:
        return (self.start is None or self.start <= moment) and (self.end is None or moment < self.end)

    def described(self) -> dict[str, str | None]:
        return {"from": _iso(self.start), "before": _iso(self.end)}


def plan(filter: EventFilter) -> Plan | None:  # noqa: A002  # its name everywhere
    """None when no event that fits is sealed. Raises signing.KeyUnusable when no public keys can be given along."""
    signing.public_keys()
    newest = Seal.objects.aggregate(newest=Max("number"))["newest"] or 0
    found = search.events(filter).order_by()
    sealed = SealedEvent.objects.order_by().filter(seal_id__lte=newest)
    place = sealed.filter(event=OuterRef("pk"), timestamp=OuterRef("timestamp"))
    unsealed = found.filter(~Exists(place)).count()
    period = None
    if set(filter.given()) <= {"since", "until"}:
        period = _period(filter, sealed, newest)
        wanted = sealed.filter(seal_id__gte=period.first, seal_id__lte=period.last) if period else sealed.none()
    else:
        event = found.filter(pk=OuterRef("event"), timestamp=OuterRef("timestamp"))
        wanted = sealed.filter(Exists(event))
    return Plan(filter, wanted, newest, unsealed, period) if wanted.exists() else None


def _period(filter: EventFilter, sealed: QuerySet[SealedEvent], newest: int) -> Period | None:  # noqa: A002
    start, end = search.bounds(filter)
    purged = AuditPurge.objects.filter(status=AuditPurge.Status.DONE).aggregate(before=Max("before"))["before"]
    if purged is not None:
        kept = datetime.combine(purged, time.min, UTC)
        start = max(start, kept) if start else kept
    inside = sealed.filter(**{"timestamp__gte": start} if start else {}, **{"timestamp__lt": end} if end else {})
    seals = inside.aggregate(first=Min("seal_id"), last=Max("seal_id"))
    if seals["first"] is None:
        return None
    made = Seal.objects.filter(number__lte=newest)
    earlier = made.filter(sealed_at__lt=start).aggregate(number=Max("number"))["number"] if start else None
    later = made.filter(sealed_at__gte=end).aggregate(number=Min("number"))["number"] if end else None
    # The clock may have been set back between two seals: what holds an event of the period is always inside.
    first = max(1, min(earlier or 1, seals["first"] - 1))
    return Period(start, end, first, max(later or newest, seals["last"]))


def write(plan: Plan, out: BinaryIO) -> tuple[int, tuple[str, ...]]:
    """Write the zip to `out`, which can seek and be read. Returns how many events, and what does not fit its seal.

    A damaged trail is handed out as it is: whoever verifies the bundle finds the same.
    """
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.comment = MARK + b"0" * 64
        writer = _Writer(plan, packed)
        writer.write_all()
    close_with_checksum(out)
    return writer.events, writer.damaged()


def close_with_checksum(out: BinaryIO) -> None:
    """The last 64 bytes of the file, a zip whose comment ends with as many zeros, become the SHA-256 of all before.

    Damage anywhere is noticed then.
    """
    size = out.seek(0, 2) - 64
    out.seek(0)
    digest, left = hashlib.sha256(), size
    while part := out.read(min(left, 1 << 20)):
        digest.update(part)
        left -= len(part)
    out.seek(size)
    out.write(digest.hexdigest().encode())


@dataclass(slots=True)
class _Writer:
    plan: Plan
    packed: zipfile.ZipFile
    events: int = 0
    selected: int = 0
    seals: int = 0
    log: str = ""
    """Id of the trail, as its seals state it."""
    numbers: array[int] = field(default_factory=lambda: array("q"))
    """Seals of the events, ascending."""
    sums: dict[str, str] = field(default_factory=dict)
    _damages: list[str] = field(default_factory=list)
    _damaged: int = 0

    def write_all(self) -> None:
        for name in TEXTS:
            self._write_file(name, [(STANDALONE / name).read_bytes()])
        keys = signing.public_keys().values()
        self._write_file("public_keys.txt", [base64.b64encode(key) + b"\n" for key in keys])
        self._write_file("events.jsonl", self._event_lines())
        self._write_file("seals.jsonl", self._seal_lines())
        self._write_file("checkpoints.jsonl", self._checkpoint_lines())
        manifest = json.dumps(self._manifest(), indent=2, sort_keys=True) + "\n"
        self._write_file("manifest.json", [manifest.encode()])
        sums = "".join(f"{self.sums[name]}  {name}\n" for name in NAMES)
        self._write_file("SHA256SUMS", [sums.encode()])

    def damaged(self) -> tuple[str, ...]:
        more = self._damaged - len(self._damages)
        return (*self._damages, f"… and {more} more") if more else tuple(self._damages)

    def _write_file(self, name: str, parts: Iterable[bytes]) -> None:
        digest = hashlib.sha256()
        with _entry(self.packed, name) as file:
            for part in parts:
                digest.update(part)
                file.write(part)
        self.sums[name] = digest.hexdigest()

    def _event_lines(self) -> Iterator[bytes]:
        tree, leaves, number = merkle.Tree([]), 0, 0
        for seal, place, canonical in self._events():
            if number != seal.number:
                number = seal.number
                self.numbers.append(number)
                tree = merkle.Tree(_leaves(seal))
                leaves = tree.size
                if (leaves, tree.root) != (seal.size, bytes(seal.root)):
                    self._damage(f"Seal {number}: its events are not those that were sealed.")
            index = place.position - seal.first
            if merkle.leaf_hash(canonical) != bytes(place.digest):
                self._damage(f"Position {place.position}, event {place.event}: changed after it was sealed.")
            self.events += 1
            self.selected += self.plan.period is None or self.plan.period.holds(place.timestamp)
            yield _line(
                canonical=canonical.decode("utf-8", "replace"),
                path=[step.hex() for step in tree.path(index)] if 0 <= index < leaves else [],
                position=place.position,
                seal=number,
            )

    def _events(self) -> Iterator[tuple[Seal, SealedEvent, bytes]]:
        """In the order of the trail, a chunk at a time from a cursor of the server."""
        for places in _chunks(self.plan.places.order_by("position").iterator(chunk_size=CHUNK)):
            seals = Seal.objects.in_bulk({place.seal_id for place in places})
            texts = _texts(places)
            for place in places:
                seal, text = seals.get(place.seal_id), texts.get(place.event)
                if seal is None:
                    self._damage(f"Position {place.position}: seal {place.seal_id} is missing.")
                elif self.plan.period is not None and self.plan.period.outside(seal):
                    continue
                elif text is None:
                    self._damage(f"Position {place.position}: event {place.event} is missing.")
                else:
                    yield seal, place, text

    def _seal_lines(self) -> Iterator[bytes]:
        for seal in self._seals():
            self.seals += 1
            statement, signature = bytes(seal.statement), bytes(seal.signature)
            if not signing.valid(key=seal.key_id, message=statement, signature=signature):
                self._damage(f"Seal {seal.number}: its signature does not fit.")
            elif not _says(statement, first=seal.first, size=seal.size, root=bytes(seal.root).hex()):
                self._damage(f"Seal {seal.number}: the table does not say what was signed.")
            else:
                self.log = json.loads(statement)["log"]
            yield _signed_line(statement, signature, seal.key_id)

    def _seals(self) -> Iterator[Seal]:
        period = self.plan.period
        if period is not None:
            yield from Seal.objects.filter(number__range=(period.first, period.last)).order_by("number").iterator()
            return
        for start in range(0, len(self.numbers), CHUNK):
            yield from Seal.objects.filter(number__in=self.numbers[start : start + CHUNK]).order_by("number")

    def _checkpoint_lines(self) -> Iterator[bytes]:
        """The checkpoints of these seals, and the newest, from every file of them that can be read here."""
        period = self.plan.period
        wanted = range(period.first, period.last + 1) if period else set(self.numbers)
        written: set[bytes] = set()
        for path in checkpoints.files():
            newest = None
            with suppress(OSError):
                for found in filter(None, checkpoints.read(path)):
                    newest = found
                    if found.number in wanted:
                        yield from _once(_checkpoint_line(found), written)
            if newest is not None:
                yield from _once(_checkpoint_line(newest), written)

    def _manifest(self) -> dict[str, Any]:
        period = self.plan.period
        who = current().columns
        made_by = f"{who['actor_name'] or 'nobody'} ({who['actor_id'] or who['actor_kind']})"
        return {
            "type": "clinchat.audit.bundle",
            "form": 1,
            "version": __version__,
            "made_at": clock.now().isoformat(timespec="seconds"),
            "made_by": made_by,
            "filter": search.words(self.plan.filter),
            "complete": period.described() if period else None,
            "log": self.log,
            "events": self.events,
            "selected": self.selected,
            "seals": self.seals,
            "unsealed_left_out": self.plan.unsealed,
        }

    def _damage(self, text: str) -> None:
        self._damaged += 1
        if self._damaged <= TOLD:
            self._damages.append(text)


@contextmanager
def _entry(packed: zipfile.ZipFile, name: str) -> Iterator[IO[bytes]]:
    info = zipfile.ZipInfo(name, EARLIEST)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3
    info.external_attr = 0o644 << 16
    with packed.open(info, "w", force_zip64=True) as file:
        yield file


def _leaves(seal: Seal) -> list[bytes]:
    places = SealedEvent.objects.filter(position__gte=seal.first, position__lt=seal.first + seal.size)
    return [bytes(digest) for digest in places.order_by("position").values_list("digest", flat=True)]


def _texts(places: list[SealedEvent]) -> dict[UUID, bytes]:
    """The times let the database look into the right months only."""
    times = [place.timestamp for place in places]
    found = AuditEvent.objects.filter(
        pk__in=[place.event for place in places], timestamp__gte=min(times), timestamp__lte=max(times)
    )
    return {event: bytes(text) for event, text in found.order_by().values_list("pk", "canonical")}


def _chunks(places: Iterable[SealedEvent]) -> Iterator[list[SealedEvent]]:
    chunk: list[SealedEvent] = []
    for place in places:
        chunk.append(place)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _once(line: bytes, written: set[bytes]) -> Iterator[bytes]:
    digest = hashlib.sha256(line).digest()
    if digest not in written:
        written.add(digest)
        yield line


def _says(statement: bytes, **values: Any) -> bool:
    return bool(json.loads(statement).items() >= values.items())


def _checkpoint_line(checkpoint: checkpoints.Checkpoint) -> bytes:
    return _signed_line(checkpoint.statement, checkpoint.signature, checkpoint.key)


def _signed_line(statement: bytes, signature: bytes, key: str) -> bytes:
    text = statement.decode("ascii", "replace")
    return _line(type=checkpoints.TYPE, statement=text, signature=signature.hex(), key=key)


def _line(**values: Any) -> bytes:
    return json.dumps(values, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None
