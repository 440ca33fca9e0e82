"""One embedding model in a process of its own, for bench/embedding.py: texts on standard input, figures on output."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.data import percentile

RUNS = 3
FILES = {"multilingual-e5-small-int8-1": "e5", "all-MiniLM-L6-v2-onnx-int8": "minilm", "splade-tiny-int8-1": "splade"}


def _measured(name: str, texts: list[str], asked: list[str]) -> dict[str, Any]:
    before = _resident()
    passages, question = _functions(name)
    question(asked[0])
    passages(texts[:16])
    walls, processors, queries = [], [], []
    for _ in range(RUNS):
        wall, processor = time.perf_counter(), time.process_time()
        passages(texts)
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    for text in asked:
        started = time.perf_counter()
        question(text)
        queries.append((time.perf_counter() - started) * 1000)
    from chat.llm import files
    from chat.llm.network import THREADS

    return {
        "per_second": round(len(texts) / min(walls), 1),
        "per_second_by_processor": round(THREADS * len(texts) / min(processors), 1),
        "query_p50_ms": round(percentile(queries, 0.5), 1),
        "query_p95_ms": round(percentile(queries, 0.95), 1),
        "memory_mb": round((_resident() - before) / 1e6),
        "disk_mb": round(sum(path.stat().st_size for path in files.BUILT.glob(f"{FILES.get(name, '-')}.*")) / 1e6),
    }


def _functions(name: str) -> tuple[Callable[[list[str]], object], Callable[[str], object]]:
    from chat.llm import encoders, splade

    if name == splade.NAME:
        return splade.embed, lambda text: splade.embed([text])
    encoder = encoders.get(name)
    return encoder.embed_passages, encoder.embed_query


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinchat.settings")
    django.setup()
    given = json.load(sys.stdin)
    print(json.dumps(_measured(sys.argv[1], given["texts"], given["asked"])))
