"""`Authorization: Bearer` below /api/ and at /metrics: whose request it is, instead of any session cookie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from compliance import audit
from compliance.access import refusals, tokens
from compliance.access.jwt import BadToken, Why
from compliance.access.session_store import SessionStore
from compliance.api.problems import CHALLENGE, Refused, answers_programs, problem, reference_of

SCHEME = "bearer"
EXPIRED = "That token has expired. Ask for a new one, or sign in again."
CSRF = "A request with a session needs its CSRF token in the header X-CSRFToken."
INVALID = "That token is not valid, or no longer. Sign in again."
ERROR = 'error="invalid_token"'
"""What the challenge says of a token that is refused, expired or not (RFC 6750, section 3.1)."""


class BearerToken:
    """After RequestContext and RateLimits, before SecondFactor. A request that brings a token is judged by it alone.

    On every other address the header means nothing: pages know sessions only. A view that is public ignores it too,
    so that an expired token does not stand in the way of getting a new one.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        text = token_in(request)
        if text is None:
            return self.get_response(request)
        _forget_session(request)
        try:
            bearer = tokens.bearer(text)
        except BadToken as refused:
            request.user = AnonymousUser()
            vars(request)["bearer"] = refused
            with audit.bind(actor=request.user, session=""):
                return self.get_response(request)
        vars(bearer.user)["otp_device"] = bearer  # as django-otp does with a device
        request.user = bearer.user
        vars(request)["bearer"] = bearer
        with audit.bind(actor=bearer.user, session=bearer.session):
            return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        refused = bearer_of(request)
        if isinstance(refused, BadToken) and not getattr(view, "access_public", ""):
            return problem(401, reference_of(request), detail=record_refusal(refused), challenge=ERROR)
        return None


def _forget_session(request: HttpRequest) -> None:
    """As if no cookie had come: nothing of a session is read, prolonged or changed by a request with a token."""
    request.COOKIES.pop(settings.SESSION_COOKIE_NAME, None)
    request.session = SessionStore()
    vars(request)["_dont_enforce_csrf_checks"] = True  # no browser sends the header by itself


def token_in(request: HttpRequest) -> str | None:
    """The token in the header of a request of the API; None when it brings none."""
    if not answers_programs(request.path):
        return None
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    return text.strip() if scheme.lower() == SCHEME else None


def bearer_of(request: HttpRequest) -> tokens.Bearer | BadToken | None:
    """Whom the token of the request speaks for, or why it speaks for nobody; None for a request without one."""
    return vars(request).get("bearer")


def record_refusal(refused: BadToken) -> str:
    """Put it on record that a token was refused, in the header or in a body; returns the words for whoever sent it.

    Once a minute for each address, account and reason. A token whose time is over was good: that is no failed sign-in
    and raises no alarm. That a used one came back is on record already (compliance.access.tokens.renew).
    """
    expired = refused.why is Why.EXPIRED
    if refused.why is not Why.REUSED and refusals.is_news("token", str(refused.why), refused.user_id):
        audit.record(
            code=audit.Code.AUTHZ_FAIL if expired else audit.Code.AUTHN_LOGIN_FAIL,
            action=audit.Crude.EXECUTE,
            outcome=audit.Outcome.DENIED,
            object_type="compliance.User" if refused.user_id else "",
            object_id=refused.user_id,
            detail={"step": "token", "why": str(refused.why)},
        )
    return EXPIRED if expired else INVALID


class BearerOrSession(SessionAuthentication):
    """DRF's view of the same: the person of the token; else of the session, whose forms need their CSRF token."""

    def authenticate(self, request: Request) -> Any:
        bearer = bearer_of(request._request)  # noqa: SLF001  # documented by DRF
        return (bearer.user, bearer) if isinstance(bearer, tokens.Bearer) else super().authenticate(request)

    def enforce_csrf(self, request: Request) -> None:
        try:
            super().enforce_csrf(request)
        except PermissionDenied:
            refusals.note(audit.Code.AUTHZ_FAIL, why="csrf")
            raise Refused(403, CSRF) from None

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE
