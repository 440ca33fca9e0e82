"""What was put together for others to read: monthly reports, and what scanners found in the code."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from clinchat.lib import clock
from compliance.models.people import User


class MonthlyReport(models.Model):
    """The figures of one month as they were worked out. Append-only: one made anew gets the next number."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    month = models.DateField(help_text="Its first day.")
    number = models.PositiveSmallIntegerField(default=1)
    data = models.JSONField(help_text="Everything the pages and the PDF show.")
    sha256 = models.CharField(max_length=64, help_text="Of the data in canonical form; the audit trail seals it.")
    made_at = models.DateTimeField(default=clock.now)
    made_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-month", "-number"]
        constraints = [models.UniqueConstraint(fields=["month", "number"], name="monthly_report_once")]

    def __str__(self) -> str:
        return f"{self.month:%B %Y}"


class ScanRun(models.Model):
    """One run of one scanner over the code that is running. A run that could not be made is never clean."""

    class State(models.TextChoices):
        CLEAN = "clean", "Nothing found"
        FINDINGS = "findings", "Something found"
        ERROR = "error", "Could not run"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    scanner = models.CharField(max_length=30)
    state = models.CharField(max_length=10, choices=State)
    version = models.CharField(max_length=30, blank=True)
    source = models.CharField(max_length=200, help_text="Which rules or advisories it went by.")
    source_date = models.DateField(null=True, blank=True)
    proved = models.BooleanField(help_text="It found the fault that was put before it in the same run.")
    found = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=200, blank=True)
    build = models.CharField(max_length=64, help_text="SHA-256 over the files that were scanned.")
    started_at = models.DateTimeField(default=clock.now)
    seconds = models.FloatField(default=0)

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.CheckConstraint(condition=~Q(state="clean") | Q(proved=True, found=0), name="clean_scan_is_proved"),
        ]
        indexes = [models.Index(fields=["scanner", "-started_at"], name="scan_newest")]

    def __str__(self) -> str:
        return f"{self.scanner}: {self.state}"


class Finding(models.Model):
    """Something a scanner found, until it finds it no longer."""

    class Severity(models.TextChoices):
        CRITICAL = "critical", "Critical"
        HIGH = "high", "High"
        MEDIUM = "medium", "Medium"
        LOW = "low", "Low"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 over scanner, rule and place.")
    scanner = models.CharField(max_length=30)
    rule = models.CharField(max_length=120)
    severity = models.CharField(max_length=10, choices=Severity)
    place = models.CharField(max_length=300)
    title = models.CharField(max_length=200)
    found_at = models.DateTimeField(default=clock.now)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["severity", "found_at"]
        constraints = [
            models.UniqueConstraint(fields=["fingerprint"], condition=Q(closed_at=None), name="finding_open_once"),
        ]

    def __str__(self) -> str:
        return f"{self.rule} in {self.place}"
