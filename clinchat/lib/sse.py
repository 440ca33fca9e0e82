"""Server-Sent Events (WHATWG HTML, section 9.2). The only place that builds a streaming response."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.db import connections
from django.http import StreamingHttpResponse

HEARTBEAT = ": still here\n\n"


def frame(event: str, data: Mapping[str, Any], event_id: str = "") -> str:
    """One event. JSON escapes line breaks, so data is always a single line."""
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {event}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def stream(frames: Iterable[str]) -> StreamingHttpResponse:
    """Send `frames` as they come.

    The database connection is given back before the first byte: a stream may stay open for minutes, and a
    connection held by each would use up PostgreSQL long before the web server is busy. `frames` that need the
    database for a moment must close it again themselves.
    """

    def body() -> Iterator[str]:
        connections.close_all()
        try:
            yield from frames
        finally:
            connections.close_all()

    response = StreamingHttpResponse(body(), content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response
