"""How the audit trail is made verifiable: sealed batches, and what was found when they were read again."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q

from clinchat.lib import clock
from compliance.models.people import User


class Seal(models.Model):
    """A signed batch of events: the root of a Merkle tree over their digests, linked to the seal before it.

    `statement` holds the exact bytes that are signed; the columns repeat them for queries. Append-only.
    """

    number = models.BigIntegerField(primary_key=True, help_text="1, 2, 3 … without gaps.")
    first = models.BigIntegerField(help_text="Position of its first event in the whole trail, from 1.")
    size = models.PositiveIntegerField()
    root = models.BinaryField(max_length=32)
    previous = models.BinaryField(max_length=32, help_text="SHA-256 of the previous statement.")
    month = models.DateField(help_text="First day of the month its events were recorded in.")
    sealed_at = models.DateTimeField()
    statement = models.BinaryField()
    signature = models.BinaryField(max_length=64)
    key_id = models.CharField(max_length=16)
    horizon = models.CharField(max_length=20, help_text="Every transaction below this id is sealed.")
    system = models.CharField(max_length=20, help_text="The database cluster that counted the horizon.")

    class Meta:
        ordering = ["number"]
        constraints = [models.CheckConstraint(condition=Q(size__gt=0), name="seal_not_empty")]

    def __str__(self) -> str:
        return f"Seal {self.number}"


class SealedEvent(models.Model):
    """The place of one event in the trail. It stays when the event itself is purged after its time."""

    position = models.BigIntegerField(primary_key=True)
    seal = models.ForeignKey(Seal, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    event = models.UUIDField()
    timestamp = models.DateTimeField()
    digest = models.BinaryField(max_length=32)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["event", "timestamp"], name="sealed_event_once")]

    def __str__(self) -> str:
        return str(self.position)


class AuditVerification(models.Model):
    """One reading of the trail by `audit_verify`, the schedule or the page."""

    class Scope(models.TextChoices):
        FULL = "full", "Every event"
        SINCE = "since", "Events since a day"
        INCREMENTAL = "incremental", "Events since the last verification"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    ran_at = models.DateTimeField(default=clock.now)
    scope = models.CharField(max_length=20, choices=Scope)
    ok = models.BooleanField()
    events = models.BigIntegerField(help_text="Events read.")
    to_seal = models.BigIntegerField(help_text="Number of the last seal that was read; 0 for none.")
    problems = models.JSONField(default=list)
    seconds = models.FloatField()

    class Meta:
        ordering = ["-ran_at"]

    def __str__(self) -> str:
        return f"{self.scope} {self.ran_at:%Y-%m-%d %H:%M}"


class AuditPurge(models.Model):
    """The wish to remove the events before a day, ten years old or older, and the second person's word on it."""

    class Status(models.TextChoices):
        REQUESTED = "requested", "Waits for a second person"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Canceled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    before = models.DateField(help_text="First day of the first month that is kept.")
    reason = models.CharField(max_length=500)
    status = models.CharField(max_length=10, choices=Status, default=Status.REQUESTED)
    requested_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(default=clock.now)
    decided_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-requested_at"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(status="done") | (Q(decided_by__isnull=False) & ~Q(decided_by=F("requested_by"))),
                name="audit_purge_two_people",
            ),
            models.UniqueConstraint(fields=["status"], condition=Q(status="requested"), name="audit_purge_one_open"),
        ]

    def __str__(self) -> str:
        return f"Events before {self.before:%Y-%m-%d}"
