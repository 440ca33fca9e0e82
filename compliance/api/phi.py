"""How masking is doing."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from compliance import phi_status
from compliance.access import Action, door


class Model(serializers.Serializer[Any]):
    active = serializers.BooleanField()
    model = serializers.CharField()
    version = serializers.CharField(help_text="Empty when it is not installed.")


class Engine(serializers.Serializer[Any]):
    scrubadub = serializers.CharField()
    ner = Model()


class SelfTest(serializers.Serializer[Any]):
    ok = serializers.BooleanField()
    at = serializers.DateTimeField()
    cases = serializers.IntegerField()
    failed = serializers.ListField(
        child=serializers.CharField(), help_text="Names of the texts that were masked wrong."
    )
    ms = serializers.FloatField()


class LocalTerms(serializers.Serializer[Any]):
    mask = serializers.IntegerField(help_text="Terms that are always masked.")
    keep = serializers.IntegerField(help_text="Terms that are never masked.")
    version = serializers.CharField(help_text="Another one after each change; empty before the first.")


class Rates(serializers.Serializer[Any]):
    last_24h = serializers.DictField(child=serializers.IntegerField(), help_text="Identifiers masked, by class.")
    questions_24h = serializers.IntegerField()
    masked_24h = serializers.IntegerField(help_text="Questions with at least one identifier.")


class Reports(serializers.Serializer[Any]):
    open = serializers.IntegerField()
    missed_30d = serializers.IntegerField()
    wrong_30d = serializers.IntegerField()


class Failures(serializers.Serializer[Any]):
    total = serializers.IntegerField(help_text="Since Redis began to count.")
    last_at = serializers.DateTimeField(allow_null=True)


class PhiStatus(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=["ok", "failed"])
    version = serializers.CharField()
    engine = Engine()
    lexicons = serializers.DictField(child=serializers.CharField(), help_text="SHA-256 of each word list.")
    self_test = SelfTest(allow_null=True, help_text="Of the process that answers; null if it could not begin.")
    local_terms = LocalTerms()
    rates = Rates()
    reports = Reports()
    failures = Failures()


@door(Action.READ_STATUS)
@extend_schema(operation_id="phi_detection_status", responses={200: PhiStatus})
@api_view(["GET"])
def status(request: Request) -> Response:
    """Whether identifiers are masked, with what, and how often. Always 200: `status` says it."""
    return Response(PhiStatus(phi_status.status()).data)
