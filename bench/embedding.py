"""Chunks of 180 words embedded per second, cut from the stored documents themselves."""

from __future__ import annotations

import time

from bench.data import keep, table
from chat.llm import minilm
from chat.models import DocumentVersion

WORDS = 180
CHUNKS = 192
RUNS = 3


def run(collection: str) -> str | None:
    texts = DocumentVersion.objects.filter(document__collection__slug=collection).values_list("text", flat=True)
    words = " ".join(texts[:600]).split()
    chunks = [" ".join(words[i : i + WORDS]) for i in range(0, len(words) - WORDS, WORDS)][:CHUNKS]
    if len(chunks) < CHUNKS:
        return f"collection “{collection}” has too little text (make demo-corpus loads it)"
    minilm.embed(chunks[: minilm.BATCH])
    rates = []
    for _ in range(RUNS):
        started = time.perf_counter()
        minilm.embed(chunks)
        rates.append(round(len(chunks) / (time.perf_counter() - started), 1))
    rows = [[minilm.NAME, CHUNKS, WORDS, min(rates), sorted(rates)[RUNS // 2], max(rates)]]
    table(["model", "chunks", "words each", "chunks/s min", "median", "max"], rows)
    keep("embedding", {"chunks_per_second": rates})
    return None
