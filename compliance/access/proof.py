"""Proving who one is: the password, then the second factor. No session here: pages and the API ask the same questions.

Each try passes the same gates in the same order: the limit of its address, the lock of account and address, the check,
the record. An account that does not exist, is closed or has no password costs the same work and gets the same answer
(ASVS 5.0 V6.3.8). With a passkey the caller judges and says what came of it: `next_try`, then `judged`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import auth
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from compliance import audit, directory
from compliance.access import factors, limits, lockout, refusals
from compliance.access.factors import Attempt, Factor
from compliance.models import Authenticator, User

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_CHARACTERS = 1000
"""Of a password: more is never hashed."""
PASSWORD = "password"  # noqa: S105  # the name of a step


class TooSoon(Exception):
    """Nothing was judged: too many tries failed. The next one counts in `wait` seconds."""

    def __init__(self, wait: int) -> None:
        super().__init__("TooSoon")
        self.wait = wait


@sensitive_variables("password")
def check_password(email: str, password: str) -> User | None:
    """The person whose password it is, or None. Every failure is on record.

    The try comes from the address of the audit context. Raises TooSoon, limits.TooMany,
    lockout.Unavailable and directory.Unavailable. A right password forgives no earlier failure: both factors do.
    """
    source = audit.current().source
    email = email.strip().lower().encode(errors="replace").decode()
    limits.hit(limits.Limit.SIGN_IN, source)
    if wait := lockout.wait(email, source):
        _record_locked(_account(email), step=PASSWORD, wait=wait)
        raise TooSoon(wait)
    try:
        user = _authenticate(email, password)
    except directory.Unavailable:  # nobody may guess uncounted meanwhile, and whom it asks about must not show
        lockout.failed(email, source)
        raise
    if user is None:
        lockout.failed(email, source)
        _record_failure(_account(email), step=PASSWORD)
    else:
        lockout.passed(email, source)
    return user


def check_second(user: User, code: str, factor: Factor) -> Attempt:
    """Try a code of an authenticator app or a recovery code. A right one is used up. Every failure is on record.

    Safe inside a transaction, which must commit whatever the outcome. Raises lockout.Unavailable.
    """
    if locked := next_try(user, step=str(factor)):
        return locked
    with transaction.atomic():
        attempt = factors.try_code(user, code, factor)
    return judged(user, attempt, step=str(factor))


def check_new_app(device: Authenticator, code: str) -> Attempt:
    """As check_second, for the authenticator that is being set up: the right code confirms it."""
    user: User = device.user
    if locked := next_try(user, step="setup"):
        return locked
    with transaction.atomic():
        attempt = factors.try_new_app(device, code)
    return judged(user, attempt, step="setup")


def next_try(user: User, *, step: str) -> Attempt | None:
    """None when a second factor may be judged now: the try has begun, so `judged` must follow, however it ends.

    Else the seconds to wait, on record. Raises lockout.Unavailable.
    """
    wait = lockout.wait(user.email, audit.current().source)
    if not wait:
        return None
    _record_locked(user, step=step, wait=wait)
    return Attempt(None, tried=False, wait=wait)


def judged(user: User, attempt: Attempt, *, step: str) -> Attempt:
    """Count and record what came of a second factor, and add the wait that follows from it."""
    source = audit.current().source
    if attempt.device is not None:
        lockout.succeeded(user.email, source)
        return attempt
    if not attempt.tried:
        _record_locked(user, step=step, wait=attempt.wait)
        return attempt
    wait = lockout.failed(user.email, source)
    _record_failure(user, step=step)
    return Attempt(None, wait=max(attempt.wait, wait))


@sensitive_variables("password")
def _authenticate(email: str, password: str) -> User | None:
    if len(password) > MOST_CHARACTERS or not _is_text(email + password):
        make_password("x")  # no sooner than for any other
        return None
    user = auth.authenticate(username=email, password=password)
    return user if isinstance(user, User) and not user.is_service else None


def _is_text(typed: str) -> bool:
    """Whether a database takes it: JSON can hold NUL and halves of characters."""
    return "\x00" not in typed and typed == typed.encode(errors="replace").decode()


def _account(email: str) -> User | None:
    return User.objects.filter(email=email).first() if _is_text(email) else None


def _record_failure(user: User | None, *, step: str) -> None:
    """A failed try about an account. What was typed as an e-mail may be a password: it is not kept."""
    closed = {"closed": user.closed_because or "closed"} if user and not user.is_active else {}
    _record(audit.Code.AUTHN_LOGIN_FAIL, audit.Outcome.FAILURE, user, {"step": step, **closed})


def _record_locked(user: User | None, *, step: str, wait: int) -> None:
    """A try that was not judged, once a minute for each address and account. That the lock began is on record."""
    if refusals.is_news("locked", step, str(user.pk) if user else ""):
        _record(audit.Code.AUTHN_LOGIN_LOCK, audit.Outcome.DENIED, user, {"step": step, "wait": wait})


def _record(code: audit.Code, outcome: audit.Outcome, user: User | None, detail: Mapping[str, audit.JSON]) -> None:
    audit.record(
        code=code,
        action=audit.Crude.EXECUTE,
        outcome=outcome,
        object_type="compliance.User",
        object_id=str(user.pk) if user else "",
        detail=detail,
    )
