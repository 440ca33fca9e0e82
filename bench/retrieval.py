"""Quality and time of the search on labelled questions, beside two baselines in the same run.

The baselines see the same passages and vectors: dense alone, and llama-index's own PGVectorStore in hybrid mode.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from pgvector.django import CosineDistance

from bench.data import keep, percentile, questions, table
from chat.models import Chunk, Collection
from chat.pipeline import rerank
from chat.pipeline.retrieve import embed, retrieve
from chat.pipeline.types import Question

SCRATCH = "bench_pgvectorstore"
Search = Callable[[str], list[str]]


def run(collection: str) -> str | None:
    labelled = questions()
    found = Collection.objects.filter(slug=collection, live_chunks__gt=0).first()
    if not labelled or found is None:
        return f"needs ../shared/data and the collection “{collection}” (make demo-corpus loads it)"
    systems: dict[str, Search] = {
        "ClinChat (fused, reranked)": lambda text: _ours(text, found, reranked=True),
        "ClinChat (fused only)": lambda text: _ours(text, found, reranked=False),
        "dense alone (MiniLM, HNSW)": lambda text: _dense(text, found),
        "llama-index PGVectorStore hybrid": _llama_index(found),
    }
    rows: list[list[Any]] = []
    for name, search in systems.items():
        scores, times = [], []
        for row in labelled:
            started = time.perf_counter()
            ranked = list(dict.fromkeys(search(row["question"])))
            times.append((time.perf_counter() - started) * 1000)
            if row["answerable"]:
                scores.append(_scores(row["relevant"], ranked))
        mean = [sum(s[i] for s in scores) / len(scores) for i in range(3)]
        spread = [f"{percentile(times, p):.0f}" for p in (0.5, 0.95)]
        rows.append([name, len(scores), *(f"{m:.3f}" for m in mean), *spread])
    print(f"{found.live_chunks} passages in “{collection}”; query embedding included in the milliseconds")
    table(["system", "n", "nDCG@10", "recall@10", "MRR@10", "p50 ms", "p95 ms"], rows)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE data_{SCRATCH}")
    _abstention(labelled, found)
    keep("retrieval", {row[0]: {"ndcg@10": float(row[2]), "recall@10": float(row[3])} for row in rows})
    return None


def _ours(text: str, collection: Collection, *, reranked: bool) -> list[str]:
    passages = retrieve(Question(text, (collection.pk,)), embed(text), limit=100)
    return [p.external_id for p in (rerank.rerank(passages) if reranked else passages)]


def _dense(text: str, collection: Collection) -> list[str]:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL hnsw.ef_search = 100; SET LOCAL hnsw.iterative_scan = relaxed_order")
        nearest = Chunk.objects.filter(live=True, collection=collection)
        nearest = nearest.order_by(CosineDistance("embedding", list(map(float, embed(text)))))
        return list(nearest.values_list("version__document__external_id", flat=True)[:100])


def _llama_index(collection: Collection) -> Search:
    """The same passages in llama-index's own table, searched the way it documents."""
    from llama_index.core.schema import BaseNode, TextNode
    from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryMode
    from llama_index.vector_stores.postgres import PGVectorStore

    database = settings.DATABASES["default"]
    address = f"{database['USER']}@/{database['NAME']}?host={database['HOST']}"
    store = PGVectorStore.from_params(
        connection_string=f"postgresql+psycopg2://{address}",
        async_connection_string=f"postgresql+asyncpg://{address}",
        table_name=SCRATCH,
        embed_dim=384,
        hybrid_search=True,
        text_search_config="english",
        hnsw_kwargs={"hnsw_m": 16, "hnsw_ef_construction": 128, "hnsw_ef_search": 100},
    )
    store.clear()
    chunks = Chunk.objects.filter(live=True, collection=collection).select_related("version__document")
    batch: list[BaseNode] = []
    for chunk in chunks.iterator(chunk_size=500):
        document = chunk.version.document
        text = f"{document.title} {chunk.section} {chunk.text}"
        metadata = {"document": document.external_id}
        batch.append(TextNode(id_=str(chunk.pk), text=text, metadata=metadata, embedding=list(chunk.embedding)))
        if len(batch) == 500:
            store.add(batch)
            batch = []
    store.add(batch)

    def search(text: str) -> list[str]:
        query = VectorStoreQuery(
            query_embedding=list(map(float, embed(text))),
            query_str=text,
            similarity_top_k=50,
            sparse_top_k=50,
            mode=VectorStoreQueryMode.HYBRID,
        )
        return [node.metadata["document"] for node in store.query(query).nodes or []]

    return search


def _scores(relevant: dict[str, int], ranked: Sequence[str]) -> tuple[float, float, float]:
    """nDCG@10 with gain 2^grade - 1, recall@10 (of at most 10), MRR@10."""
    gains = [2 ** relevant.get(d, 0) - 1 for d in ranked[:10]]
    best = sorted((2**g - 1 for g in relevant.values()), reverse=True)[:10]
    dcg, ideal = (sum(g / math.log2(i + 2) for i, g in enumerate(gs)) for gs in (gains, best))
    hits = [i for i, d in enumerate(ranked[:10]) if d in relevant]
    return dcg / ideal, len(hits) / min(10, len(relevant)), 1 / (hits[0] + 1) if hits else 0.0


def _abstention(labelled: list[dict[str, Any]], collection: Collection) -> None:
    declined = []
    for row in labelled:
        passages = rerank.rerank(retrieve(Question(row["question"], (collection.pk,)), embed(row["question"])))
        declined.append(not rerank.sufficient(passages))
    kinds: dict[str, list[bool]] = {}
    for row, no in zip(labelled, declined, strict=True):
        kinds.setdefault("answerable" if row["answerable"] else row["kind"], []).append(no)
    print()
    table(
        ["questions", "n", "no supported answer"],
        [[kind, len(v), f"{sum(v) / len(v):.0%}"] for kind, v in sorted(kinds.items())],
    )
