"""Every address while ClinChat is read-only: what writes is refused, what is read works, and no row changes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import reverse

from chat.models import Collection, Turn
from clinchat.lib import clock
from compliance.access import public, works_read_only
from compliance.continuity import maintenance
from compliance.models import Maintenance
from compliance.views import read_only
from tests import cast, undoing
from tests.breaking import view
from tests.counting import nothing_repeated
from tests.guards.test_event_matrix import MATRIX, things

pytestmark = pytest.mark.django_db
READERS = ("alice", "dora", "edith", "pat", "sam", "otto", "ada")


@pytest.fixture
def made(settings: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    settings.LIMITS = {kind: (100_000, seconds) for kind, (_, seconds) in settings.LIMITS.items()}
    monkeypatch.setattr("clinchat.lib.sse.connections.close_all", lambda: None)  # it has the test's transaction
    undoing.touch_seldom(monkeypatch)
    return things(cast.alice())


@pytest.fixture
def _on(made: dict[str, Any]) -> Iterator[None]:
    maintenance.start(reason="The database moves.")
    maintenance.forget()
    yield
    maintenance.forget()


@pytest.mark.usefixtures("_on")
def test_what_is_read_works(made: dict[str, Any]) -> None:
    """Each address, by one after the other until it is somebody's to read."""
    unread, refused = dict(MATRIX), []
    for person in READERS:
        with maintenance.set_aside():
            client = cast.sign_in(Client(), getattr(cast, person)())
        undone = undoing.Undoing()
        for name, row in list(unread.items()):
            nothing_repeated()
            with undone():
                response = client.get(reverse(name, kwargs={k: made[v] for k, v in row.arguments.items()}))
                if response.streaming:
                    response.getvalue()
            if response.status_code >= 500:
                refused.append(f"{person}, {name}: {response.status_code}")
            elif response.status_code not in {403, 404}:
                del unread[name]
    assert not refused


# ── What is refused, and how ──────────────────────────────────────────────────────────────────────────────────

TYPED = "Can this patient take warfarin together with trimethoprim?"


@pytest.fixture
def on() -> Iterator[Maintenance]:
    for person in ("alice", "otto", "carol"):
        getattr(cast, person)()
    mode = maintenance.start(reason="The database moves.", until=clock.now() + timedelta(minutes=30))
    maintenance.forget()
    yield mode
    maintenance.forget()


def test_a_form_is_refused_and_what_was_typed_is_shown_again(on: Maintenance) -> None:
    client = cast.sign_in(Client(), cast.alice())
    response = client.post("/ask/", {"question": TYPED, "password": f"{TYPED} secret"})
    assert response.status_code == 503
    assert 1700 < int(response["Retry-After"]) <= 1800
    page = response.content.decode()
    assert "Nothing was stored" in page
    assert "The database moves." in page
    assert TYPED in page
    assert "secret" not in page
    assert not Turn.objects.exists()


def test_a_program_is_told_to_come_back(on: Maintenance) -> None:
    client = cast.sign_in(Client(), cast.alice())
    response = client.post("/api/feedback", "{}", content_type="application/json")
    assert response.status_code == 503
    assert response["Content-Type"] == "application/problem+json"
    assert int(response["Retry-After"]) > 1700
    assert "The database moves." in response.json()["detail"]


def test_what_nobody_gave_an_end_for_is_tried_again_soon(on: Maintenance) -> None:
    Maintenance.objects.update(until=None)
    maintenance.forget()
    assert Client().post("/feedback/new/")["Retry-After"] == str(read_only.SOON)


def test_a_view_that_was_overlooked_is_held_by_the_wall(on: Maintenance) -> None:
    @works_read_only("It only reads")
    def careless(request: HttpRequest) -> HttpResponse:
        Collection.objects.create(slug="x", name="X")
        return HttpResponse("Done")

    with view("status", lambda _: public("A test")(careless)), transaction.atomic():
        response = Client().get("/status/")
    assert response.status_code == 503
    assert not Collection.objects.exists()


def test_forms_are_shut_but_for_those_that_work(on: Maintenance) -> None:
    page = cast.sign_in(Client(), cast.alice()).get("/ask/").content.decode()
    forms = dict(re.findall(r'<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>', page, re.DOTALL))
    assert '<fieldset class="shut" disabled>' in forms["/ask/"]
    assert "ClinChat is read-only." in forms["/ask/"]
    assert "shut" not in forms["/signout/"]
    assert "shut" not in forms["/ask/search/"]
    assert page.count('aria-label="Read-only mode"') == 1


def test_everybody_is_told(on: Maintenance) -> None:
    for address in ("/signin/", "/status/"):
        assert "ClinChat is read-only" in Client().get(address).content.decode()
    with maintenance.set_aside():
        admin = cast.sign_in(Client(), cast.ada())
    assert "ClinChat is read-only" in admin.get("/admin/").content.decode()


def test_people_sign_in_and_out(on: Maintenance) -> None:
    client = Client()
    alice = cast.alice()
    assert client.post("/signin/", {"email": alice.email, "password": cast.PASSWORD}).status_code == 302
    assert client.post("/signin/code/", {"code": cast.code_of(alice)}).status_code == 302
    assert client.get("/settings/").status_code == 200
    assert client.post("/signout/").status_code == 302


def test_the_page_switches_it() -> None:
    otto = cast.sign_in(Client(), cast.otto())
    response = otto.post("/compliance/continuity/maintenance/start/", {"reason": ""})
    assert "Say why." in response.content.decode()
    given = {"reason": "Moved with MRN: 12345678.", "until": "2031-01-02T18:00"}
    assert otto.post("/compliance/continuity/maintenance/start/", given).status_code == 302
    assert "12345678" not in Maintenance.objects.get().reason
    maintenance.forget()
    assert "It is on" in otto.get("/compliance/continuity/maintenance/").content.decode()
    again = otto.post("/compliance/continuity/maintenance/start/", given, follow=True)
    assert "on already" in again.content.decode()
    assert otto.post("/compliance/continuity/maintenance/end/").status_code == 302
    maintenance.forget()
    page = otto.get("/compliance/continuity/maintenance/").content.decode()
    assert "It is off" in page
    assert "Otto" in page


def test_the_api_switches_it() -> None:
    otto = cast.sign_in(Client(), cast.otto())

    def send(**body: object) -> Any:
        return otto.post("/api/config/maintenance", json.dumps(body), content_type="application/json")

    assert otto.get("/api/config/maintenance").json() == {"enabled": False}
    assert send(enabled=True).status_code == 400
    assert send(enabled=True, reason="Moved.", until="2001-01-01T00:00:00Z").status_code == 400
    assert send(enabled=False).status_code == 409
    assert send(enabled=True, reason="Moved.").json()["enabled"]
    assert send(enabled=True, reason="Moved.").status_code == 409
    assert send(enabled=False, reason="Done.").status_code == 400
    assert send(enabled=False).json() == {"enabled": False}
    alice = cast.sign_in(Client(), cast.alice())
    assert alice.get("/api/config/maintenance").status_code == 403
