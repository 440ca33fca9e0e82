"""Backups, restores, drills, read-only mode, and what was removed for good."""

from __future__ import annotations

import uuid
from typing import Self

from django.db import models
from django.db.models import F, Q

from clinchat.lib import clock
from clinchat.lib.sealed_field import SealedField
from compliance.models.people import User


class BackupQuerySet(models.QuerySet["Backup"]):
    """The newest first: by the moment they hold."""

    def complete(self, kind: str) -> Self:
        return self.filter(kind=kind, state="complete", as_of__isnull=False).order_by("-as_of")

    def good(self, kind: str) -> Self:
        """Complete, and not found damaged when they were read back."""
        return self.complete(kind).exclude(verified_ok=False)

    def verified(self, kind: str) -> Self:
        """Complete, and found whole when they were read back."""
        return self.complete(kind).filter(verified_ok=True)


class Backup(models.Model):
    """One backup, or snapshot, as this installation made it. The signed manifest in the store is what counts."""

    class Kind(models.TextChoices):
        FULL = "full", "Database, files and configuration"
        BASE = "base", "Copy for going back to a moment"

    class Type(models.TextChoices):
        SCHEDULED = "scheduled", "Scheduled"
        MANUAL = "manual", "Made by hand"
        PRE_DEPLOYMENT = "pre_deployment", "Before a deployment"
        PRE_RESTORE = "pre_restore", "Before a restore"
        FORENSIC = "forensic", "For an investigation"

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Being made"
        COMPLETE = "complete", "Complete"
        FAILED = "failed", "Failed"
        PRUNED = "pruned", "Removed after its time"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    key = models.CharField(max_length=40, blank=True, help_text="Its folder in the store: time and id.")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.FULL)
    type = models.CharField(max_length=20, choices=Type, default=Type.SCHEDULED)
    name = models.CharField(max_length=80)
    reason = models.CharField(max_length=300, blank=True)
    environment = models.CharField(max_length=40)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    made_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(default=clock.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    as_of = models.DateTimeField(null=True, blank=True, help_text="The moment of the database that it holds.")
    keep_until = models.DateTimeField(null=True, blank=True)
    size = models.BigIntegerField(default=0, help_text="Bytes in the store, encrypted.")
    manifest_sha256 = models.CharField(max_length=64, blank=True)
    stores = models.JSONField(default=list, help_text="Names of the stores that hold it whole.")
    progress = models.CharField(max_length=60, blank=True)
    failure = models.CharField(max_length=200, blank=True)
    verified_at = models.DateTimeField(null=True, blank=True)
    verified_ok = models.BooleanField(null=True, blank=True, help_text="Null: never read back.")

    objects = BackupQuerySet.as_manager()

    class Meta:
        ordering = ["-requested_at"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="complete") | (~Q(manifest_sha256="") & Q(finished_at__isnull=False)),
                name="complete_backup_has_manifest",
            ),
        ]
        indexes = [models.Index(fields=["kind", "state", "-as_of"], name="backup_newest")]

    def __str__(self) -> str:
        return self.name


class Restore(models.Model):
    """The wish to go back to a backup, the second person's word on it, and what came of it."""

    class State(models.TextChoices):
        REQUESTED = "requested", "Waits for a second person"
        CANCELLED = "cancelled", "Canceled"
        APPROVED = "approved", "About to begin"
        RUNNING = "running", "Running"
        FAILED = "failed", "Failed; nothing was changed"
        DONE = "done", "Done; waits to be accepted"
        ACCEPTED = "accepted", "Accepted"
        UNDONE = "undone", "Undone"

    OPEN = (State.REQUESTED, State.APPROVED, State.RUNNING, State.DONE)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    backup = models.ForeignKey(Backup, on_delete=models.PROTECT, related_name="restores")
    to_time = models.DateTimeField(null=True, blank=True, help_text="Empty: as the backup holds it.")
    emergency = models.BooleanField(default=False)
    undoes = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="undone_by")
    reason = models.CharField(max_length=300)
    state = models.CharField(max_length=10, choices=State, default=State.REQUESTED)
    step = models.CharField(max_length=20, blank=True)
    requested_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(default=clock.now)
    decided_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    before = models.ForeignKey(Backup, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    failure = models.CharField(max_length=200, blank=True)
    report = models.JSONField(default=dict, help_text="What was checked, what was kept, and the gap.")

    class Meta:
        ordering = ["-requested_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["requested", "cancelled"])
                | Q(undoes__isnull=False)
                | Q(requested_by__isnull=True)
                | (Q(decided_by__isnull=False) & ~Q(decided_by=F("requested_by"))),
                name="restore_two_people",
            ),
            models.UniqueConstraint(
                models.Value(1),
                condition=Q(state__in=["requested", "approved", "running", "done"]),
                name="one_open_restore",
            ),
        ]

    def __str__(self) -> str:
        return f"Restore of {self.backup_id}"


