"""What requests of the API may hold. Read more strictly than by DRF, as in compliance.api.bodies."""

from __future__ import annotations

import re
from datetime import date
from typing import Any, cast

from rest_framework import serializers
from rest_framework.request import Request

from compliance import audit
from compliance.api import paging
from compliance.api.bodies import Body, Text
from compliance.models import User

LARGEST = 2**31 - 1
ANSWER = {"true": True, "false": False}
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


class YesNo(serializers.ChoiceField):
    """A flag of an address or a form, which know texts only."""

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=list(ANSWER), required=False, **options)

    def to_internal_value(self, data: Any) -> bool:  # type: ignore[override]  # what the field is for
        return ANSWER[super().to_internal_value(data)]


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


def checked(body: type[Body], request: Request) -> dict[str, Any]:
    """The body of the request. Raises ValidationError."""
    form = body(data=request.data)
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)


def asked(query: type[Body], request: Request) -> dict[str, Any]:
    """The parameters of the address. Raises ValidationError, also for one that is not known."""
    form = query(data=request.query_params.dict())
    form.is_valid(raise_exception=True)
    return dict(form.validated_data)


def me(request: Request) -> User:
    return cast("User", request.user)  # the door has refused everybody else


def record_look(object_type: str) -> None:
    """A list was looked at, as the page that shows it leaves it on record."""
    audit.record(code=audit.Code.SENSITIVE_READ, action=audit.Crude.READ, object_type=object_type)


def name_of(user: User | None) -> str | None:
    """Who did something. None: a command."""
    return str(user) if user else None
