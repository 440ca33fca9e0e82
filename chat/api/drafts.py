"""/api/library/drafts: a version on its way: what was found in it, its description, and the review."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.db import transaction
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from chat import drafts as service
from chat.api import shown
from chat.api.problems import conflict, refusing
from chat.corpus.formats import LIMITS
from chat.library_access import get_draft
from chat.library_forms import LONGEST_NOTE, DescriptionForm
from chat.models import DocumentVersion, Finding, Grade, Kind
from compliance.access import Action, door
from compliance.api.answers import by_a_person
from compliance.api.bodies import Body, Flag, Note, Text
from compliance.api.fields import LARGEST, Day, Number, YesNo, asked, checked, me, name_of

SAY_WHY = "Say what has to change."
NO_FINDING = "The draft has no finding with this number."


class WithText(Body):
    """How much of a draft is asked for."""

    text = YesNo(help_text="With the text.")


class Said(Text):
    """A line about a document. Two people look at it before anybody reads the document, as on the page."""

    def __init__(self, name: str) -> None:
        needed = name in {"title", "external_id"}
        super().__init__(required=False, max_length=LIMITS[name], allow_blank=not needed)


class Description(Body):
    """What is to be said of a draft; what is left out stays as it is."""

    revision = Number(min_value=0, max_value=LARGEST, help_text="Of the draft, as you got it.")
    title = Said("title")
    external_id = Said("external_id")
    kind = serializers.ChoiceField(required=False, choices=Kind.choices)
    specialty = Said("specialty")
    owner = Said("owner")
    source = Said("source")  # type: ignore[assignment]  # DRF takes the fields out of the class
    url = Said("url")
    licence = Said("licence")
    evidence_grade = serializers.ChoiceField(required=False, choices=Grade.choices, allow_blank=True)
    effective_from = Day(required=False, allow_null=True)
    review_by = Day(required=False, allow_null=True)


class Submission(Body):
    revision = Number(min_value=0, max_value=LARGEST, help_text="Of the draft, as you got it.")


class Settling(Body):
    findings = serializers.ListField(
        child=Number(min_value=1, max_value=LARGEST), min_length=1, max_length=1000, help_text="Their numbers."
    )


class Decision(Body):
    """Approve it, or send it back with a note."""

    approve = Flag()
    note = Note(where="library-review", required=False, max_length=LONGEST_NOTE, help_text="Identifiers are masked.")
    revision = Number(required=False, min_value=0, max_value=LARGEST, help_text="Of the draft, as you read it.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs["approve"] and not attrs.get("note"):
            raise serializers.ValidationError({"note": [SAY_WHY]})
        return attrs


class FindingTold(serializers.Serializer[Any]):
    number = serializers.IntegerField(help_text="Within the draft.")
    kind = serializers.ChoiceField(choices=Finding.Kind.choices)
    label = serializers.CharField()  # type: ignore[assignment]  # DRF takes the fields out of the class
    start = serializers.IntegerField(allow_null=True, help_text="In the text. Null: it was left out of it.")
    end = serializers.IntegerField(allow_null=True)
    page = serializers.IntegerField(allow_null=True)
    excerpt = serializers.CharField(help_text="Of what was left out. Identifiers are masked.")
    settled_by = serializers.CharField(allow_null=True, help_text="Who found it harmless.")


class DraftTold(shown.Version):
    revision = serializers.IntegerField(help_text="Send it back with a change.")
    format = serializers.ChoiceField(choices=DocumentVersion.Format.choices)
    section = serializers.CharField()
    file_name = serializers.CharField()
    file_sha256 = serializers.CharField()
    pages = serializers.ListField(child=serializers.IntegerField())
    created_by = serializers.CharField(allow_null=True)
    submitted_by = serializers.CharField(allow_null=True)
    submitted_at = serializers.DateTimeField(allow_null=True)
    review = shown.Review(allow_null=True, help_text="The last decision.")
    decision_note = serializers.CharField()
    missing = serializers.ListField(child=serializers.CharField(), help_text="What its description lacks.")
    findings = serializers.ListField(child=FindingTold())
    text = serializers.CharField(allow_null=True, help_text="Null unless it was asked for.")


CHANGED = "It is no draft, or somebody changed it since you got it (`revision`)."


@door(Action.READ_DRAFTS)
@extend_schema(methods=["GET"], operation_id="get_draft", parameters=[WithText], responses={200: DraftTold})
@extend_schema(
    methods=["PATCH"],
    operation_id="describe_draft",
    request=Description,
    responses={200: DraftTold, **conflict(CHANGED)},
)
@extend_schema(
    methods=["DELETE"],
    operation_id="discard_draft",
    responses={204: None, **conflict("A release changes it from here on.")},
)
@api_view(["GET", "PATCH", "DELETE"])
def draft(request: Request, draft_id: UUID) -> Response:
    """A version that is not searched yet, for those who edit or review. Those who edit describe it, or give it up."""
    if request.method == "PATCH":
        given = checked(Description, request)
        return Response(_told(_describe(get_draft(me(request), draft_id, to=Action.EDIT_LIBRARY), request, given)))
    if request.method == "DELETE":
        with refusing():
            service.discard(draft=get_draft(me(request), draft_id, to=Action.EDIT_LIBRARY), by=me(request))
        return Response(status=HTTPStatus.NO_CONTENT)
    given = asked(WithText, request)
    return Response(_told(get_draft(me(request), draft_id), text=given.get("text", False)))


@door(Action.EDIT_LIBRARY)
@extend_schema(
    operation_id="settle_findings",
    request=Settling,
    responses={200: DraftTold, **conflict("It is no draft any more.")},
)
@api_view(["POST"])
def settle(request: Request, draft_id: UUID) -> Response:
    """Say that you looked at findings and they do no harm. A program cannot."""
    given = checked(Settling, request)
    by_a_person(me(request))
    found = get_draft(me(request), draft_id, to=Action.EDIT_LIBRARY)
    findings = dict(enumerate(found.findings.all(), 1))
    if not set(given["findings"]) <= set(findings):
        raise serializers.ValidationError({"findings": [NO_FINDING]})
    with refusing(), transaction.atomic():
        for number in given["findings"]:
            service.settle(finding=findings[number], by=me(request))
    return Response(_told(found))


@door(Action.EDIT_LIBRARY)
@extend_schema(
    operation_id="submit_draft",
    request=Submission,
    responses={
        200: DraftTold,
        **conflict("It is no draft, was changed, is not complete, or has findings nobody has looked at."),
    },
)
@api_view(["POST"])
def submit(request: Request, draft_id: UUID) -> Response:
    """Send a draft to clinical review. Those who may decide are told."""
    given = checked(Submission, request)
    found = get_draft(me(request), draft_id, to=Action.EDIT_LIBRARY)
    with refusing():
        done = service.submit(draft=found, by=me(request), revision=given["revision"])
    return Response(_told(done))


@door(Action.REVIEW_LIBRARY)
@extend_schema(
    operation_id="decide_on_draft",
    request=Decision,
    responses={
        200: DraftTold,
        **conflict("It waits for no decision, was changed, or you brought it in yourself."),
    },
)
@api_view(["POST"])
def decision(request: Request, draft_id: UUID) -> Response:
    """Approve a draft of somebody else for the next release, or send it back with a note."""
    given = checked(Decision, request)
    found = get_draft(me(request), draft_id, to=Action.REVIEW_LIBRARY)
    with refusing():
        done = service.decide(draft=found, by=me(request), **given)
    return Response(_told(done))


def _describe(found: DocumentVersion, request: Request, given: dict[str, Any]) -> DocumentVersion:
    """Checked as the form of the page checks it, with what is left out as it is. Raises ValidationError, Refused."""
    said = {name: value for name, value in given.items() if name != "revision"}
    renames = not found.document.versions.exclude(pk=found.pk).exists()
    now = DescriptionForm(draft=found, renames=renames).initial
    form = DescriptionForm({**now, **said, "revision": given["revision"]}, draft=found, renames=renames)
    if not form.is_valid():
        raise serializers.ValidationError({name: list(map(str, errors)) for name, errors in form.errors.items()})
    fields = {name: form.cleaned_data.get(name, value) for name, value in said.items()}
    with refusing():
        return service.describe(draft=found, by=me(request), revision=given["revision"], fields=fields)


def _told(found: DocumentVersion, *, text: bool = False) -> dict[str, Any]:
    copied = ("revision", "format", "section", "file_name", "file_sha256", "pages", "submitted_at", "decision_note")
    findings = found.findings.select_related("settled_by")
    told: dict[str, Any] = {name: getattr(found, name) for name in copied}
    return (
        shown.version(found)
        | told
        | {
            "created_by": name_of(found.created_by),
            "submitted_by": name_of(found.submitted_by),
            "review": shown.review(found),
            "missing": service.lacking(found),
            "findings": [_finding(number, finding) for number, finding in enumerate(findings, 1)],
            "text": found.text if text else None,
        }
    )


def _finding(number: int, found: Finding) -> dict[str, Any]:
    told = {name: getattr(found, name) for name in ("kind", "label", "start", "end", "page", "excerpt")}
    return {"number": number, **told, "settled_by": name_of(found.settled_by)}
