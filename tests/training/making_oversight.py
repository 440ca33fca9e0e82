"""Attempts that were graded, made without sitting them; and two servers on this machine that a worker speaks to."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from clinchat.lib import clock
from compliance.models import User
from training.bank import drawing, grading
from training.bank.answers import Given
from training.bank.types import Item, Kind
from training.models import Answer, Attempt, Enrolment, ModuleVersion


def module(slug: str = "hipaa") -> ModuleVersion:
    return ModuleVersion.objects.in_force().get(slug=slug)


def right(item: Item) -> Given:
    """An answer that earns the point."""
    match item.kind:
        case Kind.NUMERIC:
            return item.numbers[0].value
        case Kind.ORDERING:
            return list(range(len(item.steps)))
        case Kind.MATCHING:
            return list(range(len(item.pairs)))
        case Kind.CASE:
            return [next(n for n, one in enumerate(part.options) if one.right) for part in item.parts]
        case _:
            return [n for n, one in enumerate(item.options) if one.right]


def sat(
    person: User,
    version: ModuleVersion,
    *,
    wrong: int = 0,
    items: list[Item] | None = None,
    chose: Mapping[str, Given] | None = None,
    at: datetime | None = None,
    number: int = 1,
    enrolment: Enrolment | None = None,
) -> Attempt:
    """An attempt submitted and graded; the first `wrong` questions were left open.

    `chose` are answers by the key of their question, instead of the right ones.
    """
    seed, now = f"{Attempt.objects.count():032x}", at or clock.now()
    enrolment = enrolment or Enrolment.objects.create(person=person, slug=version.slug, opened_at=now)
    known = {item.key: item for item in version.module.items}
    form = drawing.draw(version.module.items, version.module.blueprint, seed=seed)
    if items is not None:
        form = [drawing.Drawn(item.key, drawing.orders(item, seed=seed)) for item in items]
    right_or_chosen = {key: right(item) for key, item in known.items()} | dict(chose or {})
    given = [None if n < wrong else right_or_chosen[drawn.key] for n, drawn in enumerate(form)]
    points = [grading.points(known[drawn.key], one) for drawn, one in zip(form, given, strict=True)]
    attempt = Attempt.objects.create(
        enrolment=enrolment,
        number=number,
        state=Attempt.State.OPEN,
        version=version,
        seed=seed,
        started_at=now - timedelta(minutes=12),
    )
    Answer.objects.bulk_create(
        Answer(
            attempt=attempt,
            number=n,
            item=drawn.key,
            orders=[list(order) for order in drawn.orders],
            given=answer,
            revision=1,
            saved_at=now,
            points=Decimal(one.numerator) / one.denominator,
        )
        for n, (drawn, answer, one) in enumerate(zip(form, given, points, strict=True), 1)
    )
    earned = sum(points)
    attempt.state, attempt.submitted_at, attempt.attested = Attempt.State.GRADED, now, True
    attempt.points, attempt.most = Decimal(earned.numerator) / earned.denominator if earned else Decimal(0), len(form)
    attempt.pass_percent, attempt.passed = 80, grading.passes(points, percent=80)
    attempt.save()
    return attempt


# ── A mail server ──────────────────────────────────────────────────────────────────────────────────────────────


class MailServer(socketserver.ThreadingTCPServer):
    """Takes what it gets. `refused` are addresses it knows nothing of; `down` makes it hang up at once."""

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []
        self.refused: set[str] = set()
        self.down = False
        super().__init__(("127.0.0.1", 0), _MailHandler)


class _MailHandler(socketserver.StreamRequestHandler):
    server: MailServer

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def handle(self) -> None:
        if self.server.down:
            return
        self._say("220 here")
        to = ""
        while line := self.rfile.readline().decode().strip():
            verb = line.upper()
            if verb.startswith("RCPT TO"):
                to = line.partition("<")[2].partition(">")[0]
                self._say("550 nobody" if to in self.server.refused else "250 ok")
            elif verb == "DATA":
                self._say("354 go on")
                lines: list[str] = []
                while (part := self.rfile.readline().decode()) != ".\r\n":
                    lines.append(part)
                self.server.taken.append((to, "".join(lines)))
                self._say("250 ok")
            elif verb == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")


# ── A learning record store ────────────────────────────────────────────────────────────────────────────────────


class Store(ThreadingHTTPServer):
    """Keeps statements by id. `status` is answered to whatever holds a statement of that verb, or to everything."""

    daemon_threads = True

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.headers: list[dict[str, str]] = []
        self.status: dict[str, int] = {}
        super().__init__(("127.0.0.1", 0), _StoreHandler)


class _StoreHandler(BaseHTTPRequestHandler):
    server: Store

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.headers.append({**dict(self.headers.items()), "path": self.path})
        verbs = {one["verb"]["display"]["en-US"] for one in body}
        status = next((code for verb, code in self.server.status.items() if verb in verbs or not verb), 200)
        if status == 200:
            if any(one["id"] in self.server.kept for one in body):
                status = 409
            else:
                self.server.kept.update({one["id"]: one for one in body})
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"[]")

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def running(server: MailServer | Store) -> Iterator[str]:
    """Its address, host and port, while it runs."""
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
