"""Error pages say what happened and what to do, with a reference, and never what an exception said."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import pytest
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client
from django.urls import clear_url_caches, include, path, set_urlconf
from pytest_django import Settings

from compliance import audit_words
from compliance.access import public
from compliance.models import AuditEvent, Code, Outcome
from tests import cast

pytestmark = pytest.mark.django_db

SECRET = "Zebulon Quixworth typed this"
ERRORS: dict[str, Exception] = {
    "400": BadRequest(SECRET),
    "403": PermissionDenied(SECRET),
    "404": Http404(SECRET),
    "500": RuntimeError(SECRET),
    "503": OperationalError(SECRET),
    "503-interface": InterfaceError(SECRET),
}


def failing(error: Exception) -> Callable[[HttpRequest], HttpResponse]:
    @public("A view of the tests that always fails")
    def view(request: HttpRequest) -> HttpResponse:
        raise error

    return view


urlpatterns = [
    *(path(f"{prefix}fails/{name}/", failing(error)) for name, error in ERRORS.items() for prefix in ("", "api/")),
    path("", include("clinchat.urls")),
]
handler400 = "compliance.views.errors.bad_request"
handler403 = "compliance.views.errors.forbidden"
handler404 = "compliance.views.errors.not_found"
handler500 = "compliance.views.errors.server_error"


@pytest.fixture(autouse=True)
def _urls(settings: Settings) -> Iterator[None]:
    settings.ROOT_URLCONF = __name__
    clear_url_caches()
    set_urlconf(None)
    yield
    clear_url_caches()


@pytest.fixture
def visitor(client: Client) -> Client:
    client.raise_request_exception = False
    return client


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("signed_in", [True, False], ids=["signed in", "stranger"])
def test_page_has_status_reference_and_no_exception(visitor: Client, name: str, signed_in: bool) -> None:
    if signed_in:
        cast.sign_in(visitor, cast.alice())
    answer = visitor.get(f"/fails/{name}/")
    page = answer.content.decode()
    assert answer.status_code == int(name[:3])
    assert "Reference" in page
    assert "E-" in page
    assert "Zebulon" not in page
    assert "Traceback" not in page
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("name", ERRORS)
def test_api_answers_with_a_problem_document(visitor: Client, name: str) -> None:
    answer = visitor.get(f"/api/fails/{name}/")
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code == int(name[:3])
    assert set(problem) == {"title", "status", "detail", "reference"}
    assert problem["reference"].startswith("E-")
    assert "Zebulon" not in answer.content.decode()


@pytest.mark.parametrize("name", ["500", "503"])
def test_log_names_place_and_kind_but_not_the_words(
    visitor: Client, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = visitor.get(f"/api/fails/{name}/")
    (line,) = [record.getMessage() for record in caplog.records if record.name == "clinchat.errors"]
    assert line.startswith(answer.json()["reference"])
    assert type(ERRORS[name]).__name__ in line
    assert "test_error_pages.py" in line
    assert "Zebulon" not in caplog.text


def test_unknown_address(visitor: Client) -> None:
    assert visitor.get("/no-such-page/").status_code == 404
    assert visitor.get("/api/no-such-thing").json()["status"] == 404


def test_locked_person_reads_what_is_missing(visitor: Client) -> None:
    cast.sign_in(visitor, cast.nadia())
    answer = visitor.get("/ask/")
    assert answer.status_code == 403
    assert (answer.context["locked"], answer.context["missing"][-1]) == (True, "Send in your request for access")


def test_expired_form_says_to_reload() -> None:
    visitor = Client(enforce_csrf_checks=True)
    for _ in range(3):
        answer = visitor.post("/signin/", {"email": "a@b.org", "password": "x"})
        assert answer.status_code == 403
        assert "reload the page" in answer.content.decode()
    event = AuditEvent.objects.get(code=Code.AUTHZ_FAIL)  # one a minute and address: nobody fills the trail
    assert (event.detail, event.outcome) == ({"step": "csrf"}, Outcome.DENIED)
    assert audit_words.what(event) == "Sent a form that was not made for this session"


def test_body_that_is_too_large_is_refused_on_record(visitor: Client) -> None:
    answer = visitor.post("/signin/", {"email": "a@b.org", "password": "x" * 1_100_000})
    assert answer.status_code == 413
    assert "at most 1 MB" in answer.content.decode()
    assert AuditEvent.objects.get(code=Code.INPUT_VALIDATION_FAIL).detail == {"step": "too large"}


def test_host_that_is_not_ours_is_refused(visitor: Client) -> None:
    assert visitor.get("/signin/", HTTP_HOST="evil.example").status_code == 400


def test_lost_database_is_a_503_before_any_view(visitor: Client, settings: Settings) -> None:
    """Reading the session is the first thing that needs the database."""
    cast.sign_in(visitor, cast.alice())
    settings.SESSION_ENGINE = __name__
    answer = visitor.get("/settings/")
    assert answer.status_code == 503
    assert "E-" in answer.content.decode()


class SessionStore:
    """A session engine whose database is gone."""

    session_key = None
    accessed = modified = True

    def __init__(self, session_key: str | None = None) -> None:
        pass

    def __getitem__(self, key: str) -> object:
        raise OperationalError(SECRET)

    def get(self, key: str, default: object = None) -> object:
        raise OperationalError(SECRET)

    def is_empty(self) -> bool:
        return False

    def get_expire_at_browser_close(self) -> bool:
        return True

    def save(self) -> None:
        raise OperationalError(SECRET)
