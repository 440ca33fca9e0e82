"""Who asked for access, how far they are, and every decision about it. The rules are training.approvals.transitions;
triggers of migration 0002 hold the database to the ones nothing may break."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Self

from django.db import models
from django.db.models import F, Q
from django.urls import reverse

from clinchat.lib import clock
from compliance.models import User

LONGEST_DELEGATION = timedelta(days=14)
LONGEST_REASON = 500


class Stage(models.TextChoices):
    """What has been done. The next one is whose turn it is."""

    DRAFT = "draft", "Training under way"
    TRAINED = "trained", "Training complete"
    IDENTIFIED = "identified", "Identity and license checked"
    HEAD = "head", "Approved by the department head"
    PRIVACY = "privacy", "Approved by the privacy officer"
    CLEARED = "cleared", "Cleared"
    RETURNED = "returned", "Returned"
    SUSPENDED = "suspended", "Suspended"
    REVOKED = "revoked", "Revoked"


WAITING = (Stage.TRAINED, Stage.IDENTIFIED, Stage.HEAD, Stage.PRIVACY)
"""Stages in which somebody has to decide."""


class Step(models.TextChoices):
    """What can be done with a request."""

    SUBMIT = "submit", "Sent in"
    IDENTITY = "identity", "Identity and license checked"
    HEAD = "approve_head", "Approved by the department head"
    PRIVACY = "approve_privacy", "Approved by the privacy officer"
    SECURITY = "approve_security", "Approved by the security officer"
    RETURN = "return", "Returned"
    WITHDRAW = "withdraw", "Withdrawn"
    RECERTIFY = "recertify", "Recertified"
    SUSPEND = "suspend", "Suspended"
    REINSTATE = "reinstate", "Reinstated"
    REVOKE = "revoke", "Revoked"
    REAPPLY = "reapply", "Begun anew"


NAMES = {
    Step.IDENTITY: "identity and license check",
    Step.HEAD: "approval by the department head",
    Step.PRIVACY: "approval by the privacy officer",
    Step.SECURITY: "approval by the security officer",
}
"""What a request waits for, and what somebody can do for somebody else."""
APPROVALS = (Step.IDENTITY, Step.HEAD, Step.PRIVACY, Step.SECURITY)
"""The four without which nobody is cleared, in their order, each by somebody else."""
OWN = (Step.SUBMIT, Step.WITHDRAW, Step.REAPPLY)
"""What the applicant does."""
WITH_REASON = (Step.RETURN, Step.SUSPEND, Step.REINSTATE, Step.REVOKE)


class AccessRequestQuerySet(models.QuerySet["AccessRequest"]):
    def waiting(self) -> Self:
        return self.filter(stage__in=WAITING)


class AccessRequest(models.Model):
    """A person's way to asking questions. One for each person; whoever begins again is in the next round."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.OneToOneField(User, on_delete=models.PROTECT, related_name="access_request")
    stage = models.CharField(max_length=10, choices=Stage, default=Stage.DRAFT)
    round = models.PositiveSmallIntegerField(default=1)
    revision = models.PositiveIntegerField(default=0, help_text="Counts the decisions; an old form has an old one.")
    opened_at = models.DateTimeField(default=clock.now)
    entered_at = models.DateTimeField(default=clock.now, help_text="When it came to this stage.")
    license_kind = models.CharField(max_length=60, blank=True, help_text="For example RN, MD, PharmD.")
    license_state = models.CharField(max_length=60, blank=True, help_text="Who issued it.")
    license_until = models.DateField(null=True, blank=True, help_text="The last day it is valid.")
    recertify_by = models.DateTimeField(null=True, blank=True, help_text="When access ends if nobody confirms it.")

    objects = AccessRequestQuerySet.as_manager()

    class Meta:
        ordering = ["entered_at"]
        constraints = [
            models.CheckConstraint(condition=Q(stage__in=Stage.values), name="access_request_stage"),
            models.CheckConstraint(
                condition=~Q(stage="cleared") | Q(recertify_by__isnull=False), name="cleared_is_recertified"
            ),
        ]
        indexes = [models.Index(fields=["stage", "entered_at"], name="access_request_stage")]

    def __str__(self) -> str:
        return f"{self.person}: {self.get_stage_display()}"

    def get_absolute_url(self) -> str:
        return reverse("approval", args=[self.pk])


