"""What a request leaves in the log: markers with the ids of the audit trail, nothing of what was typed."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import clear_url_caches, include, path
from pytest_django import Settings

from chat import services
from compliance.access import public
from compliance.models import AuditEvent
from tests import cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Any:
    def read(code: str) -> list[dict[str, Any]]:
        raw = capsys.readouterr().err
        assert "Zebulon" not in raw
        return [line for line in map(json.loads, raw.splitlines()) if line["code"] == code]

    return read


def test_a_failed_sign_in(client: Client, lines: Any) -> None:
    client.post("/signin/", {"email": "zebulon@Zebulon.example", "password": "Zebulon typed this"})
    (line,) = lines("AUTH_FAILED")
    event = AuditEvent.objects.get(pk=line["event_id"])
    assert (line["stream"], line["compliance"], line["level"]) == ("audit", "HIPAA", "WARNING")
    assert (event.code, str(event.correlation_id)) == ("authn_login_fail", line["correlation_id"])
    assert line["actor_id"] is None


def test_a_question_with_identifiers(lines: Any) -> None:
    author = cast.alice()
    services.ask(
        author=author, text="Can Mrs. Zebulon Quixworth, SSN 123-45-6789, take warfarin?", submission=uuid.uuid4()
    )
    (line,) = lines("PHI_DETECTED")
    assert (line["stream"], line["compliance"], line["where"]) == ("security", "HIPAA", "question")
    assert (line["count"], line["labels"]) == (2, {"NAME": 1, "SSN": 1})


def test_a_question_without(lines: Any) -> None:
    services.ask(author=cast.alice(), text="Can warfarin be taken with metformin?", submission=uuid.uuid4())
    assert lines("PHI_DETECTED") == []


@public("A view of the tests that knows who asks, and fails")
def failing(request: HttpRequest) -> HttpResponse:
    assert request.user.is_authenticated
    raise RuntimeError("Zebulon typed this")


urlpatterns = [path("fails/", failing), path("", include("clinchat.urls"))]
handler500 = "compliance.views.errors.server_error"


def test_an_error_carries_the_ids_of_its_request(client: Client, lines: Any, settings: Settings) -> None:
    settings.ROOT_URLCONF = __name__
    clear_url_caches()
    client.raise_request_exception = False
    alice = cast.alice()
    cast.sign_in(client, alice)
    assert client.get("/fails/").status_code == 500
    clear_url_caches()
    (line,) = lines("SERVER_ERROR")
    assert line["actor_id"] == str(alice.pk)
    assert line["message"].startswith(f"E-{line['correlation_id'][:8].upper()} RuntimeError at compliance/")
