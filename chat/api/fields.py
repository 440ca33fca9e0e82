"""What requests of the knowledge base may hold. Read more strictly than by DRF, as in compliance.api.bodies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from http import HTTPStatus
from typing import Any, cast

from django.core.files.uploadedfile import UploadedFile
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser, DataAndFiles
from rest_framework.request import Request

from chat import days
from chat.api import paging
from chat.models import Collection
from compliance import audit
from compliance.api.bodies import Body, Text
from compliance.api.problems import Refused
from compliance.models import User

LARGEST = 2**31 - 1
ANSWER = {"true": True, "false": False}
NOT_YET = "This day has not come yet."
NO_COLLECTION = "There is no such collection, or you may not read it."
NOT_A_FORM = "This address reads multipart/form-data only."
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DIGITS = re.compile(r"[0-9]{1,10}")


class Number(serializers.IntegerField):
    """A whole number of a JSON body; DRF's own takes a text for one."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, (int, float)):
            self.fail("invalid")
        return super().to_internal_value(data)


class Digits(serializers.IntegerField):
    """A whole number of an address."""

    def to_internal_value(self, data: Any) -> int:
        if not _DIGITS.fullmatch(str(data)):
            self.fail("invalid")
        return super().to_internal_value(data)


class Day(serializers.DateField):
    """A date as YYYY-MM-DD; DRF's own takes weeks as well."""

    def to_internal_value(self, value: Any) -> date:
        if not isinstance(value, str) or not _DAY.fullmatch(value):
            self.fail("invalid", format="YYYY-MM-DD")
        return super().to_internal_value(value)


class AsOf(Day):
    """A day of the past or today; its value is the last moment of it."""

    def to_internal_value(self, value: Any) -> datetime:
        try:
            return days.end_of(super().to_internal_value(value))
        except days.NotYet:
            raise serializers.ValidationError(NOT_YET) from None


class YesNo(serializers.ChoiceField):
    """A flag of an address or a form, which know texts only."""

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=list(ANSWER), required=False, **options)

    def to_internal_value(self, data: Any) -> bool:  # type: ignore[override]  # what the field is for
        return ANSWER[super().to_internal_value(data)]


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


class Cursor(Text):
    """Where the page before ended: its `next`."""

    def to_internal_value(self, data: Any) -> Any:
        try:
            return paging.opened(super().to_internal_value(data))
        except paging.BadCursor:
            raise serializers.ValidationError("Send `next` of the page before, as it is.") from None


class Listing(Body):
    """What every list takes."""

    cursor = Cursor(required=False, max_length=200, help_text="`next` of the page before.")
    limit = Digits(required=False, default=50, min_value=1, max_value=200)


class FileBody(BaseParser):
    """A form with a file, as clinchat.lib.files let it in: Django has read it, or reads it now, up to that size."""

    media_type = "multipart/form-data"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> DataAndFiles[Any, Any]:
        request = (parser_context or {})["request"]._request  # noqa: SLF001  # documented by DRF
        return DataAndFiles(request.POST, request.FILES)


def checked(body: type[Body], request: Request) -> dict[str, Any]:
    """The body of the request. Raises ValidationError."""
    form = body(data=request.data)
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)


def checked_form(body: type[Body], request: Request) -> dict[str, Any]:
    """The form of the request, its file among the fields. Raises ValidationError."""
    try:
        return checked(body, request)
    except UnsupportedMediaType:
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, NOT_A_FORM) from None


def asked(query: type[Body], request: Request) -> dict[str, Any]:
    """The parameters of the address. Raises ValidationError, also for one that is not known."""
    form = query(data=request.query_params.dict())
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)


def me(request: Request) -> User:
    return cast("User", request.user)  # the door has refused everybody else


def collection_of(user: User, slug: str) -> Collection:
    """The collection with this short name, of those the person may read. Raises ValidationError."""
    found = Collection.objects.visible_to(user).filter(slug=slug).first()
    if found is None:
        raise serializers.ValidationError({"collection": [NO_COLLECTION]})
    return found


def record_look(object_type: str) -> None:
    """A list was looked at, as the page that shows it leaves it on record."""
    audit.record(code=audit.Code.SENSITIVE_READ, action=audit.Crude.READ, object_type=object_type)


def name_of(user: User | None) -> str | None:
    """Who did something. None: a command."""
    return str(user) if user else None
