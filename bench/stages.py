"""Time of each stage of an answer, in one process, over labelled questions against a whole collection."""

from __future__ import annotations

import time
from typing import Any

from bench.data import keep, percentile, questions, table
from chat.models import Collection
from chat.pipeline.run import find_answer
from chat.pipeline.types import Outcome, Question, Reader
from compliance import phi

QUESTIONS = 300


def run(collection: str) -> str | None:
    asked = questions()[:QUESTIONS]
    found = Collection.objects.filter(slug=collection, live_chunks__gt=0).first()
    if not asked or found is None:
        return f"needs ../shared/data and the collection “{collection}” (make demo-corpus loads it)"
    phi.warm()
    _answer(asked[0]["question"], found)
    times: dict[str, list[float]] = {}
    for row in asked:
        for stage, elapsed in _answer(row["question"], found).items():
            times.setdefault(stage, []).append(elapsed)
    rows: list[list[Any]] = [
        [stage, len(v), f"{percentile(v, 0.5):.1f}", f"{percentile(v, 0.95):.1f}", f"{max(v):.1f}"]
        for stage, v in times.items()
    ]
    print(f"{found.live_chunks} passages in “{collection}”; milliseconds")
    table(["stage", "n", "p50", "p95", "max"], rows)
    keep("stages", {row[0]: {"n": row[1], "p50_ms": float(row[2]), "p95_ms": float(row[3])} for row in rows})
    return None


def _answer(text: str, collection: Collection) -> dict[str, float]:
    started = time.perf_counter()
    masked = phi.mask(text).text
    outcome = Outcome()
    mask_ms = (time.perf_counter() - started) * 1000
    find_answer(
        Question(masked, Reader((collection.pk,), everything=True)), outcome, publish=lambda _event, _data: None
    )
    return {"mask": mask_ms, **outcome.timings_ms, "total": (time.perf_counter() - started) * 1000}
