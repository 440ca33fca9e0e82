"""What a check says of one labelled text or list, in the form that scorers outside read."""

from __future__ import annotations

import time
from typing import Any

from chat.interactions import check
from chat.interactions.check import Found, Lookup


def predicted(table: Lookup, row: dict[str, Any]) -> dict[str, Any]:
    """The prediction for a row with `text` or `drugs`. Nothing of it is masked or kept."""
    started = time.perf_counter()
    is_text = "text" in row
    report = check.check_text(table, row["text"]) if is_text else check.check_entries(table, row["drugs"])
    elapsed = (time.perf_counter() - started) * 1000
    mentions = table.names.find(row["text"]) if is_text else ()
    return {
        "mentions": [{"start": one.start, "end": one.end, "ids": list(one.ids)} for one in mentions],
        "pairs": [_pair(one) for one in report.found],
        "not_covered": list(report.not_covered),
        "latency_ms": round(elapsed, 3),
    }


def _pair(found: Found) -> dict[str, Any]:
    one = found.interaction
    return {
        "a": found.a,
        "b": found.b,
        "severity": one.severity.value,
        "mechanism": one.mechanism,
        "management": one.management,
        "sources": [{"name": source.name, "ref": source.ref} for source in one.sources],
    }
