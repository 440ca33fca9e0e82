"""What opens the API: the sign-in of a person (a family of tokens), and the tokens of service accounts."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.db.models import F, Q

from clinchat.lib import clock
from compliance.models.people import User

LONGEST_SERVICE = timedelta(days=365)


class TokenFamilyQuerySet(models.QuerySet["TokenFamily"]):
    def live(self, now: datetime) -> Self:
        return self.filter(revoked_at=None, ends_at__gt=now)


class TokenFamily(models.Model):
    """One sign-in through the API: every access and refresh token that came of it (RFC 9700, section 4.14.2).

    The tokens themselves are signed and kept by nobody; this row says whether they still count, and which refresh
    token is the newest. An older one that comes back was stolen, from the person or from whoever stole it first.
    """

    class Ended(models.TextChoices):
        SIGNED_OUT = "signed out", "Signed out"
        REVOKED = "revoked", "Ended by a person"
        REUSED = "reused", "A used refresh token came back"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="token_families")
    begun_with = models.CharField(
        max_length=64, unique=True, help_text="Digest of the password step's id: each opens one family."
    )
    newest = models.CharField(max_length=64, help_text="Digest of the id of the newest refresh token.")
    created_at = models.DateTimeField(default=clock.now, editable=False)
    ends_at = models.DateTimeField(help_text="Whatever is done until then: a new sign-in is needed.")
    seen_at = models.DateTimeField(default=clock.now)
    source = models.GenericIPAddressField(null=True)
    agent = models.CharField(max_length=300, blank=True, help_text="What the program calls itself.")
    revoked_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=10, choices=Ended, blank=True)

    objects = TokenFamilyQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        verbose_name = "API sign-in"
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("created_at")), name="token_family_ends_after_start"),
            models.CheckConstraint(
                condition=Q(revoked_at=None, reason="")
                | Q(revoked_at__isnull=False, reason__in=["signed out", "revoked", "reused"]),
                name="token_family_says_why_it_ended",
            ),
        ]
        indexes = [models.Index(fields=["user"], condition=Q(revoked_at=None), name="token_family_open")]

    def __str__(self) -> str:
        return f"API sign-in {str(self.pk)[:8]}"


class ServiceTokenQuerySet(models.QuerySet["ServiceToken"]):
    def live(self, now: datetime) -> Self:
        return self.filter(revoked_at=None, expires_at__gt=now)


class ServiceToken(models.Model):
    """A token of a program. Its text is shown once; this row holds a digest that opens nothing."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="service_tokens")
    name = models.CharField(max_length=100, help_text="Where it is used.")
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the token, 256 random bits.")
    prefix = models.CharField(max_length=12, help_text="How the token begins: tells two of them apart.")
    scopes = models.JSONField(help_text="Actions of the policy it may use, as far as the account's roles allow them.")
    made_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=clock.now, editable=False)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ServiceTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at"), expires_at__lte=F("created_at") + LONGEST_SERVICE),
                name="service_token_a_year_at_most",
            ),
            models.CheckConstraint(condition=~Q(scopes=[]), name="service_token_has_scope"),
            models.CheckConstraint(condition=~Q(made_by=F("user")), name="service_token_made_by_a_person"),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}… {self.name}"
