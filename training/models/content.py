"""The modules as they were loaded: each version stays, so that what somebody learned can be shown years later."""

from __future__ import annotations

import uuid
from functools import lru_cache
from typing import Self

from django.db import models
from django.db.models import Q

from clinchat.lib import clock
from training.bank import packing
from training.bank.types import SIX, Module


class ModuleVersionQuerySet(models.QuerySet["ModuleVersion"]):
    def in_force(self) -> Self:
        return self.filter(in_force=True)

    def titles(self) -> dict[str, str]:
        """Of the six modules in their order, as they are called now; one that is not loaded by its short name."""
        known = dict(self.in_force().values_list("slug", "title"))
        return {slug: known.get(slug, slug) for slug in SIX}


class ModuleVersion(models.Model):
    """One version of one module, whole: lessons, questions, pictures and rules are in `content`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.CharField(max_length=40)
    number = models.PositiveSmallIntegerField()
    title = models.CharField(max_length=60)
    version = models.CharField(max_length=7)
    change = models.CharField(max_length=300, help_text="What is new in it.")
    material = models.BooleanField(default=False, help_text="Who passed an earlier version has to catch up.")
    sha256 = models.CharField(max_length=64, help_text="Of its files.")
    content = models.JSONField()
    loaded_at = models.DateTimeField(default=clock.now)
    in_force = models.BooleanField(default=False)

    objects = ModuleVersionQuerySet.as_manager()

    class Meta:
        ordering = ["number", "-loaded_at"]
        constraints = [
            models.UniqueConstraint(fields=["slug", "version"], name="module_version_once"),
            models.UniqueConstraint(fields=["slug"], condition=Q(in_force=True), name="one_module_version_in_force"),
        ]

    def __str__(self) -> str:
        return f"{self.title} {self.version}"

    @property
    def module(self) -> Module:
        """What was in the files. It never changes, so a process keeps the last ones it read."""
        return _module(self.pk)


@lru_cache(maxsize=24)
def _module(pk: uuid.UUID) -> Module:
    return packing.unpack(ModuleVersion.objects.values_list("content", flat=True).get(pk=pk))
