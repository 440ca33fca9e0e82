"""Break-glass: access for an hour to one object that is not one's own, with a reason and a review."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Self

from django.apps import apps
from django.db import models
from django.db.models import F, Q

from clinchat.lib import clock
from clinchat.lib.sealed_field import SealedField
from compliance.models.people import User

LASTS = timedelta(minutes=60)
REVIEW_WITHIN = timedelta(hours=72)


class BreakGlassQuerySet(models.QuerySet["BreakGlass"]):
    def live(self) -> Self:
        """Open now: neither ended nor run out. A closed account has none."""
        return self.filter(ended_at=None, ends_at__gt=clock.now(), user__is_active=True)

    def waiting(self) -> Self:
        """Not reviewed yet, the one that is due first on top."""
        return self.filter(reviewed_at=None).order_by("review_due_at", "pk")

    def overdue(self) -> Self:
        return self.waiting().filter(review_due_at__lt=clock.now())


class BreakGlass(models.Model):
    """One person's access to one object in an emergency (45 CFR 164.312(a)(2)(ii)).

    The object is named by type and id, as in the audit trail: compliance does not know the tables of other apps. What
    people typed is sealed, because it may speak of a patient.
    """

    class Finding(models.TextChoices):
        JUSTIFIED = "justified", "Justified"
        NOT_JUSTIFIED = "not_justified", "Not justified"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="emergencies")
    object_type = models.CharField(max_length=100)
    object_id = models.UUIDField()
    reason = SealedField()
    started_at = models.DateTimeField(default=clock.now)
    ends_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True, help_text="When it was given back or taken away.")
    review_due_at = models.DateTimeField()
    reviewed_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    reviewed_at = models.DateTimeField(null=True, blank=True)
    finding = models.CharField(max_length=15, choices=Finding, blank=True)
    note = SealedField(blank=True)

    objects = BreakGlassQuerySet.as_manager()

    class Meta:
        ordering = ["-started_at"]
        verbose_name = "emergency access"
        verbose_name_plural = "emergency accesses"
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("started_at"), ends_at__lte=F("started_at") + LASTS),
                name="break_glass_at_most_an_hour",
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("started_at")), name="break_glass_ended_after_start"
            ),
            models.CheckConstraint(
                condition=Q(review_due_at__gt=F("started_at"), review_due_at__lte=F("started_at") + REVIEW_WITHIN),
                name="break_glass_review_in_time",
            ),
            models.CheckConstraint(
                condition=Q(reviewed_by=None) | ~Q(reviewed_by=F("user")), name="break_glass_reviewed_by_another"
            ),
            models.CheckConstraint(
                condition=Q(reviewed_by=None, reviewed_at=None, finding="")
                | Q(
                    reviewed_by__isnull=False,
                    reviewed_at__isnull=False,
                    finding__in=["justified", "not_justified"],
                ),
                name="break_glass_review_whole",
            ),
            models.UniqueConstraint(
                fields=["user", "object_type", "object_id"],
                condition=Q(ended_at=None),
                name="break_glass_one_per_object",
            ),
        ]
        indexes = [
            models.Index(fields=["review_due_at"], condition=Q(reviewed_at=None), name="break_glass_waiting"),
            models.Index(fields=["user", "-started_at"], name="break_glass_of_user"),
        ]

    def __str__(self) -> str:
        return f"Emergency access {self.pk}"

    @property
    def thing(self) -> str:
        """What was opened, as a noun."""
        return str(apps.get_model(self.object_type)._meta.verbose_name)  # noqa: SLF001  # documented by Django

    @property
    def over_at(self) -> datetime:
        """When it ended, or will."""
        return min(self.ended_at or self.ends_at, self.ends_at)

    @property
    def is_over(self) -> bool:
        return self.over_at <= clock.now()

    @property
    def is_overdue(self) -> bool:
        return self.reviewed_at is None and self.review_due_at < clock.now()
