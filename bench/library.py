"""Replacing one of a hundred documents while questions go on, and the size of what is searched."""

from __future__ import annotations

import threading
import time
from contextvars import copy_context
from dataclasses import replace
from typing import Any

from django.db import connection, connections

from bench import scratch
from bench.data import keep, percentile, table
from chat import releases
from chat.corpus import loaders, vectors
from chat.corpus.ingest import ingest
from chat.models import Chunk, Collection, Vector
from chat.pipeline.retrieve import embed, retrieve
from chat.pipeline.types import Question, Reader
from clinchat.local.paths import ROOT

DOCUMENTS = 100
SIZES = ("chat_documentversion", "chat_chunk", "chat_vector", "chat_posting", "chat_term")
ASKED = "Which dose of warfarin with trimethoprim-sulfamethoxazole?"


def run(collection: str) -> str | None:
    _sizes(collection)
    starter = loaders.read(ROOT / "chat/corpus/starter").sources
    again = [replace(s, external_id=f"{s.external_id}-2", title=f"{s.title} 2") for s in starter]
    hundred = [*starter, *again][:DOCUMENTS]
    with scratch.database():
        made = Collection.objects.create(slug="bench", name="Bench")
        ingest(sources=hundred, collection=made)
        releases.embed_waiting()
        before = Vector.objects.count()
        asking = _Asking(made)
        started = time.perf_counter()
        changed = replace(hundred[0], text=hundred[0].text + "\n\n## Added\n\nGive 31 tablets of warfarexin daily.\n")
        ingest(sources=[changed], collection=made)
        embedded = releases.embed_waiting()
        found = retrieve(Question("warfarexin", Reader((made.pk,), everything=True)), None)
        seconds = time.perf_counter() - started
        asking.end()
        copied = Vector.objects.count() - before - embedded
        if not found:
            return "the new text is not found"
    rows = [[DOCUMENTS, f"{seconds:.1f}", embedded, copied, len(asking.times), asking.failed]]
    rows[0].append(f"{percentile(asking.times, 0.95):.0f}")
    head = ["documents", "s until searched", "embedded", "copied", "searches meanwhile", "failed", "their p95 ms"]
    table(head, rows)
    keep("library", {"replace_one_s": round(seconds, 1), "embedded": embedded, "failed": asking.failed})
    return None


class _Asking:
    """Somebody who searches without a pause."""

    def __init__(self, collection: Collection) -> None:
        self.times: list[float] = []
        self.failed = 0
        self._over = threading.Event()
        self._question = Question(ASKED, Reader((collection.pk,), everything=True))
        self._thread = threading.Thread(target=copy_context().run, args=(self._ask,))
        self._thread.start()

    def _ask(self) -> None:
        while not self._over.is_set():
            started = time.perf_counter()
            self.failed += not retrieve(self._question, embed(ASKED))
            self.times.append((time.perf_counter() - started) * 1000)
        connections.close_all()

    def end(self) -> None:
        self._over.set()
        self._thread.join()


def _sizes(slug: str) -> None:
    found = Collection.objects.filter(slug=slug, live_chunks__gt=0).first()
    if found is None:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, pg_table_size(c.oid), pg_indexes_size(c.oid) FROM pg_class c WHERE relname = ANY(%s)",
            [list(SIZES)],
        )
        rows: list[list[Any]] = [[name, f"{own >> 20}", f"{more >> 20}"] for name, own, more in cursor.fetchall()]
    print(f"{Chunk.objects.filter(live=True).count()} passages are searched; {vectors.active().model}")
    table(["table", "MB", "indexes MB"], rows)
    print()
