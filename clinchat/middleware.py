"""What every request passes: headers, the context of its audit events, and the second factor."""

from __future__ import annotations

import contextvars
import ipaddress
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from compliance import audit
from compliance.api.problems import problem, reference_of

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


class ResponseHeaders:
    """Headers of everything but static files, which are served before this point.

    Referrer-Policy, Cross-Origin-Opener-Policy and nosniff come from Django's SecurityMiddleware, the content
    policy from django-csp.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response["Cache-Control"] = "no-store"
        response["Permissions-Policy"] = PERMISSIONS_POLICY
        response["Cross-Origin-Resource-Policy"] = "same-origin"
        return response


class RequestContext:
    """Gives the request a reference, and its audit events one correlation id, actor and source."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        correlation_id = uuid.uuid4()
        vars(request)["reference"] = f"E-{correlation_id.hex[:8].upper()}"
        source, proxies = _route(request)
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
        if request.path.startswith("/api/"):
            return problem(401, reference_of(request))
        target = f"?{urlencode({'next': request.get_full_path()})}" if request.method == "GET" else ""
        return redirect(reverse("signin") + target)


def _route(request: HttpRequest) -> tuple[str | None, tuple[str, ...]]:
    """Where the request came from, and through which of our proxies.

    Each proxy adds its peer at the right of X-Forwarded-For. As many of them as there are proxies of ours can be
    believed; what stands further left is what the client claims.
    """
    forwarded = request.headers.get("X-Forwarded-For", "") if settings.PROXIES else ""
    hops = [*filter(None, map(str.strip, forwarded.split(","))), request.META.get("REMOTE_ADDR", "")]
    believed = [_address(hop) for hop in hops[-settings.PROXIES - 1 :]]
    return believed[0], tuple(hop for hop in believed[1:] if hop)


def _address(text: str) -> str | None:
    """An address as text; a unix socket has none."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _keep_context(response: Any) -> None:
    """A stream is read after the middleware has returned: make each of its parts in the request's context."""
    context = contextvars.copy_context()
    parts: Iterator[bytes] = iter(response.streaming_content)

    def in_context() -> Iterator[bytes]:
        while (part := context.run(next, parts, None)) is not None:
            yield part

    response.streaming_content = in_context()
