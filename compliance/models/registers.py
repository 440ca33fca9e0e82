"""The registers compliance keeps beside what ClinChat can look up by itself: risks, assets, vendors and the like."""

from __future__ import annotations

import uuid
from typing import Self

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from clinchat.lib import clock
from compliance.models.people import User


class AssetQuerySet(models.QuerySet["Asset"]):
    def in_use(self) -> Self:
        return self.filter(retired_at=None)


class Asset(models.Model):
    """Something that stores, carries or could reach ePHI. Declared by people; compared with what is found running."""

    class Kind(models.TextChoices):
        DATABASE = "database", "Database"
        QUEUE = "queue", "Queue or cache"
        FILES = "files", "File store"
        MODEL = "model", "Model endpoint"
        HOST = "host", "Host that ClinChat speaks to"
        LISTENER = "listener", "Port that is listened on"
        OTHER = "other", "Other"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=10, choices=Kind)
    address = models.CharField(max_length=200, help_text="As it is discovered: host:port, a socket, a folder.")
    ephi = models.BooleanField("ePHI", default=True, help_text="Stores or transmits electronic PHI.")
    purpose = models.CharField(max_length=300)
    declared_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    declared_at = models.DateTimeField(default=clock.now)
    changed_at = models.DateTimeField(default=clock.now, help_text="Its address, its kind, or whether it holds ePHI.")
    retired_at = models.DateTimeField(null=True, blank=True)

    objects = AssetQuerySet.as_manager()

    class Meta:
        ordering = ["kind", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "address"], condition=Q(retired_at=None), name="asset_declared_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class RiskQuerySet(models.QuerySet["Risk"]):
    def open(self) -> Self:
        return self.filter(status="open")


class Risk(models.Model):
    """Something that could go wrong with an asset, and what is done about it; 45 CFR 164.308(a)(1)(ii)."""

    class Status(models.TextChoices):
        OPEN = "open", "Being treated"
        ACCEPTED = "accepted", "Accepted"
        TREATED = "treated", "Treated"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    number = models.PositiveIntegerField(unique=True)
    title = models.CharField(max_length=150)
    threat = models.CharField(max_length=500, help_text="What could happen, and through which weakness.")
    likelihood = models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(5)])
    impact = models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(5)])
    treatment = models.CharField(max_length=500)
    status = models.CharField(max_length=10, choices=Status, default=Status.OPEN)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="risks")
    due = models.DateField(null=True, blank=True, help_text="By when it is treated.")
    deferrals = models.PositiveSmallIntegerField(default=0, help_text="How often its date was put off.")
    assets = models.ManyToManyField(Asset, related_name="risks", blank=True)
    added_at = models.DateTimeField(default=clock.now)
    changed_at = models.DateTimeField(default=clock.now)

    objects = RiskQuerySet.as_manager()

    class Meta:
        ordering = ["number"]
        constraints = [
            models.CheckConstraint(
                condition=Q(likelihood__range=(1, 5), impact__range=(1, 5)), name="risk_one_to_five"
            ),
            models.CheckConstraint(condition=~Q(status="open") | Q(due__isnull=False), name="open_risk_has_date"),
        ]

    def __str__(self) -> str:
        return f"R-{self.number} {self.title}"

    @property
    def rating(self) -> str:
        """Likelihood times impact: critical from 20, high from 12, medium from 6."""
        product = self.likelihood * self.impact
        return "critical" if product >= 20 else "high" if product >= 12 else "medium" if product >= 6 else "low"


