"""/api/security/: shutting networks out, for the program that watches the hospital's network."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from clinchat.lib import clock
from compliance import audit
from compliance.access import Action, door, networks, works_read_only
from compliance.api.bodies import Body, FreeText, Text
from compliance.block_forms import LONGEST_REASON
from compliance.models import NetworkBlock, User
from compliance.models.networks import Network

MOST = 100
MOST_HOURS = 24 * 366


class Networks(Body):
    ips = serializers.ListField(
        child=Text(max_length=60), min_length=1, max_length=MOST, help_text="Addresses or networks."
    )


class Blocking(Networks):
    reason = FreeText(where="block", max_length=LONGEST_REASON, help_text="Why. Identifiers are masked.")
    hours = serializers.IntegerField(
        required=False, min_value=1, max_value=MOST_HOURS, help_text="Left out: until somebody ends it."
    )


class Block(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    network = serializers.CharField()
    reason = serializers.CharField()
    made_by = serializers.CharField()
    made_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField(allow_null=True)


class Blocks(serializers.Serializer[Any]):
    blocks = serializers.ListField(child=Block())


class Result(serializers.Serializer[Any]):
    ip = serializers.CharField(help_text="As it was sent.")
    status = serializers.ChoiceField(choices=["blocked", "blocked already", "refused"])
    network = serializers.CharField(required=False)
    detail = serializers.CharField(required=False, help_text="Why it was refused.")


class Results(serializers.Serializer[Any]):
    results = serializers.ListField(child=Result())


class Freed(serializers.Serializer[Any]):
    ended = serializers.ListField(child=serializers.CharField(), help_text="Networks that are let in again.")


@works_read_only("A network is shut out at once")
@door(Action.BLOCK_NETWORKS)
@extend_schema(methods=["GET"], operation_id="list_blocked_networks", responses={200: Blocks})
@extend_schema(methods=["POST"], operation_id="block_networks", request=Blocking, responses={200: Results})
@api_view(["GET", "POST"])
def block_ip(request: Request) -> Response:
    """Blocked networks, the newest first; or block some. Each gets an answer of its own: one refused stops no other."""
    if request.method == "GET":
        live = NetworkBlock.objects.live(clock.now()).select_related("made_by")
        return Response({"blocks": [_told(block) for block in live]})
    given = Blocking(data=request.data)
    given.is_valid(raise_exception=True)
    asked = given.validated_data
    return Response({"results": [_block(request, ip, asked) for ip in asked["ips"]]})


@works_read_only("Who was shut out by mistake gets in again")
@door(Action.BLOCK_NETWORKS)
@extend_schema(operation_id="unblock_networks", request=Networks, responses={200: Freed})
@api_view(["POST"])
def unblock_ip(request: Request) -> Response:
    """Let networks in again: every block that is exactly one of them ends. What is not blocked is left out."""
    given = Networks(data=request.data)
    given.is_valid(raise_exception=True)
    found = NetworkBlock.objects.live(clock.now()).filter(network__in=_readable(given.validated_data["ips"]))
    ended = list(found)
    networks.unblock(ended, by=cast("User", request.user))
    return Response({"ended": [str(block.network) for block in ended]})


def _block(request: Request, ip: str, asked: dict[str, Any]) -> dict[str, str]:
    lasts = timedelta(hours=asked["hours"]) if "hours" in asked else None
    by, source = cast("User", request.user), audit.current().source
    try:
        made, new = networks.block(network=ip, reason=asked["reason"], by=by, source=source, lasts=lasts)
    except networks.Refused as refused:
        return {"ip": ip, "status": "refused", "detail": refused.words}
    return {"ip": ip, "status": "blocked" if new else "blocked already", "network": str(made.network)}


def _readable(ips: list[str]) -> set[Network]:
    found = set()
    for ip in ips:
        try:
            found.add(networks.parse(ip))
        except networks.Refused:
            continue
    return found


def _told(block: NetworkBlock) -> dict[str, Any]:
    return {
        "id": str(block.pk),
        "network": str(block.network),
        "reason": block.reason,
        "made_by": block.made_by.name,
        "made_at": block.made_at,
        "ends_at": block.ends_at,
    }
