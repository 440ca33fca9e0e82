"""Signing in to the API: the same two steps as in a browser (compliance.access.proof), with tokens between them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypedDict

from django.db import transaction
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from compliance import audit
from compliance.access import factors, places, proof, tokens
from compliance.access.factors import Factor
from compliance.access.jwt import STEP, BadToken
from compliance.access.tokens import Pair

TYPED = (Factor.APP, Factor.RECOVERY)
"""What can be shown without a browser; a passkey cannot."""


class WrongPassword(Exception):
    """That e-mail and password did not match, or the account is closed: nobody learns which."""


class NoFactor(Exception):
    """The person has to set up an authenticator app in the portal first."""


class WrongCode(Exception):
    """The code was not accepted; `wait` is the number of seconds until the next one is tried."""

    def __init__(self, *, tried: bool, wait: int) -> None:
        super().__init__("WrongCode")
        self.tried = tried
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Step:
    """The password was right: a token to show the second factor with, and what the person can show."""

    mfa_token: str
    factors: list[str]
    expires_in: int = int(STEP.total_seconds())


@sensitive_variables("password")
def password(*, email: str, password: str) -> Step:
    """The first step. Raises WrongPassword, NoFactor, and what proof.check_password does."""
    user = proof.check_password(email, password)
    if user is None:
        raise WrongPassword
    can_show = [str(factor) for factor in factors.available(user) if factor in TYPED]
    if not can_show:
        raise NoFactor
    return Step(tokens.after_password(user), can_show)


def second_factor(request: HttpRequest, *, mfa_token: str, code: str) -> Pair:
    """The second step, with six digits of an app or a recovery code. Raises BadToken, WrongCode, Unavailable."""
    user, begun_with = tokens.awaited(mfa_token)
    digits = code.replace(" ", "")
    factor = Factor.APP if re.fullmatch(r"[0-9]{6}", digits) else Factor.RECOVERY
    pair: Pair | None = None
    with transaction.atomic():
        attempt = proof.check_second(user, digits.replace("-", "").lower(), factor)
        if attempt.device is not None:
            try:
                pair = tokens.begin(user, begun_with=begun_with, factor=factor, **came_from(request))
            except BadToken as refused:  # a second request was quicker; the code stays used
                begun_twice = refused
            else:
                with audit.bind(actor=user):
                    places.seen(user, request)
    if attempt.device is None:
        raise WrongCode(tried=attempt.tried, wait=attempt.wait)
    if pair is None:
        raise begun_twice
    return pair


class CameFrom(TypedDict):
    source: str | None
    agent: str


def came_from(request: HttpRequest) -> CameFrom:
    """Where the request came from and what sent it, to keep beside a family of tokens."""
    return CameFrom(source=audit.current().source, agent=request.headers.get("User-Agent", ""))
