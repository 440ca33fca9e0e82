"""Documents, drafts and releases as the API shows them; each beside what the OpenAPI document says of it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from chat.models import DocumentVersion, Evaluation, Grade, Kind, Release
from compliance.api.fields import name_of

Status = DocumentVersion.Status
DESCRIBED = (
    "title",
    "kind",
    "specialty",
    "owner",
    "source",
    "url",
    "licence",
    "evidence_grade",
    "effective_from",
    "reviewed",
    "review_by",
)


class Described(serializers.Serializer[Any]):
    """What is said of a text."""

    title = serializers.CharField()
    kind = serializers.ChoiceField(choices=Kind.choices)
    specialty = serializers.CharField()
    owner = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]  # DRF takes the fields out of the class
    url = serializers.CharField()
    licence = serializers.CharField()
    evidence_grade = serializers.ChoiceField(choices=Grade.choices, allow_blank=True)
    effective_from = serializers.DateField(allow_null=True)
    reviewed = serializers.DateField(allow_null=True)
    review_by = serializers.DateField(allow_null=True)


class Version(Described):
    """One version of a document."""

    document = serializers.UUIDField()
    version = serializers.UUIDField(help_text="While it is on its way, the id of the draft.")
    number = serializers.IntegerField()
    collection = serializers.CharField(help_text="Its short name.")
    external_id = serializers.CharField()
    status = serializers.ChoiceField(choices=Status.choices)
    sha256 = serializers.CharField(help_text="Of the text in UTF-8.")
    created_at = serializers.DateTimeField()
    published_at = serializers.DateTimeField(allow_null=True, help_text="First time it was searched.")
    ended_at = serializers.DateTimeField(allow_null=True, help_text="Superseded or withdrawn then.")


class Review(serializers.Serializer[Any]):
    """The clinical review by a second person."""

    by = serializers.CharField()
    at = serializers.DateTimeField()


FIGURES = (
    "at",
    "model",
    "answerable",
    "unanswerable",
    "ndcg",
    "recall",
    "declined_wrongly",
    "declined_rightly",
    "quotes",
    "quotes_wrong",
)


class Figures(serializers.Serializer[Any]):
    """How a collection answered its labeled questions."""

    at = serializers.DateTimeField()
    model = serializers.CharField(help_text="Embedding model.")
    answerable = serializers.IntegerField()
    unanswerable = serializers.IntegerField()
    ndcg = serializers.FloatField(help_text="nDCG at 10.")
    recall = serializers.FloatField(help_text="Recall at 10.")
    declined_wrongly = serializers.FloatField(help_text="Share of the answerable that got no answer.")
    declined_rightly = serializers.FloatField(help_text="Share of the unanswerable that got no answer.")
    quotes = serializers.IntegerField()
    quotes_wrong = serializers.IntegerField(help_text="Quotes that do not stand there byte for byte.")


class Comparison(serializers.Serializer[Any]):
    """The figures of a release beside those before it."""

    passed = serializers.BooleanField()
    fallen = serializers.ListField(child=serializers.CharField(), help_text="Which figures fell.")
    before = Figures(allow_null=True)
    after = Figures()
    worst = serializers.ListField(child=serializers.CharField(), help_text="Questions that lost most, by external id.")


class ReleaseTold(serializers.Serializer[Any]):
    """A change of what a collection answers from."""

    id = serializers.UUIDField()
    collection = serializers.CharField(help_text="Its short name.")
    kind = serializers.ChoiceField(choices=Release.Kind.choices)
    state = serializers.ChoiceField(choices=Release.State.choices)
    number = serializers.IntegerField(allow_null=True, help_text="Null while it is being prepared.")
    reason = serializers.CharField()
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField(allow_null=True, help_text="Null: a command.")
    published_at = serializers.DateTimeField(allow_null=True)
    published_by = serializers.CharField(allow_null=True, help_text="Null: a command.")
    documents = serializers.IntegerField(help_text="Documents that are searched after it.")
    manifest_sha256 = serializers.CharField(
        help_text="Over one line a document, in order: external id, version number, SHA-256 of the text."
    )


def version(found: DocumentVersion) -> dict[str, Any]:
    described = {name: getattr(found, name) for name in DESCRIBED}
    return described | {
        "document": found.document_id,
        "version": found.pk,
        "number": found.number,
        "collection": found.document.collection.slug,
        "external_id": found.document.external_id,
        "status": found.status,
        "sha256": found.sha256,
        "created_at": found.created_at,
        "published_at": found.published_at,
        "ended_at": found.ended_at,
    }


def review(found: DocumentVersion) -> dict[str, Any] | None:
    """None: nobody reviewed it here; an operator loaded it."""
    by = name_of(found.decided_by)
    return {"by": by, "at": found.decided_at} if by else None


def release(found: Release) -> dict[str, Any]:
    return {
        "id": found.pk,
        "collection": found.collection.slug,
        "kind": found.kind,
        "state": found.state,
        "number": found.number,
        "reason": found.reason,
        "created_at": found.created_at,
        "created_by": name_of(found.created_by),
        "published_at": found.published_at,
        "published_by": name_of(found.published_by),
        "documents": found.documents,
        "manifest_sha256": found.manifest_sha256,
    }


def comparison(found: Evaluation) -> dict[str, Any]:
    return {
        "passed": found.passed,
        "fallen": found.fallen,
        "before": _figures(found.against) if found.against else None,
        "after": _figures(found),
        "worst": found.worst,
    }


def _figures(found: Evaluation) -> dict[str, Any]:
    return {name: getattr(found, name) for name in FIGURES}
