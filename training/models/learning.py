"""What somebody has read, tried and passed. Nothing of it is ever deleted, and what was submitted never changes."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import F, Q

from clinchat.lib import clock
from compliance.models import User
from training.models.content import ModuleVersion

INCLUDED_ATTEMPTS = 5
"""More than a module may ever include; any attempt beyond was unlocked by somebody."""


class EnrolmentQuerySet(models.QuerySet["Enrolment"]):
    def open(self) -> Self:
        return self.filter(completed_at=None, closed_at=None)


class Enrolment(models.Model):
    """One turn of one person through one module: the first, a renewal, or catching up with a change."""

    class Kind(models.TextChoices):
        FIRST = "first", "First time"
        RENEWAL = "renewal", "Renewal"
        CHANGE = "change", "Change of content"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="enrolments")
    slug = models.CharField(max_length=40)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.FIRST)
    lessons = models.JSONField(default=list, help_text="Keys of the lessons of a change; empty: all of the module.")
    why = models.CharField(max_length=300, blank=True, help_text="What changed, in the words of its version.")
    opened_at = models.DateTimeField(default=clock.now)
    due_at = models.DateTimeField(null=True, blank=True, help_text="When access ends if it is not completed.")
    completed_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True, help_text="Replaced by another before it was completed.")

    objects = EnrolmentQuerySet.as_manager()

    class Meta:
        ordering = ["-opened_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["person", "slug"],
                condition=Q(completed_at=None, closed_at=None),
                name="one_open_enrolment",
            ),
            models.CheckConstraint(condition=Q(kind__in=["first", "renewal", "change"]), name="enrolment_kind"),
            models.CheckConstraint(condition=~Q(kind="change") | Q(due_at__isnull=False), name="change_has_a_due_date"),
        ]
        indexes = [models.Index(fields=["person", "slug"], name="enrolment_person_slug")]

    def __str__(self) -> str:
        return f"{self.slug}, {self.get_kind_display()}"


class LessonRead(models.Model):
    """Somebody pressed "Mark as read". A lesson whose text has changed since has another digest and is unread."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    enrolment = models.ForeignKey(Enrolment, on_delete=models.PROTECT, related_name="reads")
    version = models.ForeignKey(ModuleVersion, on_delete=models.PROTECT, related_name="+")
    lesson = models.CharField(max_length=80)
    digest = models.CharField(max_length=64, help_text="SHA-256 of the lesson's text.")
    read_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["read_at"]
        constraints = [
            models.UniqueConstraint(fields=["enrolment", "lesson", "digest"], name="lesson_read_once"),
        ]

    def __str__(self) -> str:
        return self.lesson


class AttemptQuerySet(models.QuerySet["Attempt"]):
    def graded(self) -> Self:
        return self.filter(state=Attempt.State.GRADED)


