"""/api/config/maintenance: whether ClinChat is read-only, switching it, and planning when it will be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, cast

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from compliance.access import Action, door, works_read_only
from compliance.api.answers import answers
from compliance.api.bodies import Body, Flag, FreeText, Nothing
from compliance.api.problems import Refused
from compliance.continuity import maintenance, planned
from compliance.maintenance_forms import LONGEST_REASON
from compliance.models import Maintenance, User

PLANNING = "It says what is to come, and changes nothing else"


class _From(serializers.Serializer[Any]):
    """A member whose name Python keeps for itself."""

    begins = "When it begins by itself."
    begins_required = True

    def get_fields(self) -> dict[str, Any]:
        first = serializers.DateTimeField(source="starts_at", required=self.begins_required, help_text=self.begins)
        return {**super().get_fields(), "from": first}


class Switch(_From, Body):
    begins = "To plan it: when it begins by itself. Everybody is told 48 hours and 1 hour before."
    begins_required = False

    enabled = Flag()
    reason = FreeText(
        where="maintenance",
        max_length=LONGEST_REASON,
        required=False,
        help_text="Why, to switch it on. Everybody reads it; identifiers are masked.",
    )
    until = serializers.DateTimeField(
        required=False, help_text="When it is expected to end; needed to plan it. It does not end itself."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["enabled"] and "reason" not in attrs:
            raise serializers.ValidationError({"reason": ["Say why."]})
        if "starts_at" in attrs and "until" not in attrs:
            raise serializers.ValidationError({"until": ["Say when it is expected to end."]})
        if not attrs["enabled"] and len(attrs) > 1:
            raise serializers.ValidationError({"enabled": ["To switch it off takes nothing else."]})
        return attrs


class Moving(_From, Body):
    """Other times for what is planned."""

    until = serializers.DateTimeField(help_text="When it is expected to end. It does not end itself.")


class Planned(_From):
    """What is planned, and begins by itself."""

    until = serializers.DateTimeField()
    reason = serializers.CharField()
    told = serializers.DateTimeField(allow_null=True, help_text="When everybody was told of it last.")


class State(serializers.Serializer[Any]):
    enabled = serializers.BooleanField()
    kind = serializers.ChoiceField(choices=Maintenance.Kind.values, required=False)
    reason = serializers.CharField(required=False)
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False, allow_null=True)
    planned = Planned(required=False, help_text="Left out where nothing is planned.")


@works_read_only("It switches the mode")
@door(Action.SWITCH_MAINTENANCE)
@extend_schema(methods=["GET"], operation_id="get_maintenance", responses={200: State})
@extend_schema(
    methods=["POST"],
    operation_id="switch_maintenance",
    request=Switch,
    responses={200: State, **answers(409, "It is so already, one is planned, or a restore keeps ClinChat read-only.")},
)
@api_view(["GET", "POST"])
def switch(request: Request) -> Response:
    """Whether ClinChat is read-only; switch it; or, with `from`, plan it. While it is, what would be stored is answered
    with 503 and Retry-After. Signing in, reading, and taking rights away work."""
    if request.method == "POST":
        given = Switch(data=request.data)
        given.is_valid(raise_exception=True)
        with _as_problems():
            _switch(cast("User", request.user), **given.validated_data)
    return Response(state())


@works_read_only(PLANNING)
@door(Action.SWITCH_MAINTENANCE)
@extend_schema(
    operation_id="move_maintenance",
    request=Moving,
    responses={200: State, **answers(409, "None is planned.")},
)
@api_view(["POST"])
def move(request: Request) -> Response:
    """Give what is planned other times. Who was told of it is told of them."""
    given = Moving(data=request.data)
    given.is_valid(raise_exception=True)
    with _as_problems():
        planned.move(**given.validated_data)
    return Response(state())


@works_read_only(PLANNING)
@door(Action.SWITCH_MAINTENANCE)
@extend_schema(
    operation_id="cancel_maintenance",
    request=Nothing,
    responses={200: State, **answers(409, "None is planned.")},
)
@api_view(["POST"])
def cancel(request: Request) -> Response:
    """Give up what is planned. Who was told of it is told so."""
    Nothing(data=request.data).is_valid(raise_exception=True)
    with _as_problems():
        planned.cancel(actor=cast("User", request.user))
    return Response(state())


def state() -> dict[str, Any]:
    """What is on and what is planned, as programs read it."""
    mode, plan = Maintenance.objects.filter(ended_at=None).first(), planned.current()
    found: dict[str, Any] = {"enabled": mode is not None}
    if mode is not None:
        found |= {"kind": mode.kind, "reason": mode.reason, "since": mode.started_at, "until": mode.until}
    if plan is not None:
        told = {"from": plan.starts_at, "until": plan.until, "reason": plan.reason, "told": plan.told_at}
        found["planned"] = told
    return found


@contextmanager
def _as_problems() -> Iterator[None]:
    """A refusal inside becomes a validation error of the member it is about, or a conflict (409)."""
    try:
        yield
    except planned.EndsFirst as refused:
        raise serializers.ValidationError({"until": [refused.words]}) from None
    except planned.StartsInThePast as refused:
        raise serializers.ValidationError({"from": [refused.words]}) from None
    except maintenance.Past as refused:
        raise serializers.ValidationError({"until": [refused.words]}) from None
    except maintenance.Refused as refused:
        raise Refused(HTTPStatus.CONFLICT, refused.words) from None


def _switch(by: User, *, enabled: bool, **given: Any) -> None:
    if "starts_at" in given:
        planned.plan(actor=by, **given)
    elif enabled:
        maintenance.start(actor=by, **given)
    else:
        maintenance.end(actor=by)
