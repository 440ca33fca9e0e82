"""The embedding models side by side: passages a second, milliseconds for a question, memory and disk.

Each runs in a process of its own on the same passages of the stored documents, as they are embedded, one run after the
other; the rate is also given by the time of the processor, which what else runs here does not change.
"""

from __future__ import annotations

import json
import subprocess
import sys

from bench.data import keep, questions, table
from chat.corpus.vectors import search_text
from chat.llm import encoders, minilm, splade
from chat.models import Chunk

PASSAGES = 192
QUESTIONS = 100


def run(collection: str) -> str | None:
    chunks = Chunk.objects.filter(live=True, collection__slug=collection).select_related("version")
    spread = max(chunks.count() // PASSAGES, 1)
    ids = list(chunks.order_by("pk").values_list("pk", flat=True)[::spread][:PASSAGES])
    if len(ids) < PASSAGES:
        return f"collection “{collection}” has too little text (make demo-corpus loads it)"
    texts = [
        search_text(title=c.version.title, section=c.section, lead=c.lead, text=c.text)
        for c in chunks.filter(pk__in=ids)
    ]
    asked = [row["question"] for row in questions()[:QUESTIONS]] or [text[:80] for text in texts[:QUESTIONS]]
    lengths = [len(minilm.tokens(text)) for text in texts]
    print(f"{len(texts)} passages of {sum(lengths) / len(lengths):.0f} tokens (WordPiece), {len(asked)} questions")
    rows, result = [], {}
    for name in [*encoders.names(), splade.NAME]:
        done = subprocess.run(
            [sys.executable, "-m", "bench.encoder", name],
            input=json.dumps({"texts": texts, "asked": asked}),
            capture_output=True,
            text=True,
            check=True,
        )
        found = result[name] = json.loads(done.stdout)
        columns = ("per_second", "per_second_by_processor", "query_p50_ms", "query_p95_ms", "memory_mb", "disk_mb")
        rows.append([name, *(found[column] for column in columns)])
    table(["model", "passages/s", "by processor", "question p50 ms", "p95", "memory MB", "disk MB"], rows)
    keep("embedding", result)
    return None
