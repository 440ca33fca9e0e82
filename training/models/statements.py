"""xAPI statements on their way to a learning record store: written with what they tell, sent by a worker."""

from __future__ import annotations

import uuid
from typing import Self

from django.db import models
from django.db.models import Q

from clinchat.lib import clock


class StatementQuerySet(models.QuerySet["Statement"]):
    def waiting(self) -> Self:
        return self.filter(sent_at=None, refused_at=None)


class Statement(models.Model):
    """One statement of the Experience API 1.0.3. Its id is the statement's, so that sending twice stores it once."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    content = models.JSONField()
    made_at = models.DateTimeField(default=clock.now)
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(default=clock.now)
    sent_at = models.DateTimeField(null=True, blank=True)
    refused_at = models.DateTimeField(null=True, blank=True, help_text="The store said that it will never take it.")

    objects = StatementQuerySet.as_manager()

    class Meta:
        ordering = ["made_at"]
        indexes = [
            models.Index(fields=["next_try_at"], condition=Q(sent_at=None, refused_at=None), name="statement_waiting")
        ]

    def __str__(self) -> str:
        return str(self.content.get("verb", {}).get("id", ""))