class Drill(models.Model):
    """One restore into a server of its own, and what was asked there. One that could not run never counts as passed."""

    class State(models.TextChoices):
        PASSED = "passed", "Passed"
        FAILED = "failed", "Failed"
        ERROR = "error", "Could not run"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    backup = models.ForeignKey(Backup, null=True, blank=True, on_delete=models.PROTECT, related_name="drills")
    state = models.CharField(max_length=10, choices=State)
    started_at = models.DateTimeField(default=clock.now)
    seconds = models.FloatField(default=0)
    rto_seconds = models.FloatField(null=True, blank=True, help_text="From the decision to the first good answers.")
    rpo_seconds = models.FloatField(null=True, blank=True, help_text="How much of the newest would have been lost.")
    steps = models.JSONField(default=dict, help_text="Seconds of each step.")
    assertions = models.JSONField(default=list, help_text="key, ok (null: not asked), observed.")
    failure = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="passed") | (Q(rto_seconds__isnull=False) & Q(rpo_seconds__isnull=False)),
                name="passed_drill_is_measured",
            ),
        ]

    def __str__(self) -> str:
        return f"Drill {self.started_at:%Y-%m-%d %H:%M}"


class WalShipping(models.Model):
    """How far the write-ahead log is in the store. One row, kept by `manage.py backup wal`."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    since = models.DateTimeField(help_text="Without a gap from here on.")
    as_of = models.DateTimeField(help_text="What was committed before this moment is in the store.")
    position = models.CharField(max_length=20, help_text="LSN up to which it is there.")
    segment = models.CharField(max_length=24, blank=True)
    bytes = models.BigIntegerField(default=0, help_text="Shipped since the process began.")
    updated_at = models.DateTimeField(default=clock.now)
    failure = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_wal_shipping")]

    def __str__(self) -> str:
        return self.position


class Maintenance(models.Model):
    """A time in which nothing but sign-in, the audit trail and this mode itself is written."""

    class Kind(models.TextChoices):
        MANUAL = "manual", "Maintenance"
        RESTORE = "restore", "Restore of a backup"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.MANUAL)
    reason = models.CharField(max_length=300, help_text="Shown to everybody. No patient data.")
    started_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    started_at = models.DateTimeField(default=clock.now)
    until = models.DateTimeField(null=True, blank=True, help_text="When it is expected to end. It does not end itself.")
    ended_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-started_at"]
        constraints = [
            models.UniqueConstraint(models.Value(1), condition=Q(ended_at=None), name="one_open_maintenance"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.started_at:%Y-%m-%d %H:%M}"


class PlannedMaintenance(models.Model):
    """A maintenance that begins by itself at its time. One is planned at a time."""

    class State(models.TextChoices):
        PLANNED = "planned", "Planned"
        BEGUN = "begun", "Begun"
        CANCELLED = "cancelled", "Canceled"
        MISSED = "missed", "Did not begin"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    reason = models.CharField(max_length=300, help_text="Shown to everybody. No patient data.")
    starts_at = models.DateTimeField()
    until = models.DateTimeField(help_text="When it is expected to end. It does not end itself.")
    state = models.CharField(max_length=10, choices=State, default=State.PLANNED)
    planned_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    planned_at = models.DateTimeField(default=clock.now)
    told_at = models.DateTimeField(null=True, blank=True, help_text="When everybody was told of it last.")
    closed_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    closed_at = models.DateTimeField(null=True, blank=True, help_text="When it began, was canceled or did not begin.")
    mode = models.OneToOneField(Maintenance, null=True, blank=True, on_delete=models.PROTECT, related_name="plan")
    failure = models.CharField(max_length=200, blank=True, help_text="Why it did not begin.")

    class Meta:
        ordering = ["-planned_at"]
        constraints = [
            models.UniqueConstraint(models.Value(1), condition=Q(state="planned"), name="one_planned_maintenance"),
            models.CheckConstraint(condition=Q(until__gt=F("starts_at")), name="maintenance_ends_after_it_starts"),
            models.CheckConstraint(
                condition=Q(state="begun", mode__isnull=False) | (~Q(state="begun") & Q(mode=None)),
                name="maintenance_begun_with_a_mode",
            ),
            models.CheckConstraint(
                condition=Q(state="planned", closed_at=None) | (~Q(state="planned") & Q(closed_at__isnull=False)),
                name="maintenance_closed_or_planned",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.state} {self.starts_at:%Y-%m-%d %H:%M}"


class LegalHold(models.Model):
    """Nothing of this person, patient or conversation is purged or erased until the hold ends."""

    class Kind(models.TextChoices):
        PERSON = "person", "A person who works here"
        PATIENT = "patient", "A patient"
        CONVERSATION = "conversation", "A conversation"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=15, choices=Kind)
    subject = models.CharField(max_length=64, help_text="Id, or a patient's pseudonym as in the audit trail.")
    reason = models.CharField(max_length=300)
    placed_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    placed_at = models.DateTimeField(default=clock.now)
    ended_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-placed_at"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "subject"], condition=Q(ended_at=None), name="one_hold_on_each"),
            models.CheckConstraint(
                condition=Q(ended_at=None) | (Q(ended_by__isnull=False) & ~Q(ended_by=F("placed_by"))),
                name="hold_ended_by_another",
            ),
        ]

    def __str__(self) -> str:
        return f"Hold on {self.kind} {self.subject}"


class Purge(models.Model):
    """One turn of one rule of retention: what it removed, and what holds kept. Append-only."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    rule = models.CharField(max_length=60)
    ran_at = models.DateTimeField(default=clock.now)
    before = models.DateTimeField(help_text="What was older than this was due.")
    removed = models.PositiveIntegerField()
    held = models.PositiveIntegerField(default=0, help_text="Due, but on hold.")

    class Meta:
        ordering = ["-ran_at"]

    def __str__(self) -> str:
        return f"{self.rule} {self.ran_at:%Y-%m-%d}"


