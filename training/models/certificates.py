"""Certificates: signed when they are issued, never changed after but to revoke them."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import F, Q
from django.urls import reverse

from clinchat.lib import clock
from compliance.models import User
from training.models.learning import Enrolment

OVERALL = ""
"""The slug of the certificate that all modules are passed."""


class CertificateQuerySet(models.QuerySet["Certificate"]):
    def live(self, now: datetime) -> Self:
        return self.filter(expires_at__gt=now, revoked_at=None)

    def of_modules(self) -> Self:
        return self.exclude(slug=OVERALL)


class Certificate(models.Model):
    """That somebody passed a module, or all of them, and until when that counts. `token` is what was signed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="certificates")
    slug = models.CharField(max_length=40, blank=True)
    title = models.CharField(max_length=60)
    version = models.CharField(max_length=40, help_text="Of the module; of the certificate of all, the date.")
    enrolment = models.OneToOneField(
        Enrolment, null=True, blank=True, on_delete=models.PROTECT, related_name="certificate"
    )
    percent = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Of the points, rounded down.")
    issued_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField()
    token = models.TextField(help_text="What was signed, with the signature.")
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    revoke_reason = models.CharField(max_length=500, blank=True)

    objects = CertificateQuerySet.as_manager()

    class Meta:
        ordering = ["-issued_at"]
        constraints = [
            models.CheckConstraint(condition=Q(expires_at__gt=F("issued_at")), name="certificate_ends_after_start"),
            models.CheckConstraint(
                condition=Q(revoked_at=None, revoked_by=None, revoke_reason="")
                | (Q(revoked_at__isnull=False, revoked_by__isnull=False) & ~Q(revoke_reason="")),
                name="certificate_revoked_whole",
            ),
            models.CheckConstraint(
                condition=Q(slug="", enrolment=None) | (~Q(slug="") & Q(enrolment__isnull=False)),
                name="certificate_rests_on_an_enrolment",
            ),
        ]
        indexes = [
            models.Index(fields=["person", "slug", "expires_at"], name="certificate_person_slug"),
            models.Index(fields=["expires_at"], condition=Q(revoked_at=None), name="certificate_expiry"),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("certificate", args=[self.pk])


class CertificateReminder(models.Model):
    """That the person, and who heads their department, were told so many days before a certificate ends."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    certificate = models.ForeignKey(Certificate, on_delete=models.PROTECT, related_name="reminders")
    days = models.PositiveSmallIntegerField()
    told = models.PositiveSmallIntegerField(help_text="How many people.")
    at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["at"]
        constraints = [models.UniqueConstraint(fields=["certificate", "days"], name="certificate_reminder_once")]

    def __str__(self) -> str:
        return f"{self.days} days before"
