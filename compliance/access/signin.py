"""Signing in: the password opens the second step, the second step opens the portal.

Between the two the session holds only whose code is awaited. Nobody is logged in until the code is right, and
then under a new session key.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import auth
from django.db import transaction
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_variables
from django_otp import login as otp_login
from django_otp.plugins.otp_totp.models import TOTPDevice

from clinchat.lib import clock
from compliance import audit
from compliance.access import factors
from compliance.access.factors import Attempt, Factor
from compliance.models import User

if TYPE_CHECKING:
    from django_otp.models import Device

LIMIT = timedelta(minutes=10)
_STATE = "signin"


class Refused(Exception):
    """The code was not accepted. `wait` is the number of seconds until the next one is tried."""

    def __init__(self, attempt: Attempt) -> None:
        super().__init__("Refused")
        self.tried = attempt.tried
        self.wait = attempt.wait


def own_path(target: str) -> str:
    """`target` if it is a path of this site, else nothing: a link must not carry a person elsewhere."""
    return target if target.startswith("/") and url_has_allowed_host_and_scheme(target, allowed_hosts=None) else ""


@sensitive_variables("password")
def check_password(request: HttpRequest, *, email: str, password: str, target: str) -> User | None:
    """The person whose password it is, their second step begun; None, after the same work, for others."""
    user = auth.authenticate(request, username=email, password=password)
    if not isinstance(user, User):
        _record_failure(User.objects.filter(email=email.strip().lower()).first(), step="password")
        return None
    request.session.flush()
    state: dict[str, Any] = {"user": str(user.pk), "since": clock.now().timestamp(), "next": own_path(target)}
    if not factors.has_app(user):
        state["device"] = factors.start_app(user).pk
    request.session[_STATE] = state
    return user


def awaited(request: HttpRequest) -> User | None:
    """The person whose second step this session awaits, if the password was given at most ten minutes ago."""
    state = request.session.get(_STATE)
    if state is None:
        return None
    if clock.now().timestamp() - state["since"] > LIMIT.total_seconds():
        del request.session[_STATE]
        return None
    return User.objects.filter(pk=state["user"], is_active=True).first()


def new_app(request: HttpRequest) -> TOTPDevice | None:
    """The authenticator being set up in this session, if there is one and it is not confirmed."""
    user = awaited(request)
    if user is None or factors.has_app(user):
        return None
    device_id = request.session[_STATE].get("device")
    return TOTPDevice.objects.filter(pk=device_id, user=user, confirmed=False).first()


def enter(request: HttpRequest, user: User, *, code: str, factor: Factor) -> str:
    """Let the person in and return the path they wanted. Raises Refused; every try is on record."""
    with transaction.atomic():
        attempt = factors.try_code(user, code, factor)
        if attempt.device is not None:
            return _let_in(request, user, attempt.device, factor)
        _record_failure(user, step=str(factor))
    raise Refused(attempt)


def enter_with_new_app(request: HttpRequest, device: TOTPDevice, *, code: str) -> list[str]:
    """Confirm the authenticator, let its owner in, and return their recovery codes. Raises Refused."""
    user: User = device.user
    with transaction.atomic():
        attempt = factors.try_new_app(device, code)
        if attempt.device is not None:
            _let_in(request, user, attempt.device, Factor.APP)
            with audit.bind(actor=user):
                return factors.new_recovery_codes(user)
        _record_failure(user, step="setup")
    raise Refused(attempt)


def leave(request: HttpRequest) -> None:
    """End the session. Safe to call when nobody is signed in."""
    with transaction.atomic():
        if request.user.is_authenticated:
            audit.record(code=audit.Code.SESSION_EXPIRED, action=audit.Crude.EXECUTE, detail={"reason": "signed out"})
        auth.logout(request)


def _let_in(request: HttpRequest, user: User, device: Device, factor: Factor) -> str:
    target: str = request.session.pop(_STATE)["next"]
    auth.login(request, user)
    otp_login(request, device)
    with audit.bind(session=audit.session_digest(request.session.session_key)):
        audit.record(
            code=audit.Code.AUTHN_LOGIN_SUCCESS,
            action=audit.Crude.EXECUTE,
            actor=user,
            object_type="compliance.User",
            object_id=str(user.pk),
            detail={"factor": str(factor)},
        )
    return target


def _record_failure(user: User | None, *, step: str) -> None:
    """A failed try about an account. What was typed as an e-mail may be a password: it is not kept."""
    audit.record(
        code=audit.Code.AUTHN_LOGIN_FAIL,
        action=audit.Crude.EXECUTE,
        outcome=audit.Outcome.FAILURE,
        object_type="compliance.User",
        object_id=str(user.pk) if user else "",
        detail={"step": step},
    )
