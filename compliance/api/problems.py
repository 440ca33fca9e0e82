"""Errors of the API as problem documents (RFC 9457), in words written here, never an exception's."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, JsonResponse
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler

CONTENT_TYPE = "application/problem+json"
DETAILS = {
    400: "The request could not be read. Check it against the documentation.",
    401: "Sign in with a second factor first.",
    403: "Your role does not include this.",
    404: "There is nothing at this address, or it is not yours.",
    405: "This address does not take that method.",
    406: "This address answers in JSON only.",
    415: "This address reads JSON only.",
    429: "Too many requests. Wait, then try again.",
    500: "Something went wrong on our side. Quote the reference when you report it.",
    503: "ClinChat is not available right now. Try again in a minute.",
}


def document(status: int, reference: str) -> dict[str, Any]:
    """The members every problem has. `type` is left out, which RFC 9457 reads as "about:blank"."""
    title = HTTPStatus(status).phrase
    return {"title": title, "status": status, "detail": DETAILS.get(status, title), "reference": reference}


def problem(status: int, reference: str) -> JsonResponse:
    response = JsonResponse(document(status, reference), status=status, content_type=CONTENT_TYPE)
    if status == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = 'Session realm="ClinChat"'
    return response


def reference_of(request: HttpRequest) -> str:
    """The short number a person can quote; the audit trail holds the long form as correlation id."""
    return getattr(request, "reference", "")


def handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. None leaves it to the error pages, which answer /api/ with a problem too."""
    response = exception_handler(exc, context)
    if response is None and isinstance(exc, OperationalError | InterfaceError):
        response = Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
    if response is None:
        return None
    problems = document(response.status_code, reference_of(context["request"]))
    if isinstance(exc, ValidationError):
        problems["errors"] = exc.detail
    response.data = problems
    response.content_type = CONTENT_TYPE
    return response
