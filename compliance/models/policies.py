"""The institution's policies as they were published, and who accepted which version of them."""

from __future__ import annotations

import uuid
from typing import Self

from django.db import models
from django.db.models import Q

from clinchat.lib import clock
from compliance.models.people import User


class PolicyVersionQuerySet(models.QuerySet["PolicyVersion"]):
    def in_force(self) -> Self:
        return self.filter(in_force=True)


class PolicyVersion(models.Model):
    """One version of one policy. It never changes; what is new comes as the next version."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.CharField(max_length=40)
    number = models.PositiveSmallIntegerField(help_text="Place among the policies.")
    title = models.CharField(max_length=80)
    version = models.CharField(max_length=7)
    text = models.TextField(help_text="Markdown as in lessons.")
    change = models.CharField(max_length=300, help_text="What is new in it.")
    material = models.BooleanField(default=False, help_text="Who accepted an earlier version has to accept this one.")
    sha256 = models.CharField(max_length=64, help_text="Of its file.")
    published_at = models.DateTimeField(default=clock.now)
    in_force = models.BooleanField(default=False)

    objects = PolicyVersionQuerySet.as_manager()

    class Meta:
        ordering = ["number", "-published_at"]
        constraints = [
            models.UniqueConstraint(fields=["slug", "version"], name="policy_version_once"),
            models.UniqueConstraint(fields=["slug"], condition=Q(in_force=True), name="one_policy_version_in_force"),
        ]

    def __str__(self) -> str:
        return f"{self.title} {self.version}"


class PolicyAcknowledgement(models.Model):
    """Somebody said that they have read a version and will act by it. Never deleted (45 CFR 164.316(b)(2)(i))."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="policy_acknowledgements")
    policy = models.ForeignKey(PolicyVersion, on_delete=models.PROTECT, related_name="acknowledgements")
    at = models.DateTimeField(default=clock.now)

    class Meta:
        ordering = ["-at"]
        constraints = [
            models.UniqueConstraint(fields=["person", "policy"], name="policy_acknowledged_once"),
        ]

    def __str__(self) -> str:
        return f"{self.policy} by {self.person}"
