"""What a person is told inside the portal: on every page until they have read it."""

from __future__ import annotations

import uuid
from typing import Self

from django.db import models
from django.db.models import Q

from clinchat.lib import clock
from compliance.models.people import User


class NoticeQuerySet(models.QuerySet["Notice"]):
    def unread(self, user: User) -> Self:
        return self.filter(user=user, read_at=None)


class Notice(models.Model):
    """One notice to one person. `text` is written by us and holds no patient data."""

    class Level(models.TextChoices):
        INFO = "info", "Information"
        WARNING = "warn", "Warning"
        CRITICAL = "crit", "Critical"

    class Mail(models.TextChoices):
        WAITING = "waiting", "To be sent"
        SENT = "sent", "Sent"
        FAILED = "failed", "Could not be sent"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notices")
    level = models.CharField(max_length=4, choices=Level, default=Level.INFO)
    title = models.CharField(max_length=120)
    text = models.CharField(max_length=500)
    url = models.CharField(max_length=200, blank=True, help_text="Path of the page where something can be done.")
    created_at = models.DateTimeField(default=clock.now)
    read_at = models.DateTimeField(null=True, blank=True)
    mail = models.CharField(max_length=7, choices=Mail, blank=True, help_text="Empty: told in the portal alone.")
    mailed_at = models.DateTimeField(null=True, blank=True)
    mail_tries = models.PositiveSmallIntegerField(default=0)

    objects = NoticeQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(condition=Q(level__in=["info", "warn", "crit"]), name="notice_level"),
            models.CheckConstraint(condition=Q(mail__in=["", "waiting", "sent", "failed"]), name="notice_mail"),
        ]
        indexes = [
            models.Index(fields=["user"], condition=Q(read_at=None), name="notice_unread"),
            models.Index(fields=["created_at"], condition=Q(mail="waiting"), name="notice_to_mail"),
        ]

    def __str__(self) -> str:
        return self.title