class Delegation(models.Model):
    """Somebody decides for somebody else for at most fourteen days, in one stage."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="delegations_given")
    delegate = models.ForeignKey(User, on_delete=models.PROTECT, related_name="delegations_held")
    step = models.CharField(max_length=20, choices=[(step.value, step.label) for step in APPROVALS])
    starts_at = models.DateTimeField(default=clock.now)
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=LONGEST_REASON)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-starts_at"]
        constraints = [
            models.CheckConstraint(condition=~Q(owner=F("delegate")), name="delegation_to_somebody_else"),
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")) & Q(ends_at__lte=F("starts_at") + LONGEST_DELEGATION),
                name="delegation_of_fourteen_days",
            ),
            models.CheckConstraint(condition=Q(step__in=[step.value for step in APPROVALS]), name="delegation_step"),
        ]

    def __str__(self) -> str:
        return f"{self.owner} to {self.delegate}"

    @property
    def what(self) -> str:
        """In which stage: approval by the privacy officer."""
        return NAMES[Step(self.step)]


class StageDecision(models.Model):
    """One step of one request: who did it, what for, and exactly what was granted. Never changed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    request = models.ForeignKey(AccessRequest, on_delete=models.PROTECT, related_name="decisions")
    applicant = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    round = models.PositiveSmallIntegerField()
    step = models.CharField(max_length=20, choices=Step)
    before = models.CharField(max_length=10, choices=Stage)
    after = models.CharField(max_length=10, choices=Stage)
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="stage_decisions")
    delegation = models.ForeignKey(Delegation, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=clock.now)
    proved_at = models.DateTimeField(null=True, blank=True, help_text="When the second factor was shown.")
    looked_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="From opening the request to deciding."
    )
    granted = models.TextField(blank=True, help_text="What the decision opens, in words.")
    reason = models.CharField(max_length=LONGEST_REASON, blank=True)

    class Meta:
        ordering = ["at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(step__in=[step.value for step in OWN], by=F("applicant"))
                | (~Q(step__in=[step.value for step in OWN]) & ~Q(by=F("applicant"))),
                name="approver_is_not_the_applicant",
            ),
            models.UniqueConstraint(
                fields=["request", "round", "by"],
                condition=Q(step__in=[step.value for step in APPROVALS]),
                name="each_stage_by_somebody_else",
            ),
            models.UniqueConstraint(
                fields=["request", "round", "step"],
                condition=Q(step__in=[step.value for step in APPROVALS]),
                name="each_stage_once_a_round",
            ),
            models.CheckConstraint(
                condition=~Q(step__in=[step.value for step in WITH_REASON]) | ~Q(reason=""),
                name="decision_has_its_reason",
            ),
            models.CheckConstraint(
                condition=Q(step__in=[step.value for step in OWN]) | Q(proved_at__isnull=False),
                name="decision_with_a_second_factor",
            ),
        ]
        indexes = [models.Index(fields=["by", "at"], name="stage_decision_by")]

    def __str__(self) -> str:
        return self.get_step_display()

    @property
    def by_whom(self) -> str:
        """Who did it, and for whom: Alice Adeyemi for Dora Diaz."""
        return f"{self.by.name} for {self.delegation.owner.name}" if self.delegation else self.by.name


class ApprovalReminder(models.Model):
    """That somebody was told so many hours after a request came to a stage, or that it was escalated."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    request = models.ForeignKey(AccessRequest, on_delete=models.PROTECT, related_name="reminders")
    revision = models.PositiveIntegerField(help_text="Of the request, which stands for its stage.")
    hours = models.PositiveSmallIntegerField()
    escalated = models.BooleanField(default=False)
    at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["at"]
        constraints = [models.UniqueConstraint(fields=["request", "revision", "hours"], name="approval_reminder_once")]

    def __str__(self) -> str:
        return f"after {self.hours} hours"
