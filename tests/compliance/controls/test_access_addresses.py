"""Checks that go to every address, each broken as the catalogue says and in other ways."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from clinchat import middleware
from compliance.access import controls_addresses, matrix, public
from compliance.access.roles import POLICY, Action, Role
from compliance.controls import visits
from tests.breaking import instead, pattern, view
from tests.proving import State, look, proven

pytestmark = pytest.mark.django_db


def without_door(callback: Any) -> Any:
    """The view inside its door, whichever decorators are around."""
    while hasattr(callback, "access_action"):
        callback = callback.__wrapped__
    return callback


def only_settings(*, admin: bool) -> list[matrix.Route]:
    return [route for route in matrix.routes() if route.name == "settings"]


SOME = {"people", "settings", "settings-mails", "library", "api-feedback", "login", "index", "api-verify"}
"""Addresses, by name, that most of these tests are content with; all of them are opened below, once for each check."""


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Doors and decisions are compared in full; of the addresses some are opened."""
    opened, changing, read = controls_addresses._opened, controls_addresses._changing, controls_addresses._read

    def among(routes: Any) -> list[matrix.Route]:
        return [route for route in routes if route.name in SOME]

    monkeypatch.setattr(controls_addresses, "_opened", lambda client, routes: opened(client, among(routes)))
    monkeypatch.setattr(controls_addresses, "_changing", lambda *, admin: among(changing(admin=admin)))
    monkeypatch.setattr(controls_addresses, "_read", lambda *, admin: among(read(admin=admin)))
    monkeypatch.setattr(controls_addresses, "_as_each_role", lambda *_: [])


@pytest.mark.parametrize(
    ("key", "addresses"),
    [
        ("rbac.matrix_matches_code", 600),
        ("mfa.enforced_everywhere", 300),
        ("session.csrf_origin", 400),
        ("http.no_store", 150),
    ],
)
def test_every_address(key: str, addresses: int) -> None:
    found = look(key)
    assert (found.state, found.failing) == (State.PASS, [])
    assert found.subjects > addresses


def test_the_approved_matrix_is_the_code() -> None:
    """Whoever changes a door, a verb or the policy commits this file as well: that is the approval."""
    assert matrix.APPROVED.read_text() == matrix.as_json(), "approve it: manage.py access_matrix --approve"


def test_matrix(few: None) -> None:
    broken = proven("rbac.matrix_matches_code", view("people", without_door))
    assert "open without a role: /compliance/people/" in broken.failing
    assert "approved is: another /compliance/people/" in broken.failing


def test_fault_a_page_for_anybody(few: None) -> None:
    with view("people", lambda page: public("It seemed right")(partial(page))):  # a mark stays on what bears it
        failing = look("rbac.matrix_matches_code").failing
    assert "approved is: another /compliance/people/" in failing


def test_fault_the_policy_is_wider_than_approved(few: None) -> None:
    with instead(POLICY, Action.READ_AUDIT, POLICY[Action.READ_AUDIT] | {Role.CLINICIAN}):
        failing = look("rbac.matrix_matches_code").failing
    assert {"approved is: another audit.read", "clinician may audit.read"} <= set(failing)


def test_fault_an_address_nobody_approved(few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    @public("It seemed right")
    def extra(_: HttpRequest) -> HttpResponse:
        return HttpResponse("Hello")

    monkeypatch.setattr(pattern("people"), "pattern", path("extra/", extra).pattern)
    with view("people", lambda _: extra):
        failing = look("rbac.matrix_matches_code").failing
    assert {"approved is: still /compliance/people/", "approved is: no /compliance/people/extra/"} <= set(failing)


def test_fault_clearance_is_not_asked_for(few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compliance.access.decisions._cleared", lambda _: True)
    assert "clinician may chat.ask" in look("rbac.matrix_matches_code").failing


def test_what_no_check_opens_is_named_with_its_reason() -> None:
    names = {route.name for route in matrix.routes()}
    assert set(visits.NOT_OPENED) <= names
    assert set(controls_addresses.NO_FORMS) <= names
    assert set(controls_addresses.TOO_SLOW) <= names


def test_second_factor(few: None) -> None:
    class Stock(AdminSite):
        def has_permission(self, _: HttpRequest) -> bool:
            return False

    stock = public("Django's own")(lambda request: Stock().login(request))
    broken = proven("mfa.enforced_everywhere", view("admin:login", lambda _: stock))
    assert broken.failing == ["/admin/login/"]


def test_fault_the_second_factor_is_not_asked_for(few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django_otp.middleware.is_verified", lambda _: True)
    assert {"/settings/", "/compliance/people/"} <= set(look("mfa.enforced_everywhere").failing)


def test_csrf(few: None) -> None:
    broken = proven("session.csrf_origin", view("settings-mails", csrf_exempt))
    assert [name.split()[0] for name in broken.failing] == ["without", "from"]
    assert all("/settings/mails/" in name for name in broken.failing)


def test_fault_origins_are_not_compared(few: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.middleware.csrf.CsrfViewMiddleware._origin_verified", lambda *_: True)
    assert any(name.startswith("from elsewhere") for name in look("session.csrf_origin").failing)


def test_no_store(few: None) -> None:
    def kept(callback: Any) -> Any:
        found = pattern("settings").callback

        def cached(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            response = found(request, *args, **kwargs)
            response.cache_me = True
            return response

        vars(cached)["access_action"] = callback.access_action
        return cached

    whole = middleware.ResponseHeaders.__call__

    def but_one(self: Any, request: HttpRequest) -> Any:
        response = whole(self, request)
        if hasattr(response, "cache_me"):
            response["Cache-Control"] = "private, max-age=60"
        return response

    with instead(middleware.ResponseHeaders, "__call__", but_one):
        broken = proven("http.no_store", view("settings", kept))
    assert broken.failing == ["no Cache-Control: no-store: /settings/"]


def test_fault_a_script_keeps_something_in_the_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controls_addresses, "_scripts", lambda: {"ui/a.js": "window.localStorage.question = 1"})
    monkeypatch.setattr(
        controls_addresses, "_read", lambda *, admin: [r for r in matrix.routes() if r.name == "settings"]
    )
    assert look("http.no_store").failing == ["keeps something in the browser: ui/a.js"]


def test_fault_a_name_in_a_title(monkeypatch: pytest.MonkeyPatch) -> None:
    def titled(request: Any) -> HttpResponse:
        return HttpResponse(f"<title>{request.user.name}</title>")

    vars(titled)["access_action"] = Action.OWN_SETTINGS
    monkeypatch.setattr(
        controls_addresses, "_read", lambda *, admin: [r for r in matrix.routes() if r.name == "settings"]
    )
    with view("settings", lambda _: titled):
        assert set(look("http.no_store").failing) == {"a name in the title: /settings/"}


def test_it_cannot_look_where_no_page_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controls_addresses, "_read", lambda *, admin: [])
    assert look("http.no_store").state == State.ERROR
