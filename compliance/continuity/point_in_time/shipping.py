"""`manage.py backup wal`: ships the WAL into every store as it is written.

pg_receivewal streams the WAL into the spool, a private folder. From there complete segments are uploaded, and every few
seconds the current one as a partial segment. A physical replication slot makes the server keep what was not received;
segments stay in the spool until every store has them. So this process may be killed and restarted, and a store may be
away for a while, without a gap.
"""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from django.db import DatabaseError, close_old_connections
from psycopg.rows import dict_row

from clinchat.lib import clock
from clinchat.local import LocalError
from clinchat.local.folders import locked, open_var, private_folder
from compliance.continuity import programs
from compliance.continuity.backup import store_identity
from compliance.continuity.point_in_time import wal
from compliance.continuity.point_in_time.base import parse_lsn
from compliance.continuity.point_in_time.shipping_record import ShippingStatus, StatusRecorder
from compliance.continuity.point_in_time.wal import PARTIAL, SLOT, ShippedWal, WalStream
from compliance.continuity.refusals import Absent, ContinuityError, Retained, StoreFailed
from compliance.continuity.storage import keys
from compliance.continuity.storage.stores import Store, stores

logger = logging.getLogger("clinchat.continuity")

SECONDS = 3.0
"""Between two rounds of shipping."""
_RECEIVE_TIMEOUT = 5.0
"""Seconds that a round waits for the receiver to confirm the flush position; it confirms once a second."""
MAX_SPOOL_BYTES = 2 * 2**30
"""At this size of the spool (a store is away) receiving stops; the server then keeps as much again in pg_wal."""
_CHUNK_BYTES = 2**20
_SEGMENT_NAME_LENGTH = 24
_SLOT_STATUS = """
SELECT slot.wal_status = 'lost' AS lost, receiver.write_lsn::text AS received
FROM pg_replication_slots slot LEFT JOIN pg_stat_replication receiver ON receiver.pid = slot.active_pid
WHERE slot.slot_name = %s
"""


StoreCheck = Callable[[Store], None]
"""Raises StoreEmptied where a store is not the one it was, and StoreFailed."""


class WalLost(ContinuityError):
    """WAL was lost before it was shipped."""


def run(
    *,
    report: Callable[[ShippingStatus], None] | None = None,
    conninfo: Mapping[str, str] | None = None,
    into: Sequence[Store] | None = None,
    check_store: StoreCheck | None = None,
    seconds: float = SECONDS,
    stop: threading.Event | None = None,
) -> None:
    """Ship the WAL until `stop` is set. Default: of the live database, into all stores, each checked by the record.

    Waits while another process does. Raises NoKey, StoreFailed and ProgramMissing at the start.
    """
    programs.find("pg_receivewal")
    shipper = Shipper(
        conninfo=programs.owner_conninfo() if conninfo is None else conninfo,
        into=stores() if into is None else into,
        check_store=check_store or (check_by_record if into is None else _no_check),
        ring=keys.ring(),
        report=StatusRecorder() if report is None else report,
    )
    stop = stop or threading.Event()
    with ExitStack() as stack:
        _lock_spool(stack)
        stack.callback(shipper.close)
        while not stop.is_set():
            shipper.ship_once()
            stop.wait(seconds)


