"""Conversations. Everything a person typed is stored masked; the values live in compliance's vault."""

from __future__ import annotations

import uuid
from typing import Self

from django.db import models
from django.db.models import Q
from django.urls import reverse

from chat.models.library import DocumentVersion
from chat.models.passages import Chunk
from clinchat.lib import clock
from compliance.models import User


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def visible_to(self, user: User) -> Self:
        """A conversation belongs to its author alone."""
        return self.filter(author=user)


class Conversation(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    author = models.ForeignKey(User, on_delete=models.PROTECT, related_name="conversations")
    title = models.CharField(max_length=120, help_text="Start of the first question, masked.")
    created_at = models.DateTimeField(default=clock.now)
    updated_at = models.DateTimeField(default=clock.now)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["author", "-updated_at"], name="conversation_recent")]

    def __str__(self) -> str:
        return str(self.pk)

    def get_absolute_url(self) -> str:
        return reverse("conversation", args=[self.pk])


class TurnQuerySet(models.QuerySet["Turn"]):
    def unfinished(self) -> Self:
        return self.filter(status__in=Turn.UNFINISHED)

    def lost(self) -> Self:
        """Unfinished turns nobody can still be working on."""
        return self.unfinished().filter(deadline_at__lt=clock.now())


class Turn(models.Model):
    """One question and what became of it."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        ANSWERED = "answered"
        ABSTAINED = "abstained"
        FAILED = "failed"
        STOPPED = "stopped"

    UNFINISHED = (Status.QUEUED, Status.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.PROTECT, related_name="turns")
    number = models.PositiveIntegerField()
    submission = models.UUIDField(unique=True, help_text="Names the form that was sent; a second send finds the first.")
    question = models.TextField(help_text="Masked.")
    spellings = models.JSONField(
        default=list, blank=True, help_text="Which spelling each token of the question has, in order; none: the first."
    )
    medicines = models.JSONField(
        default=list,
        blank=True,
        help_text="The patient's medicines beside the question, as the interaction table writes their names.",
    )
    days = models.JSONField(
        default=dict, blank=True, help_text="Days between the masked dates: token to days since the earliest."
    )
    status = models.CharField(max_length=20, choices=Status, default=Status.QUEUED)
    created_at = models.DateTimeField(default=clock.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField(help_text="Past this an unfinished turn is taken for lost.")
    reason = models.CharField(max_length=40, blank=True, help_text="Why it failed: a name of pipeline.errors.")
    blocks = models.JSONField(
        default=list, help_text="The answer: headings and statements with their citation numbers."
    )
    evidence = models.JSONField(default=dict, help_text="What the answer rests on: passages, model, verdicts, timings.")

    objects = TurnQuerySet.as_manager()

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["conversation", "number"], name="turn_number"),
            models.UniqueConstraint(
                fields=["conversation"],
                condition=Q(status__in=["queued", "running"]),
                name="one_unfinished_turn",
            ),
        ]
        indexes = [
            models.Index(fields=["deadline_at"], condition=Q(status__in=["queued", "running"]), name="turn_lost")
        ]

    def __str__(self) -> str:
        return str(self.pk)


class Citation(models.Model):
    """The exact words a statement rests on: characters start..end of a stored version, and their digest."""

    turn = models.ForeignKey(Turn, on_delete=models.PROTECT, related_name="citations")
    n = models.PositiveIntegerField(help_text="The number the reader sees; 0 marks a closest passage of an abstention.")
    position = models.PositiveIntegerField(help_text="Order within the answer.")
    version = models.ForeignKey(DocumentVersion, on_delete=models.PROTECT, related_name="citations")
    chunk = models.ForeignKey(Chunk, on_delete=models.PROTECT, related_name="+")
    section = models.CharField(max_length=300, blank=True)
    page = models.PositiveIntegerField(null=True, blank=True, help_text="Page of the source the quote begins on.")
    start = models.PositiveIntegerField()
    end = models.PositiveIntegerField()
    quote = models.TextField()
    sha256 = models.CharField(max_length=64)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["turn", "position"], name="citation_position")]

    def __str__(self) -> str:
        return f"[{self.n}]"

    def get_absolute_url(self) -> str:
        document = self.version.document.get_absolute_url()
        return f"{document}?v={self.version.number}&start={self.start}&end={self.end}#quote"


class Feedback(models.Model):
    """What the author thought of an answer; the last word counts."""

    class Reason(models.TextChoices):
        WRONG = "wrong", "The answer is incorrect"
        SOURCE = "source", "The source does not support it"
        MISSING = "missing", "Something important is missing"
        OLD = "old", "The source is out of date"

    turn = models.OneToOneField(Turn, on_delete=models.PROTECT, related_name="feedback")
    helpful = models.BooleanField()
    reasons = models.JSONField(default=list)
    comment = models.TextField(blank=True, help_text="Masked.")
    created_at = models.DateTimeField(default=clock.now)

    def __str__(self) -> str:
        return "helpful" if self.helpful else "not helpful"
