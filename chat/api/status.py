"""How the knowledge base is doing."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from chat import knowledge_base
from compliance.access import Action, door

PROBLEMS = ["embedding_model", "proof_failed", "proof_old", "measures_fallen"]


class Numbers(serializers.DictField):
    child = serializers.IntegerField()


class DocumentCounts(serializers.Serializer[Any]):
    total = serializers.IntegerField()
    versions = Numbers(help_text="By state: draft, in_review, approved, published, superseded, withdrawn, discarded.")


class MeasuredStatus(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    passed = serializers.BooleanField()
    fallen = serializers.ListField(child=serializers.CharField(), help_text="Measures that fell.")
    ndcg = serializers.FloatField()
    recall = serializers.FloatField()
    declined_wrongly = serializers.FloatField(help_text="Share of the answerable questions without an answer.")
    declined_rightly = serializers.FloatField(help_text="Share of the unanswerable questions without an answer.")
    quotes_wrong = serializers.IntegerField()


class CollectionStatus(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="Its short name.")
    release = serializers.IntegerField(allow_null=True, help_text="Null: nothing of it was published yet.")
    published_at = serializers.DateTimeField(allow_null=True)
    manifest_sha256 = serializers.CharField(help_text="What is searched, in one digest.")
    documents = serializers.IntegerField(help_text="Documents that are searched.")
    passages = serializers.IntegerField()
    review_overdue = serializers.IntegerField()
    without_licence = serializers.IntegerField()
    without_owner = serializers.IntegerField()
    without_clinical_review = serializers.IntegerField(help_text="Loaded by an operator.")
    questions = serializers.IntegerField(help_text="Labeled questions of the gate.")
    evaluation = MeasuredStatus(allow_null=True, help_text="The newest one.")


class IndexStatus(serializers.Serializer[Any]):
    model = serializers.CharField()
    dimensions = serializers.IntegerField()
    state = serializers.ChoiceField(choices=["active", "building", "kept"])
    vectors = serializers.IntegerField()
    waiting = serializers.IntegerField(help_text="Passages without a vector in it.")
    installed = serializers.BooleanField(help_text="The process that answers has the model.")


class ThresholdStatus(serializers.Serializer[Any]):
    fitted = serializers.BooleanField(help_text="On the questions of this installation; false: the shipped default.")
    at = serializers.DateTimeField(allow_null=True)
    asked = serializers.FloatField(
        allow_null=True, help_text="Highest share of answerable questions that may go unanswered."
    )
    threshold = serializers.FloatField()


class ProofStatus(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    ok = serializers.BooleanField()
    found = Numbers(help_text="What is wrong, by name, and how many of it.")
    recall = serializers.FloatField(allow_null=True, help_text="Of the ten nearest passages the index found so many.")
    sampled = serializers.IntegerField()
    seconds = serializers.FloatField()


class UploadsStatus(serializers.Serializer[Any]):
    waiting = serializers.IntegerField()
    oldest_at = serializers.DateTimeField(allow_null=True)
    malware_scanner = serializers.BooleanField(help_text="One is configured.")


class Milliseconds(serializers.Serializer[Any]):
    p50 = serializers.FloatField()
    p95 = serializers.FloatField()


class SearchTimes(serializers.Serializer[Any]):
    questions_24h = serializers.IntegerField()
    ms = serializers.DictField(child=Milliseconds(), help_text="By stage, over the questions of the last day.")


class KnowledgeBaseStatus(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=["ok", "degraded"])
    problems = serializers.ListField(child=serializers.ChoiceField(choices=PROBLEMS))
    last_update = serializers.DateTimeField(allow_null=True, help_text="When what is searched changed last.")
    documents = DocumentCounts()
    collections = CollectionStatus(many=True)
    passages = serializers.IntegerField()
    embedding = IndexStatus(many=True, help_text="The searched index first.")
    calibration = ThresholdStatus(allow_null=True)
    proof = ProofStatus(allow_null=True, help_text="The last nightly one.")
    uploads = UploadsStatus()
    search = SearchTimes()
    bytes = Numbers(help_text="Room that texts, passages, vectors and the word index take.")


@door(Action.READ_STATUS)
@extend_schema(operation_id="knowledge_base_status", responses={200: KnowledgeBaseStatus})
@api_view(["GET"])
def status(request: Request) -> Response:
    """What is searched, since when, and whether the indexes hold it. Always 200: `status` says it."""
    return Response(KnowledgeBaseStatus(knowledge_base.status()).data)
