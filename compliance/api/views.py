"""Probes for load balancers and orchestrators."""

from __future__ import annotations

from http import HTTPStatus

from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from compliance import health
from compliance.access import public
from compliance.access.sessions import leaves_session_alone


@public("A probe has no account, and learns only that the process answers")
@leaves_session_alone
@api_view(["GET"])
@authentication_classes([])
@permission_classes([])
def alive(request: Request) -> Response:
    """The process answers. Touches nothing else, so a lost database does not restart healthy processes."""
    return Response({"status": "ok"})


@public("A probe has no account, and learns only which parts work")
@leaves_session_alone
@api_view(["GET"])
@authentication_classes([])
@permission_classes([])
def ready(request: Request) -> Response:
    """Everything a question needs is there; 503 when not, so that no traffic is sent here."""
    checks = {check.key: check.ok for check in health.run_checks()}
    if all(checks.values()):
        return Response({"status": "ready", "checks": checks})
    return Response({"status": "not ready", "checks": checks}, status=HTTPStatus.SERVICE_UNAVAILABLE)
