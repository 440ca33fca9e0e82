"""Recall and utility on the labelled development texts, which live beside the repository and never in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from compliance import phi

DEV = Path(phi.__file__).parents[3] / "shared/data/phi/dev.jsonl"
_YEAR = re.compile(r"(?:19|20)\d\d|[A-Z]{2}|(?:dr|mrs?|ms|hospital|clinic|center|st|the|of|in|at)", re.IGNORECASE)

pytestmark = pytest.mark.skipif(not DEV.exists(), reason="../shared/data/phi is not here")


def rows() -> Iterator[tuple[str, list[dict[str, object]], bytearray]]:
    for line in DEV.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        covered = bytearray(len(row["text"]))
        for span in phi.find(row["text"]):
            covered[span.start : span.end] = b"\1" * (span.end - span.start)
        yield row["text"], row["spans"], covered


def leaks(text: str, start: int, end: int, covered: bytearray) -> bool:
    """Is an identifying word of start..end still readable."""
    words = re.compile(r"\w+").finditer(text, start, end)
    return any(not all(covered[w.start() : w.end()]) and not _YEAR.fullmatch(w.group()) for w in words)


def test_recall_and_altered_share_stay_where_they_were_measured() -> None:
    required = missed = free = altered = 0
    for text, spans, covered in rows():
        wanted = [span for span in spans if not span.get("optional")]
        required += len(wanted)
        missed += sum(leaks(text, int(str(s["start"])), int(str(s["end"])), covered) for s in wanted)
        if not wanted:
            free += 1
            for span in spans:
                start, end = int(str(span["start"])), int(str(span["end"]))
                covered[start:end] = bytes(end - start)
            altered += any(covered)
    assert 1 - missed / required >= 0.985
    assert altered / free <= 0.015
