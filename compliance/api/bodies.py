"""What a request may send: JSON of at most 1 MB, and no field that nobody asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import IO, Any

from django.conf import settings
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from compliance import audit, free_text, phi
from compliance.access import refusals
from compliance.api.problems import DETAILS, Refused

NOT_CHECKED = "The text could not be checked for patient identifiers, so nothing was done. Try again in a minute."
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class JsonBody(BaseParser):
    """JSON as RFC 8259 has it: UTF-8 whatever the request claims, no NaN, and not nested beyond reason.

    DRF's own parser reads as much as is sent, obeys any charset Python knows, and fails on a thousand brackets.
    """

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        raw = stream.read(most + 1)
        if len(raw) > most:
            refusals.note(audit.Code.INPUT_VALIDATION_FAIL, why="too large")
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, DETAILS[413])
        try:
            return json.loads(raw.decode(), parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise ParseError from None


def _no_constant(name: str) -> None:
    raise ValueError(name)


class Text(serializers.CharField):
    """A string; DRF's own takes a number for one."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class FreeText(Text):
    """What staff write in prose; the value is masked, as that of compliance.free_text.FreeTextField is.

    Its length counts as it was sent, which is what the schema says; the space around it is left out then.
    """

    def __init__(self, *, where: str, max_length: int, **options: Any) -> None:
        super().__init__(max_length=max_length, trim_whitespace=False, **options)
        self.where, self.longest = where, max_length

    def run_validation(self, data: Any = serializers.empty) -> Any:
        text = super().run_validation(data).strip()
        if not text:
            self.fail("blank")
        try:
            return free_text.masked(text, where=self.where, longest=self.longest)
        except phi.PhiUnavailable:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, NOT_CHECKED) from None


class Note(FreeText):
    """Prose that may be empty."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return "" if data == "" else super().run_validation(data)


class Flag(serializers.BooleanField):
    """true or false; DRF's own takes "yes", 1 and null as well, and this decides who is signed out."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=str(data)[:100])
        return data


class Id(serializers.UUIDField):
    """A UUID as we write them: 36 characters. DRF's own takes whole numbers, URNs and braces as well."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or not _UUID.fullmatch(data):
            self.fail("invalid", value=str(data)[:100])
        return super().to_internal_value(data)


class Body(serializers.Serializer[Any]):
    """The members a request may have. One that is not among them is refused: it is a mistake, or a probe."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and (unknown := sorted(set(data) - set(self.fields))):
            raise serializers.ValidationError({name[:100]: ["This field is not known here."] for name in unknown[:20]})
        return super().to_internal_value(data)


class Nothing(Body):
    """A request that says all by being made."""
