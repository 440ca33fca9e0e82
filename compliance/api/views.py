"""Probes for load balancers and orchestrators, and the same for whoever watches over the service."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from compliance import external_services, health
from compliance.access import Action, door, public
from compliance.access.sessions import leaves_session_alone
from compliance.measured import Measured, State

ALL = ["HEALTHY", "DEGRADED"]
USED = ["HEALTHY", "DOWN", "NOT_CONFIGURED"]


class Alive(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=["ok"])


class Ready(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=["ready", "not ready"])
    checks = serializers.DictField(child=serializers.BooleanField())


class Service(serializers.Serializer[Any]):
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=["HEALTHY", "DOWN"])


class System(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=ALL)
    services = Service(many=True)


class Used(serializers.Serializer[Any]):
    name = serializers.CharField()
    status = serializers.ChoiceField(choices=USED)
    says = serializers.CharField()


class AllUsed(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=ALL)
    services = Used(many=True)


@public("A probe has no account, and learns only that the process answers")
@leaves_session_alone
@extend_schema(operation_id="health", responses={200: Alive})
@api_view(["GET"])
@authentication_classes([])
@permission_classes([])
def alive(request: Request) -> Response:
    """The process answers. Touches nothing else, so a lost database does not restart healthy processes."""
    return Response({"status": "ok"})


@public("A probe has no account, and learns only which parts work")
@leaves_session_alone
@extend_schema(operation_id="ready", responses={200: Ready, 503: Ready})
@api_view(["GET"])
@authentication_classes([])
@permission_classes([])
def ready(request: Request) -> Response:
    """Everything a question needs is there; 503 when not, so that no traffic is sent here."""
    found = health.run_checks()
    checks = {check.key: check.ok for check in found}
    if all(check.ok for check in found if check.needed):
        return Response({"status": "ready", "checks": checks})
    return Response({"status": "not ready", "checks": checks}, status=HTTPStatus.SERVICE_UNAVAILABLE)


@door(Action.READ_STATUS)
@extend_schema(operation_id="system", responses={200: System})
@api_view(["GET"])
def system(request: Request) -> Response:
    """Which parts work, by name, for people and programs that watch over the service. Always 200: `status` says it."""
    checks = health.run_checks()
    services = [{"name": check.key, "status": "HEALTHY" if check.ok else "DOWN"} for check in checks]
    return Response({"status": "HEALTHY" if all(check.ok for check in checks) else "DEGRADED", "services": services})


@door(Action.READ_STATUS)
@extend_schema(operation_id="services", responses={200: AllUsed})
@api_view(["GET"])
def services(request: Request) -> Response:
    """Every part, and every service of others, used once now. Takes up to 20 seconds while some do not answer."""
    found = [_used(one) for one in external_services.check()]
    known = {one["name"] for one in found}
    found += [_part(one) for one in health.run_checks() if one.key not in known]
    ok = all(one["status"] != "DOWN" for one in found)
    return Response({"status": "HEALTHY" if ok else "DEGRADED", "services": found})


@door(Action.READ_STATUS)
@extend_schema(operation_id="service", responses={200: Used})
@api_view(["GET"])
def service(request: Request, name: str) -> Response:
    """One of them, used once now. Always 200 where there is such a service: `status` says it."""
    if name in external_services.known():
        (found,) = external_services.check([name])
        return Response(_used(found))
    for one in health.run_checks():
        if one.key == name:
            return Response(_part(one))
    raise Http404


_STATUS = {State.OK: "HEALTHY", State.ABSENT: "NOT_CONFIGURED"}


def _used(one: Measured) -> dict[str, str]:
    return {"name": one.key, "status": _STATUS.get(one.state, "DOWN"), "says": one.words}


def _part(one: health.Check) -> dict[str, str]:
    works = ("HEALTHY", "works") if one.ok else ("DOWN", "does not work")
    return {"name": one.key, "status": works[0], "says": works[1]}
