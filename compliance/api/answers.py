"""Problem documents for the OpenAPI document, and the refusal of programs where a person has to decide."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers

from compliance.api.problems import CONTENT_TYPE, Refused
from compliance.models import User


class Problem(serializers.Serializer[Any]):
    """A problem document (RFC 9457). compliance.api.schema writes it down in its own words."""

    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    reference = serializers.CharField()


def by_a_person(user: User) -> None:
    """Raises Refused for a program: some things need somebody's judgment."""
    if user.is_service:
        raise Refused(HTTPStatus.FORBIDDEN, "A person decides this, not a program.")


def answers(status: int, words: str, *, holds: type[Problem] = Problem) -> dict[tuple[int, str], OpenApiResponse]:
    """For extend_schema: a problem document with this status."""
    return {(status, CONTENT_TYPE): OpenApiResponse(holds, words)}
