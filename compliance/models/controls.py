"""What the checks of the control catalogue found, and what people answer for beside them."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.db.models import F, Q

from clinchat.lib import clock
from clinchat.lib.sealed_field import SealedField
from compliance.models.people import User

LONGEST_EXCEPTION = timedelta(days=90)


class CatalogueVersion(models.Model):
    """A catalogue that results were found under: a past score is worked out with the one of its time."""

    sha256 = models.CharField(primary_key=True, max_length=64, help_text="Of the file.")
    text = models.TextField(help_text="The file.")
    first_used_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["-first_used_at"]

    def __str__(self) -> str:
        return self.sha256[:12]


class ControlResult(models.Model):
    """What one check saw at one moment. Append-only; its digest covers every column but the id."""

    class State(models.TextChoices):
        PASS = "pass", "Passes"  # of a check
        FAIL = "fail", "Fails"
        ERROR = "error", "Could not run"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    check_key = models.CharField(max_length=60)
    state = models.CharField(max_length=5, choices=State)
    observed = models.CharField(max_length=300)
    expected = models.CharField(max_length=500)
    subjects = models.PositiveIntegerField(help_text="How many things were looked at.")
    failing = models.JSONField(default=list, help_text="Names or ids of those that are not as they should be.")
    failing_count = models.PositiveIntegerField(default=0)
    evidence = models.JSONField(default=dict)
    digest = models.CharField(max_length=64, help_text="SHA-256 over the result as compliance.controls.results says.")
    catalogue = models.CharField(max_length=64, help_text="SHA-256 of the catalogue it was asked for by.")
    code_version = models.CharField(max_length=20)
    started_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=["pass", "fail", "error"]), name="control_result_state"),
            models.CheckConstraint(
                condition=~Q(state="pass") | Q(failing_count=0), name="control_result_pass_has_no_failing"
            ),
        ]
        indexes = [
            models.Index(fields=["check_key", "-started_at"], name="control_result_newest"),
            models.Index(fields=["-started_at"], name="control_result_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.check_key}: {self.state}"

    @property
    def failing_unnamed(self) -> int:
        """How many more are not as they should be than the names that were kept."""
        return self.failing_count - len(self.failing)


class ControlStatus(models.Model):
    """Where a control stands, and since when: what the dashboard lists, and what is told when it changes."""

    control = models.CharField(primary_key=True, max_length=10)
    state = models.CharField(max_length=20)
    since = models.DateTimeField()
    looked_at = models.DateTimeField()

    class Meta:
        ordering = ["control"]
        verbose_name_plural = "control statuses"

    def __str__(self) -> str:
        return f"{self.control}: {self.state}"


class ControlOwner(models.Model):
    """Who answers for a control in this hospital. Without a row it is whoever holds the office the catalogue names."""

    control = models.CharField(primary_key=True, max_length=10)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    changed_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["control"]

    def __str__(self) -> str:
        return f"{self.control}: {self.owner}"


class CheckSchedule(models.Model):
    """A check that this hospital makes more often than the catalogue asks."""

    check_key = models.CharField(primary_key=True, max_length=60)
    minutes = models.PositiveIntegerField(help_text="Between two runs: from 5 to what the catalogue says.")
    changed_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["check_key"]

    def __str__(self) -> str:
        return f"{self.check_key}: every {self.minutes} min"


class Official(models.Model):
    """Somebody named to an office, 45 CFR 164.308(a)(2) and 164.530(a)(1)."""

    class Office(models.TextChoices):
        SECURITY = "security_official", "Security official"
        PRIVACY = "privacy_official", "Privacy official"
        COMPLIANCE = "compliance_manager", "Compliance manager"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    office = models.CharField(max_length=20, choices=Office)
    deputy = models.BooleanField(default=False)
    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="offices")
    since = models.DateTimeField(default=clock.now)
    until = models.DateTimeField(null=True, blank=True)
    named_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["office", "deputy", "-since"]
        constraints = [
            models.UniqueConstraint(
                fields=["office", "deputy"], condition=Q(until=None), name="one_official_for_each_office"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_office_display()}: {self.person}"


class AttestationQuerySet(models.QuerySet["Attestation"]):
    def live(self, when: datetime) -> Self:
        return self.filter(attested_at__lte=when, review_by__gt=when).filter(Q(ended_at=None) | Q(ended_at__gt=when))


class Attestation(models.Model):
    """A named owner says with a document that a control is kept; it lapses by itself on its review date."""

    class Ended(models.TextChoices):
        REPLACED = "replaced", "A newer one took its place"
        WITHDRAWN = "withdrawn", "Withdrawn"
        OWNER = "owner", "Its owner's account is closed or no longer answers for it"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    control = models.CharField(max_length=10)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="attestations")
    statement = models.CharField(max_length=1000)
    artifact_name = models.CharField(max_length=150)
    artifact_sha256 = models.CharField(max_length=64)
    artifact = SealedField(help_text="The document itself, in base64.")
    attested_at = models.DateTimeField(default=clock.now)
    review_by = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_because = models.CharField(max_length=10, choices=Ended, blank=True)

    objects = AttestationQuerySet.as_manager()

    class Meta:
        ordering = ["-attested_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["control"], condition=Q(ended_at=None), name="one_open_attestation_for_each_control"
            ),
            models.CheckConstraint(condition=Q(review_by__gt=F("attested_at")), name="attestation_reviewed_later"),
        ]

    def __str__(self) -> str:
        return f"{self.control} by {self.owner}"


class ControlExceptionQuerySet(models.QuerySet["ControlException"]):
    def live(self, when: datetime) -> Self:
        return self.filter(status__in=["approved", "ended"], approved_at__lte=when, expires_at__gt=when).filter(
            Q(ended_at=None) | Q(ended_at__gt=when)
        )


class ControlException(models.Model):
    """A gap that was accepted for a while, or a control that was found not to apply; never by one person alone."""

    class Kind(models.TextChoices):
        EXCEPTION = "exception", "Accepted for a while"
        NOT_APPLICABLE = "not_applicable", "Does not apply"

    class Status(models.TextChoices):
        REQUESTED = "requested", "Waits for a second person"
        APPROVED = "approved", "In force"
        REFUSED = "refused", "Refused"
        ENDED = "ended", "Ended early"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    control = models.CharField(max_length=10)
    kind = models.CharField(max_length=15, choices=Kind, default=Kind.EXCEPTION)
    reason = models.CharField(max_length=1000)
    compensating = models.CharField(max_length=1000, blank=True, help_text="What protects meanwhile.")
    requested_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField()
    status = models.CharField(max_length=10, choices=Status, default=Status.REQUESTED)
    decided_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    approved_at = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = ControlExceptionQuerySet.as_manager()

    class Meta:
        ordering = ["-requested_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(approved_at=None)
                | (Q(decided_by__isnull=False) & ~Q(decided_by=F("requested_by")) & Q(decided_at__isnull=False)),
                name="exception_two_people",
            ),
            models.CheckConstraint(
                condition=Q(kind="not_applicable") | Q(expires_at__lte=F("requested_at") + LONGEST_EXCEPTION),
                name="exception_ninety_days",
            ),
            models.UniqueConstraint(
                fields=["control"],
                condition=Q(status__in=["requested", "approved"]),
                name="one_open_exception_for_each_control",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.control}: {self.get_kind_display()}"
