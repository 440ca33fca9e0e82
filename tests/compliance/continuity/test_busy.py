"""A restore of a portal in use: people read until the last moment, and the databases change names all the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from django.test import Client

from clinchat.lib import clock
from compliance.access.session_store import TOUCH_SECONDS
from compliance.continuity.restore import databases
from compliance.models import Session
from tests import cast
from tests.compliance.continuity import portal

pytestmark = pytest.mark.django_db(transaction=True)
NEW, BEFORE = f"{portal.LIVE}_restore_00000000", f"{portal.LIVE}_before_00000000"


@pytest.fixture(autouse=True)
def live(template: None, transactional_db: None, tmp_path: Path) -> Iterator[None]:
    with portal.standing(tmp_path), portal.entered():
        yield


@pytest.fixture
def crowd() -> Iterator[None]:
    """Processes that come back as soon as they are put out, and stay."""
    over = threading.Event()

    def come() -> None:
        while not over.is_set():
            with suppress(psycopg.Error), databases.connect(portal.LIVE) as here:
                while not over.wait(0.01):
                    here.execute("SELECT 1")

    threads = [threading.Thread(target=come, daemon=True) for _ in range(6)]
    for one in threads:
        one.start()
    yield
    over.set()
    for one in threads:
        one.join()


def test_databases_that_many_want_are_exchanged_at_once(crowd: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL waits five seconds for those who are in, and then says that the database is in use."""
    with databases.connect(databases.CONTROL_DATABASE) as control:
        databases.create(control, NEW, like=portal.LIVE)
        databases.close_connections()
        monkeypatch.setattr(databases, "SWITCH_OVER_ATTEMPTS", 1)
        databases.switch_over(control, live=portal.LIVE, new=NEW, previous=BEFORE)
        assert portal.there() == {portal.LIVE, BEFORE}


def test_people_read_while_the_last_writes_are_stopped() -> None:
    client = cast.sign_in(Client(), cast.alice())
    Session.objects.update(seen_at=clock.now() - timedelta(seconds=TOUCH_SECONDS + 1))
    with databases.connect(databases.CONTROL_DATABASE) as control:
        databases.close_connections()
        databases.set_read_only(control, portal.LIVE)
        assert client.get("/library/").status_code == 200
        databases.close_connections()
        databases.set_writable(control, portal.LIVE)
    assert client.get("/library/").status_code == 200
    assert Session.objects.get().seen_at > clock.now() - timedelta(seconds=TOUCH_SECONDS)
