"""The audit trail: writing beside a plain insert, sealing, verification, and what it adds to one chat turn.

Runs in a database of its own, which is dropped afterwards.
"""

from __future__ import annotations

import logging
import multiprocessing
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import cycle
from typing import Any
from unittest import mock

from django.db import connection, connections
from django.test import Client, override_settings
from django.urls import reverse
from django_otp import DEVICE_ID_SESSION_KEY

from bench import scratch
from bench.data import keep, percentile, table
from chat import releases, services
from chat.corpus import loaders
from chat.corpus.ingest import ingest
from chat.models import Collection, Turn
from chat.pipeline.run import run as answer
from clinchat.settings import BASE_DIR
from compliance import audit, demo, phi
from compliance.audit import seal, triggers, verify, writer
from compliance.models import AuditEvent, Authenticator, User

WRITERS = (1, 4, 8, 16)
ROUNDS = 4
ROUND_SECONDS = 2.0
EVENTS = 1_000_000
BULK = 50_000
LATER = 10_000
BEAT_SECONDS = 2.0
STEADY_SECONDS = 60.0
TURNS = 300
WARM = 5
QUESTIONS = (
    "Can I give trimethoprim-sulfamethoxazole to a patient on warfarin?",
    "When should metformin be held for iodinated contrast?",
    "What is the first treatment of hyperkalemia with ECG changes?",
    "How do I reverse heparin after a bleed?",
)
PLAIN = "bench_plain"
_fork = multiprocessing.get_context("fork")


def run(collection: str) -> str | None:
    logging.disable(logging.WARNING)
    try:
        with scratch.database():
            kept = {"turn": _turns(), "writing": _writing(), **_reading(), "unsealed": _unsealed()}
    finally:
        logging.disable(logging.NOTSET)
    keep("audit", kept)
    return None


# ── Writing ───────────────────────────────────────────────────────────────────────────────────────────────────


def _writing() -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {PLAIN} (LIKE compliance_auditevent INCLUDING DEFAULTS INCLUDING INDEXES)")
        cursor.execute(f"ALTER TABLE {PLAIN} ALTER canonical DROP NOT NULL, ALTER digest DROP NOT NULL")
    rows, kept = [], {}
    for writers in WRITERS:
        times: dict[str, list[float]] = {"compliance_auditevent": [], PLAIN: []}
        for _ in range(ROUNDS):
            for target in times:
                times[target] += _written(writers, target)
        (ours, plain) = times.values()
        rates = [len(found) / (ROUNDS * ROUND_SECONDS) for found in (ours, plain)]
        spread = [f"{percentile(found, p) * 1000:.2f}" for found in (ours, plain) for p in (0.5, 0.99)]
        rows.append([writers, len(ours), *(f"{rate:.0f}" for rate in rates), f"{rates[0] / rates[1]:.0%}", *spread])
        kept[str(writers)] = {"events_per_second": rates[0], "plain_per_second": rates[1]}
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {PLAIN}")
    head = ["writers", "n", "events/s", "plain/s", "share", "p50 ms", "p99 ms", "plain p50 ms", "plain p99 ms"]
    table(head, rows)
    return kept


def _written(writers: int, target: str) -> list[float]:
    """Seconds of each insert that so many processes made into a table within one round."""
    connections.close_all()
    together, results = _fork.Barrier(writers), _fork.SimpleQueue()
    processes = [_fork.Process(target=_write, args=(target, together, results)) for _ in range(writers)]
    for process in processes:
        process.start()
    found = [seconds for _ in processes for seconds in results.get()]
    for process in processes:
        process.join()
    return found


def _write(target: str, together: Any, results: Any) -> None:
    insert = writer._insert  # noqa: SLF001  # the same statement, into another table

    def elsewhere(events: list[dict[str, Any]]) -> tuple[str, list[Any]]:
        statement, values = insert(events)
        return statement.replace("compliance_auditevent", target), values

    writer._insert = elsewhere  # noqa: SLF001  # as above
    person = User(name="Alice Adeyemi")
    person.roles = frozenset()
    times: list[float] = []
    with audit.bind(actor=person, correlation_id=uuid.uuid4(), source="192.0.2.7", session="0123456789abcdef"):
        _record()
        together.wait()
        ends = time.perf_counter() + ROUND_SECONDS
        while (started := time.perf_counter()) < ends:
            _record()
            times.append(time.perf_counter() - started)
    results.put(times)


