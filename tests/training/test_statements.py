"""Statements of the Experience API reach a store once each, name nobody, and survive a store that is away."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils.dateparse import parse_datetime

from clinchat.lib import clock
from compliance.models import User
from tests import cast
from tests.training import certified, making_oversight
from training import statements
from training.models import Certificate, Statement

pytestmark = pytest.mark.django_db


@pytest.fixture
def store(settings: Any) -> Iterator[making_oversight.Store]:
    store = making_oversight.Store()
    with making_oversight.running(store) as address:
        settings.XAPI_URL, settings.XAPI_USER, settings.XAPI_PASSWORD = (
            f"http://{address}/xapi/",
            "clinchat",
            "a secret",
        )
        settings.PORTAL_URL = "https://portal.test/"
        yield store


def said(person: User) -> None:
    """One of each."""
    certified.load_content()
    version = making_oversight.module()
    attempt = making_oversight.sat(person, version, wrong=2)
    statements.lesson_read(attempt.enrolment, version, version.module.lessons[0].key)
    statements.attempted(attempt)
    statements.graded(attempt)
    statements.certified(certified.certify(person, slug="phi-handling"))
    statements.certified(
        Certificate.objects.create(
            person=person, title="All modules", version="2026", token="t", expires_at=clock.now() + timedelta(days=365)
        )
    )


def test_nothing_is_written_where_no_store_is_configured(settings: Any) -> None:
    settings.XAPI_URL = ""
    said(cast.alice())
    assert not Statement.objects.exists()
    assert statements.send_waiting() == 0


def test_they_are_sent_as_the_standard_says(store: making_oversight.Store) -> None:
    alice = cast.alice()
    said(alice)
    assert (statements.send_waiting(), statements.send_waiting()) == (5, 0)
    [headers] = store.headers
    assert headers["path"] == "/xapi/statements"
    assert headers["X-Experience-API-Version"] == "1.0.3"
    assert headers["Authorization"] == f"Basic {base64.b64encode(b'clinchat:a secret').decode()}"
    kept = list(store.kept.values())
    assert [one["verb"]["display"]["en-US"] for one in kept] == ["completed", "attempted", "passed", "earned", "earned"]
    assert alice.name not in json.dumps(kept)
    assert alice.email not in json.dumps(kept)
    for one in kept:
        assert one["actor"] == {
            "objectType": "Agent",
            "account": {"homePage": "https://portal.test", "name": str(alice.pk)},
        }
        assert one["object"]["id"].startswith("https://portal.test/training/")
        assert parse_datetime(one["timestamp"]) is not None
        assert one["context"]["revision"]
    graded = kept[2]
    score = graded["result"]["score"]
    assert (score["raw"], score["max"], score["scaled"]) == (12.0, 14, round(12 / 14, 4))
    assert graded["result"]["duration"] == "PT720.00S"
    assert graded["context"]["registration"] == str(alice.enrolments.get(slug="hipaa").pk)


def test_a_store_that_is_away_gets_them_later_and_a_second_time_does_no_harm(store: making_oversight.Store) -> None:
    said(cast.alice())
    store.status = {"": 503}
    assert statements.send_waiting() == 0
    assert statements.send_waiting() == 0
    assert len(store.headers) == 1, "not before its pause is over"
    store.status = {}
    Statement.objects.update(next_try_at=clock.now())
    assert statements.send_waiting() == 5
    Statement.objects.update(next_try_at=clock.now(), sent_at=None)  # as if this process had died before writing that
    assert statements.send_waiting() == 5
    assert len(store.kept) == 5
    assert not Statement.objects.waiting().exists()


def test_a_refused_one_stops_no_other_and_wrong_credentials_refuse_none(store: making_oversight.Store) -> None:
    said(cast.alice())
    store.status = {"": 401}
    assert statements.send_waiting() == 0
    assert Statement.objects.waiting().count() == 5
    store.status = {"attempted": 400}
    Statement.objects.update(next_try_at=clock.now())
    statements.send_waiting()
    assert len(store.kept) == 4
    assert [str(one) for one in Statement.objects.exclude(refused_at=None)] == [statements.ATTEMPTED]
