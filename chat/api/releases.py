"""/api/library/releases: how what is searched changes, with the figures that let a release through or held it up."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from chat import releases as service
from chat.api import shown
from chat.api.fields import collection_of
from chat.api.problems import Fallen, conflict, refusing
from chat.library_access import get_release
from chat.models import Collection, Document, Release, ReleaseChange
from compliance.access import Action, door
from compliance.api.answers import answers, by_a_person
from compliance.api.bodies import Body, Flag, FreeText, Text
from compliance.api.fields import Listing, asked, checked, me, record_look
from compliance.api.paging import page

LONGEST_REASON = 500


class Releases(Listing):
    """Releases asked for."""

    collection = Text(required=False, max_length=50, help_text="Its short name.")
    state = serializers.ChoiceField(required=False, choices=[str(state) for state in Release.State])


class Changes(Listing):
    """Changes asked for."""


class Publishing(Body):
    """A request that says all by being made."""


class Rollback(Body):
    reason = FreeText(where="rollback", max_length=LONGEST_REASON, help_text="Why. Identifiers are masked.")
    withdrawn_too = Flag(
        required=False, default=False, help_text="Bring back also what was withdrawn since. Otherwise it stays out."
    )


class ReleasePage(serializers.Serializer[Any]):
    releases = serializers.ListField(child=shown.ReleaseTold(), help_text="The newest first.")
    next = serializers.CharField(allow_null=True, help_text="Send it as `cursor`. Null: this is the last page.")


class ReleaseDetail(shown.ReleaseTold):
    comes = serializers.IntegerField(help_text="Versions it brings in.")
    goes = serializers.IntegerField(help_text="Documents it takes out.")
    evaluation = shown.Comparison(allow_null=True, help_text="Null: the collection has no labeled questions.")


class Change(serializers.Serializer[Any]):
    document = serializers.UUIDField()
    external_id = serializers.CharField()
    number = serializers.IntegerField(allow_null=True, help_text="Of the version that comes. Null: it is taken out.")
    sha256 = serializers.CharField(allow_null=True)


class ChangePage(serializers.Serializer[Any]):
    changes = serializers.ListField(child=Change())
    next = serializers.CharField(allow_null=True, help_text="Send it as `cursor`. Null: this is the last page.")


@door(Action.READ_QUALITY)
@extend_schema(operation_id="list_releases", parameters=[Releases], responses={200: ReleasePage})
@api_view(["GET"])
def releases(request: Request) -> Response:
    """Releases of the collections you may read."""
    given = asked(Releases, request)
    record_look("chat.Release")
    found = Release.objects.filter(collection__in=Collection.objects.visible_to(me(request)))
    found = found.select_related("collection", "created_by", "published_by")
    if "collection" in given:
        found = found.filter(collection=collection_of(me(request), given["collection"]))
    if "state" in given:
        found = found.filter(state=given["state"])
    rows, following = page(found, cursor=given.get("cursor"), limit=given["limit"], newest_first=True)
    return Response({"releases": [shown.release(row) for row in rows], "next": following})


@door(Action.READ_QUALITY)
@extend_schema(operation_id="get_release", responses={200: ReleaseDetail})
@api_view(["GET"])
def release(request: Request, release_id: UUID) -> Response:
    """One release, with the figures before and after it."""
    return Response(_told(get_release(me(request), release_id)))


@door(Action.READ_QUALITY)
@extend_schema(operation_id="list_release_changes", parameters=[Changes], responses={200: ChangePage})
@api_view(["GET"])
def changes(request: Request, release_id: UUID) -> Response:
    """What a release does to each document you may read."""
    given = asked(Changes, request)
    found = get_release(me(request), release_id).changes.filter(document__in=Document.objects.visible_to(me(request)))
    found = found.select_related("document", "version").defer("version__text")
    rows, following = page(
        found, cursor=given.get("cursor"), limit=given["limit"], at="document__created_at", pk="document_id"
    )
    return Response({"changes": [_change(row) for row in rows], "next": following})


@door(Action.EDIT_LIBRARY)
@extend_schema(
    operation_id="publish_release",
    request=Publishing,
    responses={
        200: ReleaseDetail,
        **conflict("Passages wait to be embedded (`waiting`), or it is no candidate any more."),
        **answers(422, "The labeled questions are answered worse than before; nothing was published.", holds=Fallen),
    },
)
@api_view(["POST"])
def publish(request: Request, release_id: UUID) -> Response:
    """Make a candidate what is searched, in one step. A program does not decide that."""
    checked(Publishing, request)
    by_a_person(me(request))
    found = get_release(me(request), release_id, to=Action.EDIT_LIBRARY)
    with refusing():
        done = service.publish(release=found, by=me(request))
    return Response(_told(done))


@door(Action.EDIT_LIBRARY)
@extend_schema(
    operation_id="roll_back_to_release",
    request=Rollback,
    responses={
        201: shown.ReleaseTold,
        **conflict("Nothing would change, or passages wait to be embedded."),
    },
)
@api_view(["POST"])
def rollback(request: Request, release_id: UUID) -> Response:
    """Search again what was searched after this release. A program does not decide that."""
    given = checked(Rollback, request)
    by_a_person(me(request))
    found = get_release(me(request), release_id, to=Action.EDIT_LIBRARY)
    with refusing():
        done = service.roll_back(to=found, by=me(request), **given)
    there = {"Location": reverse("api-library-release", args=[done.pk])}
    return Response(shown.release(done), status=201, headers=there)


def _told(found: Release) -> dict[str, Any]:
    judged = found.evaluations.select_related("against").first()
    goes = found.changes.filter(version=None).count()
    told = {"comes": found.changes.count() - goes, "goes": goes}
    return shown.release(found) | told | {"evaluation": shown.comparison(judged) if judged else None}


def _change(row: ReleaseChange) -> dict[str, Any]:
    comes = row.version
    return {
        "document": row.document_id,
        "external_id": row.document.external_id,
        "number": comes.number if comes else None,
        "sha256": comes.sha256 if comes else None,
    }
