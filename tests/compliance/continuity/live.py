"""A server of its own whose log is shipped into a folder, while somebody writes."""

from __future__ import annotations

import atexit
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path

import psycopg
from django.conf import settings
from django.test import override_settings

from clinchat.local.paths import ROOT
from compliance.continuity.point_in_time import base, shipping, wal
from compliance.continuity.point_in_time.base import WalRange
from compliance.continuity.point_in_time.shipping_record import ShippingStatus
from compliance.continuity.scratch import ScratchServer
from compliance.continuity.storage.folder import Folder

FOLLOW = """
import json, sys, threading, django; django.setup()
from compliance.continuity.point_in_time import shipping
from compliance.continuity.storage.folder import Folder
conninfo, store, seconds = json.loads(sys.argv[1])
shipping.run(report=lambda _: print("turn", flush=True), conninfo=conninfo, into=[Folder(store)], seconds=seconds)
"""
BEAT = 0.02
_NOTHING_COMMITTED = "SELECT pg_logical_emit_message(false, 'test', 'log, and no commit', true)"


@dataclass
class Live:
    """`beats` are the moments that were written, each a row committed at once."""

    server: ScratchServer
    store: Folder
    turns: list[ShippingStatus] = field(default_factory=list)
    beats: list[datetime] = field(default_factory=list)

    @contextmanager
    def shipped(self, *stores: Folder, seconds: float = 0.3) -> Iterator[None]:
        """While its log is shipped by a thread of this process."""
        stop, self.turns = threading.Event(), []
        given = {
            "report": self.turns.append,
            "conninfo": self.server.conninfo(),
            "into": stores or [self.store],
            "seconds": seconds,
            "stop": stop,
        }
        thread = threading.Thread(target=shipping.run, kwargs=given)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    @contextmanager
    def written(self) -> Iterator[None]:
        """While a heartbeat is written."""
        stop = threading.Event()
        thread = threading.Thread(target=self._beat, args=[stop])
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _beat(self, stop: threading.Event) -> None:
        with suppress(psycopg.OperationalError), self.server.connect() as connection:  # some tests take it away
            connection.execute("SET synchronous_commit = on")  # as in use: what is committed is in the log
            while not stop.is_set():
                row = connection.execute("INSERT INTO beat VALUES (clock_timestamp()) RETURNING at").fetchone()
                self.beats += row or ()
                stop.wait(BEAT)

    def fill(self, megabytes: int) -> None:
        """Make so much log."""
        with self.server.connect() as connection:
            connection.execute("INSERT INTO bulk SELECT repeat(md5(i::text), 32) FROM generate_series(1, %s) i",
                               [megabytes * 900])  # fmt: skip

    def caught_up(self) -> datetime:
        """Wait until what is written now is shipped; returns the moment up to which the store says that it has it."""
        with self.server.connect() as connection:
            (now,) = connection.execute("SELECT clock_timestamp()").fetchone() or (None,)

            def reached() -> bool:
                connection.execute(_NOTHING_COMMITTED)  # the store is told a later moment with something new only
                return self.as_of is not None and min(self.as_of, self.kept.as_of) > now

            eventually(reached)
        return self.kept.as_of

    @property
    def kept(self) -> wal.ShippedWal:
        """How far it is, as the store says."""
        return wal.read_states(self.store)[-1]

    @property
    def as_of(self) -> datetime | None:
        """How far it is, as the shipper says: later than what the store says, where nothing came since."""
        shipped = self.turns[-1].shipped if self.turns else None
        return shipped.as_of if shipped else None

    def flushed(self) -> int:
        """How far its log is written; PostgreSQL writes into it now and then also where nobody else does."""
        with self.server.connect() as connection:
            (at,) = connection.execute("SELECT pg_current_wal_flush_lsn()::text").fetchone() or ("",)
        return base.parse_lsn(at)

    def copy(self) -> bytes:
        return b"".join(base.base_backup(conninfo=self.server.conninfo()))

    def follower(self, *, seconds: float = 0.1) -> subprocess.Popen[str]:
        """A process that ships its log; it has done a turn, and the store has something, when this returns."""
        given = json.dumps([self.server.conninfo(), self.store.name, seconds])
        process = subprocess.Popen(
            [sys.executable, "-c", FOLLOW, given],
            env={
                **os.environ,
                "CLINCHAT_VAR": str(settings.VAR),
                "DJANGO_SETTINGS_MODULE": "clinchat.settings",
                "BACKUP_KEY": base64.b64encode(settings.BACKUP_KEYS()[0]).decode(),
            },
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout
        while process.stdout.readline() and not wal.read_states(self.store):
            pass  # a turn that came before PostgreSQL had sent anything
        return process


@contextmanager
def in_memory() -> Iterator[Path]:
    """A CLINCHAT_VAR where a thousand files are made and removed in no time."""
    var = Path(tempfile.mkdtemp(prefix="cc-", dir=_memory()))
    var.chmod(0o755)
    try:
        with override_settings(VAR=var):
            yield var
    finally:
        shutil.rmtree(var)


def _memory() -> Path:
    memory = Path("/dev/shm")
    return memory if memory.is_dir() else Path("/tmp")


@cache
def _new_server() -> Path:
    """The files of a server that holds nothing yet; to make them takes longer than to copy them."""
    kept = Path(tempfile.mkdtemp(prefix="cc-", dir=_memory()))
    atexit.register(shutil.rmtree, kept)
    with ScratchServer() as server:
        server.stop()
        shutil.copytree(server.data, kept / "data")
    return kept / "data"


@contextmanager
def live(store: Path) -> Iterator[Live]:
    files = _new_server()

    def fill(data: Path) -> None:
        shutil.copytree(files, data, dirs_exist_ok=True)

    with ScratchServer(fill=fill) as server:
        with (server.data / "pg_hba.conf").open("a") as rules, server.connect() as connection:
            print("local replication all trust", file=rules, flush=True)
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("CREATE TABLE beat (at timestamptz)")
            connection.execute("CREATE TABLE bulk (text text)")
        yield Live(server, Folder(str(store)))


def laid_out(copy: bytes) -> Callable[[Path], WalRange]:
    return lambda folder: base.unpack([copy], folder)


def beats(server: ScratchServer) -> list[datetime]:
    with server.connect() as connection:
        return [at for (at,) in connection.execute("SELECT at FROM beat ORDER BY at")]


def segments(store: Folder) -> list[str]:
    """The names of the log's pieces in the store."""
    return [entry.name for entry in store.list(f"{wal.FOLDER}/") if not entry.name.endswith("shipped")]


def eventually(true: Callable[[], object], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