class Attempt(models.Model):
    """A right to try the assessment once, made with the enrolment or unlocked later; used when it was started.

    There are as many as somebody may try, so that no number of clicks makes one more: starting claims an unused row.
    """

    class State(models.TextChoices):
        UNUSED = "unused", "Not used"
        OPEN = "open", "Begun"
        GRADED = "graded", "Graded"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    enrolment = models.ForeignKey(Enrolment, on_delete=models.PROTECT, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=6, choices=State, default=State.UNUSED)
    unlocked_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    unlocked_at = models.DateTimeField(null=True, blank=True)
    unlock_reason = models.CharField(max_length=500, blank=True)
    version = models.ForeignKey(ModuleVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    seed = models.CharField(max_length=32, blank=True, help_text="The form follows from it and the version.")
    started_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True, help_text="Time limit; empty: none.")
    submitted_at = models.DateTimeField(null=True, blank=True)
    attested = models.BooleanField(default=False, help_text="The person said that the answers are their own.")
    points = models.DecimalField(max_digits=7, decimal_places=4, null=True, blank=True)
    most = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Points of the whole form.")
    pass_percent = models.PositiveSmallIntegerField(null=True, blank=True)
    passed = models.BooleanField(null=True, blank=True)

    objects = AttemptQuerySet.as_manager()

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["enrolment", "number"], name="attempt_number_once"),
            models.UniqueConstraint(fields=["enrolment"], condition=Q(state="open"), name="one_open_attempt"),
            models.UniqueConstraint(fields=["enrolment"], condition=Q(passed=True), name="one_passed_attempt"),
            models.CheckConstraint(
                condition=Q(number__gte=1, number__lte=INCLUDED_ATTEMPTS)
                | (Q(unlocked_by__isnull=False, unlocked_at__isnull=False) & ~Q(unlock_reason="")),
                name="further_attempts_are_unlocked",
            ),
            models.CheckConstraint(
                condition=Q(state="unused", started_at=None, version=None, seed="")
                | (Q(state__in=["open", "graded"], started_at__isnull=False, version__isnull=False) & ~Q(seed="")),
                name="attempt_started_whole",
            ),
            models.CheckConstraint(
                condition=(
                    ~Q(state="graded") & Q(submitted_at=None, points=None, most=None, passed=None, pass_percent=None)
                )
                | Q(
                    state="graded",
                    submitted_at__isnull=False,
                    points__isnull=False,
                    most__isnull=False,
                    passed__isnull=False,
                    pass_percent__isnull=False,
                ),
                name="attempt_graded_whole",
            ),
            models.CheckConstraint(condition=Q(points=None) | Q(points__lte=F("most")), name="attempt_points"),
        ]
        indexes = [models.Index(fields=["submitted_at"], name="attempt_submitted")]

    def __str__(self) -> str:
        return f"Attempt {self.number}"

    def is_over(self, now: datetime) -> bool:
        """Whether its time limit has passed."""
        return self.ends_at is not None and self.ends_at <= now


class Answer(models.Model):
    """One question of the form of an attempt, in the order shown, and what was chosen."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, related_name="answers")
    number = models.PositiveSmallIntegerField(help_text="Its place in the form, from 1.")
    item = models.CharField(max_length=60)
    orders = models.JSONField(help_text="The order its options were shown in; see training.bank.drawing.")
    given = models.JSONField(null=True, blank=True, help_text="See training.bank.answers; null: not answered.")
    revision = models.PositiveIntegerField(default=0, help_text="How often it was saved.")
    saved_at = models.DateTimeField(null=True, blank=True)
    points = models.DecimalField(max_digits=5, decimal_places=4, null=True, blank=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["attempt", "item"], name="answer_item_once"),
            models.UniqueConstraint(fields=["attempt", "number"], name="answer_number_once"),
            models.CheckConstraint(
                condition=Q(points=None) | Q(points__gte=0, points__lte=1), name="answer_points_of_one"
            ),
        ]
        indexes = [models.Index(fields=["item"], name="answer_item")]

    def __str__(self) -> str:
        return f"Question {self.number}"


class Accommodation(models.Model):
    """More time, or no limit, for somebody who needs it. Why is between them and whoever grants it."""

    class More(models.TextChoices):
        HALF = "1.5", "Half as much time again"
        DOUBLE = "2", "Twice the time"
        UNLIMITED = "none", "No time limit"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="accommodations")
    more = models.CharField(max_length=4, choices=More)
    granted_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    granted_at = models.DateTimeField(default=clock.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-granted_at"]
        constraints = [
            models.UniqueConstraint(fields=["person"], condition=Q(ended_at=None), name="one_accommodation"),
            models.CheckConstraint(condition=Q(more__in=["1.5", "2", "none"]), name="accommodation_more"),
            models.CheckConstraint(condition=~Q(person=F("granted_by")), name="accommodation_by_somebody_else"),
        ]

    def __str__(self) -> str:
        return self.get_more_display()
