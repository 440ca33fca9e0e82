"""sessions.end_all: complete or not at all, also beside a sign-in that happens at the same moment."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import connection, transaction
from django.test import Client

from compliance import audit
from compliance.access import sessions
from compliance.access.session_store import SessionStore
from compliance.models import AccessEpoch, AuditEvent, Code, Session
from tests import cast


@pytest.mark.django_db
def test_the_named_session_stays() -> None:
    alice = cast.alice()
    clients = [cast.sign_in(Client(), alice) for _ in range(3)]
    kept = clients[1].cookies["session"].value
    assert sessions.end_all(alice, reason="test", except_key=kept) == 2
    assert [row.pk for row in Session.objects.all()] == [audit.session_digest(kept)]


@pytest.mark.django_db
def test_nothing_ends_without_its_record() -> None:
    alice = cast.alice()
    client = cast.sign_in(Client(), alice)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER broken BEFORE INSERT ON compliance_auditevent EXECUTE FUNCTION compliance_refuse()"
        )
    with pytest.raises(psycopg.Error), transaction.atomic():
        sessions.end_all(alice, reason="test")
    assert Session.objects.filter(user=alice).count() == 1
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER broken ON compliance_auditevent")
    assert client.get("/settings/").status_code == 200


@pytest.mark.django_db
def test_events_of_very_many_people_fit(django_assert_max_num_queries: Any) -> None:
    from compliance.models import User

    people = User.objects.bulk_create(User(email=f"p{n}@h.test", name=f"P {n}") for n in range(1200))
    Session.objects.bulk_create(
        Session(session_key=f"{n:064x}", session_data="", expire_date="2999-01-01T00:00Z", user=person, verified=True)
        for n, person in enumerate(people)
    )
    with django_assert_max_num_queries(15):
        assert sessions.end_all(None, reason="test") == 1200
    assert AuditEvent.objects.filter(code=Code.SESSION_EXPIRED).count() == 1201
    assert not Session.objects.exists()


@pytest.mark.django_db
def test_the_epoch_moves_even_when_nothing_was_open() -> None:
    sessions.end_all(cast.alice(), reason="test")
    before = AccessEpoch.objects.get().number
    sessions.end_all(cast.alice(), reason="test")
    assert AccessEpoch.objects.get().number == before + 1
    assert not AuditEvent.objects.filter(code=Code.SESSION_EXPIRED).exists()


@pytest.mark.django_db(transaction=True)
def test_a_session_that_changes_its_key_meanwhile_does_not_escape() -> None:
    """The key changes in a transaction that commits while end_all waits for the old row."""
    alice = cast.alice()
    client = cast.sign_in(Client(), alice)
    store = SessionStore(client.cookies["session"].value)
    with transaction.atomic():
        store.cycle_key()
        ending = _Beside(lambda: sessions.end_all(alice, reason="test"))
        ending.join(0.5)
        assert ending.is_alive(), "it should wait for the row"
    ending.join(60)
    assert ending.raised is None
    assert not Session.objects.exists(), "the session escaped under its new key"


@pytest.mark.django_db(transaction=True)
def test_a_key_does_not_change_once_the_session_is_being_ended() -> None:
    alice = cast.alice()
    client = cast.sign_in(Client(), alice)
    store = SessionStore(client.cookies["session"].value)
    assert store["_auth_user_id"]
    with transaction.atomic():
        sessions.end_all(alice, reason="test")
        changing = _Beside(store.cycle_key)
        changing.join(0.5)
        assert changing.is_alive(), "it should wait for the row"
    changing.join(60)
    assert isinstance(changing.raised, SessionInterrupted)
    assert not Session.objects.exists()


class _Beside(threading.Thread):
    """Work on a connection of its own, begun at once."""

    def __init__(self, work: Any) -> None:
        super().__init__()
        self.work = work
        self.raised: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.work()
        except Exception as error:  # noqa: BLE001  # the test looks at it
            self.raised = error
        finally:
            connection.close()
