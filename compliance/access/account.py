"""What follows when a person changes how they sign in: other sessions end, and they are told.

ASVS 5.0 V7.4.3 (sessions end) and V6.3.7 (people are told).
"""

from __future__ import annotations

from enum import Enum

from django.db import transaction
from django.http import HttpRequest
from django_otp_webauthn.models import WebAuthnCredential

from clinchat.lib import clock, ui_tags
from compliance import notices
from compliance.access import factors, passkeys, proof, sessions, signin
from compliance.models import Authenticator, Notice, User


class Change(Enum):
    """The title of the notice."""

    APP_ADDED = "An authenticator app was added to your account"
    APP_REMOVED = "An authenticator app was removed from your account"
    PASSKEY_ADDED = "A passkey was added to your account"
    PASSKEY_REMOVED = "A passkey was removed from your account"
    NEW_CODES = "New recovery codes were made for your account"


def changed(request: HttpRequest, user: User, change: Change) -> None:
    """End every session and token of the person but this session, and tell them. Raises AuditUnavailable."""
    with transaction.atomic():
        sessions.end_all(user, reason="factor changed", except_key=request.session.session_key or "")
        notices.tell(
            [user],
            title=change.value,
            text=f"This was {ui_tags.on(clock.now())}. Your other sessions were ended. "
            "Not you? Choose a new password, remove what you do not know and tell security.",
            url="/settings/",
            level=Notice.Level.WARNING,
        )


def add_app(request: HttpRequest, device: Authenticator, *, code: str) -> None:
    """Confirm an authenticator that was begun. Raises signin.Refused, on record, and lockout.Unavailable."""
    attempt = proof.check_new_app(device, code)
    if attempt.device is None:
        raise signin.Refused(attempt)
    changed(request, device.user, Change.APP_ADDED)


def remove_app(request: HttpRequest, user: User, device: Authenticator) -> None:
    """Take an authenticator of the person away. Raises LastFactor. Who signed in with it is signed out, as below."""
    with transaction.atomic():
        in_use = device == user.otp_device
        factors.remove_app(user, device.uuid)
        changed(request, user, Change.APP_REMOVED)
        if in_use:
            signin.leave(request)


def add_passkey(request: HttpRequest, user: User, *, name: str, answer: str) -> None:
    """Keep the passkey the browser made. Raises passkeys.Refused, on record, and counters.Unavailable."""
    with passkeys.adding(user):
        passkeys.add(request, user, name=name, answer=answer)
        changed(request, user, Change.PASSKEY_ADDED)


def remove_passkey(request: HttpRequest, user: User, passkey: WebAuthnCredential) -> None:
    """Take a passkey of the person away. Raises LastFactor.

    Whoever signed in with it is signed out: their session rested on it.
    """
    with transaction.atomic():
        in_use = passkey == user.otp_device
        passkeys.remove(user, passkey)
        changed(request, user, Change.PASSKEY_REMOVED)
        if in_use:
            signin.leave(request)


def new_recovery_codes(request: HttpRequest, user: User) -> list[str]:
    """Ten new codes in place of all earlier ones, shown once."""
    with transaction.atomic():
        codes = factors.new_recovery_codes(user)
        changed(request, user, Change.NEW_CODES)
    return codes
