"""Once a quarter somebody else confirms each role somebody holds, or takes it away (45 CFR 164.308(a)(4)(ii)(C))."""

from __future__ import annotations

import uuid
from typing import Self

from django.db import models
from django.db.models import F, Q

from clinchat.lib import clock
from compliance.access.roles import Role
from compliance.models.people import RoleAssignment, User


class Campaign(models.Model):
    """The review of one quarter."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=7, unique=True, help_text="Year and quarter, for example 2026 Q4.")
    opened_at = models.DateTimeField(default=clock.now)
    opened_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    due_at = models.DateTimeField(help_text="Grants that nobody confirmed by then suspend themselves.")

    class Meta:
        ordering = ["-opened_at"]
        constraints = [
            models.CheckConstraint(condition=Q(due_at__gt=F("opened_at")), name="campaign_due_after_opening")
        ]

    def __str__(self) -> str:
        return self.name


class CampaignItemQuerySet(models.QuerySet["CampaignItem"]):
    def undecided(self) -> Self:
        """What somebody still has to look at: not decided yet, or suspended because nobody did in time."""
        return self.filter(status__in=[CampaignItem.Status.OPEN, CampaignItem.Status.SUSPENDED])


class CampaignItem(models.Model):
    """One role of one person in a campaign. Neither its holder nor who granted it may decide."""

    class Status(models.TextChoices):
        OPEN = "open", "To confirm"
        KEPT = "kept", "Confirmed"
        TAKEN = "taken", "Taken away"
        SUSPENDED = "suspended", "Suspended"
        GONE = "gone", "Ended meanwhile"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="items")
    assignment = models.ForeignKey(RoleAssignment, null=True, on_delete=models.SET_NULL, related_name="campaign_items")
    holder = models.ForeignKey(User, on_delete=models.PROTECT, related_name="campaign_items")
    role = models.CharField(max_length=30, choices=Role.choices)
    grantor = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=10, choices=Status, default=Status.OPEN)
    decided_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    flagged_at = models.DateTimeField(
        null=True, blank=True, help_text="When it was overdue and could not be suspended without locking everybody out."
    )

    objects = CampaignItemQuerySet.as_manager()

    class Meta:
        ordering = ["holder__name", "role"]
        constraints = [
            models.UniqueConstraint(fields=["campaign", "holder", "role"], name="campaign_item_once"),
            models.CheckConstraint(
                condition=Q(status__in=["open", "kept", "taken", "suspended", "gone"]), name="campaign_item_status"
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["kept", "taken"]) | Q(decided_by__isnull=False, decided_at__isnull=False),
                name="campaign_item_decided",
            ),
            models.CheckConstraint(
                condition=Q(decided_by=None) | ~Q(decided_by=F("holder")), name="campaign_item_not_the_holder"
            ),
            models.CheckConstraint(
                condition=Q(decided_by=None) | Q(grantor=None) | ~Q(decided_by=F("grantor")),
                name="campaign_item_not_the_grantor",
            ),
        ]
        indexes = [models.Index(fields=["campaign", "status"], name="campaign_item_status_index")]

    def __str__(self) -> str:
        return f"{self.get_role_display()} of {self.holder}"
