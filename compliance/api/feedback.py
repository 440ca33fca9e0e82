"""/api/feedback: given by anybody, followed by its author, sorted and answered by who is in charge of it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from compliance import audit, remarks
from compliance.access import Action, allows, door, refusals, require
from compliance.api.answers import answers, by_a_person
from compliance.api.bodies import Body, FreeText, Note, Text
from compliance.api.fields import LARGEST, Listing, Number, YesNo, asked, checked, me, name_of
from compliance.api.paging import page
from compliance.api.problems import Refused
from compliance.models import Remark, User
from compliance.models.remarks import LONGEST_REMARK

OPEN = "open"
"""Stands for what nobody has settled yet."""
NO_SUBJECT = "That is not the name of one: a path, module/lesson, the key of a question, or the id of an answer."
STALE = "Somebody else changed it since you got it. Look at it again; nothing of yours was saved."
REPLY = "Write a reply: whoever gave the feedback reads it."


class Giving(Body):
    """Feedback about something."""

    about = serializers.ChoiceField(choices=Remark.About.choices)
    subject = Text(
        max_length=remarks.LONGEST_SUBJECT,
        allow_blank=True,
        help_text="The path of a page, module/lesson, the key of a question, or the id of an answer. Empty: none.",
    )
    category = serializers.ChoiceField(choices=Remark.Category.choices)
    text = FreeText(where="remark", max_length=LONGEST_REMARK, help_text="Identifiers are masked.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        found = remarks.subject_of(attrs["about"], attrs["subject"]) if attrs["subject"] else (attrs["about"], "")
        if found != (attrs["about"], attrs["subject"]):
            raise serializers.ValidationError({"subject": [NO_SUBJECT]})
        return attrs


class Remarks(Listing):
    """Feedback asked for: your own, or the queue for those who sort it."""

    queue = YesNo(help_text="That of everybody.")
    status = serializers.ChoiceField(required=False, choices=[OPEN, *Remark.Status.values])
    category = serializers.ChoiceField(required=False, choices=Remark.Category.choices)
    about = serializers.ChoiceField(required=False, choices=Remark.About.choices)


class Handling(Body):
    """What becomes of it."""

    revision = Number(min_value=0, max_value=LARGEST, help_text="Of the feedback, as you got it.")
    status = serializers.ChoiceField(choices=[one for one in Remark.Status.values if one != Remark.Status.NEW])
    reply = Note(where="remark-reply", required=False, max_length=LONGEST_REMARK, help_text="Identifiers are masked.")


class RemarkTold(serializers.Serializer[Any]):
    """One piece of feedback, with what became of it."""

    id = serializers.UUIDField()
    at = serializers.DateTimeField()
    by = serializers.CharField()
    about = serializers.ChoiceField(choices=Remark.About.choices)
    subject = serializers.CharField()
    address = serializers.CharField(help_text="Where what it is about can be looked at; empty: it has no page.")
    category = serializers.ChoiceField(choices=Remark.Category.choices)
    text = serializers.CharField()
    status = serializers.ChoiceField(choices=Remark.Status.choices)
    reply = serializers.CharField()
    handled_by = serializers.CharField(allow_null=True)
    handled_at = serializers.DateTimeField(allow_null=True)
    revision = serializers.IntegerField(help_text="Send it back with a reply.")


class RemarkPage(serializers.Serializer[Any]):
    feedback = RemarkTold(many=True, help_text="The newest first.")
    next = serializers.CharField(allow_null=True, help_text="Send it as `cursor`. Null: this is the last page.")


@door(Action.GIVE_FEEDBACK)
@extend_schema(methods=["GET"], operation_id="list_feedback", parameters=[Remarks], responses={200: RemarkPage})
@extend_schema(methods=["POST"], operation_id="give_feedback", request=Giving, responses={201: RemarkTold})
@api_view(["GET", "POST"])
def feedback(request: Request) -> Response:
    """Your feedback and what became of it; the queue for those who sort it; and giving some."""
    if request.method == "POST":
        given = checked(Giving, request)
        return Response(_told(remarks.give(by=me(request), **given)), status=HTTPStatus.CREATED)
    wanted = asked(Remarks, request)
    found = _asked_for(me(request), wanted)
    rows, following = page(found, cursor=wanted.get("cursor"), limit=wanted["limit"], at="at", newest_first=True)
    return Response({"feedback": [_told(row) for row in rows], "next": following})


@door(Action.GIVE_FEEDBACK)
@extend_schema(operation_id="get_feedback", responses={200: RemarkTold})
@api_view(["GET"])
def one(request: Request, remark_id: UUID) -> Response:
    """One piece of feedback: your own, or one that you sort."""
    found = Remark.objects.select_related("by", "handled_by").filter(pk=remark_id, by=me(request)).first()
    return Response(_told(found or _to_sort(me(request), remark_id)))


@door(Action.TRIAGE_FEEDBACK)
@extend_schema(
    operation_id="reply_to_feedback",
    request=Handling,
    responses={
        200: RemarkTold,
        **answers(HTTPStatus.CONFLICT, "Somebody else changed it since you got it."),
        **answers(HTTPStatus.UNPROCESSABLE_ENTITY, "What is settled or declined has a reply."),
    },
)
@api_view(["POST"])
def reply(request: Request, remark_id: UUID) -> Response:
    """Take it up, settle or decline it. Whoever gave it is told."""
    given = {"reply": ""} | checked(Handling, request)
    by_a_person(me(request))
    found = _to_sort(me(request), remark_id)
    try:
        done = remarks.handle(remark_id=found.pk, by=me(request), **given)
    except remarks.Stale:
        raise Refused(HTTPStatus.CONFLICT, STALE) from None
    except remarks.ReplyMissing:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, REPLY) from None
    return Response(_told(done))


def _asked_for(user: User, wanted: dict[str, Any]) -> QuerySet[Remark]:
    """The person's own, or the queue, which is on record. Raises PermissionDenied."""
    if wanted.get("queue"):
        require(user, Action.TRIAGE_FEEDBACK)
        found = remarks.triaged_by(user)
    else:
        found = Remark.objects.select_related("by", "handled_by").filter(by=user)
    for name in ("category", "about"):
        if name in wanted:
            found = found.filter(**{name: wanted[name]})
    if "status" in wanted:
        new = [Remark.Status.NEW, Remark.Status.UNDER_WAY]
        found = found.filter(status__in=new if wanted["status"] == OPEN else [wanted["status"]])
    if wanted.get("queue"):
        audit.record_read(object_type="compliance.Remark", remarks=found.count())
    return found


def _to_sort(user: User, remark_id: UUID) -> Remark:
    """One that the person sorts; the look is on record, as is that of somebody who may not. Raises Http404."""
    if not allows(user, Action.TRIAGE_FEEDBACK):
        refusals.as_if_absent(user, "compliance.Remark", remark_id)
    found = remarks.to_sort(user, remark_id)
    audit.record_read(object_type="compliance.Remark", object_id=found.pk)
    return found


def _told(found: Remark) -> dict[str, Any]:
    copied = ("id", "at", "about", "subject", "category", "text", "status", "reply", "handled_at", "revision")
    return {name: getattr(found, name) for name in copied} | {
        "by": str(found.by),
        "address": remarks.address(found),
        "handled_by": name_of(found.handled_by),
    }
