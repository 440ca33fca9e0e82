"""Quality and time of the search on labelled questions: each part of it by itself, then one more at a time.

What is learned (the order, whether to answer) is measured on questions it was not trained on. Two baselines see the
same passages and vectors in the same run: dense alone, and llama-index's own PGVectorStore in hybrid mode.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from pgvector import HalfVector

from bench.data import keep, percentile, questions, table
from bench.search import Asked, ask_all, by_kind
from bench.train import held_out
from chat import calibration
from chat.corpus import sparse, vectors
from chat.models import Chunk, Collection, Vector
from chat.pipeline import abstain, rerank
from chat.pipeline.retrieve import embed, retrieve
from chat.pipeline.types import Question, Reader, Understanding

SCRATCH = "bench_pgvectorstore"
HALVES = 10
"""Times the questions are parted into halves, to fit abstention on one and measure it on the other."""
ASKED = 0.05
Search = Callable[[Asked], list[str]]


def run(collection: str) -> str | None:
    labelled = questions()
    found = Collection.objects.filter(slug=collection, live_chunks__gt=0).first()
    if not labelled or found is None:
        return f"needs ../shared/data and the collection “{collection}” (make demo-corpus loads it)"
    asked = ask_all(labelled, found)
    scored = held_out(asked)
    systems: dict[str, Search] = {
        "BM25": lambda one: _bm25(one, found),
        "dense (HNSW)": lambda one: _dense(one, found),
        "fused, k = 10": lambda one: _fused(one, found, readings=0),
        **_with_sparse(found),
        "+ spelling": lambda one: _fused(one, found, readings=1),
        "+ other names": lambda one: [p.external_id for p in one.passages],
        "+ reranked, not trained on it": lambda one: [p.external_id for p in scored[one.id]],
        "llama-index PGVectorStore hybrid": _llama_index(found),
    }
    figures: dict[str, Mapping[str, Mapping[str, float]]] = {}
    times: dict[str, list[float]] = {}
    for name, search in systems.items():
        ranked: dict[str, list[str]] = {}
        for one in asked:
            started = time.perf_counter()
            ranked[one.id] = search(one)
            times.setdefault(name, []).append((time.perf_counter() - started) * 1000)
        figures[name] = by_kind(asked, ranked)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE data_{SCRATCH}")
    _print(figures, found)
    _stages(asked, times)
    abstention = _abstention(asked, scored)
    keep("retrieval", {name: rows["all"] for name, rows in figures.items()} | {"abstention": abstention})
    return None


def _print(figures: Mapping[str, Mapping[str, Mapping[str, float]]], collection: Collection) -> None:
    print(f"{collection.live_chunks} passages in “{collection}”, {vectors.active().model}")
    names = ["nDCG@10", "recall@5", "recall@10", "MRR@10", "hit@5"]
    table(["system", *names], [[s, *(f"{rows['all'][n]:.3f}" for n in names)] for s, rows in figures.items()])
    kinds = list(next(iter(figures.values())))
    print("\nnDCG@10 by kind of question")
    table(["system", *kinds], [[s, *(f"{rows[k]['nDCG@10']:.3f}" for k in kinds)] for s, rows in figures.items()])
    counts = next(iter(figures.values()))
    table(["n", *kinds], [["", *(f"{counts[k]['n']:.0f}" for k in kinds)]])


def _stages(asked: Sequence[Asked], times: Mapping[str, Sequence[float]]) -> None:
    rows: dict[str, Sequence[float]] = {name: times[name] for name in ("BM25", "dense (HNSW)", "fused, k = 10")}
    rows |= {stage: [one.ms[stage] for one in asked] for stage in asked[0].ms}
    reranked = []
    for one in asked:
        started = time.perf_counter()
        rerank.rerank(one.passages, one.understood)
        reranked.append((time.perf_counter() - started) * 1000)
    rows["rerank"] = reranked
    rows["whole"] = [sum(one.ms.values()) + ms for one, ms in zip(asked, reranked, strict=True)]
    print("\nMilliseconds; the legs with the embedding of the question where they need it")
    table(
        ["part", "p50", "p95"], [[name, *(f"{percentile(v, p):.1f}" for p in (0.5, 0.95))] for name, v in rows.items()]
    )


# ── Systems ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _question(one: Asked, collection: Collection) -> Question:
    return Question(one.text, Reader((collection.pk,), everything=True))


def _bm25(one: Asked, collection: Collection) -> list[str]:
    return [p.external_id for p in retrieve(_question(one, collection), None) if not p.signals.kin]


def _with_sparse(collection: Collection) -> dict[str, Search]:
    if not settings.CLINCHAT_SPARSE:
        return {}
    return {
        "learned sparse": lambda one: _sparse(one, collection),
        "fused with learned sparse": lambda one: _fused(one, collection, readings=0, third=True),
    }


def _sparse(one: Asked, collection: Collection) -> list[str]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL hnsw.ef_search = 100; SET LOCAL hnsw.iterative_scan = relaxed_order")
        cursor.execute(
            """
            SELECT d.external_id FROM (
                SELECT version_id, sparse <#> %(asked)s::sparsevec AS distance FROM chat_chunk
                WHERE live AND collection_id = %(collection)s ORDER BY sparse <#> %(asked)s::sparsevec LIMIT 100
            ) n JOIN chat_documentversion v ON v.id = n.version_id JOIN chat_document d ON d.id = v.document_id
            ORDER BY n.distance
            """,
            {"asked": sparse.asked(one.text), "collection": collection.pk},
        )
        return [external_id for (external_id,) in cursor.fetchall()]


def _fused(one: Asked, collection: Collection, *, readings: int, third: bool = False) -> list[str]:
    """As asked, or with its misspelled words repaired; without namesakes. `third`: with the learned sparse weights."""
    kept = one.understood.readings[:readings]
    vector = embed(kept[0].text if kept else one.text)
    vector = vector if third else replace(vector, sparse=None)
    understood = Understanding(kept, one.understood.intents) if kept else None
    return [p.external_id for p in retrieve(_question(one, collection), vector, understood) if not p.signals.kin]


def _dense(one: Asked, collection: Collection) -> list[str]:
    vector = embed(one.text)
    kind = f"halfvec({len(vector.values)})"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL hnsw.ef_search = 100; SET LOCAL hnsw.iterative_scan = relaxed_order")
        cursor.execute(
            f"""
            SELECT d.external_id FROM (
                SELECT chunk_id FROM chat_vector WHERE index_id = {int(vector.index)} AND live AND collection_id = %s
                ORDER BY embedding::{kind} <=> %s::{kind} LIMIT 100
            ) n JOIN chat_chunk c ON c.id = n.chunk_id JOIN chat_documentversion v ON v.id = c.version_id
            JOIN chat_document d ON d.id = v.document_id
            JOIN chat_vector e ON e.chunk_id = c.id AND e.index_id = {int(vector.index)}
            ORDER BY e.embedding::{kind} <=> %s::{kind}
            """,  # numbers of our own
            [collection.pk, *[HalfVector(list(vector.values)).to_text()] * 2],
        )
        return [external_id for (external_id,) in cursor.fetchall()]


def _llama_index(collection: Collection) -> Search:
    """The same passages in llama-index's own table, searched the way it documents."""
    from llama_index.core.schema import BaseNode, TextNode
    from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryMode
    from llama_index.vector_stores.postgres import PGVectorStore

    index = vectors.active()
    database = settings.DATABASES["default"]
    address = f"{database['USER']}@/{database['NAME']}?host={database['HOST']}"
    store = PGVectorStore.from_params(
        connection_string=f"postgresql+psycopg2://{address}",
        async_connection_string=f"postgresql+asyncpg://{address}",
        table_name=SCRATCH,
        embed_dim=index.dimensions,
        hybrid_search=True,
        text_search_config="english",
        hnsw_kwargs={"hnsw_m": 16, "hnsw_ef_construction": 128, "hnsw_ef_search": 100},
    )
    store.clear()
    numbers = Vector.objects.filter(index=index, live=True, collection=collection).values_list("chunk", "embedding")
    embedded = dict(numbers.iterator(chunk_size=2000))
    chunks = Chunk.objects.filter(pk__in=list(embedded)).select_related("version__document").defer("version__text")
    batch: list[BaseNode] = []
    for chunk in chunks.iterator(chunk_size=500):
        text = f"{chunk.version.title} {chunk.section} {chunk.text}"
        metadata = {"document": chunk.version.document.external_id}
        vector = list(map(float, embedded[chunk.pk]))
        batch.append(TextNode(id_=str(chunk.pk), text=text, metadata=metadata, embedding=vector))
        if len(batch) == 500:
            store.add(batch)
            batch = []
    store.add(batch)

    def search(one: Asked) -> list[str]:
        query = VectorStoreQuery(
            query_embedding=list(map(float, embed(one.text).values)),
            query_str=one.text,
            similarity_top_k=50,
            sparse_top_k=50,
            mode=VectorStoreQueryMode.HYBRID,
        )
        return [node.metadata["document"] for node in store.query(query).nodes or []]

    return search


