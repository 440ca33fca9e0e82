"""The audit trail. `compliance.audit` is its only writer; the database refuses to change or remove a row.

The table is partitioned by month and made by migration 0003; a trigger computes `canonical` and `digest`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from auditlog.models import AbstractLogEntry
from django.conf import settings
from django.db import models


class Code(models.TextChoices):
    """Names of the OWASP Logging Vocabulary; `authn_login_unusual`, `network_blocked`, `network_unblocked`,
    `sys_restore` and `sys_integrity_fail` are ours, it has none for them."""

    AUTHN_LOGIN_SUCCESS = "authn_login_success"
    AUTHN_LOGIN_FAIL = "authn_login_fail"
    AUTHN_TOKEN_CREATED = "authn_token_created"  # noqa: S105  # the name of an event
    AUTHN_TOKEN_REVOKED = "authn_token_revoked"  # noqa: S105  # the name of an event
    AUTHN_LOGIN_FAIL_MAX = "authn_login_fail_max"
    AUTHN_LOGIN_LOCK = "authn_login_lock"
    AUTHN_LOGIN_UNUSUAL = "authn_login_unusual"
    AUTHN_PASSWORD_CHANGE = "authn_password_change"  # noqa: S105  # the name of an event
    AUTHN_TOKEN_REUSE = "authn_token_reuse"  # noqa: S105  # the name of an event
    AUTHZ_FAIL = "authz_fail"
    EXCESS_RATE_LIMIT_EXCEEDED = "excess_rate_limit_exceeded"
    INPUT_VALIDATION_FAIL = "input_validation_fail"
    NETWORK_BLOCKED = "network_blocked"
    NETWORK_UNBLOCKED = "network_unblocked"
    SESSION_EXPIRED = "session_expired"
    USER_CREATED = "user_created"
    USER_UPDATED = "user_updated"
    USER_DELETED = "user_deleted"
    PRIVILEGE_PERMISSIONS_CHANGED = "privilege_permissions_changed"
    SENSITIVE_CREATE = "sensitive_create"
    SENSITIVE_READ = "sensitive_read"
    SENSITIVE_UPDATE = "sensitive_update"
    SENSITIVE_DELETE = "sensitive_delete"
    SYS_STARTUP = "sys_startup"
    SYS_SHUTDOWN = "sys_shutdown"
    SYS_RESTORE = "sys_restore"
    SYS_INTEGRITY_FAIL = "sys_integrity_fail"


class Crude(models.TextChoices):
    """What was done to the object (ASTM E2147, RFC 3881: create, read, update, delete, execute)."""

    CREATE = "C", "Create"
    READ = "R", "Read"
    UPDATE = "U", "Update"
    DELETE = "D", "Delete"
    EXECUTE = "E", "Execute"


class Outcome(models.TextChoices):
    SUCCESS = "success", "Success"
    DENIED = "denied", "Denied"
    FAILURE = "failure", "Failure"


class Lane(models.TextChoices):
    DATA = "data", "Data change"
    """Written by a trigger in the transaction of the change: both happen or neither."""
    ACCESS = "access", "Access"
    """Written on a connection of its own: kept even when the work around it is undone."""


class ActorKind(models.TextChoices):
    PERSON = "person", "Person"
    SERVICE = "service", "Service"
    SCHEDULE = "schedule", "Schedule"
    COMMAND = "command", "Command"
    UNKNOWN_DB = "unknown-db", "Outside ClinChat"
    """A change made in the database by somebody who did not say who they are."""


class UuidV7(models.Func):
    function = "uuidv7"
    output_field = models.UUIDField()


class ClockTimestamp(models.Func):
    function = "clock_timestamp"
    output_field = models.DateTimeField()


class AuditEventManager(models.Manager["AuditEvent"]):
    def log_create(
        self, instance: models.Model, *, action: int, changes: Mapping[str, Any], force_log: bool = False
    ) -> None:
        """django-auditlog hands over the difference of a model registered with it: one more event of the trail."""
        from compliance.audit.writer import record_difference  # that package builds on this module

        record_difference(instance, kind=action, changes=changes)


class AuditEvent(AbstractLogEntry):  # type: ignore[misc]  # django-auditlog ships no types
    """One thing somebody did or tried.

    No foreign key is enforced and no name is looked up later: the row keeps what was true when it was written,
    and outlives everything it speaks of. `changes` maps a column to its old and new value; columns that may hold
    what a patient's record holds, and secrets, are there as keyed digests ("hmac:…").
    """

    # Fields of django-auditlog that would hold an object's text, or tie the row to others, are left out.
    content_type = None
    object_pk = None
    object_repr = None
    serialized_data = None
    changes_text = None
    cid = None
    remote_port = None
    additional_data = None
    actor_email = None

    id = models.UUIDField(primary_key=True, db_default=UuidV7(), editable=False)
    timestamp = models.DateTimeField(
        db_default=ClockTimestamp(), editable=False, help_text="By the clock of the database."
    )
    lane = models.CharField(max_length=10, choices=Lane)
    code = models.CharField(max_length=40, choices=Code)
    action = models.CharField(max_length=1, choices=Crude)
    outcome = models.CharField(max_length=10, choices=Outcome)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
        help_text="Empty when nobody was signed in, or the system acted by itself.",
    )
    actor_name = models.CharField(max_length=200, blank=True)
    actor_roles = models.JSONField(default=list, blank=True)
    actor_kind = models.CharField(max_length=10, choices=ActorKind)
    proxies = models.JSONField(default=list, blank=True, help_text="Trusted proxies between the source and us.")
    object_type = models.CharField(max_length=100, blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    patient = models.CharField(max_length=20, blank=True, help_text="Pseudonym: P- and a keyed digest.")
    purpose = models.CharField(max_length=40, blank=True, help_text="Purpose of use, where one was stated.")
    detail = models.JSONField(default=dict, blank=True)
    correlation_id = models.UUIDField(null=True, blank=True, help_text="Joins the events of one request or task.")
    task_id = models.CharField(max_length=64, blank=True)
    session = models.CharField(max_length=64, blank=True, help_text="Digest of the session key.")
    app_version = models.CharField(max_length=20, blank=True)
    canonical = models.BinaryField(editable=False, help_text="The exact bytes that were hashed.")
    digest = models.BinaryField(editable=False, max_length=32, help_text="SHA-256 of a zero byte and `canonical`.")

    objects = AuditEventManager()

    class Meta:
        get_latest_by = "timestamp"
        ordering = ["-timestamp", "-id"]
        verbose_name = "audit event"

    def __str__(self) -> str:
        return f"{self.code} {self.object_type} {self.object_id}".strip()
