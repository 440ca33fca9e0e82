"""Server-Sent Events (WHATWG HTML, section 9.2). The only place that builds a streaming response."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from django.db import Error, connections
from django.http import StreamingHttpResponse

HEARTBEAT = ": still here\n\n"
HEARTBEAT_SECONDS = 15.0
NOTHING = ""
"""Frames yield this at least every SLICE_SECONDS while they have nothing to tell, so that `alive` can be asked."""
SLICE_SECONDS = 0.75
SIGNED_OUT = "signed-out"


def frame(event: str, data: Mapping[str, Any], event_id: str = "") -> str:
    """One event. JSON escapes line breaks, so data is always a single line."""
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {event}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def stream(frames: Iterable[str], *, alive: Callable[[], bool]) -> StreamingHttpResponse:
    """Send `frames` as they come, for as long as `alive` says that the reader may have them.

    The database connection is given back before the first byte: a stream may stay open for minutes, and a
    connection held by each would use up PostgreSQL long before the web server is busy. `frames` that need the
    database for a moment must close it again themselves. A reader who has lost the right is told so (`signed-out`)
    and sent nothing more; where that cannot be told (`alive` raises django.db.Error) the stream just ends, and the
    browser asks again.
    """

    def body() -> Iterator[str]:
        connections.close_all()
        try:
            yield from _while_alive(frames, alive)
        finally:
            connections.close_all()

    response = StreamingHttpResponse(body(), content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


def _while_alive(frames: Iterable[str], alive: Callable[[], bool]) -> Iterator[str]:
    told = float("-inf")  # the first bytes carry the headers: they do not wait for something to happen
    for part in frames:
        try:
            if not alive():
                yield frame(SIGNED_OUT, {})
                return
        except Error:
            return
        now = time.monotonic()
        if part != NOTHING or now - told >= HEARTBEAT_SECONDS:
            told = now
            yield part or HEARTBEAT
