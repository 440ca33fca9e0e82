"""One-time links: how a person gets a first or a new password, or sets up two-step sign-in anew.

Somebody who manages people makes a link and hands it over by another way. It works once, for 24 hours, and only as what
it is for: a link for a password leaves the second factor as it is (ASVS 5.0 V6.4.3), and one for the second factor asks
for the password first. Nobody makes one for themselves, and nobody both for the same account: together they open it.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Final

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables

from clinchat.lib import clock
from compliance import audit, notices
from compliance.access import factors, passwords, sessions
from compliance.models import Notice, OneTimeLink, User

Purpose = OneTimeLink.Purpose
LIVES: Final = timedelta(hours=24)
APART: Final = timedelta(days=7)
"""So long after a link for the password nobody makes one for the second factor of the same account, nor the reverse."""
TOKEN_BYTES: Final = 32


class Refused(Exception):
    """The link is not made. `words` say why."""

    words = ""


class NoLinks(Refused):
    words = "This account is closed, is a program's or has its password in the directory. It gets no such link."


class SecondPersonNeeded(Refused):
    words = (
        "In the last 7 days you made the other kind of link for this account. Somebody else has to make this one: "
        "together they would open the account to you."
    )


class Gone(Exception):
    """The link was used, is over, was replaced, or never existed."""


def make(user: User, purpose: str, by: User) -> str:
    """The path of a new link for the person; earlier ones for the same end. Shown once: the table has a digest.

    Raises PermissionDenied, on record, for a link to one's own account, and Refused.
    """
    if user.pk == by.pk:
        _record_refusal(user, purpose, why="Oneself")
        raise PermissionDenied
    token = secrets.token_urlsafe(TOKEN_BYTES)
    try:
        _make(user, purpose, by, digest=_digest(token))
    except Refused as refused:
        _record_refusal(user, purpose, why=type(refused).__name__)
        raise
    return reverse("signin-link", args=[token])


@transaction.atomic
def _make(user: User, purpose: str, by: User, *, digest: bytes) -> None:
    user = User.objects.select_for_update().get(pk=user.pk)
    _refuse(user, purpose, by)
    now = clock.now()
    OneTimeLink.objects.live().filter(user=user, purpose=purpose).update(voided_at=now)
    OneTimeLink.objects.create(
        user=user, purpose=purpose, made_by=by, digest=digest, made_at=now, expires_at=now + LIVES
    )
    if purpose != Purpose.INVITE:
        _tell(user, "A link was made for your account", f"It lets its holder: {Purpose(purpose).label.lower()}.")


def _record_refusal(user: User, purpose: str, *, why: str) -> None:
    audit.record(
        code=audit.Code.AUTHZ_FAIL,
        action=audit.Crude.CREATE,
        outcome=audit.Outcome.DENIED,
        object_type="compliance.OneTimeLink",
        object_id=str(user.pk),
        detail={"purpose": str(Purpose(purpose)), "why": why},
    )


def _refuse(user: User, purpose: str, by: User) -> None:
    factors_link = purpose == Purpose.FACTORS
    if not user.is_active or user.is_service or not (factors_link or passwords.has_one(user)):
        raise NoLinks
    others = [Purpose.INVITE, Purpose.PASSWORD] if factors_link else [Purpose.FACTORS]
    made = OneTimeLink.objects.filter(user=user, made_by=by, purpose__in=others, made_at__gt=clock.now() - APART)
    if made.exists():
        raise SecondPersonNeeded


@sensitive_variables("token")
def find(token: str) -> OneTimeLink | None:
    """The link, if it can be used now."""
    found = OneTimeLink.objects.live().filter(digest=_digest(token), user__is_active=True)
    return found.select_related("user").first()


@sensitive_variables("new")
def choose_password(link: OneTimeLink, *, new: str) -> None:
    """Use the link: its person has this password now, and every session and token of theirs ends.

    Raises Gone, also for the slower of two, and ValidationError; the link is good again then.
    """
    user = link.user
    with audit.bind(actor=user), transaction.atomic():
        _use(link)
        passwords.replace(user, new=new, how=link.purpose)
        sessions.end_all(user, reason="password changed")
        if link.purpose != Purpose.INVITE:
            _tell(user, "Your password was set with a link", "All your sessions were ended.")


def reset_factors(link: OneTimeLink) -> None:
    """Use the link, once the password was right: every second factor and recovery code goes. Raises Gone."""
    user = link.user
    with audit.bind(actor=user), transaction.atomic():
        _use(link)
        factors.remove_all(user)
        sessions.end_all(user, reason="factor changed")
        _tell(user, "Your second factors were removed with a link", "All your sessions were ended.")


def _use(link: OneTimeLink) -> None:
    if not OneTimeLink.objects.live().filter(pk=link.pk, user__is_active=True).update(used_at=clock.now()):
        raise Gone


def _tell(user: User, title: str, text: str) -> None:
    notices.tell(
        [user],
        title=title,
        text=f"{text} You did not ask for that? Tell security at once.",
        url="/settings/",
        level=Notice.Level.WARNING,
    )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()
