"""Networks: those that are shut out, and those that people sign in from."""

from __future__ import annotations

import uuid
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING, Any, Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from clinchat.lib import clock
from compliance.models.people import User

Network = IPv4Network | IPv6Network
HOURS = 24

if TYPE_CHECKING:
    NetworkFieldBase = models.Field[Network | str, Network]
else:
    NetworkFieldBase = models.Field


class NetworkField(NetworkFieldBase):
    """A network of IPv4 or IPv6 in a `cidr` column: PostgreSQL refuses one with bits right of its mask."""

    def db_type(self, connection: Any) -> str:
        return "cidr"

    def from_db_value(self, value: Any, *_: Any) -> Network | None:
        return self.to_python(value)

    def to_python(self, value: Any) -> Network | None:
        return None if value is None else ip_network(str(value))

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else str(value)


class NetworkBlockQuerySet(models.QuerySet["NetworkBlock"]):
    def live(self, now: datetime) -> Self:
        return self.filter(Q(ends_at=None) | Q(ends_at__gt=now), ended_at=None)

    def over(self, now: datetime) -> Self:
        return self.filter(Q(ended_at__isnull=False) | Q(ends_at__lte=now))


class NetworkBlock(models.Model):
    """Nothing from this network is answered, until `ends_at` or until somebody ends it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    network = NetworkField()
    reason = models.CharField(max_length=300, help_text="Why. No patient data.")
    made_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField(default=clock.now)
    ends_at = models.DateTimeField(null=True, blank=True, help_text="Empty: until somebody ends it.")
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        User,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Empty when its time was over, or when it was ended by manage.py unblock.",
    )

    objects = NetworkBlockQuerySet.as_manager()

    class Meta:
        ordering = ["-made_at"]
        constraints = [
            models.UniqueConstraint(fields=["network"], condition=Q(ended_at=None), name="network_block_once"),
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gt=F("made_at")), name="network_block_ends_after_start"
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("made_at")), name="network_block_ended_after_start"
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="network_block_has_reason"),
        ]

    def __str__(self) -> str:
        return str(self.network)


def no_hours() -> list[int]:
    return [0] * HOURS


class KnownPlace(models.Model):
    """A network somebody has signed in from: an IPv4 /24 or an IPv6 /48, and how often in which hour of the day."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="places")
    network = NetworkField()
    address = models.GenericIPAddressField(help_text="The last address they came from there.")
    country = models.CharField(max_length=2, blank=True, help_text="ISO 3166-1, where CLINCHAT_GEOIP_FILE knows it.")
    last_seen = models.DateTimeField(default=clock.now)
    count = models.PositiveIntegerField(default=1)
    hours = ArrayField(models.PositiveIntegerField(), size=HOURS, default=no_hours, help_text="Sign-ins in each hour.")

    class Meta:
        ordering = ["-last_seen"]
        constraints = [models.UniqueConstraint(fields=["user", "network"], name="known_place_once")]

    def __str__(self) -> str:
        return f"{self.network} of {self.user_id}"