# ── Abstention ───────────────────────────────────────────────────────────────────────────────────────────────────


def _abstention(asked: Sequence[Asked], scored: Mapping[str, Sequence[Any]]) -> dict[str, float]:
    """Fitted on one half, threshold included, and measured on the other; the mean of HALVES partings both ways."""
    rows = {one.id: abstain.features(one.understood, scored[one.id]) for one in asked}
    sums: dict[str, float] = {}
    caught: dict[str, list[float]] = {}
    for seed in range(HALVES):
        mixed = random.Random(seed).sample(list(asked), len(asked))  # no secret
        middle = len(mixed) // 2
        for fitted, tested in ((mixed[:middle], mixed[middle:]), (mixed[middle:], mixed[:middle])):
            weights = abstain.fit([rows[one.id] for one in fitted], [one.answerable for one in fitted])

            def judged(half: Sequence[Asked], weights: Mapping[str, float] = weights) -> list[calibration.Judged]:
                return [calibration.Judged(abstain.probability(weights, rows[o.id]), o.answerable) for o in half]

            limit = calibration.threshold(judged(fitted), asked=ASKED)
            beyond = judged(tested)
            figures = {
                "AUROC": calibration.auroc(beyond),
                "ECE": calibration.calibration_error(beyond),
                "coverage at 5 % false answers": calibration.coverage(beyond, false=0.05),
                "coverage at 10 %": calibration.coverage(beyond, false=0.10),
            }
            for one, held in zip(tested, beyond, strict=True):
                kind = "answerable" if one.answerable else one.kind
                caught.setdefault(kind, []).append(float(held.probability < limit))
                if not one.answerable:
                    caught.setdefault("unanswerable", []).append(float(held.probability < limit))
            for name, value in figures.items():
                sums[name] = sums.get(name, 0.0) + value / (2 * HALVES)
    shares = {kind: sum(values) / len(values) for kind, values in sorted(caught.items())}
    print(f"\nAbstention, fitted on one half and measured on the other, {ASKED:.0%} false abstention asked for")
    table(list(sums), [[f"{value:.3f}" for value in sums.values()]])
    table(["declined", "share"], [[kind, f"{share:.3f}"] for kind, share in shares.items()])
    return sums | {f"declined: {kind}": share for kind, share in shares.items()}
