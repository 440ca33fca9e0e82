"""Which versions are searched since when: releases, the gate before them, and what the gate is measured with."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q
from django.urls import reverse

from chat.models.library import Collection, Document, DocumentVersion
from clinchat.lib import clock
from compliance.models import User


class Release(models.Model):
    """A change of what a collection answers from, in one step. Its manifest: the versions searched after it."""

    class Kind(models.TextChoices):
        EDITED = "edited", "Release"
        IMPORT = "import", "Import"
        WITHDRAWAL = "withdrawal", "Withdrawal"
        ROLLBACK = "rollback", "Rollback"

    class State(models.TextChoices):
        CANDIDATE = "candidate", "Being prepared"
        PUBLISHED = "published", "Published"
        ABANDONED = "abandoned", "Abandoned"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.PROTECT, related_name="releases")
    kind = models.CharField(max_length=20, choices=Kind)
    state = models.CharField(max_length=20, choices=State, default=State.CANDIDATE)
    number = models.PositiveIntegerField(null=True, blank=True, help_text="Counts the published ones of a collection.")
    reason = models.CharField(max_length=500, blank=True)
    restores = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=clock.now)
    created_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text="None: a command."
    )
    published_at = models.DateTimeField(null=True, blank=True)
    published_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    documents = models.PositiveIntegerField(default=0, help_text="Documents searched after it.")
    manifest_sha256 = models.CharField(
        max_length=64,
        blank=True,
        help_text="SHA-256 over one line a document, in order: external id, version number, SHA-256 of the text.",
    )

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["collection", "number"], name="release_number"),
            models.UniqueConstraint(
                fields=["collection", "kind"], condition=Q(state="candidate"), name="one_candidate_of_a_kind"
            ),
            models.CheckConstraint(
                condition=~Q(state="published") | (Q(number__isnull=False) & Q(published_at__isnull=False)),
                name="release_published_has_number",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.collection_id} release {self.number or 'candidate'}"

    def get_absolute_url(self) -> str:
        return reverse("library-release", args=[self.pk])


class ReleaseChange(models.Model):
    """What a release does to one document: brings a version in, or takes the document out."""

    release = models.ForeignKey(Release, on_delete=models.CASCADE, related_name="changes")
    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="+")
    version = models.ForeignKey(
        DocumentVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text="None: withdrawn."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["release", "document"], name="release_change")]

    def __str__(self) -> str:
        return f"{self.document_id} in {self.release_id}"


class ListingQuerySet(models.QuerySet["Listing"]):
    def as_of(self, moment: datetime) -> Self:
        """What was searched at `moment`."""
        return self.filter(Q(until_at=None) | Q(until_at__gt=moment), since_at__lte=moment)


class Listing(models.Model):
    """From which release until which a version was searched. The open ones of a collection are its manifest."""

    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="listings")
    version = models.ForeignKey(DocumentVersion, on_delete=models.PROTECT, related_name="listings")
    since = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="+")
    since_at = models.DateTimeField()
    until = models.ForeignKey(Release, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    until_at = models.DateTimeField(null=True, blank=True)

    objects = ListingQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["document"], condition=Q(until=None), name="one_open_listing"),
            models.CheckConstraint(
                condition=Q(until=None, until_at=None) | Q(until__isnull=False, until_at__isnull=False),
                name="listing_ends_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.version_id} since {self.since_at:%Y-%m-%d}"


class LabelledQuestion(models.Model):
    """A question of a collection whose right documents are known. The gate before a release asks all of them."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="questions")
    external_id = models.CharField(max_length=100)
    text = models.CharField(max_length=1000, help_text="Masked for good.")
    kind = models.CharField(max_length=40, blank=True)
    relevant = models.JSONField(
        default=dict,
        blank=True,
        help_text="External ids to grades 1 to 3. None: it is not here.",
    )
    added_at = models.DateTimeField(default=clock.now)
    added_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["external_id"]
        constraints = [models.UniqueConstraint(fields=["collection", "external_id"], name="labelled_question")]

    def __str__(self) -> str:
        return self.external_id

    @property
    def right_documents(self) -> list[tuple[str, int]]:
        """External ids and grades. In a template `relevant.items` could be a document of that name."""
        return list(self.relevant.items())


class Evaluation(models.Model):
    """How well a collection answered its questions: as a release would leave it, or as it stands."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="evaluations")
    release = models.ForeignKey(Release, null=True, blank=True, on_delete=models.CASCADE, related_name="evaluations")
    against = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+", help_text="Compared with."
    )
    at = models.DateTimeField(default=clock.now)
    passed = models.BooleanField()
    fallen = models.JSONField(default=list, blank=True, help_text="Which measures fell, by name.")
    questions_sha256 = models.CharField(max_length=64, help_text="Which questions were asked.")
    model = models.CharField(max_length=100, help_text="Embedding model.")
    answerable = models.PositiveIntegerField()
    unanswerable = models.PositiveIntegerField()
    ndcg = models.FloatField(help_text="nDCG at 10, mean over the answerable (Järvelin & Kekäläinen 2002).")
    recall = models.FloatField(help_text="Recall at 10.")
    declined_wrongly = models.FloatField(help_text="Share of the answerable that got no answer.")
    declined_rightly = models.FloatField(help_text="Share of the unanswerable that got no answer.")
    quotes = models.PositiveIntegerField(help_text="Quotes compared with the stored text.")
    quotes_wrong = models.PositiveIntegerField(help_text="Quotes that do not stand there byte for byte.")
    worst = models.JSONField(default=list, blank=True, help_text="External ids of the questions that lost most.")
    scores = models.JSONField(
        default=dict, blank=True, help_text="By external id of the question: nDCG, recall, and 1 if it got no answer."
    )
    state_sha256 = models.CharField(
        max_length=64, blank=True, help_text="What was asked of what: questions, manifest, model, threshold, version."
    )

    class Meta:
        ordering = ["-at"]
        indexes = [models.Index(fields=["collection", "-at"], name="evaluation_trend")]

    def __str__(self) -> str:
        return f"{self.collection_id} {self.at:%Y-%m-%d}"


class Calibration(models.Model):
    """When ClinChat answers and when it says that the answer is not here, fitted on labelled questions."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    at = models.DateTimeField(default=clock.now)
    active = models.BooleanField(default=False)
    model = models.CharField(max_length=100, help_text="Embedding model it was fitted for.")
    asked = models.FloatField(help_text="Highest share of answerable questions that may go unanswered.")
    weights = models.JSONField(help_text="Coefficient by feature, intercept included.")
    threshold = models.FloatField()
    curve = models.JSONField(help_text="Points of the half it was not fitted on.")
    figures = models.JSONField(help_text="AUROC, expected calibration error, coverage; n of both halves.")
    release = models.ForeignKey(Release, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-at"]
        constraints = [
            models.UniqueConstraint(fields=["active"], condition=Q(active=True), name="one_active_calibration")
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d}"
