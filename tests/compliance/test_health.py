"""Probes and the public status page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from clinchat.lib import clock
from compliance import health, mask_terms
from compliance.models import Session
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def no_redis(settings: Settings) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock"


def test_alive_asks_nothing_of_anyone(
    client: Client, no_redis: None, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    cast.sign_in(client, cast.alice())
    with django_assert_num_queries(0):
        answer = client.get("/api/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_ready_when_every_part_works(client: Client) -> None:
    answer = client.get("/api/ready")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "checks": {
            "database": True,
            "audit": True,
            "queue": True,
            "masking": True,
            "search": True,
            "interactions": True,
        },
    }


def test_not_ready_without_the_queue(client: Client, no_redis: None) -> None:
    answer = client.get("/api/ready")
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "not ready",
        "checks": {
            "database": True,
            "audit": True,
            "queue": False,
            "masking": True,
            "search": True,
            "interactions": True,
        },
    }


def test_ready_without_a_sound_interaction_table(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers say then that nothing was checked: better than no answers."""
    monkeypatch.setitem(health._probes, "interactions", ("Drug interactions", lambda: False, False))
    answer = client.get("/api/ready")
    assert (answer.status_code, answer.json()["checks"]["interactions"]) == (200, False)
    assert client.get("/status/").context["state"] == "degraded"


def test_not_ready_without_the_vector_extension(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE pg_extension SET extname = 'vector_lost' WHERE extname = 'vector'")
    assert client.get("/api/ready").json()["checks"]["database"] is False


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_probes_only_answer_get(client: Client, method: str) -> None:
    answer = getattr(client, method)("/api/health")
    assert answer.status_code == 405
    assert answer["Content-Type"] == "application/problem+json"


def test_status_page_shows_what_works(client: Client) -> None:
    page = client.get("/status/")
    assert page.status_code == 200
    assert page.context["state"] == "up"
    assert [check["name"] for check in page.context["checks"]] == [
        "Database",
        "Audit trail",
        "Answer queue",
        "Masking of identifiers",
        "Search index",
        "Drug interactions",
    ]


def test_status_page_says_degraded_without_internal_detail(client: Client, no_redis: None) -> None:
    page = client.get("/status/")
    assert page.context["state"] == "degraded"
    assert "nowhere" not in page.content.decode()


@pytest.fixture
def no_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every statement fails from here on, for a signed-in person whose process has read nothing for a while."""

    def lost(*_: object) -> object:
        raise OperationalError

    cast.sign_in(client, cast.alice())
    monkeypatch.setattr(mask_terms._Seen, "at", float("-inf"))
    with connection.execute_wrapper(lost):
        yield


def test_status_page_is_shown_without_the_database(client: Client, no_database: None) -> None:
    page = client.get("/status/")
    assert (page.status_code, page.context["state"]) == (200, "degraded")
    assert {check["name"]: check["ok"] for check in page.context["checks"]} == {
        "Database": False,
        "Audit trail": True,  # its connection is its own
        "Answer queue": True,
        "Masking of identifiers": False,
        "Search index": False,
        "Drug interactions": True,  # with the copy
    }


def test_not_ready_without_the_database(client: Client, no_database: None) -> None:
    answer = client.get("/api/ready")
    assert (answer.status_code, answer.json()["checks"]["masking"]) == (503, False)


@pytest.mark.parametrize("address", ["/status/", "/api/health", "/api/ready"])
def test_looking_at_the_service_keeps_no_session_alive(client: Client, address: str) -> None:
    cast.sign_in(client, cast.alice())
    ends = client.session.get_expiry_date()
    Session.objects.update(expire_date=ends, seen_at=clock.now() - timedelta(minutes=1))
    client.get(address)
    assert Session.objects.get().expire_date == ends
    client.get("/settings/")
    assert Session.objects.get().expire_date > ends
