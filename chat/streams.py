"""Progress of an answer, from the worker to the browser, through one Redis stream per turn.

Redis carries what a reader may watch, never the only copy: what a stream has lost is built again from the recorded
turn. So writing is best effort, and reading falls back to the database.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from functools import cache
from typing import Any
from uuid import UUID

import redis
from django.conf import settings
from django.db import connections

from chat import presentation
from chat.models import Turn
from chat.pipeline.types import Publish
from clinchat.lib import sse

logger = logging.getLogger(__name__)

KEEP_SECONDS = 3600
QUIET_SECONDS = 15
"""After so long without an event the record is asked whether the turn ended without telling its stream."""
LONGEST_SECONDS = 180
"""A stream ends then; the browser reconnects by itself while the turn is unfinished."""
TERMINAL = {"done", "abstain", "failed"}


@cache
def client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=sse.SLICE_SECONDS + 5)


def _key(turn_id: UUID) -> str:
    return f"turn:{turn_id}:events"


def publisher(turn_id: UUID) -> Publish:
    """Adds an event to the turn's stream. It never raises: without Redis the answer is still recorded."""

    def publish(event: str, data: dict[str, Any]) -> None:
        try:
            with client().pipeline() as pipe:
                pipe.xadd(_key(turn_id), {"event": event, "data": json.dumps(data)})
                pipe.expire(_key(turn_id), KEEP_SECONDS)
                pipe.execute()
        except redis.RedisError as error:
            logger.warning("event of turn %s not sent: %s", turn_id, type(error).__name__)

    return publish


def forget(turn_id: UUID) -> None:
    """Drop the events of an earlier try."""
    try:
        client().delete(_key(turn_id))
    except redis.RedisError as error:
        logger.warning("stream of turn %s not dropped: %s", turn_id, type(error).__name__)


def publish_ending(turn_id: UUID) -> None:
    """Send the recorded answer of a finished turn."""
    publish = publisher(turn_id)
    for event, data in presentation.ending_events(_load(turn_id)):
        publish(event, data)


def frames(turn_id: UUID, *, last_id: str = "") -> Iterator[str]:
    """The events of a turn after `last_id`, as they come, ending with the terminal one; see clinchat.lib.sse.stream."""
    started = heard = time.monotonic()
    at = last_id or "0-0"
    while (now := time.monotonic()) < started + LONGEST_SECONDS:
        try:
            there, entries = _read(turn_id, at)
        except redis.RedisError:
            yield from _from_record(turn_id, started + LONGEST_SECONDS)
            return
        for entry_id, fields in entries:
            at, event = entry_id.decode(), fields[b"event"].decode()
            yield sse.frame(event, json.loads(fields[b"data"]), at)
            if event in TERMINAL:
                return
        if entries:
            heard = now
            continue
        yield sse.NOTHING
        if there and now - heard < QUIET_SECONDS:
            continue
        heard = now
        if _finished(turn_id):  # ended without telling the stream: killed worker, expired stream
            yield from _from_record(turn_id, started + LONGEST_SECONDS)
            return
        if not there:
            time.sleep(sse.SLICE_SECONDS)


def _read(turn_id: UUID, after: str) -> tuple[bool, list[tuple[bytes, dict[bytes, bytes]]]]:
    """Whether the turn has a stream, and what came in it within a slice of time."""
    there = bool(client().exists(_key(turn_id)))
    wait = int(sse.SLICE_SECONDS * 1000) if there else 1  # one that has expired must not make the reader wait
    found: Any = client().xread({_key(turn_id): after}, block=wait, count=100)
    return there, found[0][1] if found else []


def _from_record(turn_id: UUID, ends_at: float) -> Iterator[str]:
    while time.monotonic() < ends_at:
        if _finished(turn_id):
            for event, data in presentation.ending_events(_load(turn_id)):
                yield sse.frame(event, data)
            connections.close_all()
            return
        yield sse.NOTHING
        time.sleep(sse.SLICE_SECONDS)


def _finished(turn_id: UUID) -> bool:
    unfinished = Turn.objects.unfinished().filter(pk=turn_id).exists()
    connections.close_all()  # not held while the stream waits
    return not unfinished


def _load(turn_id: UUID) -> Turn:
    return Turn.objects.select_related("conversation").get(pk=turn_id)
