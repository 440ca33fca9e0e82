"""Labelled questions, tables and percentiles shared by the measurements."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SHARED = Path(os.environ.get("CLINCHAT_BENCH_DATA", "../shared/data"))
RESULTS = Path(__file__).parent / "results"


def questions() -> list[dict[str, Any]]:
    """The labelled questions of retrieval/dev.jsonl; empty where the external data is absent."""
    path = SHARED / "retrieval/dev.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, ["-" * w for w in widths], *rows]:
        print("| " + " | ".join(str(cell).ljust(w) for cell, w in zip(row, widths, strict=True)) + " |")


def keep(name: str, result: dict[str, Any]) -> None:
    """Write a result where CI and people can pick it up."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
