"""Oversight of training with 5,000 people and 100,000 attempts: the dashboard, exports, questions, parallel starts.

Runs in a database of its own, which is dropped afterwards. Attempts are made by the database, with the forms that
training.bank.drawing draws.
"""

from __future__ import annotations

import json
import logging
import random
import threading
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, connections
from django.test import RequestFactory, override_settings
from django_otp.plugins.otp_static.models import StaticDevice

from bench import scratch
from bench.data import keep, percentile, table
from compliance.access import Role
from compliance.models import RoleAssignment, User
from training import cohort, evidence, items, learning, loading
from training.bank import drawing
from training.bank.types import SIX
from training.models import Attempt, Enrolment, LessonRead, ModuleVersion

PEOPLE, ATTEMPTS, DEPARTMENTS = 5_000, 100_000, 40
FORMS = 200
"""Forms drawn for each module; each is used by many people."""
ROUNDS, STARTS = 40, 200
FILLED = ("enrolment", "attempt", "answer", "certificate")


def run(collection: str) -> str | None:
    logging.disable(logging.WARNING)
    plain = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    try:
        with scratch.database(), override_settings(STORAGES=plain, ALLOWED_HOSTS=["testserver"]):
            loading.load(Path(settings.TRAINING_CONTENT))
            made = _make()
            kept: dict[str, Any] = {"made": made}
            kept |= _dashboard() | _items() | _exports() | _starts()
            timed = [one for one in kept.values() if "p95_ms" in one]
            rows = [[one["what"], one["n"], f"{one['p50_ms']:.0f}", f"{one['p95_ms']:.0f}"] for one in timed]
            table(["what", "n", "p50 ms", "p95 ms"], rows)
    finally:
        logging.disable(logging.NOTSET)
    keep("training", kept)
    return None


# ── The cohort ─────────────────────────────────────────────────────────────────────────────────────────────────


