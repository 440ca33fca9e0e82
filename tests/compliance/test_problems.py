"""Views of the API answer every error with a problem document in our own words."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404
from django.test import Client
from django.urls import clear_url_caches, include, path
from pytest_django import Settings
from rest_framework.decorators import api_view
from rest_framework.exceptions import APIException, Throttled, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from compliance.access import public
from tests import cast

pytestmark = pytest.mark.django_db

SECRET = "Zebulon Quixworth"
ERRORS: dict[str, tuple[Exception, int]] = {
    "invalid": (ValidationError({"dose": ["Enter a number."]}), 400),
    "denied": (PermissionDenied(SECRET), 403),
    "gone": (Http404(SECRET), 404),
    "too-many": (Throttled(wait=20, detail=SECRET), 429),
    "own": (APIException(SECRET), 500),
    "bug": (RuntimeError(SECRET), 500),
    "database": (OperationalError(SECRET), 503),
}


@public("A view of the tests that always fails")
@api_view(["GET", "POST"])
def failing(request: Request, name: str) -> Response:
    raise ERRORS[name][0]


urlpatterns = [path("api/fails/<name>", failing), path("", include("clinchat.urls"))]
handler500 = "compliance.views.errors.server_error"


@pytest.fixture(autouse=True)
def _urls(settings: Settings) -> Iterator[None]:
    settings.ROOT_URLCONF = __name__
    clear_url_caches()
    yield
    clear_url_caches()


@pytest.mark.parametrize("name", ERRORS)
def test_error_is_a_problem_document(client: Client, name: str) -> None:
    cast.sign_in(client, cast.alice())
    client.raise_request_exception = False
    answer = client.get(f"/api/fails/{name}")
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code == ERRORS[name][1]
    assert problem["reference"].startswith("E-")
    assert problem["detail"].endswith(".")
    assert "Zebulon" not in answer.content.decode()


def test_invalid_input_names_the_fields(client: Client) -> None:
    cast.sign_in(client, cast.alice())
    assert client.get("/api/fails/invalid").json()["errors"] == {"dose": ["Enter a number."]}


def test_waiting_time_is_sent(client: Client) -> None:
    cast.sign_in(client, cast.alice())
    assert client.get("/api/fails/too-many")["Retry-After"] == "20"


def test_answers_in_json_only(client: Client) -> None:
    cast.sign_in(client, cast.alice())
    answer = client.post("/api/fails/bug", b"x", content_type="text/csv", headers={"Accept": "text/html"})
    assert (answer.status_code, answer["Content-Type"]) == (406, "application/problem+json")
