"""The OpenAPI 3.1 document of the API, made from its views; no page comes with it."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from compliance.access import Action, door
from compliance.api.problems import CONTENT_TYPE, DETAILS

PROBLEM = "Problem"
ANYWHERE = (401, 403, 429, 500, 503)
WITH_A_BODY = (400, 413, 415)


class _Schemes(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself
    """Either of two: a token, or the session of a browser with its CSRF token."""

    target_class = "compliance.api.bearer.BearerOrSession"
    name = ["bearer", "session"]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        bearer = {
            "type": "http",
            "scheme": "bearer",
            "description": "An access token of a person (five minutes), or the token of a service account.",
        }
        session = {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "A signed-in browser. Whatever changes something needs X-CSRFToken beside it.",
        }
        return [bearer, session]


class _Closed(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]  # registers itself
    """A request with a member that is not listed is refused; the document says so."""

    target_class = "compliance.api.bodies.Body"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        mapped: dict[str, Any] = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)  # noqa: SLF001  # documented
        return mapped | {"additionalProperties": False}


@door(Action.OWN_SETTINGS)
@extend_schema(operation_id="schema", responses={200: OpenApiResponse(OpenApiTypes.OBJECT, "An OpenAPI 3.1 document.")})
@api_view(["GET"])
def schema(request: Request) -> Response:
    """This document."""
    return Response(document())


@cache
def document() -> dict[str, Any]:
    """The same for everybody, as long as the process lives."""
    found: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return found


def with_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Postprocessing hook of drf-spectacular: the errors every view can answer with, as problem documents."""
    result["components"].setdefault("schemas", {})[PROBLEM] = _problem()
    for path, methods in result["paths"].items():
        if path not in {"/api/health", "/api/ready"}:
            for operation in methods.values():
                _add(operation, named="{" in path)
    return result


def _add(operation: dict[str, Any], *, named: bool) -> None:
    statuses = [*ANYWHERE, *((404,) if named else ())]
    if "requestBody" in operation:
        statuses += WITH_A_BODY
    elif any(parameter["in"] == "query" for parameter in operation.get("parameters", ())):
        statuses.append(400)
    for status in sorted(statuses):
        operation["responses"].setdefault(
            str(status),
            {
                "description": DETAILS[status],
                "content": {CONTENT_TYPE: {"schema": {"$ref": f"#/components/schemas/{PROBLEM}"}}},
            },
        )


def _problem() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "description": "What went wrong (RFC 9457). `errors` names the fields of the request.",
        "properties": {
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "reference": text,
            "errors": {"type": ["object", "array"]},
        },
        "required": ["title", "status", "detail", "reference"],
        "additionalProperties": False,
    }
