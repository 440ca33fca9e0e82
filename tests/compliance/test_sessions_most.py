"""At most three browsers at once: who signs in with a fourth is signed out of the first, and told."""

from __future__ import annotations

import pytest
from django.test import Client

from compliance.models import AuditEvent, Code, Notice, Session, User
from tests import cast

pytestmark = pytest.mark.django_db


def sign_in(user: User) -> Client:
    """Through the pages, with both factors."""
    client = Client()
    client.post("/signin/", {"email": user.email, "password": cast.PASSWORD})
    assert client.post("/signin/code/", {"code": cast.code_of(user)}).status_code == 302
    return client


def test_the_fourth_ends_the_first() -> None:
    alice = cast.alice()
    clients = [sign_in(alice) for _ in range(3)]
    assert [client.get("/settings/").status_code for client in clients] == [200, 200, 200]
    assert not Notice.objects.filter(user=alice).exists()
    fourth = sign_in(alice)
    assert [client.get("/settings/").status_code for client in [*clients, fourth]] == [302, 200, 200, 200]
    assert Session.objects.filter(user=alice, verified=True).count() == 3
    event = AuditEvent.objects.filter(code=Code.SESSION_EXPIRED, object_id=str(alice.pk)).get()
    assert event.detail == {"reason": "too many at once", "sessions": 1}
    notice = Notice.objects.get(user=alice)
    assert (notice.title, notice.url) == ("You were signed out elsewhere", "/settings/sessions/")


def test_showing_both_factors_again_ends_nothing() -> None:
    alice = cast.alice()
    clients = [sign_in(alice) for _ in range(3)]
    clients[0].post("/signin/again/", {"password": cast.PASSWORD})
    assert clients[0].post("/signin/code/", {"code": cast.code_of(alice)}).status_code == 302
    assert [client.get("/settings/").status_code for client in clients] == [200, 200, 200]


def test_sessions_of_others_and_those_that_are_over_do_not_count() -> None:
    alice = cast.alice()
    sign_in(cast.bob())
    first = sign_in(alice)
    Session.objects.filter(user=alice).update(expire_date="2020-01-01T00:00Z")
    clients = [sign_in(alice) for _ in range(3)]
    assert [client.get("/settings/").status_code for client in clients] == [200, 200, 200]
    assert first.get("/settings/").status_code == 302
    assert not Notice.objects.filter(user=alice).exists()
