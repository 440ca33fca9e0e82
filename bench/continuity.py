"""Backup and restore beside PostgreSQL's own tools, a drill, and what a server that dies while it is written to loses.

Everything of one installation: passages with vectors, and a sealed trail. Runs in a database of its own, which is
dropped afterwards; the log is that of a server of its own, which is killed.
"""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from django.db import connection
from django.test import override_settings
from pgvector import HalfVector

from bench import scratch
from bench.audit import _generate as make_events
from bench.data import keep, percentile, table
from chat import releases
from chat.corpus import loaders, vectors
from chat.corpus.ingest import ingest
from chat.models import Chunk, Collection
from clinchat.settings import BASE_DIR
from compliance.audit import seal
from compliance.continuity import programs
from compliance.continuity.backup import backups, reading
from compliance.continuity.drill import drills
from compliance.continuity.point_in_time import base, moment, shipping
from compliance.continuity.scratch import ScratchServer
from compliance.continuity.storage.folder import Folder
from compliance.models import Backup, Drill

CHUNKS = 40_000
EVENTS = 50_000
KILLS = 3
WRITING_SECONDS = 15.0
BEAT_SECONDS = 0.02
MB = 1e6
_SECTIONS = [["--section=pre-data"], ["--section=data"], ["--section=post-data"]]
_PLAIN = ["--exit-on-error", "--no-owner", "--no-privileges", "--dbname=clinchat"]


def run(collection: str) -> str | None:
    logging.disable(logging.ERROR)
    try:
        kept = _against_plain() | _losses()
    finally:
        logging.disable(logging.NOTSET)
    keep("continuity", kept)
    return None


# ── Backup and restore ─────────────────────────────────────────────────────────────────────────────────────────


def _against_plain() -> dict[str, Any]:
    with scratch.database(), tempfile.TemporaryDirectory() as folder:
        own = {"BACKUP_STORES": [f"{folder}/store"], "BACKUP_PITR": False}
        with override_settings(**own):
            size = _furnish()
            rows = [*_plain(Path(folder), size), *_ours(size)]
            drill = _drill(size, rows)
    print(f"{CHUNKS:,} passages with vectors and {EVENTS:,} events: {size / MB:.0f} MB in the database")
    table(["step", "s", "MB/s of the database", "MB written"], [[*row] for row in rows])
    print()
    table(["step of the drill", "s"], [[name, f"{seconds:.1f}"] for name, seconds in drill.steps.items()])
    print(f"{drill.get_state_display()}: back after {drill.rto_seconds:.1f} s; {len(drill.assertions)} questions")
    return {"database_mb": round(size / MB), "steps": rows, "drill": drill.steps, "rto_seconds": drill.rto_seconds}


_PASSAGES = """
INSERT INTO chat_chunk (version_id, collection_id, live, ordinal, part, section, lead, start, "end", text, sha256,
                        search_sha256)
SELECT version_id, collection_id, live, 100000 + n, part, section, lead, start, "end", text || md5(n::text), sha256,
       md5(n::text) || md5(n::text)
FROM generate_series(1, %s) n JOIN (SELECT *, row_number() OVER (ORDER BY id) - 1 AS place FROM chat_chunk) c
  ON c.place = n %% %s
RETURNING chat_chunk.id, chat_chunk.collection_id
"""
_VECTORS = "COPY chat_vector (index_id, chunk_id, collection_id, live, embedding) FROM STDIN"


def _furnish() -> int:
    """The starter set, and its passages again and again with vectors of their own; returns the size of it all."""
    import numpy as np

    made = Collection.objects.create(slug="bench", name="Bench", starter=True)
    ingest(sources=loaders.read(BASE_DIR / "chat/corpus/starter").sources, collection=made)
    releases.embed_waiting()
    index, there = vectors.active(), Chunk.objects.count()
    chance = np.random.default_rng(10)
    with connection.cursor() as cursor:
        cursor.execute(_PASSAGES, [CHUNKS - there, there])
        chunks = cursor.fetchall()
        cursor.execute(f"DROP INDEX chat_vector_hnsw_{int(index.pk)}")  # made at once below, which is quicker
        with cursor.copy(_VECTORS) as copy:
            for chunk, of in chunks:
                values = chance.standard_normal(index.dimensions)
                vector = HalfVector(list(values / np.linalg.norm(values))).to_text()
                copy.write_row((index.pk, chunk, of, True, vector))
        cursor.execute("SELECT chat_make_vector_index(%s, true)", [index.pk])
    make_events(EVENTS)
    seal.seal_all()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])


