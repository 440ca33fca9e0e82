"""What a person proves themselves with beside the password, and the links that let them choose a password."""

from __future__ import annotations

import uuid
from base64 import b32decode, b32encode
from os import urandom
from typing import Self
from urllib.parse import quote, urlencode

from django.db import models
from django.db.models import F, Q
from django_otp.models import Device, ThrottlingMixin, TimestampMixin
from django_otp.oath import TOTP

from clinchat.lib import clock
from clinchat.lib.sealed_field import SealedField
from compliance.models.people import User

ISSUER = "ClinChat"
STEP_SECONDS = 30
DIGITS = 6
TOLERANCE = 1
"""Steps a phone's clock may be off, either way: 30 seconds and no more (RFC 6238 section 5.2 asks for at most one)."""
MOST_FAILURES = 11
"""Counted wrong codes: the wait doubles from a second up to 17 minutes, and never shuts its owner out for good."""


def new_key() -> str:
    """A key of 160 bits (RFC 4226 section 4, R6) as authenticator apps take it."""
    return b32encode(urandom(20)).decode()


class AuthenticatorManager(models.Manager["Authenticator"]):
    use_in_migrations = False

    def devices_for_user(self, user: User, confirmed: bool | None = None) -> models.QuerySet[Authenticator]:
        """As django-otp asks every kind of device."""
        devices = self.filter(user=user)
        return devices if confirmed is None else devices.filter(confirmed=confirmed)


class Authenticator(TimestampMixin, ThrottlingMixin, Device):  # type: ignore[misc]  # django-otp ships no types
    """An authenticator app: time-based codes of six digits (RFC 6238), each accepted once.

    `key` is sealed for this row. `last_t` is the step of the last code accepted: no code of it or of an earlier one is.
    """

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False, help_text="Names it in addresses.")
    key = SealedField(bound_to=("uuid",), default=new_key)
    last_t = models.BigIntegerField(default=-1)

    objects = AuthenticatorManager()

    class Meta:
        ordering = ["pk"]
        constraints = [models.CheckConstraint(condition=~Q(name=""), name="authenticator_has_name")]

    def __str__(self) -> str:
        return str(self.name)

    @property
    def totp(self) -> TOTP:
        """The codes of this key, at the time it is now."""
        codes = TOTP(b32decode(self.key), STEP_SECONDS, digits=DIGITS)
        codes.time = clock.now().timestamp()
        return codes

    def verify_token(self, token: str) -> bool:
        """Whether this is the code of now, or of a step beside it, and not used. The caller holds the row locked."""
        if not self.verify_is_allowed()[0]:
            return False
        codes = self.totp
        right = token.isascii() and token.isdigit() and codes.verify(int(token), TOLERANCE, self.last_t + 1)
        if right:
            self.last_t = codes.t()
            self.throttle_reset(commit=False)
            self.set_last_used_timestamp(commit=False)
        else:
            self.throttle_increment(commit=False)
            self.throttling_failure_count: int = min(self.throttling_failure_count, MOST_FAILURES)
        self.save(update_fields=["last_t", "throttling_failure_timestamp", "throttling_failure_count", "last_used_at"])
        return bool(right)

    def get_throttle_factor(self) -> int:
        return 1

    @property
    def config_url(self) -> str:
        """What the QR code says (https://github.com/google/google-authenticator/wiki/Key-Uri-Format)."""
        label = quote(f"{ISSUER}:{self.user.email}")
        query = {"secret": self.key, "algorithm": "SHA1", "digits": DIGITS, "period": STEP_SECONDS, "issuer": ISSUER}
        return f"otpauth://totp/{label}?{urlencode(query)}"


class OneTimeLinkQuerySet(models.QuerySet["OneTimeLink"]):
    def live(self) -> Self:
        """Neither used, nor voided, nor over."""
        return self.filter(used_at=None, voided_at=None, expires_at__gt=clock.now())


class OneTimeLink(models.Model):
    """A link somebody who manages people hands to a person. The table holds a digest of its token only."""

    class Purpose(models.TextChoices):
        INVITE = "invite", "Choose a first password"
        PASSWORD = "password", "Choose a new password"
        FACTORS = "factors", "Set up two-step sign-in anew"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    purpose = models.CharField(max_length=10, choices=Purpose)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="one_time_links")
    made_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    digest = models.BinaryField(max_length=32, unique=True, help_text="SHA-256 of the token.")
    made_at = models.DateTimeField(default=clock.now)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    voided_at = models.DateTimeField(null=True, blank=True, help_text="Another link, or a closed account, ended it.")

    objects = OneTimeLinkQuerySet.as_manager()

    class Meta:
        ordering = ["-made_at"]
        constraints = [
            models.CheckConstraint(condition=~Q(made_by=F("user")), name="one_time_link_not_for_oneself"),
            models.CheckConstraint(condition=Q(expires_at__gt=F("made_at")), name="one_time_link_ends"),
            models.CheckConstraint(
                condition=Q(purpose__in=["invite", "password", "factors"]), name="one_time_link_purpose"
            ),
        ]

    def __str__(self) -> str:
        return self.get_purpose_display()
