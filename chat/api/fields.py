"""What requests of the knowledge base may hold. Read more strictly than by DRF, as in compliance.api.bodies."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser, DataAndFiles
from rest_framework.request import Request

from chat import days
from chat.models import Collection
from compliance.api.bodies import Body
from compliance.api.fields import Day, checked
from compliance.api.problems import Refused
from compliance.models import User

NOT_YET = "This day has not come yet."
NO_COLLECTION = "There is no such collection, or you may not read it."
NOT_A_FORM = "This address reads multipart/form-data only."


class AsOf(Day):
    """A day of the past or today; its value is the last moment of it."""

    def to_internal_value(self, value: Any) -> datetime:
        try:
            return days.end_of(super().to_internal_value(value))
        except days.NotYet:
            raise serializers.ValidationError(NOT_YET) from None


@extend_schema_field(OpenApiTypes.BINARY)
class File(serializers.Field[Any, Any, Any, Any]):
    """A file of a form, in memory."""

    default_error_messages = {"invalid": "Send a file: a part with a file name.", "empty": "The file is empty."}

    def to_internal_value(self, data: Any) -> UploadedFile[Any]:
        if not isinstance(data, UploadedFile):
            self.fail("invalid")
        if not data.size:
            self.fail("empty")
        return data


class FileBody(BaseParser):
    """A form with a file, as clinchat.lib.files let it in: Django has read it, or reads it now, up to that size."""

    media_type = "multipart/form-data"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> DataAndFiles[Any, Any]:
        request = (parser_context or {})["request"]._request  # noqa: SLF001  # documented by DRF
        return DataAndFiles(request.POST, request.FILES)


def checked_form(body: type[Body], request: Request) -> dict[str, Any]:
    """The form of the request, its file among the fields. Raises ValidationError."""
    try:
        return checked(body, request)
    except UnsupportedMediaType:
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, NOT_A_FORM) from None


def collection_of(user: User, slug: str) -> Collection:
    """The collection with this short name, of those the person may read. Raises ValidationError."""
    found = Collection.objects.visible_to(user).filter(slug=slug).first()
    if found is None:
        raise serializers.ValidationError({"collection": [NO_COLLECTION]})
    return found