def _record() -> None:
    audit.record(
        code=audit.Code.SENSITIVE_READ,
        action=audit.Crude.READ,
        object_type="chat.Turn",
        object_id=str(uuid.uuid4()),
        patient="P-0123456789abcdef",
        detail={"step": "retrieve", "passages": 20},
    )


# ── Sealing and verification ──────────────────────────────────────────────────────────────────────────────────


def _reading() -> dict[str, Any]:
    seal.seal_all()
    there, sealing = AuditEvent.objects.count(), 0.0
    for _ in range(0, EVENTS - there, BULK):
        _generate(BULK)
        sealing += _timed(seal.seal_all)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    total = AuditEvent.objects.count()
    full = [_sound(verify.Scope.FULL) for _ in range(2)]
    later = []
    for _ in range(3):
        _generate(LATER)
        seal.seal_all()
        later.append(_sound(verify.Scope.INCREMENTAL))
    rows = [
        ["sealing, 50,000 at a time", total - there, f"{sealing:.1f}", f"{(total - there) / sealing:.0f}"],
        *(["verification, full", total, f"{seconds:.1f}", f"{total / seconds:.0f}"] for seconds in full),
        ["verification, incremental", LATER, f"{min(later):.2f}", f"{LATER / min(later):.0f}"],
    ]
    print()
    table(["step", "events", "seconds", "events/s"], rows)
    return {"sealing_per_second": (total - there) / sealing, "verification_seconds": full, "incremental": later}


