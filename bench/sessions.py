"""Signing everyone out while answers are being watched; and what the middleware costs a signed-in page.

Runs in a database of its own, which is dropped afterwards, with a web server of its own in front of it.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import re
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.test import RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_otp.plugins.otp_static.models import StaticDevice

from bench import scratch, serving
from bench.data import keep, percentile, table
from chat import streams
from chat.models import Conversation, Turn
from clinchat.lib import clock
from compliance.access import Role
from compliance.models import Session, User
from compliance.session_forms import WORDS

SESSIONS = 1000
STREAMS = 200
ROUNDS = 5
PAGES = 1000
WARM = 20
OPENING = 20
"""Streams that are being opened at a time: until its first byte each holds a database connection."""


def run(collection: str) -> str | None:
    logging.disable(logging.WARNING)
    plain = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    try:
        with scratch.database(), override_settings(STORAGES=plain, ALLOWED_HOSTS=[serving.HOST, "testserver"]):
            kept = {"middleware": _middleware(), "revoke": _revoke()}
    finally:
        logging.disable(logging.NOTSET)
    keep("sessions", kept)
    return None


# ── People ────────────────────────────────────────────────────────────────────────────────────────────────────


def _open_turn(person: User) -> uuid.UUID:
    """A turn that nobody answers."""
    turn = Turn.objects.create(
        conversation=Conversation.objects.create(author=person, title="A question"),
        number=1,
        submission=uuid.uuid4(),
        question="A question",
        status=Turn.Status.QUEUED,
        deadline_at=clock.now() + timedelta(hours=1),
    )
    streams.publisher(turn.pk)("step", {"label": "Searching", "state": "active"})
    return turn.pk


# ── Signing everyone out ──────────────────────────────────────────────────────────────────────────────────────


def _revoke() -> dict[str, Any]:
    people = serving.people(SESSIONS)
    (officer,) = serving.people(1, Role.SECURITY_OFFICER)
    turns = [_open_turn(person) for person in people[:STREAMS]]
    rows, kept = [], []
    with serving.server() as port:
        for number in range(ROUNDS):
            keys, own = [serving.sign_in(person) for person in people], serving.sign_in(officer)
            found = asyncio.run(_round(port, keys, own, turns))
            kept.append(found)
            first, last = min(found["streams"]), max(found["streams"])
            middle = percentile(found["streams"], 0.5)
            row = [number + 1, SESSIONS, STREAMS, f"{found['act']:.2f}", f"{first:.2f}", f"{middle:.2f}", f"{last:.2f}"]
            rows.append([*row, f"{found['refused']} of {SESSIONS}", f"{found['every']:.2f}"])
    print(f"\neach round: everyone signed in anew, streams open, one POST signs all out; {serving.SIZE}")
    head = ["round", "sessions", "streams", "act s", "first stream s", "p50 s", "last stream s", "refused", "by s"]
    table(head, rows)
    worst = max(max(found["streams"]) for found in kept)
    print(f"worst of {ROUNDS} rounds, {ROUNDS * STREAMS} streams: {worst:.2f} s")
    return {"sessions": SESSIONS, "streams": STREAMS, "rounds": kept, "worst_seconds": worst}


async def _round(port: int, keys: list[str], own: str, turns: list[uuid.UUID]) -> dict[str, Any]:
    """Seconds from the POST: to its answer, to the end of each stream, and until every session was refused."""
    few = asyncio.Semaphore(OPENING)
    watched = zip(keys, turns, strict=False)
    opened = await asyncio.gather(*(_watch(few, port, key, turn) for key, turn in watched))
    body, cookie = await asyncio.to_thread(_form, port, own)
    ends = [asyncio.create_task(_end_of(reader)) for reader, _ in opened]
    await asyncio.sleep(1.0)
    if any(end.done() for end in ends):
        raise SystemExit("a stream ended by itself")
    started = time.perf_counter()
    status = await asyncio.to_thread(_post, port, body, cookie)
    act = time.perf_counter() - started
    if status != 302:
        raise SystemExit(f"signing everyone out was answered with {status}")
    refused = asyncio.gather(*(asyncio.to_thread(_refused, port, part) for part in _parts(keys, 8)))
    finished = [await end - started for end in ends]
    total = sum(await refused)
    every = time.perf_counter() - started
    for _, writer in opened:
        writer.close()
    return {"act": act, "streams": finished, "refused": total, "every": every}


async def _watch(
    few: asyncio.Semaphore, port: int, key: str, turn: uuid.UUID
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    path = reverse("answer-events", args=[turn])
    async with few:
        reader, writer = await asyncio.open_connection(serving.HOST, port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {serving.HOST}\r\nCookie: session={key}\r\n\r\n".encode())
        await asyncio.wait_for(reader.readuntil(b"event: step"), 60)
    return reader, writer


async def _end_of(reader: asyncio.StreamReader) -> float:
    await reader.readuntil(b"event: signed-out")
    return time.perf_counter()


def _form(port: int, key: str) -> tuple[str, str]:
    """Body and cookies of the form that signs everyone out."""
    status, headers, page = serving.ask(port, "GET", reverse("sessions"), f"session={key}")
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    if status != 200 or token is None:
        raise SystemExit(f"the form was answered with {status}")
    secret = headers["Set-Cookie"].split(";")[0]
    return urlencode({"csrfmiddlewaretoken": token[1], "confirm": WORDS}), f"session={key}; {secret}"


def _post(port: int, body: str, cookie: str) -> int:
    return serving.ask(port, "POST", reverse("sessions"), cookie, body)[0]


def _refused(port: int, keys: list[str]) -> int:
    """How many of the sessions are led to the sign-in page."""
    answers = [serving.ask(port, "GET", reverse("library"), f"session={key}") for key in keys]
    return sum(status == 302 and headers["Location"].startswith("/signin/") for status, headers, _ in answers)


def _parts(keys: list[str], count: int) -> Iterator[list[str]]:
    return (keys[start::count] for start in range(count))


# ── What the middleware costs ─────────────────────────────────────────────────────────────────────────────────


class Bare:
    """Stands for the whole stack: the person is just there. No session, no proof, no record, no headers."""

    person: ClassVar[User]

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request.user = copy.copy(self.person)
        request.session = {}  # type: ignore[assignment]  # the page asks it nothing
        return self.get_response(request)


def _middleware() -> dict[str, Any]:
    """One page, each request once through the whole stack and once without, in one process and thread."""
    (person,) = serving.people(1)
    key = serving.sign_in(person)
    found = User.objects.get(pk=person.pk)
    vars(found)["otp_device"] = StaticDevice.objects.get(user=person)
    Bare.person = found
    full = WSGIHandler()
    with override_settings(MIDDLEWARE=["bench.sessions.Bare"]):
        bare = WSGIHandler()
    times: dict[str, list[float]] = {"with": [], "without": []}
    handlers = {"with": full, "without": bare}
    queries = {name: _queries(handler, key) for name, handler in handlers.items()}
    for number in range(PAGES + WARM):
        for name in ("with", "without") if number % 2 else ("without", "with"):
            times[name].append(_page(handlers[name], key))
    Session.objects.all().delete()
    ours, none = times["with"][WARM:], times["without"][WARM:]
    rows: list[list[object]] = []
    for label, values, name in (("whole stack", ours, "with"), ("none", none, "without")):
        spread = [f"{percentile(values, p):.2f}" for p in (0.5, 0.95, 0.99)]
        rows.append([label, len(values), f"{1000 / statistics.mean(values):.0f}", *spread, queries[name]])
    print(f"{reverse('library')}, signed in; each request once with and once without, in turn")
    table(["middleware", "n", "requests/s", "p50 ms", "p95 ms", "p99 ms", "queries"], rows)
    added = statistics.median(a - b for a, b in zip(ours, none, strict=True))
    ratio = statistics.mean(none) / statistics.mean(ours)
    print(f"requests/s with : without = {ratio:.2f} : 1; median of the {len(ours)} differences: {added:.2f} ms")
    return {"n": len(ours), "ratio": ratio, "added_ms": added, "queries": queries}


def _page(handler: WSGIHandler, key: str) -> float:
    """Milliseconds of one request."""
    environ = RequestFactory().generic("GET", reverse("library"), HTTP_COOKIE=f"session={key}").environ
    statuses: list[str] = []

    def start(status: str, _headers: object, _error: object = None, /) -> Callable[[bytes], object]:
        statuses.append(status)
        return lambda _: None

    started = time.perf_counter()
    response = handler(environ, start)
    body = b"".join(response)
    took = (time.perf_counter() - started) * 1000
    response.close()
    if statuses != ["200 OK"] or not body:
        raise SystemExit(f"the page was answered with {statuses}")
    return took


def _queries(handler: WSGIHandler, key: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        _page(handler, key)
    return len(captured)
