"""What is not a request in JSON, of reasonable size, with known members, is refused in a problem document."""

from __future__ import annotations

import json
from typing import Any

import pytest

from compliance.models import AuditEvent, Code
from tests import cast
from tests.api.conftest import Api
from tests.api.test_signin import assert_problem

pytestmark = pytest.mark.django_db

DEEP = "[" * 100_000


def send(api: Api, raw: bytes, content_type: str = "application/json", **more: Any) -> Any:
    return api.client.generic("POST", "/api/auth/login", raw, content_type=content_type, **more)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"nothing",
        b'{"email": NaN}',
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        DEEP.encode(),
        b'{"email": ' + b"9" * 10_000 + b"}",
        b'{"email": "a@b.example"} trailing',
    ],
    ids=["empty", "cut off", "no JSON", "NaN", "not UTF-8", "BOM", "deep", "long number", "more after it"],
)
def test_malformed_json(api: Api, raw: bytes) -> None:
    assert_problem(send(api, raw), 400)


@pytest.mark.parametrize("charset", ["hex", "rot13", "utf-16", "zip", "idna", "nonsense"])
def test_a_charset_is_not_obeyed(api: Api, charset: str) -> None:
    assert_problem(send(api, b'{"x": 1}', f"application/json; charset={charset}"), 400)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "x"]
)
def test_other_formats(api: Api, content_type: str) -> None:
    assert_problem(send(api, b"email=a", content_type), 415)


def test_too_large(api: Api) -> None:
    body = json.dumps({"email": "a" * (1024 * 1024)}).encode()
    for _ in range(3):
        assert "1 MB" in assert_problem(send(api, body), 413)["detail"]
    assert AuditEvent.objects.get(code=Code.INPUT_VALIDATION_FAIL).detail == {"step": "too large"}, "once a minute"


def test_too_large_says_nothing_of_its_size(api: Api) -> None:
    body = json.dumps({"email": "a" * (1024 * 1024)}).encode()
    assert send(api, body[:100], CONTENT_LENGTH="10").status_code == 400


def test_unknown_members_are_named(api: Api) -> None:
    answer = api.post("auth/login", {"email": "a@b.example", "password": "x", "admin": True})
    assert assert_problem(answer, 400)["errors"] == {"admin": ["This field is not known here."]}


@pytest.mark.parametrize("value", ["\x00", "\ud800", "", " ", 7, None, True, [], {}, "x" * 5000])
@pytest.mark.parametrize("field", ["email", "password"])
def test_strange_values(api: Api, field: str, value: Any) -> None:
    body = {"email": "a@b.example", "password": "six quiet herons wade"} | {field: value}
    answer = api.send("POST", "auth/login", json.dumps(body))
    if field == "password" and value == " ":
        assert_problem(answer, 401)
    else:
        assert field in assert_problem(answer, 400)["errors"]


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods(api: Api, method: str) -> None:
    assert_problem(api.client.generic(method, "/api/auth/login"), 405)


def test_methods_of_closed_addresses_are_not_told_to_strangers(api: Api) -> None:
    assert_problem(api.send("OPTIONS", "auth/verify"), 401)
    api.sign_in(cast.alice())
    assert_problem(api.send("OPTIONS", "auth/verify"), 405)
    assert_problem(api.send("DELETE", "auth/verify"), 405)


def test_unknown_address(api: Api) -> None:
    assert_problem(api.get("nothing-here"), 404)
    assert_problem(api.post("auth/login/", {}), 404)


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "image/png"])
def test_answers_in_json_only(api: Api, accept: str) -> None:
    assert_problem(api.get("health", Accept=accept), 406)


def test_format_is_no_parameter(api: Api) -> None:
    assert api.get("health?format=xml").json() == {"status": "ok"}


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"])
def test_the_method_is_the_method(api: Api, header: str) -> None:
    assert_problem(api.get("auth/login", **{header: "POST"}), 405)
