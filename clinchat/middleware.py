"""What every request passes: headers, the context of its audit events, and the second factor."""

from __future__ import annotations

import contextvars
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse
from whitenoise.middleware import WhiteNoiseFileResponse  # type: ignore[import-untyped]  # it ships no types

from compliance import audit
from compliance.access import limits, networks, origin, sessions
from compliance.access.session_store import Origin, SessionStore
from compliance.api.problems import answers_programs, problem, reference_of
from compliance.continuity import maintenance, write_guard
from compliance.views import read_only

UNCOUNTED = {"/api/health", "/api/ready", "/status/"}
"""They say whether ClinChat works, to anybody and without a database: neither counted nor closed to a network."""
READS = {"GET", "HEAD", "OPTIONS"}
GetResponse = Callable[[HttpRequest], HttpResponseBase]
PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "browsing-topics",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "usb",
    )
)


HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": PERMISSIONS_POLICY,
    "Referrer-Policy": settings.SECURE_REFERRER_POLICY,
    "X-Content-Type-Options": "nosniff",
}


class ResponseHeaders:
    """Headers of every answer (ASVS 5.0 V3.4), also of those that reach no view: it stands before everything else.

    The content policy comes from django-csp, Strict-Transport-Security from Django's SecurityMiddleware.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if not isinstance(response, WhiteNoiseFileResponse):  # static files hold nobody's data, and are kept
            response["Cache-Control"] = "no-store"
        for name, value in HEADERS.items():
            response[name] = value
        return response


class NetworkBlocks:
    """Refuses a blocked network before anything is looked up for it. Static files were served before this point."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        source, proxies = origin.route(request)
        block = None if request.path in UNCOUNTED else networks.blocked(source)
        if block is None:
            return self.get_response(request)
        return _refuse(request, block, source, proxies)


class RequestContext:
    """Gives the request a reference, and its audit events one correlation id, actor and source."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        correlation_id = uuid.uuid4()
        vars(request)["reference"] = f"E-{correlation_id.hex[:8].upper()}"
        source, proxies = origin.route(request)
        with audit.bind(
            actor=request.user,
            correlation_id=correlation_id,
            source=source,
            proxies=proxies,
            session=audit.session_digest(request.session.session_key),
        ):
            response = self.get_response(request)
            if response.streaming:
                _keep_context(response)
        return response


class RateLimits:
    """Counts what is asked of the API, and answers 429 wherever a limit was reached."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        if answers_programs(request.path) and request.path not in UNCOUNTED:
            try:
                limits.hit_by(request, limits.Limit.API)
            except limits.TooMany as refused:
                return limits.answer(request, refused)
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return limits.answer(request, exception) if isinstance(exception, limits.TooMany) else None


class SecondFactor:
    """Default deny: a view opens to a person verified by a second factor, or says why it is `public`."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        if getattr(view, "access_public", ""):
            return None
        if request.user.is_authenticated and request.user.is_verified():
            return None
        if answers_programs(request.path):
            return problem(401, reference_of(request))
        target = f"?{urlencode({'next': request.get_full_path()})}" if request.method == "GET" else ""
        response = redirect(reverse("signin") + target)
        if sessions.say_why(request):
            response["Clear-Site-Data"] = '"cache", "storage"'
        return response


class SessionLimits:
    """Says where a session is used from, and puts its end off when its person, let through by SecondFactor, does
    something.

    That a session past its end opens nothing is the store's business: nothing gets around it there.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if isinstance(request.session, SessionStore):
            request.session.origin = Origin(audit.current().source, request.headers.get("User-Agent", ""))
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any) -> None:
        sessions.renew(request, view)


class ReadOnly:
    """Refuses what would write while ClinChat is read-only, and shuts the forms of the pages that are read.

    A view that says so (compliance.access.works_read_only) is asked all the same. What it writes, and what a view
    writes that is only read, is refused by compliance.continuity.write_guard.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        read_only.shut_forms(request, response)
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        if request.method in READS or read_only.works(view):
            return None
        mode = maintenance.current()
        return read_only.refuse(request, mode) if mode else None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return read_only.refuse(request, exception.mode) if isinstance(exception, write_guard.ReadOnlyNow) else None


def _refuse(request: HttpRequest, block: uuid.UUID, source: str | None, proxies: tuple[str, ...]) -> HttpResponse:
    correlation_id = uuid.uuid4()
    vars(request)["reference"] = f"E-{correlation_id.hex[:8].upper()}"
    with audit.bind(actor=AnonymousUser(), correlation_id=correlation_id, source=source, proxies=proxies):
        networks.note_refusal(block, source)
    if answers_programs(request.path):
        return problem(403, reference_of(request), detail=networks.SHUT_OUT)
    page = render_to_string("blocks/refused.html", {"reference": reference_of(request)})
    return HttpResponse(page, status=403)


def _keep_context(response: Any) -> None:
    """A stream is read after the middleware has returned: make each of its parts in the request's context."""
    context = contextvars.copy_context()
    parts: Iterator[bytes] = iter(response.streaming_content)

    def in_context() -> Iterator[bytes]:
        while (part := context.run(next, parts, None)) is not None:
            yield part

    response.streaming_content = in_context()
