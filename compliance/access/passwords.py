"""What a password must be, and how it changes (NIST SP 800-63B section 5.1.1.2, ASVS 5.0 V6.2).

Long, not one of the most common, nothing about the person; no rules of composition and no expiry unless the hospital
turns the rules on. The validators are Django's AUTH_PASSWORD_VALIDATORS, so every way to a password passes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth import password_validation, update_session_auth_hash
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from clinchat.lib import clock
from compliance import audit, notices
from compliance.access import breached, sessions
from compliance.access.proof import MOST_CHARACTERS
from compliance.models import Notice, OneTimeLink, User

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

FEWEST_DIFFERENT = 5
SHORTEST_PART = 4
"""Of a name: shorter ones are parts of too many words."""


class Elsewhere(Exception):
    """The person's password is in the hospital's directory, or they are a service account and have none."""


class Length:
    """Long enough, and not so long that hashing it is a burden. Neither is cut off nor changed."""

    def validate(self, password: str, user: AbstractBaseUser | None = None) -> None:
        if "\x00" in password or password != password.encode(errors="replace").decode():
            raise ValidationError("Use characters that can be typed.")
        if len(password) < settings.CLINCHAT_PASSWORD_LENGTH:
            raise ValidationError(f"Use at least {settings.CLINCHAT_PASSWORD_LENGTH} characters.")
        if len(password) > MOST_CHARACTERS:
            raise ValidationError(f"Use at most {MOST_CHARACTERS:,} characters.")

    def get_help_text(self) -> str:
        least = settings.CLINCHAT_PASSWORD_LENGTH
        return f"Use at least {least} characters; a few words that do not belong together are easy to keep in mind."


class Rules:
    """Kinds of characters, where the hospital's own policy asks for them (CLINCHAT_PASSWORD_RULES)."""

    KINDS = (("a capital letter", str.isupper), ("a small letter", str.islower), ("a digit", str.isdigit))

    def validate(self, password: str, user: AbstractBaseUser | None = None) -> None:
        if settings.CLINCHAT_PASSWORD_RULES and (missing := list(self._missing(password))):
            raise ValidationError(f"Add {' and '.join(missing)}.")

    def _missing(self, password: str) -> Iterator[str]:
        yield from (name for name, is_kind in self.KINDS if not any(map(is_kind, password)))
        if all(character.isalnum() for character in password):
            yield "a sign or a space"

    def get_help_text(self) -> str:
        if not settings.CLINCHAT_PASSWORD_RULES:
            return ""
        return "Use capital and small letters, digits and signs."


class Common:
    """None of the most common passwords, also not repeated or with digits and signs around it."""

    def validate(self, password: str, user: AbstractBaseUser | None = None) -> None:
        if len(set(password)) < FEWEST_DIFFERENT:
            raise ValidationError("That repeats the same few characters. Use more different ones.")
        if breached.is_common(password):
            raise ValidationError("That is among the first passwords an attacker tries. Choose another one.")

    def get_help_text(self) -> str:
        return "It must not be one of the passwords that are used most."


class Personal:
    """Nothing that everybody knows: the person's name and e-mail address, and ours."""

    def validate(self, password: str, user: AbstractBaseUser | None = None) -> None:
        known = {"clinchat", *(_parts(user) if isinstance(user, User) else ())}
        if any(part in password.casefold() for part in known):
            raise ValidationError("Leave out your name, your e-mail address and the name ClinChat.")

    def get_help_text(self) -> str:
        return "It must not hold your name or your e-mail address."


def _parts(user: User) -> Iterator[str]:
    mailbox, _, domain = user.email.casefold().partition("@")
    words = re.findall(r"[^\W\d_]+", f"{user.name.casefold()} {mailbox} {domain.rpartition('.')[0]}")
    yield from (word for word in words if len(word) >= SHORTEST_PART)


def has_one(user: User) -> bool:
    """Whether the person's password is kept here."""
    return not user.directory and not user.is_service


@sensitive_variables("new")
def change(request: HttpRequest, user: User, *, new: str) -> None:
    """The signed-in person's own new password: their other sessions and their tokens end, and they are told.

    Raises ValidationError for a password that is not good enough, Elsewhere, and AuditUnavailable.
    """
    with transaction.atomic():
        replace(user, new=new, how="changed")
        update_session_auth_hash(request, user)  # under a new session key
        sessions.end_all(user, reason="password changed", except_key=request.session.session_key or "")
        notices.tell(
            [user],
            title="Your password was changed",
            text="Your other sessions were ended. Not you? Tell security at once.",
            url="/settings/",
            level=Notice.Level.WARNING,
        )


@sensitive_variables("new")
def replace(user: User, *, new: str, how: str) -> None:
    """Set the password, in the caller's transaction, on record first. Links that are open are void then.

    `how` is "changed" or the purpose of a one-time link. Ending sessions is left to the caller. Raises as `change`.
    """
    if not has_one(user):
        raise Elsewhere
    password_validation.validate_password(new, user)
    audit.record(
        code=audit.Code.AUTHN_PASSWORD_CHANGE,
        action=audit.Crude.UPDATE,
        actor=user,
        object_type="compliance.User",
        object_id=str(user.pk),
        detail={"how": how},
    )
    user.set_password(new)
    user.save(update_fields=["password"])
    OneTimeLink.objects.filter(user=user).live().update(voided_at=clock.now())
