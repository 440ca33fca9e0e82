"""Whether the first quoted sentence comes from a document that answers: questions with reference answers.

Each question is ranked by a model that was not trained on it. `in the reference` is stricter: the sentence stands in a
snippet that the experts marked as evidence.
"""

from __future__ import annotations

import json
import re
import time
from typing import Any

from bench.data import SHARED, keep, percentile, questions, table
from bench.search import ask_all
from bench.train import held_out
from chat.models import Collection
from chat.pipeline import answer, retrieve

KINDS = ("bioasq", "bioasq_typo", "pubmedqa")


def run(collection: str) -> str | None:
    references = SHARED / "retrieval/answers_dev.jsonl"
    found = Collection.objects.filter(slug=collection, live_chunks__gt=0).first()
    if found is None or not references.exists():
        return f"needs ../shared/data and the collection “{collection}” (make demo-corpus loads it)"
    snippets = {row["id"]: row["snippets"] for row in map(json.loads, references.read_text().splitlines())}
    asked = ask_all(questions(), found)
    scored = held_out(asked)
    figures: dict[str, list[tuple[float, float, float]]] = {}
    times = []
    for one in asked:
        if one.kind not in KINDS:
            continue
        started = time.perf_counter()
        text = one.understood.readings[0].text
        passages = scored[one.id]
        draft = answer.extract(passages, text, retrieve.embed(text), beside=retrieve.beside(passages))
        times.append((time.perf_counter() - started) * 1000)
        rights = [float(s.passage.external_id in one.relevant) for s in draft.sentences]
        said = _plain(draft.sentences[0].text) if draft.sentences else ""
        marked = [_plain(snippet["text"]) for snippet in snippets.get(one.id, [])]
        quoted = float(bool(said) and any(said in text or text in said for text in marked))
        first, every = (rights[0], sum(rights) / len(rights)) if rights else (0.0, 0.0)
        figures.setdefault(one.kind, []).append((first, every, quoted))
    rows: list[list[Any]] = [
        [kind, len(values), *(f"{sum(v[i] for v in values) / len(values):.3f}" for i in range(3))]
        for kind, values in sorted(figures.items())
    ]
    table(["questions", "n", "first sentence right", "all sentences right", "first in the reference"], rows)
    print(f"choosing: p50 {percentile(times, 0.5):.0f} ms, p95 {percentile(times, 0.95):.0f} ms")
    keep("quotes", {row[0]: {"n": row[1], "first": float(row[2]), "all": float(row[3])} for row in rows})
    return None


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
