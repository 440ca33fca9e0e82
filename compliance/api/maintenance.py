"""/api/config/maintenance: whether ClinChat is read-only, and switching it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from compliance.access import Action, door, works_read_only
from compliance.api.answers import answers
from compliance.api.bodies import Body, Flag, FreeText
from compliance.api.problems import Refused
from compliance.continuity import maintenance
from compliance.maintenance_forms import LONGEST_REASON
from compliance.models import Maintenance, User


class Switch(Body):
    enabled = Flag()
    reason = FreeText(
        where="maintenance",
        max_length=LONGEST_REASON,
        required=False,
        help_text="Why, to switch it on. Everybody reads it; identifiers are masked.",
    )
    until = serializers.DateTimeField(required=False, help_text="When it is expected to end. It does not end itself.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["enabled"] and "reason" not in attrs:
            raise serializers.ValidationError({"reason": ["Say why."]})
        if not attrs["enabled"] and len(attrs) > 1:
            raise serializers.ValidationError({"enabled": ["To switch it off takes nothing else."]})
        return attrs


class State(serializers.Serializer[Any]):
    enabled = serializers.BooleanField()
    kind = serializers.ChoiceField(choices=Maintenance.Kind.values, required=False)
    reason = serializers.CharField(required=False)
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False, allow_null=True)


@works_read_only("It switches the mode")
@door(Action.SWITCH_MAINTENANCE)
@extend_schema(methods=["GET"], operation_id="get_maintenance", responses={200: State})
@extend_schema(
    methods=["POST"],
    operation_id="switch_maintenance",
    request=Switch,
    responses={200: State, **answers(409, "It is so already, or a restore keeps ClinChat read-only.")},
)
@api_view(["GET", "POST"])
def switch(request: Request) -> Response:
    """Whether ClinChat is read-only; or switch it. While it is, what would be stored is answered with 503 and
    Retry-After. Signing in, reading, and taking rights away work."""
    if request.method == "POST":
        given = Switch(data=request.data)
        given.is_valid(raise_exception=True)
        try:
            _switch(cast("User", request.user), **given.validated_data)
        except maintenance.Past as refused:
            raise serializers.ValidationError({"until": [refused.words]}) from None
        except maintenance.Refused as refused:
            raise Refused(HTTPStatus.CONFLICT, refused.words) from None
    return Response(state())


def state() -> dict[str, Any]:
    """What is on, as programs read it."""
    mode = Maintenance.objects.filter(ended_at=None).first()
    if mode is None:
        return {"enabled": False}
    return {
        "enabled": True,
        "kind": mode.kind,
        "reason": mode.reason,
        "since": mode.started_at,
        "until": mode.until,
    }


def _switch(by: User, *, enabled: bool, **given: Any) -> None:
    if enabled:
        maintenance.start(actor=by, **given)
    else:
        maintenance.end(actor=by)
