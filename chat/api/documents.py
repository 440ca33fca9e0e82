"""/api/library/collections and …/documents: what is approved, and what is on its way for those it concerns."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.db.models import Count
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from chat import access, releases
from chat.api import shown
from chat.api.fields import AsOf, collection_of
from chat.api.problems import conflict, refusing
from chat.models import Collection, Document, DocumentVersion, Release
from compliance.access import Action, door, require
from compliance.api.bodies import Body, FreeText, Text
from compliance.api.fields import LARGEST, Digits, Listing, YesNo, asked, checked, me, record_look
from compliance.api.paging import page
from compliance.api.problems import Refused
from compliance.models import User

Status = DocumentVersion.Status
ONE_OF_THEM = "Ask for a status or for a day, not for both."
WHICH = "Ask for a number or for a day, not for both."
NOT_THEN = "The document has no such version, or was not searched on that day."
LONGEST_REASON = 500


class Documents(Listing):
    """Documents asked for. Without a status or a day: what is searched now."""

    collection = Text(required=False, max_length=50, help_text="Its short name.")
    status = serializers.ChoiceField(
        required=False,
        choices=[str(s) for s in (*DocumentVersion.RELEASED, *DocumentVersion.OPEN)],
        help_text="Drafts are for those who edit or review.",
    )
    specialty = Text(required=False, max_length=100)
    as_of = AsOf(required=False, help_text="What was searched at the end of that day.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "as_of" in attrs and "status" in attrs:
            raise serializers.ValidationError(ONE_OF_THEM)
        return attrs


class Which(Body):
    """The version asked for. Without a number or a day: the current one, or the last there was."""

    version = Digits(required=False, min_value=1, max_value=LARGEST, help_text="Its number.")
    as_of = AsOf(required=False, help_text="The one that was searched at the end of that day.")
    text = YesNo(help_text="With the text.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "as_of" in attrs and "version" in attrs:
            raise serializers.ValidationError(WHICH)
        return attrs


class Withdrawal(Body):
    reason = FreeText(where="withdrawal", max_length=LONGEST_REASON, help_text="Why. Identifiers are masked.")


class CollectionRelease(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    number = serializers.IntegerField()
    published_at = serializers.DateTimeField()
    manifest_sha256 = serializers.CharField()


class CollectionTold(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    slug = serializers.CharField(help_text="Its short name, which other requests take.")
    name = serializers.CharField()
    starter = serializers.BooleanField(help_text="Written by the makers of ClinChat, to be replaced.")
    documents = serializers.IntegerField(help_text="Documents you may read that are searched.")
    release = CollectionRelease(allow_null=True, help_text="The last one.")


class Collections(serializers.Serializer[Any]):
    collections = serializers.ListField(child=CollectionTold())


class DocumentPage(serializers.Serializer[Any]):
    documents = serializers.ListField(child=shown.Version(), help_text="In the order in which they were made.")
    next = serializers.CharField(allow_null=True, help_text="Send it as `cursor`. Null: this is the last page.")


EARLIER = ("number", "status", "sha256", "published_at", "ended_at")


class Earlier(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    status = serializers.ChoiceField(choices=[str(s) for s in DocumentVersion.RELEASED])
    sha256 = serializers.CharField()
    published_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)


class DocumentTold(shown.Version):
    format = serializers.ChoiceField(choices=DocumentVersion.Format.choices)
    section = serializers.CharField()
    file_name = serializers.CharField()
    file_sha256 = serializers.CharField()
    pages = serializers.ListField(
        child=serializers.IntegerField(), help_text="Where each page of the source begins in the text, in characters."
    )
    review = shown.Review(allow_null=True, help_text="Null: loaded by an operator, without a clinical review here.")
    text = serializers.CharField(allow_null=True, help_text="Null unless it was asked for.")
    versions = serializers.ListField(child=Earlier(), help_text="The newest first.")


class Withdrawn(serializers.Serializer[Any]):
    release = shown.ReleaseTold()


@door(Action.READ_LIBRARY)
@extend_schema(operation_id="list_collections", responses={200: Collections})
@api_view(["GET"])
def collections(request: Request) -> Response:
    """The collections you may read."""
    found = Collection.objects.visible_to(me(request)).order_by("name", "pk")
    searched = DocumentVersion.objects.visible_to(me(request)).filter(status=Status.PUBLISHED)
    counts = dict(searched.values_list("document__collection").annotate(Count("pk")).order_by())
    last = Release.objects.filter(number__isnull=False).order_by("collection", "-number").distinct("collection")
    newest = {release.collection_id: release for release in last}
    return Response({"collections": [_collection(c, counts.get(c.pk, 0), newest.get(c.pk)) for c in found]})


@door(Action.READ_LIBRARY)
@extend_schema(operation_id="list_documents", parameters=[Documents], responses={200: DocumentPage})
@api_view(["GET"])
def documents(request: Request) -> Response:
    """Documents you may read: what is searched now or was on a day, what was replaced, or what is on its way."""
    given = asked(Documents, request)
    found = DocumentVersion.objects.visible_to(me(request))
    if "as_of" in given:
        found = found.as_of(given["as_of"])
    else:
        found = found.filter(status=_status(me(request), given.get("status", Status.PUBLISHED)))
    if "collection" in given:
        found = found.filter(document__collection=collection_of(me(request), given["collection"]))
    if "specialty" in given:
        found = found.filter(specialty__iexact=given["specialty"])
    found = found.select_related("document__collection").defer("text")
    rows, following = page(found, cursor=given.get("cursor"), limit=given["limit"])
    return Response({"documents": [shown.version(row) for row in rows], "next": following})


@door(Action.READ_LIBRARY)
@extend_schema(operation_id="get_document", parameters=[Which], responses={200: DocumentTold})
@api_view(["GET"])
def document(request: Request, document_id: UUID) -> Response:
    """One document: the current version, or the one asked for, and which others there are."""
    given = asked(Which, request)
    found = access.get_document(me(request), document_id)
    version = _version(found, given.get("version"), given.get("as_of"))
    told = shown.version(version) | {
        **{name: getattr(version, name) for name in ("format", "section", "file_name", "file_sha256", "pages")},
        "review": shown.review(version),
        "text": version.text if given.get("text") else None,
        "versions": list(found.versions.released().values(*EARLIER)),
    }
    return Response(told)


@door(Action.WITHDRAW_LIBRARY)
@extend_schema(
    operation_id="withdraw_document",
    request=Withdrawal,
    responses={200: Withdrawn, **conflict("It is not searched.")},
)
@api_view(["POST"])
def withdraw(request: Request, document_id: UUID) -> Response:
    """Take a document out of the search at once. Everybody who was given an answer from it is told."""
    given = checked(Withdrawal, request)
    found = access.get_document_to_change(me(request), document_id)
    with refusing():
        (done,) = releases.withdraw(documents=[found], reason=given["reason"], by=me(request))
    return Response({"release": shown.release(done)})


def _status(user: User, status: str) -> str:
    """A status the person may ask for; that they look at drafts is on record. Raises PermissionDenied."""
    if status in DocumentVersion.OPEN:
        require(user, Action.READ_DRAFTS)
        record_look("chat.DocumentVersion")
    return status


def _version(found: Document, number: int | None, moment: datetime | None) -> DocumentVersion:
    """Raises Refused when there is no such version."""
    versions = found.versions.released().select_related("document__collection", "decided_by")
    if number is not None:
        version = versions.filter(number=number).first()
    elif moment is not None:
        version = versions.as_of(moment).first()
    else:
        version = versions.filter(status=Status.PUBLISHED).first() or versions.first()
    if version is None:
        raise Refused(HTTPStatus.NOT_FOUND, NOT_THEN)
    return version


def _collection(found: Collection, documents: int, last: Release | None) -> dict[str, Any]:
    told = {name: getattr(found, name) for name in ("id", "slug", "name", "starter")}
    names = ("id", "number", "published_at", "manifest_sha256")
    return told | {"documents": documents, "release": {name: getattr(last, name) for name in names} if last else None}
