"""The check of the read-only mode, and the ways it fails."""

from __future__ import annotations

from functools import partial
from uuid import UUID

import pytest
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import get_resolver

from chat.models import Collection
from clinchat.lib import clock
from clinchat.middleware import ReadOnly
from compliance.access import matrix, works_read_only
from compliance.continuity import controls_maintenance, maintenance, write_guard
from compliance.models import ControlResult
from compliance.views import read_only
from tests.breaking import instead, view
from tests.guards.test_event_matrix import addresses
from tests.proving import look, proven

pytestmark = pytest.mark.django_db
KEY = "maintenance.readonly_canary"
FEW = ("ask", "feedback", "answer-retry", "settings-mails", "signin", "status")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some addresses stand for all: what is broken is among them."""
    routes = [one for one in matrix.routes() if one.name in FEW]
    monkeypatch.setattr(matrix, "routes", lambda: routes)


def test_every_address_and_table() -> None:
    found = look(KEY)
    assert (found.state, found.failing) == (ControlResult.State.PASS, [])
    assert found.subjects > 1000
    assert not maintenance.on(), "it was on for the check alone"


def test_one_write_view_is_exempt(few: None) -> None:
    broken = proven(KEY, view("settings-mails", lambda page: works_read_only("It seemed right")(partial(page))))
    assert any(one.startswith("POST /settings/mails/") for one in broken.failing)


def test_fault_a_view_refuses_and_writes_past_the_wall(few: None) -> None:
    Collection.objects.create(slug="m", name="Monographs")

    @works_read_only("It only reads")
    def careless(request: HttpRequest) -> HttpResponse:
        connection.connection.execute("UPDATE chat_collection SET name = 'Other'")
        return read_only.refuse(request, maintenance.Shown(UUID(int=0), "manual", "", clock.now(), None))

    with view("ask", lambda _: careless):
        assert look(KEY).failing == ["rows changed: chat_collection"]


def test_fault_nobody_is_told_when_to_come_back(few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReadOnly, "process_view", lambda *_: HttpResponse(status=503))
    assert look(KEY).failing


def test_fault_the_wall_has_a_hole(few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_guard, "_writable", lambda verb, table: table == "chat_turn")
    assert look(KEY).failing == ["a statement changes chat_turn"]


def test_fault_there_is_no_wall(few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_guard, "_writable", lambda verb, table: True)
    assert len(look(KEY).failing) > 40


def test_fault_reading_is_refused(few: None) -> None:
    with view("status", lambda _: lambda request: HttpResponse(status=503)):
        assert look(KEY).failing == ["not read: /status/"]


def test_fault_nothing_is_on_record(few: None) -> None:
    with instead(controls_maintenance, "_on_record", lambda: False):
        assert look(KEY).failing == ["no event is recorded"]


def test_what_works_on_was_approved() -> None:
    """Whoever lets one more view work on adds it there as well: that is the approval."""
    views = addresses(get_resolver())
    assert len(views) > 100
    marked = {name for name, view in views.items() if getattr(view, "works_read_only", "")}
    assert marked == controls_maintenance.WORK_ON
