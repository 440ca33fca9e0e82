"""/api/library/uploads: files for the knowledge base, and what became of them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view, parser_classes
from rest_framework.request import Request
from rest_framework.response import Response

from chat import uploads as service
from chat.api.fields import File, FileBody, checked_form, collection_of
from chat.api.problems import refusing
from chat.corpus.formats import MAX_BYTES
from chat.library_access import get_upload
from chat.models import Collection, Document, DocumentVersion, Upload
from clinchat.lib.files import takes_files
from compliance.access import Action, door
from compliance.api.answers import answers
from compliance.api.bodies import Body, Id, Text
from compliance.api.fields import YesNo, me, name_of
from compliance.models import User

NO_DOCUMENT = "There is no such document in this collection, or you may not read it."


class Sending(Body):
    """A file, and where it goes."""

    collection = Text(max_length=50, help_text="Short name of the collection.")
    file = File(help_text="At most 25 MB.")
    document = Id(required=False, help_text="The document it is the next version of. Otherwise its text says which.")
    ocr = YesNo(help_text="Read pages that hold only a picture.")


class DraftOfUpload(serializers.Serializer[Any]):
    version = serializers.UUIDField(help_text="The id of the draft.")
    document = serializers.UUIDField()
    external_id = serializers.CharField()
    title = serializers.CharField()
    status = serializers.ChoiceField(choices=DocumentVersion.Status.choices)
    unsettled = serializers.IntegerField(help_text="Findings that somebody must look at.")


class UploadTold(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    collection = serializers.CharField(help_text="Its short name.")
    document = serializers.UUIDField(allow_null=True)
    file_name = serializers.CharField(help_text="Identifiers are masked.")
    size = serializers.IntegerField(help_text="Bytes.")
    sha256 = serializers.CharField()
    ocr = serializers.BooleanField()
    state = serializers.ChoiceField(choices=Upload.State.choices)
    problems = serializers.ListField(child=serializers.CharField(), help_text="Why it was refused, what is left out.")
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    read_at = serializers.DateTimeField(allow_null=True)
    drafts = serializers.ListField(child=DraftOfUpload(), help_text="What was made of it.")


@door(Action.EDIT_LIBRARY)
@takes_files(MAX_BYTES)
@extend_schema(
    operation_id="upload_document",
    request={"multipart/form-data": Sending},
    responses={
        202: UploadTold,
        **answers(413, "The file is larger than 25 MB."),
        **answers(415, "Something other than multipart/form-data was sent."),
        **answers(422, "The malware scanner knows the file."),
    },
)
@api_view(["POST"])
@parser_classes([FileBody])
def upload(request: Request) -> Response:
    """Send a file; a worker reads it. Follow it at the address in Location."""
    given = checked_form(Sending, request)
    collection = collection_of(me(request), given["collection"])
    document = _document(me(request), collection, given.get("document"))
    file = given["file"]
    with refusing():
        made = service.receive(
            by=me(request),
            collection=collection,
            name=file.name,
            content=file.read(),
            ocr=given.get("ocr", False),
            document=document,
        )
    there = reverse("api-library-upload", args=[made.pk])
    return Response(_told(made, me(request)), status=HTTPStatus.ACCEPTED, headers={"Location": there})


@door(Action.EDIT_LIBRARY)
@extend_schema(operation_id="get_upload", responses={200: UploadTold})
@api_view(["GET"])
def state(request: Request, upload_id: UUID) -> Response:
    """What became of a file: whether it was read, why not, and the drafts made of it."""
    return Response(_told(get_upload(me(request), upload_id), me(request)))


def _document(user: User, collection: Collection, document_id: UUID | None) -> Document | None:
    """Raises ValidationError for one that is not there for the person."""
    if document_id is None:
        return None
    found = Document.objects.visible_to(user).filter(collection=collection, pk=document_id).first()
    if found is None:
        raise serializers.ValidationError({"document": [NO_DOCUMENT]})
    return found


def _told(found: Upload, user: User) -> dict[str, Any]:
    copied = ("file_name", "size", "sha256", "ocr", "state", "problems", "created_at", "read_at")
    return {name: getattr(found, name) for name in copied} | {
        "id": found.pk,
        "collection": found.collection.slug,
        "document": found.document_id,
        "created_by": name_of(found.created_by),
        "drafts": [_draft(draft) for draft in _drafts(found, user)],
    }


def _drafts(found: Upload, user: User) -> list[DocumentVersion]:
    """Those the person may read: a file of many may hold versions of documents that are open to its sender alone."""
    drafts = found.drafts.visible_to(user).select_related("document").prefetch_related("findings").defer("text")
    return list(drafts.order_by("document__external_id"))


def _draft(draft: DocumentVersion) -> dict[str, Any]:
    return {
        "version": draft.pk,
        "document": draft.document_id,
        "external_id": draft.document.external_id,
        "title": draft.title,
        "status": draft.status,
        "unsettled": sum(finding.settled_at is None for finding in draft.findings.all()),
    }
