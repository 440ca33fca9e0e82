"""What people say about the portal: a lesson, a question, an answer, a page. Somebody sorts it and replies."""

from __future__ import annotations

import uuid
from typing import Self

from django.db import models
from django.db.models import Q
from django.urls import reverse

from clinchat.lib import clock
from compliance.models.people import User

LONGEST_REMARK = 2_000


class RemarkQuerySet(models.QuerySet["Remark"]):
    def open(self) -> Self:
        return self.filter(status__in=[Remark.Status.NEW, Remark.Status.UNDER_WAY])


class Remark(models.Model):
    """One piece of feedback. Its words are masked for good before they are kept."""

    class About(models.TextChoices):
        PAGE = "page", "A page"
        LESSON = "lesson", "A lesson"
        ITEM = "item", "A question of an assessment"
        ANSWER = "answer", "An answer"

    class Category(models.TextChoices):
        CONTENT = "content", "Wrong or outdated content"
        SAFETY = "safety", "Safety concern"
        PRIVACY = "privacy", "Privacy concern"
        UNCLEAR = "unclear", "Hard to understand"
        BROKEN = "broken", "Something does not work"
        IDEA = "idea", "Idea"

    class Status(models.TextChoices):
        NEW = "new", "New"
        UNDER_WAY = "under_way", "Under way"
        SETTLED = "settled", "Settled"
        DECLINED = "declined", "Not changed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="remarks")
    at = models.DateTimeField(default=clock.now)
    about = models.CharField(max_length=6, choices=About, default=About.PAGE)
    subject = models.CharField(
        max_length=200, blank=True, help_text="Address of the page, module and lesson, key of the item, or the turn."
    )
    category = models.CharField(max_length=10, choices=Category)
    text = models.CharField(max_length=LONGEST_REMARK)
    status = models.CharField(max_length=10, choices=Status, default=Status.NEW)
    reply = models.CharField(max_length=LONGEST_REMARK, blank=True)
    handled_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    handled_at = models.DateTimeField(null=True, blank=True)
    revision = models.PositiveIntegerField(default=0, help_text="Counts the changes; an old form has an old one.")

    objects = RemarkQuerySet.as_manager()

    class Meta:
        ordering = ["-at"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(status__in=["settled", "declined"])
                | (Q(handled_by__isnull=False, handled_at__isnull=False) & ~Q(reply="")),
                name="remark_settled_with_a_reply",
            ),
        ]
        indexes = [models.Index(fields=["status", "at"], name="remark_status")]

    def __str__(self) -> str:
        return f"{self.get_category_display()}: {self.get_about_display().lower()}"

    def get_absolute_url(self) -> str:
        return reverse("remark", args=[self.pk])