def _plain(folder: Path, size: int) -> Iterator[list[object]]:
    """PostgreSQL's own tools: to a file and back, and both at once through a pipe."""
    file = folder / "plain.dump"
    yield _row("pg_dump -Fc", _timed(lambda: file.write_bytes(programs.run("pg_dump", ["-Fc"]))), size, file)
    for jobs, sections in ((1, [[]]), (2, _SECTIONS)):
        with ScratchServer() as server:
            conninfo, load = server.conninfo(), [*_PLAIN, f"--jobs={jobs}"]
            seconds = sum(
                _timed(partial(programs.run, "pg_restore", [*load, *section, file], conninfo=conninfo))
                for section in sections
            )
            yield _row(f"pg_restore, {jobs} job{'s' if jobs > 1 else ''}", seconds, size)
    with ScratchServer() as server:
        source = programs.stream("pg_dump", ["-Fc"])
        seconds = _timed(lambda: programs.feed("pg_restore", _PLAIN, source, conninfo=server.conninfo()))
        yield _row("pg_dump -Fc | pg_restore", seconds, size)


def _ours(size: int) -> Iterator[list[object]]:
    made: list[Backup] = []
    seconds = _timed(lambda: made.append(backups.create(type=Backup.Type.MANUAL, name="Bench")))
    yield [*_row("backup create", seconds, size)[:3], f"{made[0].size / MB:.0f}"]
    yield _row("backup verify", _timed(lambda: reading.verify(made[0].key)), size)


def _drill(size: int, rows: list[list[object]]) -> Drill:
    drill = drills.run()
    if drill.state != Drill.State.PASSED:
        raise SystemExit(f"the drill did not pass: {drill.failure}")
    restored = drill.steps["verify"] + drill.steps["server"] + drill.steps["load"]
    rows.append(_row("drill: verify, start a server, restore", restored, size))
    return drill


def _row(name: str, seconds: float, size: int, file: Path | None = None) -> list[object]:
    written = f"{file.stat().st_size / MB:.0f}" if file else ""
    return [name, f"{seconds:.1f}", f"{size / MB / seconds:.0f}", written]


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


# ── What is lost ────────────────────────────────────────────────────────────────────────────────────────────────


def _losses() -> dict[str, Any]:
    """A server is written to every 20 ms while its log is shipped. Then it is killed, alone or with the process that
    ships, as when the machine is lost; the store alone brings it back."""
    rows, kept = [], {}
    for name, alone in (("the server", True), ("the server and the shipper", False)):
        found = [_killed(alone=alone) for _ in range(KILLS)]
        lost, back = [one[0] for one in found], [one[1] for one in found]
        said = [f"{percentile(lost, 0.5):.2f}", f"{max(lost):.2f}", f"{percentile(back, 0.5):.1f}", f"{max(back):.1f}"]
        rows.append([name, KILLS, *said])
        kept[name] = {"lost_seconds": lost, "back_seconds": back}
    print()
    table(["killed while written to", "n", "lost s, p50", "max", "back after s, p50", "max"], rows)
    return {"killed": kept}


def _killed(*, alone: bool) -> tuple[float, float]:
    """Seconds of what was committed that did not come back, and how long the rest took to."""
    with ExitStack() as life:
        folder = Path(life.enter_context(tempfile.TemporaryDirectory()))
        store = Folder(str(folder / "store"))
        server = life.enter_context(
            ScratchServer(server_settings={"wal_level": "replica", "max_wal_senders": "4"}, durable=True)
        )
        with server.connect() as own:
            own.execute("CREATE TABLE beat (at timestamptz)")
        with _shipped(server, store) as over:
            copy = folder / "base.tar.gz"
            with copy.open("wb") as file:
                file.writelines(base.base_backup(conninfo=server.conninfo()))
            last = _beaten(server)
            if not alone:
                over.set()
            server.kill()
            if alone:
                time.sleep(2 * shipping.SECONDS)
        began = time.perf_counter()

        def lay_out(place: Path) -> base.WalRange:
            return base.unpack(iter([copy.read_bytes()]), place)

        with moment.recovered_server(lay_out, store) as again, again.connect() as own:
            row = own.execute("SELECT extract(epoch FROM %s - max(at)) FROM beat", [last]).fetchone()
        return float(row[0]) if row else 0.0, time.perf_counter() - began


@contextmanager
def _shipped(server: ScratchServer, store: Folder) -> Iterator[threading.Event]:
    """The log of the server goes into the store, until the event is set."""
    over = threading.Event()
    how = {"conninfo": server.conninfo(), "into": [store], "report": lambda _: None, "stop": over}
    thread = threading.Thread(target=shipping.run, kwargs=how)
    thread.start()
    time.sleep(shipping.SECONDS)
    try:
        yield over
    finally:
        over.set()
        thread.join()


def _beaten(server: ScratchServer) -> datetime:
    """The last moment that was written and committed."""
    ends, last = time.monotonic() + WRITING_SECONDS, None
    with server.connect() as own:
        while last is None or time.monotonic() < ends:
            row = own.execute("INSERT INTO beat VALUES (clock_timestamp()) RETURNING at").fetchone()
            last = row[0] if row else last
            time.sleep(BEAT_SECONDS)
    found: datetime = last
    return found
