"""The audit trail. `compliance.audit` is its only writer; the database refuses to change or remove a row."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from auditlog.models import AbstractLogEntry
from django.conf import settings
from django.db import models
from django.db.models import Q


class Code(models.TextChoices):
    """Names of the OWASP Logging Vocabulary."""

    AUTHN_LOGIN_SUCCESS = "authn_login_success"
    AUTHN_LOGIN_FAIL = "authn_login_fail"
    AUTHN_TOKEN_CREATED = "authn_token_created"  # noqa: S105  # the name of an event
    AUTHZ_FAIL = "authz_fail"
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


class AuditEventManager(models.Manager["AuditEvent"]):
    def log_create(
        self, instance: models.Model, *, action: int, changes: Mapping[str, Any], force_log: bool = False
    ) -> AuditEvent:
        """django-auditlog hands over a model's difference here; it is written like every other event."""
        from compliance.audit.changes import record_change  # that package builds on this module

        return record_change(instance, kind=action, changes=changes)


class AuditEvent(AbstractLogEntry):  # type: ignore[misc]  # django-auditlog ships no types
    """One thing somebody did or tried.

    No foreign key is enforced and no name is looked up later: the row keeps what was true when it was written,
    and outlives everything it speaks of. `changes` holds values of staff and library records, never of patients.
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

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
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
    object_type = models.CharField(max_length=100, blank=True)
    object_id = models.CharField(max_length=64, blank=True)
    detail = models.JSONField(default=dict, blank=True)
    correlation_id = models.UUIDField(null=True, blank=True, help_text="Joins the events of one request or task.")
    session = models.CharField(max_length=64, blank=True, help_text="Digest of the session key.")

    objects = AuditEventManager()

    class Meta:
        get_latest_by = "timestamp"
        ordering = ["-timestamp"]
        verbose_name = "audit event"
        constraints = [
            models.CheckConstraint(condition=Q(action__in=Crude.values), name="audit_event_action"),
            models.CheckConstraint(condition=Q(outcome__in=Outcome.values), name="audit_event_outcome"),
        ]
        indexes = [
            models.Index(fields=["code", "timestamp"], name="audit_event_code"),
            models.Index(fields=["object_type", "object_id"], name="audit_event_object"),
            models.Index(fields=["correlation_id"], name="audit_event_correlation"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.object_type} {self.object_id}".strip()
