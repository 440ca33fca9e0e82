"""The checks of the control catalogue on this installation, and the overview with twelve months of results behind it.

The checks are made as the schedule makes them, on the installation this runs in; their results stay in its trail. The
overview is drawn in a database of its own, which is dropped afterwards.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from django.db import connection
from django.test import RequestFactory, override_settings
from django_otp.plugins.otp_static.models import StaticDevice

from bench import scratch
from bench.data import keep, percentile, table
from compliance.access import Role
from compliance.controls import catalogue, running, standing
from compliance.models import CatalogueVersion, ControlResult, RoleAssignment, User

FULL, LIVE, LOOKS = 3, 20, 40
DAYS = 365


def run(collection: str) -> str | None:
    logging.disable(logging.WARNING)
    plain = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    try:
        kept: dict[str, Any] = _checks()
        with scratch.database(), override_settings(STORAGES=plain, ALLOWED_HOSTS=["testserver"]):
            kept |= _overview()
    finally:
        logging.disable(logging.NOTSET)
    timed = [one for one in kept.values() if isinstance(one, dict) and "p95_ms" in one]
    table(
        ["what", "n", "p50 ms", "p95 ms"],
        [[one["what"], one["n"], f"{one['p50_ms']:.0f}", f"{one['p95_ms']:.0f}"] for one in timed],
    )
    keep("controls", kept)
    return None


def _checks() -> dict[str, Any]:
    known = catalogue.current().checks
    live = [key for key, check in known.items() if check.every == "live"]
    slowest: list[ControlResult] = []

    def full() -> None:
        slowest[:] = sorted(running.run_all(), key=lambda one: -one.duration_ms)

    found = {
        "full": _times(f"all {len(known)} checks", full, FULL),
        "live": _times(f"the {len(live)} live checks", lambda: running.run(live), LIVE),
    }
    table(["slowest check", "state", "ms"], [[one.check_key, one.state, one.duration_ms] for one in slowest[:10]])
    return found


def _times(name: str, act: Any, rounds: int) -> dict[str, Any]:
    act()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        act()
        times.append((time.perf_counter() - started) * 1000)
    return {"what": name, "n": rounds, "p50_ms": percentile(times, 0.5), "p95_ms": percentile(times, 0.95)}


# ── The overview ───────────────────────────────────────────────────────────────────────────────────────────────

_FILL = """
INSERT INTO compliance_controlresult (id, check_key, state, observed, expected, subjects, failing, failing_count,
    evidence, digest, catalogue, code_version, started_at, duration_ms)
SELECT gen_random_uuid(), key, CASE WHEN random() < 0.97 THEN 'pass' ELSE 'fail' END, 'as it should be', 'so', 10, '[]',
    0, jsonb_build_object('looked_at', 10), md5(random()::text) || md5(random()::text), %(catalogue)s, '0.8.0',
    moment, 12
FROM unnest(%(keys)s::text[], %(minutes)s::int[]) AS known(key, every),
    generate_series(now() - %(days)s * interval '1 day', now(), every * interval '1 minute') AS moment
"""


def _overview() -> dict[str, Any]:
    from compliance.views import controls

    known = catalogue.current()
    CatalogueVersion.objects.create(sha256=known.sha256, text=known.text)
    checks = known.checks.values()
    started = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE compliance_controlresult DISABLE TRIGGER ALL")  # what is measured is reading
        cursor.execute(
            _FILL,
            {
                "catalogue": known.sha256,
                "days": DAYS,
                "keys": [check.key for check in checks],
                "minutes": [check.minutes for check in checks],
            },
        )
        filled = cursor.rowcount
        cursor.execute("ALTER TABLE compliance_controlresult ENABLE TRIGGER ALL")
        cursor.execute("VACUUM ANALYZE compliance_controlresult")
    print(f"{filled:,} results of {DAYS} days made in {time.perf_counter() - started:.0f} s")
    viewer = User.objects.create_user(email="viewer@bench.test", name="Viewer")
    RoleAssignment.objects.create(user=viewer, role=Role.COMPLIANCE_MANAGER)
    vars(viewer)["otp_device"] = StaticDevice(user=viewer)

    def look() -> None:
        request = RequestFactory().get("/compliance/?show=all")
        request.user = viewer
        request.session = {}  # type: ignore[assignment]  # the page asks it nothing
        request._messages = []  # type: ignore[attr-defined]  # noqa: SLF001  # as the middleware sets it
        response = controls.dashboard(request)
        if response.status_code != 200:
            raise SystemExit(f"the overview was answered with {response.status_code}")

    def past() -> None:
        standing.at(standing.now().at)

    return {
        "results": filled,
        "overview": _times("overview, as a page", look, LOOKS),
        "past": _times("score of one moment, twice", past, LOOKS),
    }
