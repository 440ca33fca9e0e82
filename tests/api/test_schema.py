"""The OpenAPI document: valid, complete, for signed-in people, and true about what it takes and answers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import URLResolver, get_resolver
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from openapi_spec_validator import validate

from tests import cast
from tests.api.conftest import Api
from tests.api.test_signin import assert_problem

pytestmark = pytest.mark.django_db
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture
def document(api: Api) -> dict[str, Any]:
    api.sign_in(cast.alice())
    found: dict[str, Any] = api.get("schema/").json()
    return found


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def addresses(resolver: URLResolver, prefix: str = "/") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for entry in resolver.url_patterns:
        route = prefix + getattr(entry.pattern, "_route", "?")
        if isinstance(entry, URLResolver):
            found |= addresses(entry, route)
        elif route.startswith("/api/"):
            found[route] = entry.callback
    return found


def test_it_is_valid_openapi_31(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    validate(document)


def test_it_is_made_without_guessing() -> None:
    GENERATOR_STATS.reset()
    SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    assert {**GENERATOR_STATS._warn_cache, **GENERATOR_STATS._error_cache} == {}


def test_every_address_and_method_is_in_it(document: dict[str, Any]) -> None:
    there = addresses(get_resolver())
    assert len(there) > 8
    taken = {
        f"{method} {route}"
        for route, view in there.items()
        for method in view.cls.http_method_names
        if method in METHODS
    }
    written = {f"{name.split()[0].lower()} {name.split()[1]}" for name in operations(document)}
    assert {re.sub(r"<\w+:(\w+)>", r"{\1}", name) for name in taken} == written


def test_it_is_not_public(client: Client) -> None:
    assert_problem(client.get("/api/schema/"), 401)
    cast.sign_in(client, cast.mallory())
    assert_problem(client.get("/api/schema/"), 403)


def test_every_operation_says_what_it_does_and_who_may(document: dict[str, Any]) -> None:
    views = {re.sub(r"<\w+:(\w+)>", r"{\1}", route): view for route, view in addresses(get_resolver()).items()}
    found = operations(document)
    assert len(found) > 8
    for name, operation in found.items():
        view = views[name.split()[1]]
        assert len(operation["description"]) > 12, name
        secured = [scheme for one in operation.get("security", []) for scheme in one]
        assert secured == ([] if hasattr(view, "access_public") else ["bearer", "session"]), name
    assert len({operation["operationId"] for operation in found.values()}) == len(found)


def test_errors_are_problem_documents(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        statuses = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
        if name in {"GET /api/health", "GET /api/ready"}:
            continue
        assert {"401", "403", "429", "500", "503"} <= set(statuses), name
        asked = any(parameter["in"] == "query" for parameter in operation.get("parameters", ()))
        assert ("400" in statuses) == (asked or "requestBody" in operation), name
        assert {media for answer in statuses.values() for media in answer["content"]} == {"application/problem+json"}


def test_requests_are_closed(document: dict[str, Any]) -> None:
    bodies = {
        taken["schema"]["$ref"].rsplit("/", 1)[1]
        for operation in operations(document).values()
        if "requestBody" in operation
        for taken in operation["requestBody"]["content"].values()
    }
    assert len(bodies) > 4
    for name in bodies:
        assert document["components"]["schemas"][name]["additionalProperties"] is False, name


def test_no_page_comes_with_it(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    for word in ("http://", "https://", "swagger-ui", "redoc"):
        assert word not in text


def test_the_written_document_lists_the_same_addresses(document: dict[str, Any]) -> None:
    text = (Path(__file__).parents[2] / "docs/api.md").read_text()
    rows = re.findall(r"^\| `(/api/[^`]*)` \| ([A-Z, ]+) \|", text, re.MULTILINE)
    written = {f"{method} {path}" for path, methods in rows for method in methods.split(", ")}
    assert written == set(operations(document))
