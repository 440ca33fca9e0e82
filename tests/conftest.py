"""The tests run against their own embedded PostgreSQL and Redis, and nothing leaves the machine."""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from hypothesis import settings as hypothesis_settings

hypothesis_settings.load_profile("ci")  # everywhere: the same examples each time, however long one of them takes
SECONDS_A_DAY = 86_400
BEFORE_MIDNIGHT = 60
"""Seconds, and longer than nearly every test takes."""
TESTS = Path(__file__).parent
LONGEST = (
    "guards/test_access_matrix.py",
    "api/test_fuzz.py",
    "compliance/test_log_processes.py",
    "compliance/test_audit_roles.py",
    "browser/test_library.py",
    "guards/test_event_matrix.py",
    "compliance/continuity/test_wal.py",
    "compliance/continuity/test_restoring.py",
    "compliance/continuity/test_drill_log.py",
    "browser/test_continuity.py",
    "browser/test_training.py",
    "browser/test_oversight.py",
    "compliance/continuity/test_drill.py",
    "compliance/continuity/test_moment.py",
    "compliance/continuity/test_killed.py",
    "compliance/continuity/test_maintenance_requests.py",
    "browser/test_interaction_table.py",
    "browser/test_emergency.py",
    "browser/test_asking_masked.py",
    "browser/test_onboarding.py",
    "compliance/controls/test_no_phi_in_results.py",
    "browser/test_account.py",
    "browser/test_journey.py",
    "browser/test_audit.py",
    "compliance/test_audit_tampering.py",
    "chat/test_stream_ends.py",
    "local/test_manage.py",
    "compliance/continuity/test_recovery.py",
    "browser/test_masking.py",
    "compliance/test_canary.py",
    "local/test_recovery.py",
)
"""The files that take about 15 seconds or more, the longest first: no process is left alone with one at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {str(TESTS / name): number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(str(item.path), len(rank)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """No test begins so late in a day that it ends on the next one: many ask for the day more than once."""
    left = SECONDS_A_DAY - time.time() % SECONDS_A_DAY
    if left < BEFORE_MIDNIGHT:
        time.sleep(left)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None, django_db_blocker: Any) -> None:
    from tests import emptying, migrated

    with django_db_blocker.unblock():
        emptying.forget_on_a_power_cut()
        migrated.use()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Transactional tests empty every table afterwards, which the tables on record rightly refuse."""
    from compliance.audit import lane
    from tests import emptying, migrated, trail  # models can be imported from here on

    with django_db_blocker.unblock():
        migrated.keep()
        trail.allow_truncate()
        emptying.hurry()
    yield
    lane.close()
    with django_db_blocker.unblock():
        connection.close()  # the last test may have had it cut
    with django_db_blocker.unblock(), connection.cursor() as cursor:  # threads of servers may still hold some
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture(autouse=True)
def _lane(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a test that is rolled back the access lane shares its connection; transactional tests have the real one."""
    marker = request.node.get_closest_marker("django_db")
    if {"transactional_db", "live_server"} & set(request.fixturenames):
        return
    if marker is not None and marker.kwargs.get("transaction"):
        return

    @contextmanager
    def shared(*, patience: float = 0) -> Iterator[Any]:
        connection.ensure_connection()
        yield connection.connection

    monkeypatch.setattr("compliance.audit.lane.connection", shared)


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """Only loopback and unix sockets may be reached."""
    import pytest_socket

    pytest_socket.socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)
    yield
    pytest_socket.enable_socket()


@pytest.fixture(autouse=True, scope="session")
def _masker() -> None:
    """Loaded and tested as in a web process, before a test breaks it on purpose."""
    from compliance import phi
    from tests.processes import PATIENCE

    phi.warm()
    phi.configure(ner=phi.ner_active(), deadline_seconds=PATIENCE)  # ten seconds of a busy machine may be one of work
    gc.collect()
    gc.freeze()  # see tests/environment.py


@pytest.fixture(autouse=True)
def _nothing_counted() -> None:
    from tests.counting import nothing_counted

    nothing_counted()


@pytest.fixture(autouse=True)
def _mode_as_it_is() -> None:
    """That a test had ClinChat read-only is not known to the next one."""
    from compliance.continuity import maintenance

    maintenance.forget()


@pytest.fixture(autouse=True)
def _calibration_as_it_is() -> None:
    """What a test has answers judged with does not judge those of the next one."""
    from chat import calibration

    calibration.forget()


@pytest.fixture(autouse=True)
def _table_as_it_is() -> None:
    """What a test changes in the interaction table is no longer known to the next one."""
    from chat.interactions import current

    current.forget()


@pytest.fixture(autouse=True)
def _same_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chance draws the questions of an assessment and the order of their answers: the same in each run."""
    numbers = itertools.count()
    chance = SimpleNamespace(token_hex=lambda _: f"{next(numbers):032x}")
    monkeypatch.setattr("training.attempts.secrets", chance)


@pytest.fixture(autouse=True)
def _settings(settings: Any) -> None:
    """Static files straight from their folders, cheap password hashes."""
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
