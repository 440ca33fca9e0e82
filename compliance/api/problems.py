"""Errors of the API as problem documents (RFC 9457), in words written here, never an exception's."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, JsonResponse
from rest_framework.exceptions import APIException, NotAuthenticated, ValidationError
from rest_framework.response import Response

CONTENT_TYPE = "application/problem+json"
DETAILS = {
    400: "The request could not be read. Check it against the documentation.",
    401: "Sign in with a second factor first.",
    403: "Your role does not include this.",
    404: "There is nothing at this address, or it is not yours.",
    405: "This address does not take that method.",
    406: "This address answers in JSON only.",
    413: "The request is too large. Send at most 1 MB.",
    415: "This address reads JSON only.",
    429: "Too many requests. Wait, then try again.",
    500: "Something went wrong on our side. Quote the reference when you report it.",
    503: "ClinChat is not available right now. Try again in a minute.",
}
TOO_SOON = "Too many tries failed. The next one counts after the time in Retry-After."
METRICS = "/metrics"
CHALLENGE = 'Bearer realm="ClinChat"'
"""What a 401 asks for (RFC 6750, section 3)."""


class Refused(APIException):
    """A refusal a view makes itself: its status, and what happened and what to do, in words of ours.

    `members` are what a program may read of it (RFC 9457, section 3.2); the OpenAPI document names them.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        wait: int = 0,
        challenge: str = "",
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.status_code = status
        self.words = detail
        self.members = dict(members or {})
        if wait:
            self.wait = wait
        if challenge or status == HTTPStatus.UNAUTHORIZED:
            self.auth_header = f"{CHALLENGE}, {challenge}" if challenge else CHALLENGE


def document(status: int, reference: str, detail: str = "") -> dict[str, Any]:
    """The members every problem has. `type` is left out, which RFC 9457 reads as "about:blank"."""
    title = HTTPStatus(status).phrase
    return {"title": title, "status": status, "detail": detail or DETAILS.get(status, title), "reference": reference}


def problem(status: int, reference: str, *, detail: str = "", challenge: str = "") -> JsonResponse:
    """A problem outside of DRF. `challenge` says what is wrong with the token that came along."""
    response = JsonResponse(document(status, reference, detail), status=status, content_type=CONTENT_TYPE)
    if status == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = f"{CHALLENGE}, {challenge}" if challenge else CHALLENGE
    return response


def answers_programs(path: str) -> bool:
    """Whether a token opens this address, and a refusal is a problem document: the API, and what Prometheus reads."""
    return path.startswith("/api/") or path == METRICS


def reference_of(request: HttpRequest) -> str:
    """The short number a person can quote; the audit trail holds the long form as correlation id."""
    return getattr(request, "reference", "")


def handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. None leaves it to the error pages, which answer /api/ with a problem too."""
    from rest_framework.views import exception_handler  # that module loads the classes settings name: ours

    exc = _in_our_words(exc)
    response = exception_handler(exc, context)
    if response is None and isinstance(exc, OperationalError | InterfaceError):
        response = Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
    if response is None:
        return None
    words, members = (exc.words, exc.members) if isinstance(exc, Refused) else ("", {})
    problems = document(response.status_code, reference_of(context["request"]), words) | members
    if isinstance(exc, ValidationError):
        problems["errors"] = exc.detail
    response.data = problems
    response.content_type = CONTENT_TYPE
    return response


def _in_our_words(exc: Exception) -> Exception:
    """What the services of signing in and limiting raise, as a refusal."""
    from compliance import audit
    from compliance.access import limits, proof, refusals  # they answer in problems themselves

    match exc:
        case limits.TooMany():
            return Refused(HTTPStatus.TOO_MANY_REQUESTS, exc.words, wait=exc.retry_after)
        case proof.TooSoon():
            return Refused(HTTPStatus.TOO_MANY_REQUESTS, TOO_SOON, wait=exc.wait)
        case NotAuthenticated():
            return Refused(HTTPStatus.UNAUTHORIZED, DETAILS[401])
        case RequestDataTooBig():
            refusals.note(audit.Code.INPUT_VALIDATION_FAIL, why="too large")
            return Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, getattr(exc, "words", DETAILS[413]))
    return exc
