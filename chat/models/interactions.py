"""Drug interactions: the releases of the table, what the hospital changed in it, what was checked, and what people did
with the alerts. The table itself is chat.interactions; no patient's data is in these tables but ids of conversations.
"""

from __future__ import annotations

import uuid
from datetime import date
from typing import Self

from django.db import models
from django.db.models import F, Q
from django.urls import reverse

from chat.interactions.types import Severity
from chat.models.conversations import Turn
from clinchat.lib import clock
from compliance.models import User

SEVERITIES = [(severity.value, severity.value.capitalize()) for severity in Severity]
LONGEST_WORDS = 500
LONGEST_NOTE = 500


class DrugTable(models.Model):
    """A release of the table, as its files. One is in use; what it changed is kept beside it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.CharField(max_length=40)
    sha256 = models.CharField(max_length=64, unique=True, help_text="Of its manifest, which has those of all files.")
    packed = models.BinaryField(help_text="The files of the release in one ZIP file.")
    report = models.JSONField(default=dict, help_text="What it changes, compared with the one in use when it came.")
    added_at = models.DateTimeField(default=clock.now)
    added_by = models.ForeignKey(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="+", help_text="None: came with the image."
    )
    applied_at = models.DateTimeField(null=True, blank=True)
    applied_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    in_use = models.BooleanField(default=False)

    class Meta:
        ordering = ["-added_at"]
        constraints = [
            models.UniqueConstraint(fields=["in_use"], condition=Q(in_use=True), name="one_drug_table_in_use"),
            models.CheckConstraint(condition=Q(in_use=False) | Q(applied_at__isnull=False), name="drug_table_applied"),
        ]

    def __str__(self) -> str:
        return self.version

    def get_absolute_url(self) -> str:
        return reverse("interaction-release", args=[self.pk])


class LocalInteractionQuerySet(models.QuerySet["LocalInteraction"]):
    def open(self) -> Self:
        return self.filter(status=LocalInteraction.Status.PROPOSED)

    def in_force(self, day: date) -> Self:
        """Approved, and not expired on that day."""
        return self.filter(status=LocalInteraction.Status.APPROVED, expires_on__gte=day)


class LocalInteraction(models.Model):
    """What a hospital says of a pair: one that the table lacks, or another severity. A second person approves it.

    `a` and `b` are ids of ingredients, a before b. The texts of a pair that is in the table stay the table's own.
    """

    class Status(models.TextChoices):
        PROPOSED = "proposed", "Waits for a second person"
        APPROVED = "approved", "In force"
        REFUSED = "refused", "Refused"
        WITHDRAWN = "withdrawn", "Withdrawn"
        ENDED = "ended", "Ended"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    a = models.CharField(max_length=80)
    b = models.CharField(max_length=80)
    severity = models.CharField(max_length=15, choices=SEVERITIES)
    shipped = models.CharField(
        max_length=15, choices=SEVERITIES, blank=True, help_text="In the table when proposed; empty: not there."
    )
    mechanism = models.CharField(max_length=LONGEST_WORDS, blank=True)
    effect = models.CharField(max_length=LONGEST_WORDS, blank=True)
    management = models.CharField(max_length=LONGEST_WORDS, blank=True)
    source_name = models.CharField(max_length=200)
    source_ref = models.CharField(max_length=300)
    reason = models.CharField(max_length=LONGEST_NOTE)
    expires_on = models.DateField(help_text="The last day it is in force.")
    status = models.CharField(max_length=10, choices=Status, default=Status.PROPOSED)
    proposed_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField(default=clock.now)
    decided_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = LocalInteractionQuerySet.as_manager()

    class Meta:
        ordering = ["-proposed_at"]
        constraints = [
            models.CheckConstraint(condition=Q(a__lt=F("b")), name="local_interaction_order"),
            models.UniqueConstraint(
                fields=["a", "b"], condition=Q(status="proposed"), name="one_proposed_local_interaction"
            ),
            models.UniqueConstraint(
                fields=["a", "b"], condition=Q(status="approved"), name="one_approved_local_interaction"
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["approved", "ended"])
                | (Q(decided_by__isnull=False) & ~Q(decided_by=F("proposed_by"))),
                name="local_interaction_second_person",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.a} with {self.b}"

    def get_absolute_url(self) -> str:
        return reverse("interaction-change", args=[self.pk])


class InteractionCheck(models.Model):
    """One check of medicines: of a question, or from the page, the API or a command. What it found stays as it was.

    `medicines` are names as the table writes them; `result` is what was shown, in words of the table alone. The
    numbers count the interactions found, by severity.
    """

    class Where(models.TextChoices):
        QUESTION = "question", "Beside an answer"
        PAGE = "page", "Interactions page"
        API = "api", "API"
        COMMAND = "command", "Command"

    COUNTS = tuple(severity.value for severity in Severity)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    turn = models.OneToOneField(Turn, null=True, blank=True, on_delete=models.PROTECT, related_name="interaction_check")
    at = models.DateTimeField(default=clock.now)
    where = models.CharField(max_length=8, choices=Where)
    table = models.CharField(max_length=40, help_text="Version of the table; empty: the check was not available.")
    from_backup = models.BooleanField(default=False)
    result = models.JSONField(default=dict)
    contraindicated = models.PositiveIntegerField(default=0)
    major = models.PositiveIntegerField(default=0)
    moderate = models.PositiveIntegerField(default=0)
    minor = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-at"]
        indexes = [models.Index(fields=["at"], name="interaction_check_at")]

    def __str__(self) -> str:
        return str(self.pk)

    def get_absolute_url(self) -> str:
        return reverse("interaction-result", args=[self.pk])


class InteractionAlert(models.Model):
    """An alert that interrupts, and what its reader did with it."""

    class Response(models.TextChoices):
        NONE = "", "No response"
        ACKNOWLEDGED = "acknowledged", "Read"
        OVERRIDDEN = "overridden", "Overridden"

    class Reason(models.TextChoices):
        MONITORED = "monitored", "The patient is monitored for it"
        TOLERATED = "tolerated", "The patient has tolerated the combination"
        BENEFIT = "benefit", "The benefit outweighs the risk"
        ADJUSTED = "adjusted", "Dose or timing is adjusted"
        NOT_TOGETHER = "not_together", "They are not given together"
        WRONG = "wrong", "The alert is wrong or does not apply"
        OTHER = "other", "Another reason"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    check_made = models.ForeignKey(InteractionCheck, on_delete=models.PROTECT, related_name="alerts")
    a = models.CharField(max_length=80)
    b = models.CharField(max_length=80)
    severity = models.CharField(max_length=15, choices=SEVERITIES)
    response = models.CharField(max_length=12, choices=Response, blank=True)
    reason = models.CharField(max_length=12, choices=Reason, blank=True)
    note = models.CharField(max_length=LONGEST_NOTE, blank=True, help_text="Masked.")
    responded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["check_made", "a", "b"], name="one_alert_of_a_pair"),
            models.CheckConstraint(
                condition=Q(response="", responded_at=None)
                | Q(response="acknowledged", responded_at__isnull=False)
                | (Q(response="overridden", responded_at__isnull=False) & ~Q(reason="")),
                name="interaction_alert_response",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.a} with {self.b}"