def _generate(count: int) -> None:
    """Events through the real trigger, in one transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_auditevent (lane, code, action, outcome, actor_id, actor_name, actor_roles, "
            "actor_kind, session, remote_addr, object_type, object_id, patient, correlation_id, app_version, detail) "
            "SELECT 'access', 'sensitive_read', 'R', 'success', gen_random_uuid(), 'Alice Adeyemi', '[\"clinician\"]', "
            "'person', '0123456789abcdef', '192.0.2.7', 'chat.Turn', gen_random_uuid()::text, 'P-0123456789abcdef', "
            "gen_random_uuid(), '0.2.0', jsonb_build_object('step', 'retrieve', 'passages', mod(n, 20)) "
            "FROM generate_series(1, %s) AS n",
            [count],
        )


def _sound(scope: verify.Scope) -> float:
    report = verify.run(scope)
    if not report.ok:
        raise SystemExit(f"the trail does not verify: {report.problems[:3]}")
    return report.seconds


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


# ── How long an event waits for its seal ──────────────────────────────────────────────────────────────────────


def _unsealed() -> dict[str, Any]:
    """Four processes write without a pause; the sealer runs every two seconds, as the schedule has it."""
    seal.seal_all()
    last = seal.state().seals
    connections.close_all()
    stop = _fork.Event()
    processes = [_fork.Process(target=_write_until, args=(stop,)) for _ in range(4)]
    for process in processes:
        process.start()
    ages: list[float] = []
    started = time.monotonic()
    for beat in range(1, int(STEADY_SECONDS / BEAT_SECONDS) + 1):
        time.sleep(max(0.0, started + beat * BEAT_SECONDS - time.monotonic()))
        seal.seal_all()
        with connection.cursor() as cursor:  # from the event to the end of the run that sealed it
            cursor.execute(
                'SELECT extract(epoch FROM clock_timestamp() - "timestamp") FROM compliance_sealedevent '
                "WHERE seal_id > %s",
                [last],
            )
            ages += [float(age) for (age,) in cursor.fetchall()]
        last = seal.state().seals
    stop.set()
    for process in processes:
        process.join()
    print()
    found = [f"{percentile(ages, p):.2f}" for p in (0.5, 0.99)]
    table(["writers", "events", "unsealed p50 s", "p99 s", "max s"], [[4, len(ages), *found, f"{max(ages):.2f}"]])
    return {"events": len(ages), "p99_seconds": percentile(ages, 0.99)}


def _write_until(stop: Any) -> None:
    with audit.bind(kind=audit.ActorKind.SERVICE, name="bench"):
        while not stop.is_set():
            _record()


# ── One turn of a chat, with and without ──────────────────────────────────────────────────────────────────────


def _turns() -> dict[str, Any]:
    """A question is sent, answered and its page opened, in one process."""
    phi.warm()
    library = Collection.objects.create(slug="starter", name="Starter set", starter=True)
    ingest(sources=loaders.read(BASE_DIR / "chat/corpus/starter").sources, collection=library)
    releases.embed_waiting()
    plain = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    silent = mock.patch("chat.streams.publisher", return_value=lambda _event, _data: None)
    alone = mock.patch.object(services, "_dispatch")
    pairs: list[tuple[float, float]] = []
    events: dict[bool, int] = {}
    with override_settings(STORAGES=plain, ALLOWED_HOSTS=["testserver"]), silent, alone:
        client = _alice()
        for number, question in zip(range(TURNS + WARM), cycle(QUESTIONS), strict=False):
            pair: dict[bool, float] = {}
            for with_trail in (True, False) if number % 2 else (False, True):  # the second of two has warmer caches
                before = AuditEvent.objects.count()
                with nullcontext() if with_trail else _no_trail():
                    pair[with_trail] = _turn(client, question)
                events[with_trail] = AuditEvent.objects.count() - before
            pairs.append((pair[True], pair[False]))
    ours, bare = zip(*pairs[WARM:], strict=True)
    added = [percentile(ours, p) - percentile(bare, p) for p in (0.5, 0.95)]
    rows = [
        [name, len(found), *(f"{percentile(found, p):.1f}" for p in (0.5, 0.95))]
        for name, found in (("with the trail", ours), ("without", bare))
    ]
    print(
        f"{events[True]} events a turn, {events[False]} without the trail; each question once with it and once without"
    )
    table(["one turn", "n", "p50 ms", "p95 ms"], [*rows, ["difference", "", *(f"{a:.1f}" for a in added)]])
    middle = statistics.median(one - other for one, other in pairs[WARM:])
    print(f"median of the {TURNS} differences: {middle:.1f} ms\n")
    return {"n": TURNS, "p50_ms": added[0], "p95_ms": added[1], "median_ms": middle}


def _turn(client: Client, question: str) -> float:
    """Milliseconds from the question to its page with the answer."""
    started = time.perf_counter()
    sent = client.post(reverse("ask"), {"question": question, "submission": str(uuid.uuid4())})
    turn = Turn.objects.select_related("conversation").latest("created_at")
    answer(turn.pk, publish=lambda _event, _data: None)
    page = client.get(turn.conversation.get_absolute_url())
    if (sent.status_code, page.status_code) != (302, 200):
        raise SystemExit(f"a turn ended with {sent.status_code} and {page.status_code}")
    return (time.perf_counter() - started) * 1000


def _alice() -> Client:
    person = demo.ensure(demo.CAST["alice"], password=str(uuid.uuid4()))
    client = Client()
    client.force_login(person)
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = Authenticator.objects.get(user=person, confirmed=True).persistent_id
    session.save()
    return client


@contextmanager
def _no_trail() -> Iterator[None]:
    tables = [one.table for one in audit.watched().values()]
    wrappers = connection.execute_wrappers
    with connection.cursor() as cursor:
        for name in tables:
            cursor.execute(f"ALTER TABLE {name} DISABLE TRIGGER {triggers.TRIGGER}")
    wrappers.remove(triggers.carry_context)
    try:
        with mock.patch.multiple(audit, record=mock.Mock(), record_all=mock.Mock()):
            yield
    finally:
        wrappers.append(triggers.carry_context)
        with connection.cursor() as cursor:
            for name in tables:
                cursor.execute(f"ALTER TABLE {name} ENABLE ALWAYS TRIGGER {triggers.TRIGGER}")