class Shipper:
    """Receives and uploads in rounds (`ship_once`); what fails in one round is tried again in the next."""

    def __init__(
        self,
        *,
        conninfo: Mapping[str, str],
        into: Sequence[Store],
        check_store: StoreCheck,
        ring: Sequence[keys.Key],
        report: Callable[[ShippingStatus], None],
    ) -> None:
        self._conninfo = {"connect_timeout": "5", **conninfo, "application_name": "clinchat-wal"}
        self._stores, self._check_store, self._ring, self._report = into, check_store, ring, report
        self._server: psycopg.Connection | None = None
        self._receiver: programs.Child | None = None
        self._spool: Spool | None = None
        self._targets: list[Target] = []
        self._bytes, self._failure = 0, ""

    def ship_once(self) -> None:
        """One round: upload what there is to all stores. Failures are logged and reported, not raised."""
        try:
            failure = self._ship()
        except psycopg.Error:
            self._disconnect()
            failure = "The database does not answer."
            if failure != self._failure:
                self._ship_remainder()
        except OSError as error:
            failure = f"The folder of the log cannot be used: {error.strerror}."
        except LocalError as error:
            failure = error.line
        except ContinuityError as error:
            failure = error.words
        if failure and failure != self._failure:
            logger.error("log not shipped: %s", failure, extra={"code": "WAL_SHIPPING"})
        elif self._failure and not failure:
            logger.info("the log is shipped again", extra={"code": "WAL_SHIPPING"})
        self._failure = failure
        self._report(ShippingStatus(self._targets[0].shipped if self._targets else None, self._bytes, failure))

    def close(self) -> None:
        """Stop the receiver and disconnect. The slot stays, so that the server keeps WAL for the next process."""
        self._stop_receiver()
        self._disconnect()

    def _ship(self) -> str:
        """One round; returns the first failure of a store, in words. Other failures raise."""
        server, spool = self._prepare()
        failure = self._ensure_receiver(spool)
        moment, flushed = _flush_position(server)
        received = self._await_received(server, flushed)
        if received is None:  # unknown: count on complete segments alone
            complete = spool.complete_segments()
            received = (complete[-1] + 1) * spool.stream.segment_bytes if complete else 0
        for target in self._targets:
            try:
                self._bytes += target.ship(spool, as_of=moment if received >= flushed else None, end_lsn=received)
            except ContinuityError as error:
                if isinstance(error, WalLost):
                    self._recreate_slot(server, spool)
                failure = failure or error.words
        spool.drop_before(min((target.next_segment or 0) for target in self._targets))
        return failure or ("" if received >= flushed else "The server's log is not received.")

    def _ship_remainder(self) -> None:
        """The server does not answer, perhaps for good: upload everything that was still received."""
        if self._spool is None or self._receiver is None:
            return
        with suppress(subprocess.TimeoutExpired, ContinuityError, OSError):
            self._receiver.process.wait(_RECEIVE_TIMEOUT)  # it exits when its connection is lost
            for target in self._targets:
                target.ship_remainder(self._spool)

    # ── The server ────────────────────────────────────────────────────────────────────────────────────────────

    def _prepare(self) -> tuple[psycopg.Connection, Spool]:
        """Connect, find out server and timeline, and see that the replication slot exists and has lost no WAL."""
        if self._server is None:
            self._server = psycopg.connect(**self._conninfo, autocommit=True)  # type: ignore[arg-type]
            _limit_slot_size(self._server)
        stream = _wal_stream(self._server)
        if self._spool is None or self._spool.stream != stream:
            self._stop_receiver()
            self._targets = [Target(store, stream, self._ring, self._check_store) for store in self._stores]
            self._spool = Spool(wal.spool_folder() / stream.system, stream)
        slot = _slot_status(self._server)
        if slot is None or slot["lost"]:
            self._recreate_slot(self._server, self._spool)
        return self._server, self._spool

    def _recreate_slot(self, server: psycopg.Connection, spool: Spool) -> None:
        """Start over with a new slot, after a gap: WAL in the stores does not connect to what comes."""
        self._stop_receiver()
        spool.clear()
        for target in self._targets:
            target.reset()
        if _slot_status(server) is not None:
            server.execute("SELECT pg_drop_replication_slot(%s)", [SLOT])
        server.execute("SELECT pg_create_physical_replication_slot(%s, true)", [SLOT])
        logger.warning("the log is shipped from here on", extra={"code": "WAL_SHIPPING"})

    def _disconnect(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    # ── The receiver ──────────────────────────────────────────────────────────────────────────────────────────

    def _ensure_receiver(self, spool: Spool) -> str:
        """Start the receiver unless it runs; returns why it exited, or is not started, in words."""
        if spool.size() > MAX_SPOOL_BYTES:
            self._stop_receiver()
            return "Too much of the log waits for a store; the server keeps what comes now, as long as it can."
        failure = ""
        if self._receiver is not None and self._receiver.process.poll() is not None:
            try:
                self._receiver.finish()
            except programs.ProgramFailed as error:
                failure = error.words
            self._stop_receiver()
        if self._receiver is None:
            spool.remove_short_partial()
            args = ("--directory", spool.folder, "--slot", SLOT, "--no-loop", "--no-password", "--status-interval=1")
            pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
            self._receiver = programs.Child("pg_receivewal", args, self._conninfo, **pipes)
        return failure

    def _await_received(self, server: psycopg.Connection, flushed: int) -> int | None:
        """Wait for the receiver to confirm `flushed`; returns the LSN it confirmed in time, None where unknown."""
        deadline = time.monotonic() + _RECEIVE_TIMEOUT
        while True:
            slot = _slot_status(server)
            received = parse_lsn(slot["received"]) if slot and slot["received"] else None
            ended = self._receiver is None or self._receiver.process.poll() is not None
            if (received or 0) >= flushed or ended or time.monotonic() > deadline:
                return received
            time.sleep(0.05)

    def _stop_receiver(self) -> None:
        if self._receiver is not None:
            self._receiver.kill()
            self._receiver = None


class Target:
    """Uploads to one store, and knows which WAL it has."""

    def __init__(self, store: Store, stream: WalStream, ring: Sequence[keys.Key], check_store: StoreCheck) -> None:
        self.store, self._stream, self._ring, self._check_store = store, stream, ring, check_store
        self._loaded = self._state_stored = self._starts_over = False
        self.shipped: ShippedWal | None = None
        self.next_segment: int | None = None
        """Number of the first segment that the store does not have in full."""

    def _load_state(self) -> None:
        """Read the state from the store, once it answers, and again when it has vanished there, as with its disk.

        Raises StoreEmptied and StoreFailed.
        """
        if self._state_stored and not self._has_state():
            self._loaded = self._state_stored = False
            self.shipped = self.next_segment = None
        if not self._loaded:
            self._check_store(self.store)
            found = None if self._starts_over else wal.read_state(self.store, self._stream.system, ring=self._ring)
            if found and found.timeline == self._stream.timeline:
                self.shipped, self.next_segment = found, found.position // found.segment_bytes
                self._state_stored = True
            self._loaded = True

    def _has_state(self) -> bool:
        try:
            return any(self.store.open(self._stream.object_name("shipped")))
        except Absent:
            return False

    def reset(self) -> None:
        """Forget the state: WAL in the store does not connect to what comes."""
        self._loaded, self._state_stored, self._starts_over = False, False, True
        self.shipped = self.next_segment = None

    def ship(self, spool: Spool, *, as_of: datetime | None, end_lsn: int) -> int:
        """Upload everything up to `end_lsn`; returns how many bytes were uploaded.

        `as_of`: a moment before which every commit is below `end_lsn`; None: unknown, the last known one stays. Raises
        WalLost and StoreFailed.
        """
        if self.shipped is None or end_lsn > self.shipped.position:
            self._load_state()
        state = self._starting_state(spool, as_of, end_lsn)
        if state is None or end_lsn < state.position:
            return 0
        state_as_of = as_of or state.as_of
        size, first, current = 0, state.position // state.segment_bytes, end_lsn // state.segment_bytes
        if end_lsn > state.position:
            for number in range(first, current + 1):
                size += self._upload(spool, number, as_of=state_as_of, end_lsn=end_lsn)
            self.next_segment = current
        self.shipped = replace(state, position=end_lsn, as_of=state_as_of)
        if end_lsn > state.position:
            wal.write_state(self.store, self.shipped, key=self._ring[0])
            self._state_stored, self._starts_over = True, False
        return size

    def ship_remainder(self, spool: Spool) -> None:
        """As `ship`, but everything in the spool. The partial segment is uploaded in its full length.

        How much of it is written only the server knew; a recovery ends where its valid records end.
        """
        segment_bytes, complete = self._stream.segment_bytes, spool.complete_segments()
        if complete:
            self.ship(spool, as_of=None, end_lsn=(complete[-1] + 1) * segment_bytes)
        self._load_state()
        state = self.shipped
        if state is None:
            return
        number = state.position // segment_bytes
        segment = self._stream.segment_name(number)
        if spool.has_partial(segment):
            name, data = self._stream.object_name(segment + PARTIAL), spool.read(number, segment_bytes)
            key = self._ring[0]
            self.store.put(
                name, wal.encrypt_segment(data, as_of=state.as_of, end_lsn=state.position, key=key, name=name)
            )

    def _starting_state(self, spool: Spool, as_of: datetime | None, end_lsn: int) -> ShippedWal | None:
        """The state of the store, where the spool continues it; else an empty one at the beginning of the spool.

        None: no state can be begun without knowing `as_of`.
        """
        segment_bytes = self._stream.segment_bytes
        first_number = min(
            [number for number in spool.complete_segments() if self.next_segment is None or number >= self.next_segment]
            or [end_lsn // segment_bytes]
        )
        if self.shipped is not None and first_number == self.next_segment:
            return self.shipped
        if as_of is None:
            return None
        first, self.next_segment, self.shipped = first_number * segment_bytes, first_number, None
        return ShippedWal(**asdict(self._stream), first=first, since=as_of, position=first, as_of=as_of)

    def _upload(self, spool: Spool, number: int, *, as_of: datetime, end_lsn: int) -> int:
        """Upload a segment, or its bytes up to `end_lsn` as a partial one; returns how many bytes that took."""
        segment_bytes = self._stream.segment_bytes
        length = min(segment_bytes, end_lsn - number * segment_bytes)
        if not length:
            return 0
        segment = self._stream.object_name(self._stream.segment_name(number))
        name, until = (segment, clock.now() + wal.RETENTION) if length == segment_bytes else (segment + PARTIAL, None)
        encrypted = wal.encrypt_segment(
            spool.read(number, length), as_of=as_of, end_lsn=end_lsn, key=self._ring[0], name=name
        )
        size = 0
        with suppress(Retained):  # uploaded before this process was restarted
            size = self.store.put(name, encrypted, keep_until=until)
        if until is not None:
            self.store.delete(segment + PARTIAL)
        return size


class Spool:
    """The private folder that pg_receivewal writes to: complete segments, and one partial."""

    def __init__(self, folder: Path, stream: WalStream) -> None:
        private_folder(folder)
        self.folder, self.stream = folder, stream

    def remove_short_partial(self) -> None:
        """Remove a partial segment that was not preallocated in full: pg_receivewal refuses to continue it."""
        for path in self.folder.glob("*" + PARTIAL):
            if path.stat().st_size not in {0, self.stream.segment_bytes}:
                path.unlink()

    def complete_segments(self) -> list[int]:
        """The numbers of the complete segments, ascending."""
        return sorted(
            self.stream.segment_number(path.name)
            for path in self.folder.iterdir()
            if len(path.name) == _SEGMENT_NAME_LENGTH
        )

    def has_partial(self, segment: str) -> bool:
        """Whether the segment is being written."""
        return (self.folder / (segment + PARTIAL)).exists()

    def read(self, number: int, length: int) -> Iterator[bytes]:
        """The first bytes of a segment, complete or not. Raises WalLost."""
        name = self.stream.segment_name(number)
        for path in (self.folder / name, self.folder / (name + PARTIAL), self.folder / name):
            with suppress(FileNotFoundError), path.open("rb") as file:  # it may be renamed between the first two
                while length and (chunk := file.read(min(_CHUNK_BYTES, length))):
                    length -= len(chunk)
                    yield chunk
                break
        if length:
            raise WalLost("Part of the log was lost before it was shipped.")

    def drop_before(self, number: int) -> None:
        """Remove the complete segments before this number."""
        for complete in self.complete_segments():
            if complete < number:
                (self.folder / self.stream.segment_name(complete)).unlink()

    def size(self) -> int:
        """Bytes of all files in it."""
        return sum(path.stat().st_size for path in self.folder.iterdir())

    def clear(self) -> None:
        """Remove all files."""
        for path in self.folder.iterdir():
            path.unlink()


def check_by_record(store: Store) -> None:
    """A StoreCheck: whether the store is the one that the database has on record."""
    close_old_connections()
    try:
        store_identity.require(store)
    except DatabaseError:
        raise StoreFailed(f"The database does not say what {store.name} should hold.") from None


def _no_check(_: Store) -> None:
    return


def _wal_stream(server: psycopg.Connection) -> WalStream:
    row = _fetch_row(
        server,
        "SELECT system_identifier::text AS system, pg_size_bytes(current_setting('wal_segment_size'))::int AS bytes,"
        " left(pg_walfile_name(pg_current_wal_flush_lsn()), 8) AS timeline FROM pg_control_system()",
    )
    return WalStream(system=row["system"], timeline=int(row["timeline"], 16), segment_bytes=row["bytes"])


def _flush_position(server: psycopg.Connection) -> tuple[datetime, int]:
    """A moment, and the flush LSN read after it: everything committed before the moment is below that."""
    row = _fetch_row(server, "SELECT clock_timestamp() AS moment, pg_current_wal_flush_lsn()::text AS flushed")
    return row["moment"], parse_lsn(row["flushed"])


def _slot_status(server: psycopg.Connection) -> dict[str, Any] | None:
    """`lost`: the server discarded WAL of our slot; `received`: LSN that the receiver has written. None: no slot."""
    with server.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SLOT_STATUS, [SLOT]).fetchone()


def _fetch_row(server: psycopg.Connection, query: LiteralString) -> dict[str, Any]:
    with server.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query).fetchone() or {}


def _limit_slot_size(server: psycopg.Connection) -> None:
    """Bound what the server keeps for an absent receiver, unless that is set, so that its disk does not fill up."""
    if _fetch_row(server, "SHOW max_slot_wal_keep_size")["max_slot_wal_keep_size"] != "-1":
        return
    try:
        server.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '2GB'")
        server.execute("SELECT pg_reload_conf()")
    except psycopg.errors.InsufficientPrivilege:
        logger.warning("max_slot_wal_keep_size is not set on the server", extra={"code": "WAL_SHIPPING"})


def _lock_spool(stack: ExitStack) -> None:
    """Hold the lock of the spool: one process ships at a time. Waits for another one to end."""
    folder = wal.spool_folder()
    open_var(folder.parent)
    private_folder(folder)
    try:
        stack.enter_context(locked(folder))
    except BlockingIOError:
        logger.info("another process ships the log: waiting for its end", extra={"code": "WAL_SHIPPING"})
        stack.enter_context(locked(folder, wait=True))
