"""Wishes to give somebody a role or to take it away. One person asks, another decides (45 CFR 164.308(a)(4))."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.db.models import F, Q

from clinchat.lib import clock
from compliance.access.roles import Role
from compliance.models.people import User

VALID_FOR = timedelta(days=14)
"""A wish nobody decided on by then is void: what was right when it was asked for may not be any more."""


class RoleRequestQuerySet(models.QuerySet["RoleRequest"]):
    def waiting(self) -> Self:
        return self.filter(status=RoleRequest.Status.WAITING, requested_at__gt=clock.now() - VALID_FOR)

    def overdue(self) -> Self:
        return self.filter(status=RoleRequest.Status.WAITING, requested_at__lte=clock.now() - VALID_FOR)


class RoleRequest(models.Model):
    """One role of one person, to be given or taken. Neither who asked nor the person themselves may decide."""

    class Kind(models.TextChoices):
        GIVE = "give", "Give"
        TAKE = "take", "Take away"

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        APPROVED = "approved", "Approved"
        REFUSED = "refused", "Refused"
        WITHDRAWN = "withdrawn", "Withdrawn"
        EXPIRED = "expired", "Expired"
        CANCELLED = "cancelled", "Canceled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=4, choices=Kind)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="role_requests")
    role = models.CharField(max_length=30, choices=Role.choices)
    reason = models.CharField(max_length=300, help_text="Why, in the words of who asked. No patient data.")
    requested_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(default=clock.now)
    status = models.CharField(max_length=10, choices=Status, default=Status.WAITING)
    decided_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(max_length=300, blank=True, help_text="What who decided said about it. No patient data.")

    objects = RoleRequestQuerySet.as_manager()

    class Meta:
        ordering = ["-requested_at"]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=["give", "take"]), name="role_request_kind"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="role_request_role"),
            models.CheckConstraint(
                condition=Q(status="waiting", decided_by=None, decided_at=None)
                | Q(status__in=["expired", "cancelled"], decided_at__isnull=False)
                | Q(
                    status__in=["approved", "refused", "withdrawn"], decided_by__isnull=False, decided_at__isnull=False
                ),
                name="role_request_status",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["approved", "refused"]) | ~Q(decided_by=F("requested_by")),
                name="role_request_second_person",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["approved", "refused"]) | ~Q(decided_by=F("user")),
                name="role_request_not_about_oneself",
            ),
            models.UniqueConstraint(
                fields=["user", "role"], condition=Q(status="waiting"), name="role_request_one_waiting"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.get_role_display()}"

    @property
    def void_at(self) -> datetime:
        """When it is void unless somebody has decided."""
        return self.requested_at + VALID_FOR