def _make() -> dict[str, int]:
    """Everybody through every module about three times; some passed, some are in the middle, some are locked out."""
    rng = random.Random(8)
    started = time.perf_counter()
    people = [
        User(email=f"p{n}@bench.test", name=f"Person {n:05}", department=f"Department {rng.randrange(DEPARTMENTS):02}")
        for n in range(PEOPLE)
    ]
    User.objects.bulk_create(people, batch_size=1_000)
    RoleAssignment.objects.bulk_create(
        [RoleAssignment(user=person, role=Role.CLINICIAN) for person in people], batch_size=1_000
    )
    _forms(rng)
    with connection.cursor() as cursor:
        for name in FILLED:  # what is measured is reading: nothing of the filling is checked or on record
            cursor.execute(f"ALTER TABLE training_{name} DISABLE TRIGGER ALL")
        for version in ModuleVersion.objects.in_force().filter(slug__in=SIX).defer("content"):
            cursor.execute(_FILL, {"slug": version.slug, "version": version.pk, "each": ATTEMPTS // len(SIX)})
        for name in FILLED:
            cursor.execute(f"ALTER TABLE training_{name} ENABLE TRIGGER ALL")
            cursor.execute(f"VACUUM ANALYZE training_{name}")  # as autovacuum does within a minute
        cursor.execute("VACUUM ANALYZE compliance_user")
        counts = {}
        for name in FILLED:
            cursor.execute(f"SELECT count(*) FROM training_{name}")  # words of this file
            counts[name] = cursor.fetchone()[0]
    took = time.perf_counter() - started
    print(f"made in {took:.0f} s: " + ", ".join(f"{number:,} {name}s" for name, number in counts.items()))
    return counts


def _forms(rng: random.Random) -> None:
    """A table of questions by form, from which answers are made."""
    rows: list[tuple[Any, ...]] = []
    for version in ModuleVersion.objects.in_force().defer("content"):
        for form in range(FORMS):
            drawn = drawing.draw(version.module.items, version.module.blueprint, seed=f"{version.slug}{form}")
            for n, one in enumerate(drawn, 1):
                rows.append((version.slug, form, n, one.key, json.dumps([list(order) for order in one.orders])))
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE bench_form (slug text, form int, number int, item text, orders jsonb)")
        cursor.executemany("INSERT INTO bench_form VALUES (%s, %s, %s, %s, %s)", rows)


_FILL = """
WITH people AS (SELECT id FROM compliance_user WHERE email LIKE '%%@bench.test'),
turn AS (
    INSERT INTO training_enrolment (id, person_id, slug, kind, lessons, why, opened_at, due_at, completed_at)
    SELECT gen_random_uuid(), id, %(slug)s, CASE WHEN k = 1 THEN 'first' ELSE 'renewal' END, '[]', '',
        now() - interval '400 days' * (4 - k), now(),
        CASE WHEN k < 3 OR random() < 0.97 THEN now() - interval '400 days' * (4 - k - random()) END
    FROM people CROSS JOIN generate_series(1, 3) k
    RETURNING id, person_id, slug, opened_at, completed_at
),
ranked AS (SELECT *, row_number() OVER () AS n FROM turn),
sat AS (
    INSERT INTO training_attempt (id, enrolment_id, number, state, unlock_reason, version_id, seed, started_at,
        submitted_at, attested, points, most, pass_percent, passed)
    SELECT gen_random_uuid(), t.id, 1, 'graded', '', %(version)s, (random() * 199)::int::text, t.opened_at,
        t.opened_at + interval '12 minutes', true, 11 + (random() * 3)::int, 14, 80, t.completed_at IS NOT NULL
    FROM ranked t
    UNION ALL
    SELECT gen_random_uuid(), t.id, 2, 'graded', '', %(version)s, (random() * 199)::int::text, t.opened_at,
        t.opened_at + interval '12 minutes', true, 5 + (random() * 6)::int, 14, 80, false
    FROM ranked t WHERE t.n <= %(each)s - (SELECT count(*) FROM ranked)
    RETURNING id, enrolment_id, seed
),
unused AS (
    INSERT INTO training_attempt (id, enrolment_id, number, state, unlock_reason, seed, attested)
    SELECT gen_random_uuid(), t.id, 3, 'unused', '', '', false FROM ranked t
    WHERE t.completed_at IS NOT NULL OR random() < 0.5
),
answered AS (
    INSERT INTO training_answer (id, attempt_id, number, item, orders, given, revision, points)
    SELECT gen_random_uuid(), s.id, f.number, f.item, f.orders,
        jsonb_build_array((random() * random() * 3.99)::int), 1, CASE WHEN random() < 0.8 THEN 1 ELSE 0 END
    FROM sat s JOIN bench_form f ON f.slug = %(slug)s AND f.form = s.seed::int ORDER BY s.id, f.number
)
INSERT INTO training_certificate (id, person_id, slug, title, version, enrolment_id, percent, issued_at, expires_at,
    token, revoke_reason)
SELECT gen_random_uuid(), person_id, slug, slug, '1.0', id, 85, completed_at, completed_at + interval '365 days', '', ''
FROM ranked WHERE completed_at IS NOT NULL
"""


# ── Measured ───────────────────────────────────────────────────────────────────────────────────────────────────


def _viewer() -> User:
    found = User.objects.filter(email="viewer@bench.test").first()
    if found is None:
        found = User.objects.create_user(email="viewer@bench.test", name="Viewer")
        RoleAssignment.objects.create(user=found, role=Role.COMPLIANCE_MANAGER)
    vars(found)["otp_device"] = StaticDevice(user=found)
    return found


def _times(name: str, act: Any, rounds: int) -> dict[str, Any]:
    act()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        act()
        times.append((time.perf_counter() - started) * 1000)
    found = {"n": rounds, "p50_ms": percentile(times, 0.5), "p95_ms": percentile(times, 0.95)}
    print(f"{name}: {found['p50_ms']:.0f} ms", flush=True)
    return {"what": name, **found}


def _dashboard() -> dict[str, Any]:
    """The view as a signed-in person meets it, its page drawn; the middleware before it is measured by `sessions`."""
    from training.views import oversight

    viewer = _viewer()
    asked = ("", "?department=Department+07", "?module=hipaa&status=due", "?q=Person+04", "?page=60")
    number = iter(range(10_000))

    def look() -> None:
        request = RequestFactory().get("/compliance/training/" + asked[next(number) % len(asked)])
        request.user = viewer
        request.session = {}  # type: ignore[assignment]  # the page asks it nothing
        request._messages = []  # type: ignore[attr-defined]  # noqa: SLF001  # as the middleware sets it
        response = oversight.dashboard(request)
        if response.status_code != 200:
            raise SystemExit(f"the dashboard was answered with {response.status_code}")

    found = cohort.dashboard(viewer, cohort.Asked())
    print(f"{found.people:,} people, {found.complete:,} passed all six")
    return {"dashboard": _times("dashboard, as a page", look, ROUNDS)}


def _items() -> dict[str, Any]:
    version = ModuleVersion.objects.in_force().defer("content").get(slug=SIX[0])
    item = version.module.items[3]
    return {
        "items": _times("figures of all questions of a module", lambda: items.report(version), ROUNDS),
        "item": _times("figures of one question", lambda: items.one(version, item), ROUNDS),
        "misconceptions": _times("misconceptions of a module", lambda: items.misconceptions(version), ROUNDS),
    }


def _exports() -> dict[str, Any]:
    person = User.objects.get(email="p17@bench.test")
    one = _times("evidence of one person, CSV", lambda: list(evidence.lines([person])), 10)
    document = _times("evidence of one person, PDF", lambda: evidence.document(evidence.of(person)), 3)
    started = time.perf_counter()
    size = sum(map(len, evidence.lines(User.objects.filter(is_service=False).order_by("name", "pk"))))
    took = time.perf_counter() - started
    print(f"evidence of everybody, CSV: {size / 1e6:.0f} MB in {took:.0f} s")
    return {"one_csv": one, "one_pdf": document, "all_csv": {"seconds": took, "bytes": size}}


def _starts() -> dict[str, Any]:
    """200 threads of one person begin an attempt at the same moment: how many did they get?"""
    from training import attempts, enrolments

    person = User.objects.create_user(email="starter@bench.test", name="Starter")
    version = ModuleVersion.objects.in_force().defer("content").get(slug=SIX[0])
    turn = enrolments.begin(person=person, slug=version.slug)
    digests = {lesson.key: learning.digest(lesson) for lesson in version.module.lessons}
    LessonRead.objects.bulk_create(
        LessonRead(enrolment=turn, version=version, lesson=key, digest=digest) for key, digest in digests.items()
    )
    gate, found, got = threading.Barrier(STARTS), Counter[str](), set[uuid.UUID]()
    few = threading.Semaphore(40)

    def begin() -> None:
        gate.wait()
        with few:  # as many connections as a portal has
            try:
                got.add(attempts.start(person=person, slug=version.slug).pk)
                found["begun"] += 1
            except Exception as error:  # noqa: BLE001  # counted by its name
                found[type(error).__name__] += 1
            finally:
                connections.close_all()

    started = time.perf_counter()
    threads = [threading.Thread(target=begin) for _ in range(STARTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - started
    opened = Attempt.objects.filter(enrolment__person=person, state=Attempt.State.OPEN).count()
    turns = Enrolment.objects.filter(person=person).count()
    print(f"{STARTS} parallel starts in {took:.1f} s: {dict(found)}, {len(got)} attempt, {opened} open, {turns} turn")
    if opened != 1 or len(got) != 1:
        raise SystemExit("more than one attempt was begun")
    return {"starts": {"threads": STARTS, "seconds": took, "answers": dict(found), "open": opened}}