class DataKey(models.Model):
    """The key that the values behind one conversation's tokens are sealed with. Without it they are noise, in every
    copy. Never part of a backup: the newest keys alone are kept beside it.

    Where somebody goes on in a conversation whose key was destroyed, what is new gets another one."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    scope = models.UUIDField(help_text="The conversation.")
    key = SealedField(bound_to=("id", "scope"), db_column="sealed", null=True)  # type: ignore[misc]  # gone once destroyed
    created_at = models.DateTimeField(default=clock.now)
    destroyed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(destroyed_at=None, key__isnull=False) | Q(destroyed_at__isnull=False, key=None),
                name="data_key_or_none",
            ),
            models.UniqueConstraint(fields=["scope"], condition=Q(destroyed_at=None), name="one_live_data_key"),
        ]

    def __str__(self) -> str:
        return str(self.scope)


class Erasure(models.Model):
    """The wish to make the values of one patient, person or conversation unreadable for good; two people."""

    class Status(models.TextChoices):
        REQUESTED = "requested", "Waits for a second person"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Canceled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=15, choices=LegalHold.Kind)
    subject = models.CharField(max_length=64)
    reason = models.CharField(max_length=300)
    status = models.CharField(max_length=10, choices=Status, default=Status.REQUESTED)
    requested_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(default=clock.now)
    decided_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    keys = models.PositiveIntegerField(default=0, help_text="Data keys destroyed.")
    values_count = models.PositiveIntegerField(default=0, help_text="Values that nobody can read any more.")
    gone_from_copies_at = models.DateTimeField(
        null=True, blank=True, help_text="When the last copy of the database's files that holds the keys is removed."
    )

    class Meta:
        ordering = ["-requested_at"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(status="done") | (Q(decided_by__isnull=False) & ~Q(decided_by=F("requested_by"))),
                name="erasure_two_people",
            ),
            models.UniqueConstraint(
                fields=["kind", "subject"], condition=Q(status="requested"), name="one_open_erasure_of_each"
            ),
        ]

    def __str__(self) -> str:
        return f"Erasure of {self.kind} {self.subject}"


class IntegrityRun(models.Model):
    """One look at whether the data fits together. One that could not look is never in order."""

    class State(models.TextChoices):
        SOUND = "sound", "In order"
        FINDINGS = "findings", "Something is wrong"
        ERROR = "error", "Could not look"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    state = models.CharField(max_length=10, choices=State)
    ran_at = models.DateTimeField(default=clock.now)
    seconds = models.FloatField(default=0)
    looked = models.JSONField(default=dict, help_text="How much of each was looked at.")
    findings = models.JSONField(default=list, help_text="key, count, and ids of the first.")

    class Meta:
        ordering = ["-ran_at"]

    def __str__(self) -> str:
        return f"{self.state} {self.ran_at:%Y-%m-%d %H:%M}"
