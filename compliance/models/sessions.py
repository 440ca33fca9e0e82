"""Who is signed in where: sessions of browsers, and the count that says when rights were taken away."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.contrib.sessions.base_session import AbstractBaseSession, BaseSessionManager
from django.db import models

from clinchat.lib import clock
from compliance.models.people import User


class SessionManager(BaseSessionManager["Session"]):
    use_in_migrations = False


class Session(AbstractBaseSession):
    """A session of a browser. `session_key` is the SHA-256 of the key in the cookie: who reads this row cannot use it.

    The audit trail names a session by the same digest.
    """

    id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False, help_text="Names it in addresses.")
    session_key = models.CharField(primary_key=True, max_length=64)
    user = models.ForeignKey(
        User,
        null=True,
        on_delete=models.CASCADE,
        related_name="sessions",
        help_text="Who is signed in, or whose second factor it awaits.",
    )
    verified = models.BooleanField(default=False, help_text="Both factors were shown: only then does it open anything.")
    source = models.GenericIPAddressField(null=True)
    agent = models.CharField(max_length=300, blank=True, help_text="What the browser calls itself.")
    began_at = models.DateTimeField(default=clock.now)
    seen_at = models.DateTimeField(default=clock.now)

    objects: ClassVar[SessionManager] = SessionManager()

    class Meta:
        indexes = [models.Index(fields=["user", "-seen_at"], name="session_of_user")]

    def __str__(self) -> str:
        return f"Session {self.pk[:8]}"

    @classmethod
    def get_session_store_class(cls) -> type:
        from compliance.access.session_store import SessionStore

        return SessionStore


class AccessEpoch(models.Model):
    """One row, counted up in the transaction that ends a session or token, closes an account, takes a right or blocks a
    network. Whoever holds something open looks at it once a second (compliance.access.epoch)."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    number = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="access_epoch_one_row")]

    def __str__(self) -> str:
        return str(self.number)