class RiskApproval(models.Model):
    """The register as a whole was approved as it stood: one version of the risk analysis."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    number = models.PositiveIntegerField(unique=True)
    approved_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    approved_at = models.DateTimeField(default=clock.now)
    register = models.JSONField(help_text="Every risk and asset as they were.")
    sha256 = models.CharField(max_length=64)

    class Meta:
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"Version {self.number}"


class Vendor(models.Model):
    """A business associate, or another company whose service ClinChat uses."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=120, unique=True)
    service = models.CharField(max_length=200)
    hosts = models.JSONField(default=list, help_text="Names of hosts that belong to it.")
    receives_phi = models.BooleanField("receives PHI", default=True)
    added_at = models.DateTimeField(default=clock.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Agreement(models.Model):
    """A signed business associate agreement, 45 CFR 164.504(e), with its dates. Never changed; a new one is added."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    vendor = models.ForeignKey(Vendor, on_delete=models.PROTECT, related_name="agreements")
    signed_on = models.DateField()
    expires_on = models.DateField()
    verified_on = models.DateField(
        null=True, blank=True, help_text="When the vendor's safeguards were last confirmed in writing."
    )
    artifact_name = models.CharField(max_length=150)
    artifact_sha256 = models.CharField(max_length=64)
    added_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    added_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["-expires_on"]
        constraints = [
            models.CheckConstraint(condition=Q(expires_on__gt=F("signed_on")), name="agreement_ends_after_signing"),
        ]

    def __str__(self) -> str:
        return f"{self.vendor}: until {self.expires_on}"


class Exercise(models.Model):
    """A plan was tried: around a table, on the running system, or as a whole game day."""

    class Kind(models.TextChoices):
        TABLETOP = "tabletop", "Tabletop"
        LIVE = "live", "Live drill"
        GAME_DAY = "game_day", "Game day"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=10, choices=Kind)
    held_on = models.DateField()
    scenario = models.CharField(max_length=300)
    losses = models.JSONField(default=list, help_text="What was lost in it: database, broker, storage, key.")
    lessons = models.CharField(max_length=1000, blank=True)
    open_actions = models.PositiveSmallIntegerField(default=0)
    recorded_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    recorded_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["-held_on"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.held_on}"


class AuditReview(models.Model):
    """Somebody looked at a week of the audit trail and signed that they did; 45 CFR 164.308(a)(1)(ii)(D)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    week = models.DateField(help_text="Its Monday.")
    signed_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    signed_at = models.DateTimeField(default=clock.now)
    conclusion = models.CharField(max_length=1000)
    figures = models.JSONField(default=dict, help_text="What was shown when it was signed.")

    class Meta:
        ordering = ["-week", "-signed_at"]
        constraints = [models.UniqueConstraint(fields=["week", "signed_by"], name="audit_review_once")]

    def __str__(self) -> str:
        return f"Week of {self.week}"


class Disclosure(models.Model):
    """PHI given to somebody outside treatment, payment and operations: accounted for under 45 CFR 164.528."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    patient = models.CharField(max_length=64, help_text="Pseudonym, as in the audit trail.")
    disclosed_on = models.DateField()
    recipient = models.CharField(max_length=200)
    what = models.CharField(max_length=300)
    why = models.CharField(max_length=300)
    recorded_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    recorded_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["-disclosed_on"]
        indexes = [models.Index(fields=["patient"], name="disclosure_patient")]

    def __str__(self) -> str:
        return f"Disclosure {self.id}"


class Amendment(models.Model):
    """A patient asked to have something amended, 45 CFR 164.526; answered within 60 days."""

    class Decision(models.TextChoices):
        ACCEPTED = "accepted", "Accepted"
        DENIED = "denied", "Denied"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    patient = models.CharField(max_length=64, help_text="Pseudonym, as in the audit trail.")
    record = models.CharField(max_length=100, help_text="Which record it is about: its kind and id.")
    asked_on = models.DateField()
    answered_on = models.DateField(null=True, blank=True)
    decision = models.CharField(max_length=10, choices=Decision, blank=True)
    statement = models.CharField(max_length=1000, blank=True, help_text="The patient's, where it was denied.")
    recorded_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    recorded_at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["-asked_on"]
        constraints = [
            models.CheckConstraint(
                condition=Q(answered_on=None, decision="") | (Q(answered_on__isnull=False) & ~Q(decision="")),
                name="amendment_answer_is_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"Amendment {self.id}"
