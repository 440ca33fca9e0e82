"""/api/training/request and …/requests: somebody's own way to access, and the decisions on those of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from django import forms
from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from compliance import audit
from compliance.access import Action, allows, door
from compliance.api.answers import by_a_person
from compliance.api.bodies import Body, FreeText, Id, Note, Text
from compliance.api.fields import LARGEST, Day, Listing, Number, YesNo, asked, checked, me, record_look
from compliance.api.paging import page
from compliance.api.proof import require_fresh
from training import access
from training.api import shown_requests as shown
from training.api.problems import conflict, refusing, unprocessable
from training.approval_forms import OLD_PAGE, OpenedField
from training.approvals import deciding, details, overview, waiting
from training.approvals.refusals import Stale
from training.models import AccessRequest, StageDecision
from training.models.approvals import LONGEST_REASON, OWN, WAITING, Stage, Step

DECISIONS: Final = [step.value for step in Step if step not in OWN]
ANYBODY: Final = "waiting"
"""Stands for every stage in which somebody has to decide."""


class OwnStep(Body):
    revision = Number(min_value=0, max_value=LARGEST, help_text="Of your request, as you got it.")


class Requests(Listing):
    """Requests asked for. Without a stage: those in any."""

    stage = serializers.ChoiceField(required=False, choices=[ANYBODY, *Stage.values])
    department = Text(required=False, max_length=100)
    mine = YesNo(help_text="Only those that wait for you, or only the others.")


class LicenseFound(Body):
    """What the check of identity and license found."""

    kind = FreeText(where="access-license", max_length=60, help_text="For example RN, MD, PharmD.")
    issuer = FreeText(where="access-license", max_length=60, help_text="Who issued it.")
    until = Day(help_text="The last day it is valid.")


class Deciding(Body):
    """One step with one request."""

    step = serializers.ChoiceField(choices=DECISIONS)
    revision = Number(min_value=0, max_value=LARGEST, help_text="Of the request, as you got it.")
    opened = Text(max_length=400, help_text="As the request came with it: how long you looked at it is kept.")
    reason = Note(where="access-decision", required=False, max_length=LONGEST_REASON, help_text="It is masked.")
    license = LicenseFound(required=False, help_text="For `identity` needed, for `recertify` possible.")
    delegation = Id(required=False, help_text="If you decide for somebody else.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        try:
            attrs["opened"] = OpenedField().clean(attrs["opened"])
        except forms.ValidationError:
            raise serializers.ValidationError({"opened": [OLD_PAGE]}) from None
        return attrs


# ── One's own ──────────────────────────────────────────────────────────────────────────────────────────────────


@door(Action.TRAIN)
@extend_schema(operation_id="get_own_access_request", responses={200: shown.OwnRequest})
@api_view(["GET"])
def own(request: Request) -> Response:
    """How far you are on your way to access, and what is missing."""
    return Response(shown.own(overview.of(me(request))))


WHY = "It cannot be done in this stage, the request has changed since, or something is `missing`."


@door(Action.TRAIN)
@extend_schema(
    operation_id="submit_access_request", request=OwnStep, responses={200: shown.OwnRequest, **conflict(WHY)}
)
@api_view(["POST"])
def submit(request: Request) -> Response:
    """Send your request in. Who decides first is told."""
    return _do(request, deciding.submit)


@door(Action.TRAIN)
@extend_schema(
    operation_id="withdraw_access_request", request=OwnStep, responses={200: shown.OwnRequest, **conflict(WHY)}
)
@api_view(["POST"])
def withdraw(request: Request) -> Response:
    """Take your request back. What was approved counts no more."""
    return _do(request, deciding.withdraw)


@door(Action.TRAIN)
@extend_schema(operation_id="reapply_for_access", request=OwnStep, responses={200: shown.OwnRequest, **conflict(WHY)})
@api_view(["POST"])
def reapply(request: Request) -> Response:
    """Begin anew after your access was revoked."""
    return _do(request, deciding.reapply)


def _do(request: Request, act: Callable[..., StageDecision]) -> Response:
    given = checked(OwnStep, request)
    by_a_person(me(request))
    mine = deciding.open_request(person=me(request))
    with refusing():
        act(request_id=mine.pk, by=me(request), revision=given["revision"])
    return Response(shown.own(overview.of(me(request))))


# ── Those of others ────────────────────────────────────────────────────────────────────────────────────────────


@door(Action.READ_ACCESS)
@extend_schema(operation_id="list_access_requests", parameters=[Requests], responses={200: shown.RequestPage})
@api_view(["GET"])
def requests(request: Request) -> Response:
    """Requests you may see, in the order in which they were begun."""
    given = asked(Requests, request)
    viewer = me(request)
    record_look("training.AccessRequest")
    mine = waiting.for_viewer(viewer) if allows(viewer, Action.DECIDE_ACCESS) else AccessRequest.objects.none()
    found = _fitting(waiting.visible_to(viewer), mine, given).select_related("person")
    rows, following = page(found, cursor=given.get("cursor"), limit=given["limit"], at="opened_at")
    waits = set(mine.filter(pk__in=[row.pk for row in rows]).values_list("pk", flat=True))
    told = [shown.request(row) | {"mine": row.pk in waits} for row in rows]
    return Response({"requests": told, "next": following})


def _fitting(
    found: QuerySet[AccessRequest], mine: QuerySet[AccessRequest], given: dict[str, Any]
) -> QuerySet[AccessRequest]:
    if "stage" in given:
        found = found.filter(stage__in=WAITING if given["stage"] == ANYBODY else [given["stage"]])
    if "department" in given:
        found = found.filter(person__department=given["department"])
    if "mine" in given:
        waits = Q(pk__in=mine.values("pk"))
        found = found.filter(waits if given["mine"] else ~waits)
    return found


@door(Action.READ_ACCESS)
@extend_schema(operation_id="get_access_request", responses={200: shown.RequestDetails})
@api_view(["GET"])
def one(request: Request, request_id: UUID) -> Response:
    """One request with everything it is decided by, what you may do with it, and what exactly that grants."""
    found = access.get_request(me(request), request_id)
    audit.record_read(object_type="training.AccessRequest", object_id=found.pk)
    return Response(shown.details(details.of(found, me(request))))


@door(Action.DECIDE_ACCESS)
@extend_schema(
    operation_id="decide_on_access_request",
    request=Deciding,
    responses={
        200: shown.RequestTold,
        **conflict("The request has changed since, the step is not possible in its stage, or something is `missing`."),
        **unprocessable("A reason or a license is missing."),
    },
)
@api_view(["POST"])
def decision(request: Request, request_id: UUID) -> Response:
    """Take a step with somebody's request, with both factors shown within ten minutes. A program cannot."""
    given = checked(Deciding, request)
    by_a_person(me(request))
    proved = require_fresh(request)
    found = access.get_request(me(request), request_id)
    seconds, about = given["opened"]
    if about is None or about[0] != str(found.pk):
        raise serializers.ValidationError({"opened": [OLD_PAGE]})
    with refusing():
        if about[1] != given["revision"]:
            raise Stale  # the time since an earlier look is not how long this was looked at
        deciding.decide(
            request_id=found.pk,
            step=Step(given["step"]),
            by=me(request),
            revision=given["revision"],
            proof=deciding.Proof(proved, seconds),
            reason=given.get("reason", ""),
            license_found=deciding.License(**given["license"]) if "license" in given else None,
            delegation_id=given.get("delegation"),
        )
    return Response(shown.request(AccessRequest.objects.select_related("person").get(pk=found.pk)))
