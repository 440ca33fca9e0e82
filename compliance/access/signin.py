"""Signing in with a browser: the password opens the second step, the second step opens the portal.

Between the two the session holds only whose second factor is awaited. Nobody is logged in until it is right, and then
under a new session key. A signed-in person goes the same way again before they change how they sign in (ASVS 7.5.1).
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import auth
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare
from django_otp import login as otp_login

from clinchat.lib import clock
from compliance import audit
from compliance.access import factors, links, next_page, places, proof, sessions
from compliance.access.factors import Attempt, Factor
from compliance.access.session_store import AWAITS_KEY
from compliance.access.sessions import PROVED_AT
from compliance.models import Authenticator, OneTimeLink, User

if TYPE_CHECKING:
    from django_otp.models import Device

LIMIT = timedelta(minutes=10)
_LINK = "link"
_BACKEND = "django.contrib.auth.backends.ModelBackend"
"""Who looks the person of a session up, wherever their password is."""


class Refused(Exception):
    """The code was not accepted. `wait` is the number of seconds until the next one is tried."""

    def __init__(self, attempt: Attempt) -> None:
        super().__init__("Refused")
        self.tried = attempt.tried
        self.wait = attempt.wait


def begin(request: HttpRequest, user: User, *, target: str) -> None:
    """Await the second factor of the person who gave the right password, here or at a directory.

    Under a new session key. Whoever is signed in stays so if it is the same person, and is gone if it is another.
    """
    same = request.user.is_authenticated and request.user.is_verified() and request.user.pk == user.pk
    again = not _follow_link(request, user) and same
    if again:
        request.session.cycle_key()
    else:
        request.session.flush()
    state: dict[str, Any] = {
        "user": str(user.pk),
        "password": user.get_session_auth_hash(),
        "since": clock.now().timestamp(),
        "next": next_page.kept(target),
    }
    if not factors.has_factor(user):
        state["device"] = str(factors.start_app(user).uuid)
    request.session[AWAITS_KEY] = state | {"again": again}


def bring_link(request: HttpRequest, link: OneTimeLink) -> None:
    """Keep a link for new second factors: it is used when its person gives the right password in this session."""
    request.session[_LINK] = str(link.pk)


def _follow_link(request: HttpRequest, user: User) -> bool:
    link_id = request.session.pop(_LINK, None)
    link = OneTimeLink.objects.live().filter(pk=link_id, user=user).select_related("user").first() if link_id else None
    if link is None:
        return False
    with suppress(links.Gone):  # somebody was faster: the second factor is asked for as always
        links.reset_factors(link)
        return True
    return False


def awaited(request: HttpRequest) -> User | None:
    """The person whose second step this session awaits: the password was given at most ten minutes ago, and still is
    theirs."""
    state = request.session.get(AWAITS_KEY)
    if state is None:
        return None
    if clock.now().timestamp() - state["since"] > LIMIT.total_seconds():
        del request.session[AWAITS_KEY]
        return None
    user = User.objects.filter(pk=state["user"], is_active=True).first()
    return user if user and constant_time_compare(user.get_session_auth_hash(), state.get("password", "")) else None


def new_app(request: HttpRequest) -> Authenticator | None:
    """The authenticator being set up in this session, if there is one and it is not confirmed."""
    user = awaited(request)
    if user is None or factors.has_factor(user):
        return None
    return factors.unfinished_app(user, request.session[AWAITS_KEY].get("device"))


def enter(request: HttpRequest, user: User, *, code: str, factor: Factor) -> str:
    """Let the person in and return the path they wanted. Raises Refused and lockout.Unavailable."""
    with transaction.atomic():
        attempt = proof.check_second(user, code, factor)
        if attempt.device is not None:
            return let_in(request, user, attempt.device, factor)
    raise Refused(attempt)


def enter_with_new_app(request: HttpRequest, device: Authenticator, *, code: str) -> list[str]:
    """Confirm the authenticator, let its owner in, and return their recovery codes. Raises as `enter` does."""
    user: User = device.user
    with transaction.atomic():
        attempt = proof.check_new_app(device, code)
        if attempt.device is not None:
            let_in(request, user, attempt.device, Factor.APP)
            with audit.bind(actor=user):
                return factors.new_recovery_codes(user)
    raise Refused(attempt)


@transaction.atomic
def let_in(request: HttpRequest, user: User, device: Device, factor: Factor) -> str:
    """Make this session the person's, verified by `device`, and return the path they wanted.

    The one place where a session becomes verified. The session must await this very person (`begin`), and the device
    be theirs; else PermissionDenied. Under a new session key, with the time of the proof in it, and on record.
    """
    state = request.session.get(AWAITS_KEY)
    if state is None or state["user"] != str(user.pk) or not user.is_active:
        raise PermissionDenied
    if device.user_id != user.pk or not device.confirmed:
        raise PermissionDenied
    del request.session[AWAITS_KEY]
    if state["again"]:
        request.session.cycle_key()
    auth.login(request, user, backend=_BACKEND)
    otp_login(request, device)
    request.session[PROVED_AT] = clock.now().timestamp()
    User.objects.select_for_update(no_key=True).only("pk").get(pk=user.pk)  # two sign-ins at once wait for each other
    request.session.save()  # and the second one sees what the first has made
    with audit.bind(session=audit.session_digest(request.session.session_key)):
        audit.record(
            code=audit.Code.AUTHN_LOGIN_SUCCESS,
            action=audit.Crude.EXECUTE,
            actor=user,
            object_type="compliance.User",
            object_id=str(user.pk),
            detail={"factor": str(factor)} | ({"again": True} if state["again"] else {}),
        )
        places.seen(user, request)
        sessions.end_oldest(user, except_key=request.session.session_key or "")
    return str(state["next"])


def leave(request: HttpRequest) -> None:
    """End the session. Safe to call when nobody is signed in."""
    with transaction.atomic():
        if request.user.is_authenticated:
            audit.record(code=audit.Code.SESSION_EXPIRED, action=audit.Crude.EXECUTE, detail={"reason": "signed out"})
        auth.logout(request)
