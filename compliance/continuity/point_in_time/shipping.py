"""`manage.py backup wal`: PostgreSQL's log into every store, as it is written.

PostgreSQL's pg_receivewal writes the log into a spool, a private folder. From there whole segments go into the stores,
and the one that is being written, as far as it has come, every few seconds. A replication slot keeps the server from
throwing away what was not received; what was received stays in the spool until every store has it. So this process may
be killed and started again, and a store may be away for a while: it goes on where it was.
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
from psycopg.rows import dict_row

from clinchat.lib import clock
from clinchat.local import LocalError
from clinchat.local.folders import locked, open_var, private_folder
from compliance.continuity import programs
from compliance.continuity.point_in_time import wal
from compliance.continuity.point_in_time.base import position
from compliance.continuity.point_in_time.shipping_record import Progress, Record
from compliance.continuity.point_in_time.wal import PARTIAL, SLOT, Log, Shipped
from compliance.continuity.refusals import ContinuityError, Kept
from compliance.continuity.storage import keys
from compliance.continuity.storage.stores import Store, stores

logger = logging.getLogger("clinchat.continuity")

SECONDS = 3.0
"""From one shipment to the next."""
_RECEIVED_SECONDS = 5.0
"""So long the receiver may take to catch up with what the server had written; it reports once a second."""
SPOOL_MOST = 2 * 2**30
"""Bytes that wait for a store that is away. Then nothing more is received, and the server keeps as much again."""
_PIECE = 2**20
_NAME = 24  # letters of a segment
_MINE = """
SELECT slot.wal_status = 'lost' AS lost, receiver.write_lsn::text AS received
FROM pg_replication_slots slot LEFT JOIN pg_stat_replication receiver ON receiver.pid = slot.active_pid
WHERE slot.slot_name = %s
"""


class Lost(ContinuityError):
    """Log that was not shipped is gone."""


def follow(
    *,
    report: Callable[[Progress], None] | None = None,
    where: Mapping[str, str] | None = None,
    into: Sequence[Store] | None = None,
    seconds: float = SECONDS,
    stop: threading.Event | None = None,
) -> None:
    """Ship the log until told to stop. Raises NoKey, StoreFailed and ProgramMissing at the start."""
    programs.find("pg_receivewal")
    shipper = Shipper(
        where=programs.parameters() if where is None else where,
        into=stores() if into is None else into,
        ring=keys.ring(),
        report=Record() if report is None else report,
    )
    stop = stop or threading.Event()
    with ExitStack() as held:
        _alone(held)
        held.callback(shipper.close)
        while not stop.is_set():
            shipper.turn()
            stop.wait(seconds)


class Shipper:
    """One turn after the other; whatever fails in one is tried again in the next."""

    def __init__(
        self,
        *,
        where: Mapping[str, str],
        into: Sequence[Store],
        ring: Sequence[keys.Key],
        report: Callable[[Progress], None],
    ) -> None:
        self._where = {"connect_timeout": "5", **where, "application_name": "clinchat-wal"}
        self._stores, self._ring, self._report = into, ring, report
        self._server: psycopg.Connection | None = None
        self._receiver: programs.Child | None = None
        self._spool: Spool | None = None
        self._targets: list[Target] = []
        self._bytes, self._failure = 0, ""

    def turn(self) -> None:
        """Ship what there is, once; what went wrong is in the log and in the report, and raises nothing."""
        try:
            failure = self._turn()
        except psycopg.Error:
            self._disconnect()
            failure = "The database does not answer."
            if failure != self._failure:
                self._ship_rest()
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
        self._report(Progress(self._targets[0].shipped if self._targets else None, self._bytes, failure))

    def close(self) -> None:
        """End the receiver and the connection. The slot stays: the server keeps the log for the next one."""
        self._stop_receiving()
        self._disconnect()

    def _turn(self) -> str:
        """What went wrong in a store, if anything; what goes wrong before raises."""
        server, spool = self._ready()
        failure = self._receive(spool)
        moment, flushed = _flushed(server)
        received = self._received(server, flushed)
        if received is None:  # what is whole in the spool is known to be there
            whole = spool.whole()
            received = (whole[-1] + 1) * spool.log.segment_bytes if whole else 0
        for target in self._targets:
            try:
                self._bytes += target.ship(spool, as_of=moment if received >= flushed else None, reached=received)
            except ContinuityError as error:
                if isinstance(error, Lost):
                    self._begin_anew(server, spool)
                failure = failure or error.words
        spool.drop_before(min((target.next or 0) for target in self._targets))
        return failure or ("" if received >= flushed else "The server's log is not received.")

    def _ship_rest(self) -> None:
        """The server is gone. What it still sent is the last that anybody has of it."""
        if self._spool is None or self._receiver is None:
            return
        with suppress(subprocess.TimeoutExpired, ContinuityError, OSError):
            self._receiver.process.wait(_RECEIVED_SECONDS)  # it ends with its connection
            for target in self._targets:
                target.ship_rest(self._spool)

    # ── The server ────────────────────────────────────────────────────────────────────────────────────────────

    def _ready(self) -> tuple[psycopg.Connection, Spool]:
        """Connected, with a slot that keeps the log, and knowing how far each store is."""
        if self._server is None:
            self._server = psycopg.connect(**self._where, autocommit=True)  # type: ignore[arg-type]
            _limit(self._server)
        log = _log(self._server)
        if self._spool is None or self._spool.log != log:
            self._stop_receiving()
            self._targets = [Target(store, log, self._ring) for store in self._stores]
            self._spool = Spool(wal.spool() / log.system, log)
        slot = _slot(self._server)
        if slot is None or slot["lost"]:
            self._begin_anew(self._server, self._spool)
        return self._server, self._spool

    def _begin_anew(self, server: psycopg.Connection, spool: Spool) -> None:
        """With a new slot. What the stores have until now does not join what comes."""
        self._stop_receiving()
        spool.clear()
        for target in self._targets:
            target.forget()
        if _slot(server) is not None:
            server.execute("SELECT pg_drop_replication_slot(%s)", [SLOT])
        server.execute("SELECT pg_create_physical_replication_slot(%s, true)", [SLOT])
        logger.warning("the log is shipped from here on", extra={"code": "WAL_SHIPPING"})

    def _disconnect(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    # ── The receiver ──────────────────────────────────────────────────────────────────────────────────────────

    def _receive(self, spool: Spool) -> str:
        """See that the receiver runs; why it does not, if it ended."""
        if spool.size() > SPOOL_MOST:
            self._stop_receiving()
            return "Too much of the log waits for a store; the server keeps what comes now, as long as it can."
        failure = ""
        if self._receiver is not None and self._receiver.process.poll() is not None:
            try:
                self._receiver.finish()
            except programs.ProgramFailed as error:
                failure = error.words
            self._stop_receiving()
        if self._receiver is None:
            spool.mend()
            words = ("--directory", spool.folder, "--slot", SLOT, "--no-loop", "--no-password", "--status-interval=1")
            pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
            self._receiver = programs.Child("pg_receivewal", words, self._where, **pipes)
        return failure

    def _received(self, server: psycopg.Connection, flushed: int) -> int | None:
        """Up to where it has come, at `flushed` if it gets there soon; None while nothing is known of it."""
        deadline = time.monotonic() + _RECEIVED_SECONDS
        while True:
            slot = _slot(server)
            received = position(slot["received"]) if slot and slot["received"] else None
            ended = self._receiver is None or self._receiver.process.poll() is not None
            if (received or 0) >= flushed or ended or time.monotonic() > deadline:
                return received
            time.sleep(0.05)

    def _stop_receiving(self) -> None:
        if self._receiver is not None:
            self._receiver.kill()
            self._receiver = None


class Target:
    """One store, and how far it is."""

    def __init__(self, store: Store, log: Log, ring: Sequence[keys.Key]) -> None:
        self.store, self._log, self._ring = store, log, ring
        self._asked = False
        self.shipped: Shipped | None = None
        self.next: int | None = None
        """Number of the first segment that is not whole there."""

    def _ask(self) -> None:
        """What it says of itself, once; it may be away when this process begins."""
        if not self._asked:
            found = wal.shipped(self.store, self._log.system, ring=self._ring)
            if found and found.timeline == self._log.timeline:
                self.shipped, self.next = found, found.position // found.segment_bytes
            self._asked = True

    def forget(self) -> None:
        """What it has does not join what comes."""
        self._asked, self.shipped, self.next = True, None, None

    def ship(self, spool: Spool, *, as_of: datetime | None, reached: int) -> int:
        """Bring it up to `reached`, the state of `as_of` if that is known. Returns how many bytes it took.

        Raises Lost, StoreFailed.
        """
        self._ask()
        known = self._continued(spool, as_of, reached)
        if known is None or reached < known.position:
            return 0
        then = as_of or known.as_of
        size, first, current = 0, known.position // known.segment_bytes, reached // known.segment_bytes
        if reached > known.position:
            for number in range(first, current + 1):
                size += self._put(spool, number, as_of=then, reached=reached)
            self.next = current
        self.shipped = replace(known, position=reached, as_of=then)
        if reached > known.position:
            wal.note(self.store, self.shipped, key=self._ring[0])
        return size

    def ship_rest(self, spool: Spool) -> None:
        """As `ship`, with all that the spool has: nobody says any more how far the last segment is written."""
        each, whole = self._log.segment_bytes, spool.whole()
        if whole:
            self.ship(spool, as_of=None, reached=(whole[-1] + 1) * each)
        known = self.shipped
        if known is not None and spool.has(self._log.segment(known.position // each)):
            name = self._log.place(self._log.segment(known.position // each) + PARTIAL)
            data = spool.read(known.position // each, each)
            sealed = wal.seal(data, as_of=known.as_of, reached=known.position, key=self._ring[0], name=name)
            self.store.put(name, sealed)

    def _continued(self, spool: Spool, as_of: datetime | None, reached: int) -> Shipped | None:
        """What the store has, if the spool goes on where it ends; else nothing yet, from where the spool begins."""
        each = self._log.segment_bytes
        begins = min(
            [number for number in spool.whole() if self.next is None or number >= self.next] or [reached // each]
        )
        if self.shipped is not None and begins == self.next:
            return self.shipped
        if as_of is None:
            return None
        first, self.next, self.shipped = begins * each, begins, None
        return Shipped(**asdict(self._log), first=first, since=as_of, position=first, as_of=as_of)

    def _put(self, spool: Spool, number: int, *, as_of: datetime, reached: int) -> int:
        """A segment, or as much of it as there is."""
        each = self._log.segment_bytes
        length = min(each, reached - number * each)
        if not length:
            return 0
        segment = self._log.place(self._log.segment(number))
        name, until = (segment, clock.now() + wal.KEPT) if length == each else (segment + PARTIAL, None)
        sealed = wal.seal(spool.read(number, length), as_of=as_of, reached=reached, key=self._ring[0], name=name)
        size = 0
        with suppress(Kept):  # put there by this process before it was killed
            size = self.store.put(name, sealed, keep_until=until)
        if until is not None:
            self.store.delete(segment + PARTIAL)
        return size


class Spool:
    """The private folder that pg_receivewal writes to."""

    def __init__(self, folder: Path, log: Log) -> None:
        private_folder(folder)
        self.folder, self.log = folder, log

    def mend(self) -> None:
        """Remove a segment whose making was cut short: the receiver would stumble over it."""
        for path in self.folder.glob("*" + PARTIAL):
            if path.stat().st_size not in {0, self.log.segment_bytes}:
                path.unlink()

    def whole(self) -> list[int]:
        """The numbers of the segments that are complete."""
        return sorted(self.log.number(path.name) for path in self.folder.iterdir() if len(path.name) == _NAME)

    def has(self, segment: str) -> bool:
        """Whether its writing has begun and not ended."""
        return (self.folder / (segment + PARTIAL)).exists()

    def read(self, number: int, length: int) -> Iterator[bytes]:
        """The first bytes of a segment, complete or not. Raises Lost."""
        name = self.log.segment(number)
        for path in (self.folder / name, self.folder / (name + PARTIAL), self.folder / name):
            with suppress(FileNotFoundError), path.open("rb") as file:  # it may become complete between two looks
                while length and (piece := file.read(min(_PIECE, length))):
                    length -= len(piece)
                    yield piece
                break
        if length:
            raise Lost("Part of the log was lost before it was shipped.")

    def drop_before(self, number: int) -> None:
        """Remove the complete segments before this one."""
        for each in self.whole():
            if each < number:
                (self.folder / self.log.segment(each)).unlink()

    def size(self) -> int:
        """Bytes of all that is in it."""
        return sum(path.stat().st_size for path in self.folder.iterdir())

    def clear(self) -> None:
        """Remove everything, for a log that begins anew."""
        for path in self.folder.iterdir():
            path.unlink()


def _log(server: psycopg.Connection) -> Log:
    row = _row(
        server,
        "SELECT system_identifier::text AS system, pg_size_bytes(current_setting('wal_segment_size'))::int AS bytes,"
        " left(pg_walfile_name(pg_current_wal_flush_lsn()), 8) AS timeline FROM pg_control_system()",
    )
    return Log(system=row["system"], timeline=int(row["timeline"], 16), segment_bytes=row["bytes"])


def _flushed(server: psycopg.Connection) -> tuple[datetime, int]:
    """A moment, and where in the log everything is that was committed before it."""
    row = _row(server, "SELECT clock_timestamp() AS moment, pg_current_wal_flush_lsn()::text AS flushed")
    return row["moment"], position(row["flushed"])


def _slot(server: psycopg.Connection) -> dict[str, Any] | None:
    with server.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_MINE, [SLOT]).fetchone()


def _row(server: psycopg.Connection, query: LiteralString) -> dict[str, Any]:
    with server.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query).fetchone() or {}


def _limit(server: psycopg.Connection) -> None:
    """See that the server keeps no more than so much for a receiver that is away, where we may say so."""
    if _row(server, "SHOW max_slot_wal_keep_size")["max_slot_wal_keep_size"] != "-1":
        return
    try:
        server.execute("ALTER SYSTEM SET max_slot_wal_keep_size = '2GB'")
        server.execute("SELECT pg_reload_conf()")
    except psycopg.errors.InsufficientPrivilege:
        logger.warning("max_slot_wal_keep_size is not set on the server", extra={"code": "WAL_SHIPPING"})


def _alone(held: ExitStack) -> None:
    """Until it ends nobody else ships the log; who does now is waited for."""
    folder = wal.spool()
    open_var(folder.parent)
    private_folder(folder)
    try:
        held.enter_context(locked(folder))
    except BlockingIOError:
        logger.info("another process ships the log: waiting for its end", extra={"code": "WAL_SHIPPING"})
        held.enter_context(locked(folder, wait=True))
