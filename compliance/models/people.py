"""People, the roles they hold and the clearance that lets a trained clinician ask."""

from __future__ import annotations

import uuid
from datetime import datetime
from functools import cached_property
from typing import Any, Self

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Lower

from clinchat.lib import clock
from compliance.access.roles import MOST_ADMINISTRATORS, Action, Role, permitted_roles


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").strip().lower())

    def create_user(self, *, email: str, password: str | None = None, **fields: Any) -> User:
        """A new person. Without a password nobody can sign in as them yet."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save()
        return user

    @transaction.atomic
    def create_superuser(self, *, email: str, password: str | None = None, **fields: Any) -> User:
        """The first administrator of an installation (manage.py createsuperuser)."""
        user = self.create_user(email=email, password=password, **fields)
        RoleAssignment.objects.give(user=user, role=Role.ADMIN)
        return user


class User(AbstractBaseUser):
    """Somebody who works here. Never deleted, because the audit trail speaks of them: deactivate instead."""

    class Closed(models.TextChoices):
        DORMANT = "dormant", "Not used for 45 days"
        LEFT = "left", "No longer works here"
        SECURITY = "security", "Closed by security"

    class Theme(models.TextChoices):
        AUTO = "auto", "Match device"
        LIGHT = "light", "Light"
        DARK = "dark", "Dark"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField("e-mail", unique=True, help_text="Used to sign in.")
    name = models.CharField(max_length=200)
    title = models.CharField(max_length=50, blank=True, help_text="As written after the name, for example MD.")
    department = models.CharField(max_length=100, blank=True)
    is_active = models.BooleanField(
        "active", default=True, help_text="Changed on the pages about people: closing ends more than this."
    )
    closed_because = models.CharField(max_length=10, choices=Closed, blank=True, editable=False)
    closed_at = models.DateTimeField(null=True, blank=True, editable=False)
    reopened_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Counts as a use when it is asked whether it is dormant."
    )
    is_demo = models.BooleanField("demo account", default=False, editable=False)
    is_service = models.BooleanField(
        "service account",
        default=False,
        editable=False,
        help_text="A program: it has tokens, and neither password nor second factor.",
    )
    directory = models.CharField(
        max_length=10, blank=True, editable=False, help_text="Where its password is: ldap, oidc or here."
    )
    directory_id = models.CharField(
        max_length=300, blank=True, editable=False, help_text="What the directory calls it."
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)
    theme = models.CharField(max_length=5, choices=Theme, default=Theme.AUTO)
    shortcuts = models.BooleanField("single-key shortcuts", default=True)
    mails = models.BooleanField("e-mail", default=True, help_text="Notices that somebody has to act on come as e-mail.")

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    otp_device = None
    """The device that verified this session; django-otp's middleware sets it on the request's user."""
    scopes: frozenset[Action] | None = None
    """What the token of a service account was made for; None, for a person, means all their roles allow."""

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(email=Lower("email")), name="user_email_lower_case"),
            models.CheckConstraint(condition=~Q(name=""), name="user_has_name"),
            models.CheckConstraint(condition=Q(theme__in=["auto", "light", "dark"]), name="user_theme"),
            models.CheckConstraint(
                condition=Q(closed_because="", closed_at=None) | Q(is_active=False, closed_at__isnull=False),
                name="user_closed_is_inactive",
            ),
            models.UniqueConstraint(
                fields=["directory", "directory_id"], condition=~Q(directory=""), name="user_directory_once"
            ),
            models.CheckConstraint(  # what Django writes for a password that cannot be used begins so
                condition=Q(directory="") | Q(password__startswith="!"),  # noqa: S106  # that none matches
                name="user_directory_no_password_here",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}, {self.title}" if self.title else self.name

    def clean(self) -> None:
        super().clean()
        self.email = self.email.lower()

    def get_full_name(self) -> str:
        return str(self)

    @cached_property
    def roles(self) -> frozenset[Role]:
        """The roles held when first asked; one request decides on one set. Suspended ones count for nothing."""
        return frozenset(Role(role) for role in self.role_assignments.live().values_list("role", flat=True))

    def is_verified(self) -> bool:
        """Whether this person has shown a second factor; only a request can say so (django-otp's middleware)."""
        return self.otp_device is not None

    def has_perm(self, perm: str, obj: models.Model | None = None) -> bool:
        """Django's admin asks this for each table: whoever may use the admin may use its tables."""
        return self.is_active and not permitted_roles(Action.ADMINISTER).isdisjoint(self.roles)

    def has_module_perms(self, app_label: str) -> bool:
        return self.has_perm(app_label)


class NoSeat(Exception):
    """There are two administrators already."""


class RoleAssignmentQuerySet(models.QuerySet["RoleAssignment"]):
    def live(self) -> Self:
        return self.filter(suspended_at=None)

    def give(self, *, user: User, role: Role, granted_by: User | None = None) -> RoleAssignment:
        """The person's assignment of the role, made if they do not hold it. Raises NoSeat for a third administrator."""
        held = self.filter(user=user, role=role).first()
        if held is not None:
            return held
        seat = self._free_seat() if role == Role.ADMIN else None
        return self.create(user=user, role=role, granted_by=granted_by, seat=seat)

    def _free_seat(self) -> int:
        taken = set(self.model.objects.filter(role=Role.ADMIN).values_list("seat", flat=True))
        free = [seat for seat in range(1, MOST_ADMINISTRATORS + 1) if seat not in taken]
        if not free:
            raise NoSeat
        return free[0]


class RoleAssignment(models.Model):
    """A role somebody holds. Given and taken by compliance.access.people alone, which has two people agree on it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="role_assignments")
    role = models.CharField(max_length=30, choices=Role.choices)
    granted_at = models.DateTimeField(default=clock.now, editable=False)
    granted_by = models.ForeignKey(
        User, null=True, blank=True, editable=False, on_delete=models.PROTECT, related_name="+"
    )
    suspended_at = models.DateTimeField(null=True, blank=True, editable=False)
    seat = models.PositiveSmallIntegerField(
        null=True, blank=True, editable=False, help_text="Of the two administrators, which; empty for every other role."
    )

    objects = RoleAssignmentQuerySet.as_manager()

    class Meta:
        ordering = ["role"]
        constraints = [
            models.UniqueConstraint(fields=["user", "role"], name="role_assignment_once"),
            models.UniqueConstraint(fields=["seat"], name="role_assignment_seat_once"),
            models.CheckConstraint(
                condition=Q(role="admin", seat__in=list(range(1, MOST_ADMINISTRATORS + 1)), seat__isnull=False)
                | (~Q(role="admin") & Q(seat=None)),
                name="role_assignment_two_administrators",
            ),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="role_assignment_role"),
        ]

    def __str__(self) -> str:
        return self.get_role_display()


class ClearanceQuerySet(models.QuerySet["Clearance"]):
    def live(self, now: datetime) -> Self:
        return self.filter(granted_at__lte=now, expires_at__gt=now, revoked_at=None)


class Clearance(models.Model):
    """Training and approvals are complete: the person may ask until it expires or is revoked."""

    class Basis(models.TextChoices):
        ONBOARDING = "onboarding", "Training and approvals"
        """Kept in step with them by the app that knows them."""
        HAND = "hand", "Given by hand before there was onboarding"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="clearances")
    granted_at = models.DateTimeField(default=clock.now, editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=200, help_text="What it rests on, or why it was revoked.")
    basis = models.CharField(max_length=10, choices=Basis, default=Basis.HAND)

    objects = ClearanceQuerySet.as_manager()

    class Meta:
        ordering = ["-granted_at"]
        constraints = [
            models.CheckConstraint(condition=Q(expires_at__gt=F("granted_at")), name="clearance_ends_after_start"),
            models.CheckConstraint(
                condition=Q(revoked_at=None) | Q(revoked_at__gte=F("granted_at")),
                name="clearance_revoked_after_start",
            ),
            models.CheckConstraint(condition=Q(basis__in=["onboarding", "hand"]), name="clearance_basis"),
        ]

    def __str__(self) -> str:
        return f"Clearance of {self.user}"

    def clean(self) -> None:
        if self.expires_at is not None and self.expires_at <= self.granted_at:  # type: ignore[redundant-expr]  # or empty in a form
            raise ValidationError({"expires_at": "Choose a time in the future."})
